use std::cell::Cell;
use std::marker::PhantomData;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::{Instant, Sleep, sleep};

use crate::connection::{Connection, KEEPALIVE_PING, Role};
use crate::record::Departure;
use crate::shared::{Io, Shared, State};
use crate::spin::{Awake, Spin};
use crate::timers::{Due, Timers};
use crate::{Error, Options, Reason};

/// The task of a connection. It reads, and writes data that others leave to it.
pub(crate) struct Driver<IO> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) wakers: Vec<Waker>,
    pub(crate) turn: Turn,
    io: PhantomData<fn(IO)>,
}

/// The state of a connection's task outside of the connection itself, and its work under the lock.
pub(crate) struct Turn {
    input: BytesMut,
    /// The peer has closed its end.
    ended: bool,
    /// Reading is paused until the peer reads.
    congested: bool,
    /// Set if something waits for the client to take responses; the total that it has taken.
    pub(crate) waits: Option<u64>,
    /// How much is read at once.
    read_size: usize,
    timers: Timers,
    spin: Spin,
    /// Whether handlers were called since other tasks last ran.
    pub(crate) served: bool,
    /// The frame that the peer has begun and not finished.
    unfinished: Option<u64>,
    /// Why nothing more can be written. The connection ends once everything from the peer has been read.
    write_error: Option<Error>,
    /// The time limit for the end of a finished connection.
    last_words: Option<Pin<Box<Sleep>>>,
}

thread_local! {
    /// The buffer of the connection that last read on this thread. Connections that wait have no buffer.
    static BUFFER: Cell<Option<BytesMut>> = const { Cell::new(None) };
}

/// A message of 16 KiB is read at once.
const MIN_READ: usize = 32 * 1024;
const MAX_READ: usize = 128 * 1024;
/// How long a peer may take to read the last data of a connection.
const LAST_WORDS: Duration = Duration::from_secs(1);

impl<IO: Io> Driver<IO> {
    pub(crate) fn new(io: IO, role: Role, options: &Options) -> Self {
        let turn = Turn {
            input: BytesMut::new(),
            ended: false,
            congested: false,
            waits: None,
            read_size: MIN_READ,
            timers: Timers::new(role, options),
            spin: Spin::new(options.busy_poll, options.reads_at_once),
            served: false,
            unfinished: None,
            write_error: None,
            last_words: None,
        };
        let shared = Shared::new(Connection::new(role, options.clone()), io);
        Self { shared, wakers: Vec::new(), turn, io: PhantomData }
    }

    /// Calls `act` with the locked connection.
    pub(crate) fn with<T>(&mut self, act: impl FnOnce(&mut Turn, &mut State) -> T) -> T {
        let Self { shared, wakers, turn, .. } = self;
        shared.with_all(wakers, |state| act(turn, state))
    }
}

impl Turn {
    /// Reads once, and processes the data. Returns whether there may be more. In that case, let other tasks run first:
    /// they release the buffer, which is then read into again while it is still in the processor's cache.
    pub(crate) fn poll_receive(&mut self, state: &mut State, cx: &mut Context<'_>) -> Poll<bool> {
        if self.ended || self.congested {
            return Poll::Pending;
        }
        self.spin.look();
        if self.input.capacity() == 0 {
            self.input = BUFFER.try_with(Cell::take).ok().flatten().unwrap_or_default();
        }
        let room = self.input.capacity() - self.input.len();
        // Reuses the old buffer if no slices of it are left. Otherwise uses the rest of it, if that is large enough.
        if room < self.read_size && !self.input.try_reclaim(self.read_size) && room < MIN_READ {
            self.input.reserve(self.read_size);
        }
        let room = self.input.capacity() - self.input.len();
        let into_message =
            if self.input.is_empty() { state.poll_read_message(cx, &mut self.input) } else { None };
        let is_message = into_message.is_some();
        let read = into_message.unwrap_or_else(|| {
            state.poll_read(cx, &mut self.input).map_ok(|length| (length, length == room))
        });
        let read = match read {
            Poll::Ready(read) => read,
            Poll::Pending => {
                state.quantum.read_all();
                if self.input.is_empty() {
                    let buffer = mem::take(&mut self.input);
                    // Does nothing while the thread is ending.
                    _ = BUFFER.try_with(|kept| kept.set(Some(buffer)));
                }
                return Poll::Pending;
            }
        };
        let full = matches!(read, Ok((_, true)));
        if is_message {
            // The read buffer holds only the beginning of the next message, which is copied.
            self.read_size = MIN_READ;
        } else if full {
            self.read_size = (self.read_size * 2).min(MAX_READ);
        }
        if let Ok((length, _)) = read {
            state.connection.bytes_received += length as u64;
            state.quantum.read(length);
        }
        self.timers.hear();
        self.spin.hear();
        self.ended = matches!(read, Ok((0, _)) | Err(_));
        let connection = &mut state.connection;
        let received = match read {
            Ok((0, _)) => Err(Error::Closed),
            // Reads and discards data, so that the peer reaches the last data of this end.
            Ok(_) if connection.failed.is_some() => {
                self.input.clear();
                Ok(())
            }
            Ok(_) => connection.receive(&mut self.input),
            Err(error) => Err(error.into()),
        };
        if let Err(error) = received {
            connection.fail(error);
        }
        self.unfinished = connection.unfinished(&self.input);
        Poll::Ready(full)
    }

