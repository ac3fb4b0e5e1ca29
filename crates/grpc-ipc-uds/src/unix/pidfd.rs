use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use grpc_ipc_core::{Process, ProcessHandle};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::sys::{self, OpenSocket};

/// A process file descriptor, pidfd_open(2): the handle behind [`Peer::process`](grpc_ipc_core::Peer::process) on
/// Linux.
///
/// To wait for the process or signal it, use `peer.process()?.downcast_ref::<PidFd>()?.as_fd()`.
#[derive(Debug)]
pub struct PidFd {
    fd: OwnedFd,
    pid: Option<u32>,
}

impl PidFd {
    /// Opens a handle to the process that made the connection of `socket`, and that had the id `pid`. Returns `None` if
    /// the socket has been closed, or the system has no handle for it.
    pub(super) fn of_peer(socket: &OpenSocket, pid: Option<u32>) -> Option<ProcessHandle> {
        socket.ask(|socket| Self::of(socket, pid))?
    }

    /// Like `of_peer`, for a socket that is open.
    pub(super) fn of(socket: BorrowedFd<'_>, pid: Option<u32>) -> Option<ProcessHandle> {
        let fd = sys::pidfd_of(socket).ok()?;
        Some(ProcessHandle::new(Self { fd, pid }))
    }
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Process for PidFd {
    fn id(&self) -> Option<u32> {
        self.pid
    }

    /// A pidfd is readable once its process has ended, even if nobody has waited for the process: pidfd_open(2).
    fn is_running(&self) -> io::Result<bool> {
        let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
        let ended = poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
        Ok(ended == 0)
    }
}
