use std::io;
use std::mem;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;
use tokio::task::coop;

use super::sys;

/// A socket and its registration with the runtime. It always asks whether the socket is readable, and asks whether it
/// is writable only while a write waits.
///
/// tokio's own streams always ask for both. Linux then wakes the thread whenever the peer has read, although no write
/// is waiting: a second `epoll_wait` for each call.
///
/// The system registers a descriptor only once, and tokio cannot change what a registration asks for, so the socket is
/// registered again to change it. The system reports the current readiness of a new registration at once, so no event
/// is lost.
pub(super) struct Registration {
    socket: Arc<UnixStream>,
    runtime: Handle,
    /// `None` after a change, until the next call that waits.
    registered: Option<AsyncFd<Arc<UnixStream>>>,
    /// How many writes in a row have found room since one had to wait; `None` while writability is not requested.
    found_room: Option<u32>,
    /// The task that waits to read.
    reader: Option<Waker>,
    /// At the last call, the runtime had nothing to report.
    nothing_told: bool,
}

/// After this many writes in a row that found room, writability is no longer requested. A peer that is slower than the
/// writer makes a write wait every few writes, so this limit keeps the socket from being registered again for each of
/// them.
const CALM: u32 = 16;

impl Registration {
    /// Registers the socket with the current runtime.
    pub(super) fn new(socket: UnixStream) -> io::Result<Self> {
        let runtime = Handle::current();
        let mut registration = Self {
            socket: Arc::new(socket),
            runtime,
            registered: None,
            found_room: None,
            reader: None,
            nothing_told: false,
        };
        registration.registered()?;
        Ok(registration)
    }

    pub(super) fn socket(&self) -> &UnixStream {
        &self.socket
    }

    /// Calls `receive` to read into a buffer with room for `room` bytes. It returns how many bytes it read.
    ///
    /// A task that polls again before the runtime has reported anything does not want to wait for the runtime, so the
    /// system is asked directly.
    pub(super) fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        room: usize,
        mut receive: impl FnMut(&UnixStream) -> rustix::io::Result<usize>,
    ) -> Poll<io::Result<()>> {
        loop {
            let nothing_told = mem::take(&mut self.nothing_told);
            let Poll::Ready(ready) = self.registered()?.poll_read_ready(cx) else {
                match &mut self.reader {
                    Some(reader) => reader.clone_from(cx.waker()),
                    none => *none = Some(cx.waker().clone()),
                }
                self.nothing_told = true;
                if !nothing_told {
                    return Poll::Pending;
                }
                // A task that reads repeatedly yields to others.
                let budget = ready!(coop::poll_proceed(cx));
                // The end and errors are left for the runtime to report.
                let Ok(1..) = receive(&self.socket) else { return Poll::Pending };
                budget.made_progress();
                return Poll::Ready(Ok(()));
            };
            let mut ready = ready?;
            match receive(ready.get_inner()) {
                Ok(length) => {
                    // All available data has been read, so the next data brings a new event. This does not clear the
                    // readiness if the peer has closed, or if more data has come since.
                    if length > 0 && length < room {
                        ready.clear_ready();
                    }
                    return Poll::Ready(Ok(()));
                }
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// Calls `send` to write. It returns how many bytes it wrote.
    pub(super) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        mut send: impl FnMut(&UnixStream) -> rustix::io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            if self.found_room.is_some() {
                let mut ready = ready!(self.registered()?.poll_write_ready(cx))?;
                match send(ready.get_inner()) {
                    Err(Errno::AGAIN) => {
                        ready.clear_ready();
                        self.found_room = Some(0);
                    }
                    Err(Errno::INTR) => {}
                    sent => {
                        self.count_found_room();
                        return Poll::Ready(Ok(sent?));
                    }
                }
            } else {
                // As in tokio's streams: a task that only writes yields to others.
                let budget = ready!(coop::poll_proceed(cx));
                match send(&self.socket) {
                    Err(Errno::AGAIN) => self.ask_about_room(Some(0)),
                    Err(Errno::INTR) => {}
                    sent => {
                        budget.made_progress();
                        return Poll::Ready(Ok(sent?));
                    }
                }
            }
        }
    }

    fn count_found_room(&mut self) {
        self.found_room = self.found_room.map(|writes| writes + 1);
        if self.found_room.is_some_and(|writes| writes >= CALM) {
            self.ask_about_room(None);
        }
    }

    /// Changes what is requested from the runtime, from the next call that waits.
    fn ask_about_room(&mut self, found_room: Option<u32>) {
        self.found_room = found_room;
        self.registered = None;
        // The runtime has forgotten the reader. When woken, it registers the socket again, or gets the error.
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    fn registered(&mut self) -> io::Result<&AsyncFd<Arc<UnixStream>>> {
        match &mut self.registered {
            Some(registered) => Ok(registered),
            none => {
                let interest = match self.found_room {
                    Some(_) => Interest::READABLE | Interest::WRITABLE,
                    None => Interest::READABLE,
                };
                // The task that waits may be on another runtime, or on none.
                let _entered = self.runtime.enter();
                Ok(none.insert(sys::register(Arc::clone(&self.socket), interest)?))
            }
        }
    }
}
