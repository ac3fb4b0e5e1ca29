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

/// A socket, and what the runtime tells about it: always when it can be read, and when it can be written only while a
/// write waits for that.
///
/// tokio's own streams ask for both. Then Linux wakes the thread whenever the peer has read, which nobody waits for: a
/// second `epoll_wait` for each call.
///
/// The system knows a descriptor once, and tokio cannot change what it asks for. So to ask for something else the socket
/// is registered anew; the system tells a new registration at once what the socket is ready for, so nothing is lost.
pub(super) struct Registration {
    socket: Arc<UnixStream>,
    runtime: Handle,
    /// `None` until somebody waits again after a change of what is asked for.
    registered: Option<AsyncFd<Arc<UnixStream>>>,
    /// How many writes have found room since one had to wait for it; `None` while nothing is asked for about writing.
    found_room: Option<u32>,
    /// Who waits to read.
    reader: Option<Waker>,
    /// The runtime had nothing to tell when it was asked last.
    nothing_told: bool,
}

/// After how many writes in a row that found room the runtime is no longer asked about it. A peer that is slower than the
/// writer makes one wait every few writes; so the socket is not registered anew for each.
const CALM: u32 = 16;

impl Registration {
    /// Registers with the runtime that this is called in.
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

    /// Has `receive` read into a buffer with room for so many bytes; it returns how many it has read.
    ///
    /// Whoever asks again before the runtime has told anything does not want to wait for that, so the system is asked.
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
                // A task that reads again and again lets others have their turn.
                let budget = ready!(coop::poll_proceed(cx));
                // The runtime tells of the end, and of errors.
                let Ok(1..) = receive(&self.socket) else { return Poll::Pending };
                budget.made_progress();
                return Poll::Ready(Ok(()));
            };
            let mut ready = ready?;
            match receive(ready.get_inner()) {
                Ok(length) => {
                    // What came is read: there will be an event for what comes next. That the peer has closed is not
                    // cleared by this, and neither is what has come since.
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

    /// Has `send` write, which returns how many bytes it has written.
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
                // As tokio's streams do, so that a task which only writes lets others have their turn.
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

    /// Changes what the runtime is asked for: with the next call that waits.
    fn ask_about_room(&mut self, found_room: Option<u32>) {
        self.found_room = found_room;
        self.registered = None;
        // The runtime has forgotten it. It registers the socket again, or hears that this fails.
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
                // Whoever waits may do so on another runtime, or on none.
                let _entered = self.runtime.enter();
                Ok(none.insert(sys::register(Arc::clone(&self.socket), interest)?))
            }
        }
    }
}