    /// Handles a time limit that has passed, and returns whether there was one. Call this only after all available data
    /// has been read, because that data may come from the peer that seems silent.
    #[inline]
    pub(crate) fn is_time_for_something(&mut self, state: &mut State, cx: &mut Context<'_>) -> bool {
        !self.timers.waits_for_nothing() && self.do_what_is_due(state, cx)
    }

    fn do_what_is_due(&mut self, state: &mut State, cx: &mut Context<'_>) -> bool {
        let Some(due) = self.timers.poll(cx) else { return false };
        let connection = &mut state.connection;
        match due {
            Due::Handshake => connection.fail(Error::HandshakeTimeout),
            Due::Block => connection.fail(calm("a frame or header block was not completed in time")),
            Due::Stall => connection.fail(calm("the peer does not read")),
            Due::Idle if connection.is_idle() => connection.go_away(Departure::Idle),
            Due::Idle => {}
            Due::Drain => connection.say_last_stream(),
            Due::Unwritable => connection.fail(self.write_error.clone().unwrap_or(Error::Closed)),
            Due::GivenUp => connection.fail(Error::Closed),
            Due::Deadline => connection.expire(Instant::now()),
            Due::Age => connection.go_away(Departure::Age),
            Due::Grace => connection.fail(Error::violation(Reason::NO_ERROR, "max_age")),
            Due::Ping => connection.ping(KEEPALIVE_PING),
            Due::Silence => connection.fail(Error::KeepAlive),
        }
        true
    }

    /// Whether to poll again soon while there is nothing to do, and how to wait for that.
    pub(crate) fn stays_awake(&mut self, state: &State) -> Option<Awake> {
        let connection = &state.connection;
        // Handlers that were not ready at once have their own tasks.
        let has_tasks = mem::take(&mut self.served) && !connection.is_idle();
        let tasks_wait = has_tasks || state.tasks_woken || connection.wakes_tasks();
        if !connection.is_established() || connection.failed.is_some() || self.ended || self.congested {
            return None;
        }
        self.spin.stays_awake(connection.calls_begun(), tasks_wait)
    }

    /// Ends the calls whose deadlines have passed, even if there is more to read. A peer that sends all the time cannot
    /// delay deadlines.
    pub(crate) fn expire(&self, state: &mut State) {
        if let Some(deadline) = state.connection.next_deadline() {
            let now = Instant::now();
            if deadline <= now {
                state.connection.expire(now);
            }
        }
    }

    /// Writes pending data. Ready when the connection is over and everything is written.
    pub(crate) fn poll_send(&mut self, state: &mut State, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let flushed = state.poll_flush(cx);
        if let Some(error) = state.write_error.take() {
            self.write_error = Some(error);
        }
        self.waits = state.connection.waits_for_client();
        let congested = state.connection.is_congested();
        if self.congested && !congested {
            cx.waker().wake_by_ref();
        }
        self.congested = congested;
        // While reading is paused, the peer need not finish its frame.
        let unfinished = self.unfinished.filter(|_| !congested);
        self.timers.look(&state.connection, unfinished, self.write_error.is_none());
        // The last data of a closing peer decides the outcome of the calls.
        let is_read = self.write_error.is_none() || state.connection.failed.is_some();
        if !is_read || !state.connection.is_over() {
            return Poll::Pending;
        }
        // With a time limit, in case the peer does not read. The result does not matter, because the connection is
        // over.
        let last_words = self.last_words.get_or_insert_with(|| Box::pin(sleep(LAST_WORDS)));
        if last_words.as_mut().poll(cx).is_pending()
            && (flushed.is_pending() || state.poll_shutdown(cx).is_pending())
        {
            return Poll::Pending;
        }
        let connection = &state.connection;
        Poll::Ready(match connection.failed.as_ref().or(connection.peers_error()) {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        })
    }
}

impl<IO> Drop for Driver<IO> {
    /// Informs everyone with an active call that the connection is over.
    fn drop(&mut self) {
        drop(self.shared.with(State::close));
    }
}

fn calm(detail: &str) -> Error {
    Error::violation(Reason::ENHANCE_YOUR_CALM, detail)
}
