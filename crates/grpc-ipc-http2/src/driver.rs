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

/// The task of a connection: it reads, and writes what others leave to it.
pub(crate) struct Driver<IO> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) wakers: Vec<Waker>,
    pub(crate) turn: Turn,
    io: PhantomData<fn(IO)>,
}

/// What the task of a connection knows beside the connection itself, and does with it while it has the lock.
pub(crate) struct Turn {
    input: BytesMut,
    /// The peer has closed its end.
    ended: bool,
    /// The peer has to read before it is read.
    congested: bool,
    /// Something waits for the client to take responses; how much it has taken so far.
    pub(crate) waits: Option<u64>,
    /// How much is read at once.
    read_size: usize,
    timers: Timers,
    spin: Spin,
    /// Handlers were called since other tasks were let run.
    pub(crate) served: bool,
    /// What the peer has begun and not ended.
    unfinished: Option<u64>,
    /// Why nothing more can be written: the connection ends once everything that the peer has said is read.
    write_error: Option<Error>,
    /// Until the end of a connection that is over.
    last_words: Option<Pin<Box<Sleep>>>,
}

thread_local! {
    /// The buffer of the connection that has read last on this thread. Those that wait for something to read have none.
    static BUFFER: Cell<Option<BytesMut>> = const { Cell::new(None) };
}

/// A message of 16 KiB is read at once.
const MIN_READ: usize = 32 * 1024;
const MAX_READ: usize = 128 * 1024;
/// How long a peer may take to read the last of a connection.
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

    /// Does something with the connection.
    pub(crate) fn with<T>(&mut self, act: impl FnOnce(&mut Turn, &mut State) -> T) -> T {
        let Self { shared, wakers, turn, .. } = self;
        shared.with_all(wakers, |state| act(turn, state))
    }
}

impl Turn {
    /// Reads once, and takes what has come; whether there may be more. Then others should get their turn first: they
    /// let go of the buffer, which is read into again while it is still in the processor's cache.
    pub(crate) fn poll_receive(&mut self, state: &mut State, cx: &mut Context<'_>) -> Poll<bool> {
        if self.ended || self.congested {
            return Poll::Pending;
        }
        if self.input.capacity() == 0 {
            self.input = BUFFER.try_with(Cell::take).ok().flatten().unwrap_or_default();
        }
        let room = self.input.capacity() - self.input.len();
        // The old buffer, if nobody has a slice of it any more; else what is left of it, if that is enough.
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
                if self.input.is_empty() {
                    let buffer = mem::take(&mut self.input);
                    // Not when the thread ends.
                    _ = BUFFER.try_with(|kept| kept.set(Some(buffer)));
                }
                return Poll::Pending;
            }
        };
        let full = matches!(read, Ok((_, true)));
        if is_message {
            // The next one has only its beginning in what is read before it, and that is copied.
            self.read_size = MIN_READ;
        } else if full {
            self.read_size = (self.read_size * 2).min(MAX_READ);
        }
        if let Ok((length, _)) = read {
            state.connection.bytes_received += length as u64;
        }
        self.timers.hear();
        self.spin.hear();
        self.ended = matches!(read, Ok((0, _)) | Err(_));
        let connection = &mut state.connection;
        let received = match read {
            Ok((0, _)) => Err(Error::Closed),
            // It is read so that the peer gets to our last words, and goes nowhere.
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

    /// Does what is due, if anything is; whether that was so. To be asked when everything that has come is read, and not
    /// before: the peer may have been heard.
    #[inline]
    pub(crate) fn is_time_for_something(&mut self, state: &mut State, cx: &mut Context<'_>) -> bool {
        !self.timers.waits_for_nothing() && self.do_what_is_due(state, cx)
    }

    fn do_what_is_due(&mut self, state: &mut State, cx: &mut Context<'_>) -> bool {
        let Some(due) = self.timers.poll(cx) else { return false };
        let connection = &mut state.connection;
        match due {
            Due::Handshake => connection.fail(Error::HandshakeTimeout),
            Due::Block => connection.fail(calm("a frame or a block of headers that does not end")),
            Due::Stall => connection.fail(calm("nothing of what is sent is read")),
            Due::Idle if connection.is_idle() => connection.go_away(Departure::Idle),
            Due::Idle => {}
            Due::Drain => connection.say_last_stream(),
            Due::Unwritable => connection.fail(self.write_error.clone().unwrap_or(Error::Closed)),
            Due::Deadline => connection.expire(Instant::now()),
            Due::Age => connection.go_away(Departure::Age),
            Due::Grace => connection.fail(Error::violation(Reason::NO_ERROR, "max_age")),
            Due::Ping => connection.ping(KEEPALIVE_PING),
            Due::Silence => connection.fail(Error::KeepAlive),
        }
        true
    }

    /// Whether to look soon again for something to read, when there is nothing to do, and how to wait for that.
    pub(crate) fn stays_awake(&mut self, state: &State) -> Option<Awake> {
        let connection = &state.connection;
        // A handler that was not ready at once has a task.
        let has_tasks = mem::take(&mut self.served) && !connection.is_idle();
        let tasks_wait = has_tasks || state.tasks_woken || connection.wakes_tasks();
        if !connection.is_established() || connection.failed.is_some() || self.ended || self.congested {
            return None;
        }
        self.spin.stays_awake(connection.calls_begun(), tasks_wait)
    }

    /// Ends the calls whose deadlines have passed, although there is more to read: a peer that sends all the time puts no
    /// deadline off.
    pub(crate) fn expire(&self, state: &mut State) {
        if let Some(deadline) = state.connection.next_deadline() {
            let now = Instant::now();
            if deadline <= now {
                state.connection.expire(now);
            }
        }
    }

    /// Writes what there is; ready when the connection is over and everything is written.
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
        // A peer that is not read need not end what it has begun.
        let unfinished = self.unfinished.filter(|_| !congested);
        self.timers.look(&state.connection, unfinished, self.write_error.is_none());
        // What the peer has said before it closed tells what becomes of the calls.
        let is_read = self.write_error.is_none() || state.connection.failed.is_some();
        if !is_read || !state.connection.is_over() {
            return Poll::Pending;
        }
        // Not for ever, if the peer does not read. Whether this succeeds changes nothing: it is over.
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
    /// Whoever has something under way hears that it is over.
    fn drop(&mut self) {
        drop(self.shared.with(State::close));
    }
}

fn calm(detail: &str) -> Error {
    Error::violation(Reason::ENHANCE_YOUR_CALM, detail)
}
