use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{BufMut as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_util::io::poll_read_buf;

use crate::connection::Connection;
use crate::deadline::Deadlines;
use crate::direct::Batch;
use crate::output::SLICES;
use crate::record::Departure;
use crate::sync::{Mutex, MutexGuard};
use crate::writes::Writes;
use crate::{Error, Reason};

/// A connection, and the byte stream under it: for the task that reads, and for those that call or answer.
pub(crate) struct Shared {
    state: Mutex<State>,
}

pub(crate) struct State {
    pub(crate) connection: Connection,
    /// `None` once the connection is over: whoever still holds this keeps no stream open.
    io: Option<Box<dyn Io>>,
    /// Something can still be written.
    is_writable: bool,
    /// Why nothing more can be written.
    pub(crate) write_error: Option<Error>,
    /// Something was written since the last flush.
    unflushed: bool,
    /// The task that reads.
    driver: Option<Waker>,
    /// It has been woken and will write what there is.
    driver_woken: bool,
    /// Tasks were woken since it ran.
    pub(crate) tasks_woken: bool,
    /// Somebody else has written since it ran: the next ones may be many, and leave it to the driver.
    written_since: bool,
    writes: Writes,
    /// How many can make calls, if this is a client.
    pub(crate) callers: Option<usize>,
}

/// A byte stream. It is read and written under the lock of its connection: what that costs is that callers on other
/// threads wait for one read at a time, and what it saves is a lock for each read and each write.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

impl Shared {
    pub(crate) fn new(connection: Connection, io: impl Io) -> Arc<Self> {
        let state = State {
            connection,
            io: Some(Box::new(io)),
            is_writable: true,
            write_error: None,
            unflushed: false,
            driver: None,
            driver_woken: false,
            tasks_woken: false,
            written_since: false,
            writes: Writes::new(),
            callers: None,
        };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// Does something with the connection, and wakes whoever waits for it once the lock is released.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = act(&mut state);
        #[cfg(any(test, fuzzing))]
        state.connection.check_invariants();
        if state.connection.wakers.is_empty() {
            return result;
        }
        state.wakes();
        let wakers = std::mem::take(&mut state.connection.wakers);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        result
    }

    /// As [`with`](Self::with), for the task that reads: it keeps the list of wakers for the next time.
    pub(crate) fn with_all<T>(&self, wakers: &mut Vec<Waker>, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = act(&mut state);
        #[cfg(any(test, fuzzing))]
        state.connection.check_invariants();
        if state.connection.wakers.is_empty() {
            return result;
        }
        state.wakes();
        std::mem::swap(&mut state.connection.wakers, wakers);
        drop(state);
        wakers.drain(..).for_each(Waker::wake);
        result
    }

    #[inline]
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while it is held would be a bug of the engine; the connection then goes on as well as it can.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The task that reads runs.
    pub(crate) fn driver_runs(&mut self, cx: &Context<'_>) {
        self.driver_woken = false;
        self.tasks_woken = false;
        self.written_since = self.writes.next_turn();
        if !self.driver.as_ref().is_some_and(|driver| driver.will_wake(cx.waker())) {
            self.driver = Some(cx.waker().clone());
        }
    }

    /// Those that wait are about to be woken.
    fn wakes(&mut self) {
        self.tasks_woken |= self.connection.wakes_tasks();
        self.connection.woken.outside = 0;
    }

    /// Has the task that reads look at the connection.
    pub(crate) fn wake_driver(&mut self) {
        if (!self.driver_woken || self.writes.take_later())
            && let Some(driver) = &self.driver
        {
            self.driver_woken = true;
            driver.wake_by_ref();
        }
    }

    /// As [`send`](Self::send), for the task of a stream.
    fn send_part(&mut self, alone: bool) {
        if self.writes.waits(self.connection.output.len())
            && let Some(driver) = &self.driver
        {
            if !self.driver_woken {
                self.driver_woken = true;
                self.writes.wake_later(driver);
            }
            return;
        }
        self.send(alone);
    }

    /// What was queued gets written: at once, if it was `alone` in the queue and is the first since the task that reads
    /// has run; otherwise by that task, together with what others add. It also ends a connection whose last call is
    /// over.
    #[inline]
    pub(crate) fn send(&mut self, alone: bool) {
        if !self.connection.output.is_empty() {
            if alone
                && !self.driver_woken
                && !self.written_since
                && let Some(driver) = self.driver.clone()
            {
                self.written_since = true;
                // When the stream takes no more now, it is the driver that waits.
                _ = self.poll_flush(&mut Context::from_waker(&driver));
                if self.write_error.is_some() {
                    self.wake_driver();
                }
            } else {
                self.wake_driver();
            }
        }
        if self.connection.is_over() || self.is_unused() || self.connection.takes_requests_again() {
            self.wake_driver();
        }
    }

    /// How it is about more messages of a stream.
    fn part(&mut self, id: u32) -> Part {
        let Some(stream) = self.connection.stream(id) else { return Part::Over };
        match stream.is_drained() {
            _ if stream.is_send_over() => Part::Over,
            _ if stream.is_late => Part::Late,
            false => Part::Waits,
            true if self.connection.is_overfull_for(id) => {
                self.connection.wait_for_unsent(id);
                // It gives up a client that takes nothing.
                self.wake_driver();
                Part::Waits
            }
            true => Part::HasRoom,
        }
    }

    /// The call of a stream is to end at `deadline`.
    pub(crate) fn set_deadline(&mut self, id: u32, deadline: Instant) {
        if self.connection.set_deadline(id, deadline) {
            self.wake_driver();
        }
    }

    /// As [`set_deadline`](Self::set_deadline), for a call that a handler is to answer.
    fn set_deadlines(&mut self, id: u32, deadlines: Deadlines) {
        if self.connection.set_deadlines(id, deadlines) {
            self.wake_driver();
        }
    }

    /// Nothing is under way on the connection, and nobody can call.
    pub(crate) fn is_unused(&self) -> bool {
        self.callers == Some(0) && self.connection.is_idle()
    }

    /// The connection is over, or nobody runs it any more: the byte stream is to be closed, without the lock.
    pub(crate) fn close(&mut self) -> Option<Box<dyn Io>> {
        self.connection.departs(Departure::Cut);
        self.connection.break_off();
        // As much as the stream takes now.
        _ = self.poll_flush(&mut Context::from_waker(Waker::noop()));
        self.connection.fail(Error::Closed);
        self.io.take()
    }

    /// Reads once.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        input: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Some(io) => poll_read_buf(Pin::new(io), cx, input),
            None => Poll::Pending,
        }
    }

    /// Reads once into a message that is gathered, if there is one that comes next. What was behind it, `input` gets. Tells
    /// also whether there was no room for more.
    pub(crate) fn poll_read_message(
        &mut self,
        cx: &mut Context<'_>,
        input: &mut BytesMut,
    ) -> Option<Poll<io::Result<(usize, bool)>>> {
        let (message, room) = self.connection.room_for_message()?;
        let io = Pin::new(self.io.as_mut()?);
        Some(poll_read_buf(io, cx, &mut message.limit(room)).map_ok(|length| {
            self.connection.message_was_read(length, input);
            (length, length == room)
        }))
    }

    /// Writes everything that may be written. Ready also when nothing can be any more.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let result = ready!(self.poll_write_all(cx));
        if let Err(error) = result {
            self.is_writable = false;
            self.write_error = Some(error.into());
            self.connection.writing_failed();
        }
        Poll::Ready(())
    }

    fn poll_write_all(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(io) = self.io.as_mut().filter(|_| self.is_writable) else {
            self.connection.output.clear();
            return Poll::Ready(Ok(()));
        };
        let mut writer = Pin::new(io);
        loop {
            self.connection.fill_output();
            let output = &mut self.connection.output;
            if output.is_empty() {
                self.connection.output_is_empty();
                break;
            }
            let written = if let Some(bytes) = output.contiguous() {
                ready!(writer.as_mut().poll_write(cx, bytes))?
            } else {
                let mut slices = [IoSlice::new(&[]); SLICES];
                let count = output.slices(&mut slices);
                if writer.is_write_vectored() {
                    ready!(writer.as_mut().poll_write_vectored(cx, &slices[..count]))?
                } else {
                    ready!(writer.as_mut().poll_write(cx, &slices[0]))?
                }
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            output.advance(written);
            self.unflushed = true;
        }
        if self.unflushed {
            ready!(writer.as_mut().poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        match &mut self.io {
            Some(io) if self.is_writable => Pin::new(io).poll_shutdown(cx).map_err(Into::into),
            _ => Poll::Ready(Ok(())),
        }
    }
}

/// The sending half of a stream, for whoever answers it or has more of a request to send.
pub(crate) struct SendStream {
    pub(crate) shared: Arc<Shared>,
    pub(crate) id: u32,
    /// What the peer is told when it is dropped before its end.
    pub(crate) when_dropped: Reason,
}

impl SendStream {
    /// Waits until everything that was sent is in frames, and more may be kept for the peer; `None` when nothing more can
    /// be sent. Whoever asks is also woken when that is so later.
    pub(crate) fn poll_drained(&self, cx: &mut Context<'_>) -> Option<Poll<()>> {
        self.shared.with(|state| {
            let connection = &mut state.connection;
            let stream = connection.stream(self.id)?;
            if stream.is_send_over() {
                return None;
            }
            let drained = stream.is_drained();
            connection.wait_to_send(self.id, cx.waker());
            if drained && connection.is_overfull_for(self.id) {
                connection.wait_for_unsent(self.id);
                // It gives up a client that takes nothing.
                state.wake_driver();
                return Some(Poll::Pending);
            }
            Some(if drained { Poll::Ready(()) } else { Poll::Pending })
        })
    }

    /// Sends messages, and tells how it is about more of them: whoever asks is woken when that changes. If they `go_on` at
    /// once, what is sent is left `unwritten` for the moment.
    pub(crate) fn send_part(
        &self,
        cx: &Context<'_>,
        batch: &mut Batch,
        unwritten: &mut Option<bool>,
        go_on: bool,
    ) -> Part {
        self.shared.with(|state| {
            let State { connection, .. } = &mut *state;
            // It is not to be woken by what it sends itself.
            let waker = connection.stream_mut(self.id).and_then(|stream| stream.send_waker.take());
            if !batch.is_empty() {
                let alone = connection.output.is_empty() && connection.woken.callers == 0;
                unwritten.get_or_insert(alone);
                connection.send_batch(self.id, batch);
            }
            let part = state.part(self.id);
            if let Some(stream) = state.connection.stream_mut(self.id) {
                stream.send_waker = waker;
            }
            state.connection.wait_to_send(self.id, cx.waker());
            let is_more = go_on && matches!(part, Part::HasRoom);
            if !is_more && let Some(alone) = unwritten.take() {
                state.send_part(alone);
            }
            part
        })
    }

    /// How it is about an answer; `None` when nothing can be sent any more. Whoever asks is woken when that is so, or when
    /// the deadline passes.
    pub(crate) fn to_answer(&self, cx: &Context<'_>) -> Option<ToAnswer> {
        self.shared.with(|state| {
            let connection = &mut state.connection;
            let stream = connection.stream(self.id)?;
            if stream.is_send_over() {
                return None;
            }
            let is_late = stream.is_late;
            connection.wait_to_send(self.id, cx.waker());
            Some(ToAnswer { has_room: !connection.is_overfull(), is_late })
        })
    }

    /// Has the task that [waits to answer](Self::to_answer) woken at the first of the deadlines.
    pub(crate) fn set_deadlines(&self, deadlines: Deadlines) {
        self.shared.with(|state| state.set_deadlines(self.id, deadlines));
    }

    /// Does something with the stream, and has the result written.
    pub(crate) fn send(&self, act: impl FnOnce(&mut Connection, u32)) {
        self.shared.with(|state| {
            let alone = state.connection.output.is_empty();
            act(&mut state.connection, self.id);
            state.send(alone);
        });
    }
}

/// How it is about more messages of a stream.
pub(crate) enum Part {
    /// They can be sent.
    HasRoom,
    /// They have to wait.
    Waits,
    /// The deadline has passed.
    Late,
    /// Nothing can be sent any more.
    Over,
}

/// How it is about the answer to a call.
pub(crate) struct ToAnswer {
    /// A body can be begun now.
    pub(crate) has_room: bool,
    /// The deadline has passed.
    pub(crate) is_late: bool,
}

impl Drop for SendStream {
    fn drop(&mut self) {
        self.send(|connection, id| connection.drop_sender(id, self.when_dropped));
    }
}
