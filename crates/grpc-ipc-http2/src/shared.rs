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
use crate::quantum::Quantum;
use crate::record::Departure;
use crate::sync::{Mutex, MutexGuard};
use crate::writes::Writes;
use crate::{Error, Reason};

/// A connection and its byte stream, shared by the task that reads and by those that call or answer.
pub(crate) struct Shared {
    state: Mutex<State>,
}

pub(crate) struct State {
    pub(crate) connection: Connection,
    /// `None` once the connection is over, so that other owners of this keep no stream open.
    io: Option<Box<dyn Io>>,
    /// Whether the stream can still be written.
    is_writable: bool,
    /// Why nothing more can be written.
    pub(crate) write_error: Option<Error>,
    /// Whether data was written since the last flush.
    unflushed: bool,
    /// The task that reads.
    driver: Option<Waker>,
    /// Whether that task has been woken and will write the output.
    driver_woken: bool,
    /// Whether tasks were woken since it ran.
    pub(crate) tasks_woken: bool,
    /// Whether another task has written since it ran. More may follow, so they leave writing to the driver.
    written_since: bool,
    writes: Writes,
    pub(crate) quantum: Quantum,
    /// The number of handles that can make calls, on a client.
    pub(crate) callers: Option<usize>,
}

/// A byte stream. It is read and written under the connection's lock. The cost is that callers on other threads wait
/// for one read at a time; the gain is one lock less for each read and each write.
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
            quantum: Quantum::new(),
            callers: None,
        };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// Calls `act` with the connection, and wakes the tasks that wait for it after the lock is released.
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

    /// Like [`with`](Self::with), for the task that reads: it reuses its list of wakers.
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
        // A panic under the lock would be a bug of the engine. The connection then continues as well as it can.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The task that reads is running.
    pub(crate) fn driver_runs(&mut self, cx: &Context<'_>) {
        self.driver_woken = false;
        self.tasks_woken = false;
        self.written_since = self.writes.next_turn();
        if !self.driver.as_ref().is_some_and(|driver| driver.will_wake(cx.waker())) {
            self.driver = Some(cx.waker().clone());
        }
    }

    /// Waiting tasks are about to be woken.
    fn wakes(&mut self) {
        self.tasks_woken |= self.connection.wakes_tasks();
        self.connection.woken.outside = 0;
    }

    /// Wakes the task that reads.
    pub(crate) fn wake_driver(&mut self) {
        if (!self.driver_woken || self.writes.take_later())
            && let Some(driver) = &self.driver
        {
            self.driver_woken = true;
            driver.wake_by_ref();
        }
    }

    /// Like [`send`](Self::send), for the task of a stream.
    fn send_part(&mut self, alone: bool) {
        match self.writes.waits(self.connection.output.len()) {
            true => self.wake_driver_later(),
            false => self.send(alone),
        }
    }

    /// Wakes the task that reads after the others.
    fn wake_driver_later(&mut self) {
        if !self.driver_woken
            && let Some(driver) = &self.driver
        {
            self.driver_woken = true;
            self.writes.wake_later(driver);
        }
    }

    /// Writes the queued data. It is written at once if it was `alone` in the queue and is the first since the task
    /// that reads has run; otherwise that task writes it, together with the data of others. This also ends a connection
    /// whose last call is over.
    #[inline]
    pub(crate) fn send(&mut self, alone: bool) {
        if !self.connection.output.is_empty() {
            if alone
                && !self.driver_woken
                && !self.written_since
                && let Some(driver) = self.driver.clone()
            {
                self.written_since = true;
                // If the stream takes no more now, the driver waits for it.
                _ = self.poll_flush(&mut Context::from_waker(&driver));
                if self.write_error.is_some() {
                    self.wake_driver();
                }
            } else if self.quantum.ends_writing() {
                self.wake_driver_later();
            } else {
                self.wake_driver();
            }
        }
        if self.connection.is_over() || self.is_unused() || self.connection.takes_requests_again() {
            self.wake_driver();
        }
    }

    /// The state of a stream for sending more messages.
    fn part(&mut self, id: u32) -> Part {
        let Some(stream) = self.connection.stream(id) else { return Part::Over };
        match stream.is_drained() {
            _ if stream.is_send_over() => Part::Over,
            _ if stream.is_late => Part::Late,
            false => Part::Waits,
            true if self.connection.is_overfull_for(id) => {
                self.connection.wait_for_unsent(id);
                // The driver detects a client that takes nothing.
                self.wake_driver();
                Part::Waits
            }
            true => Part::HasRoom,
        }
    }

    /// Sets the deadline for the call of a stream.
    pub(crate) fn set_deadline(&mut self, id: u32, deadline: Instant) {
        if self.connection.set_deadline(id, deadline) {
            self.wake_driver();
        }
    }

    /// Like [`set_deadline`](Self::set_deadline), for a call that a handler answers.
    fn set_deadlines(&mut self, id: u32, deadlines: Deadlines) {
        if self.connection.set_deadlines(id, deadlines) {
            self.wake_driver();
        }
    }

    /// Whether no call is active and none can be made.
    pub(crate) fn is_unused(&self) -> bool {
        self.callers == Some(0) && self.connection.is_idle()
    }

    /// Ends the connection after it is over, or is no longer run. Close the returned byte stream without the lock.
    pub(crate) fn close(&mut self) -> Option<Box<dyn Io>> {
        self.connection.departs(Departure::Cut);
        self.connection.break_off();
        // Writes as much as the stream takes now.
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

    /// Reads once into a gathered message, if one comes next. Data after it goes to `input`. Also returns whether the
    /// buffer was filled.
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

    /// Writes all output. Also ready when nothing more can be written.
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
            self.quantum.write(written);
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

/// The sending side of a stream, for its handler or for the rest of a request.
pub(crate) struct SendStream {
    pub(crate) shared: Arc<Shared>,
    pub(crate) id: u32,
    /// The reset that the peer is sent if this is dropped before the end.
    pub(crate) when_dropped: Reason,
}

impl SendStream {
    /// Waits until all data is in frames, and more may be kept for the peer. Returns `None` when nothing more can be
    /// sent. The task is also woken when that changes later.
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
                // The driver detects a client that takes nothing.
                state.wake_driver();
                return Some(Poll::Pending);
            }
            Some(if drained { Poll::Ready(()) } else { Poll::Pending })
        })
    }

    /// Sends messages, and returns the state for sending more. The task is woken when that changes. If the messages
    /// `go_on` at once, the data may stay `unwritten` for now.
    pub(crate) fn send_part(
        &self,
        cx: &Context<'_>,
        batch: &mut Batch,
        unwritten: &mut Option<bool>,
        go_on: bool,
    ) -> Part {
        self.shared.with(|state| {
            let State { connection, .. } = &mut *state;
            // The task must not be woken by its own data.
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

    /// The state for answering; `None` when nothing more can be sent. The task is woken when that is the case, or when
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

    /// Sets the deadlines at which the task that [waits to answer](Self::to_answer) is woken.
    pub(crate) fn set_deadlines(&self, deadlines: Deadlines) {
        self.shared.with(|state| state.set_deadlines(self.id, deadlines));
    }

    /// Changes the stream, and has the output written.
    pub(crate) fn send(&self, act: impl FnOnce(&mut Connection, u32)) {
        self.shared.with(|state| {
            let alone = state.connection.output.is_empty();
            act(&mut state.connection, self.id);
            state.send(alone);
        });
    }
}

/// The state of a stream for sending more messages.
pub(crate) enum Part {
    /// More can be sent now.
    HasRoom,
    /// More messages have to wait.
    Waits,
    /// The deadline has passed.
    Late,
    /// Nothing more can be sent.
    Over,
}

/// The state of a call for its answer.
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
