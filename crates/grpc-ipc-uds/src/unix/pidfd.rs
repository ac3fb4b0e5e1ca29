use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use grpc_ipc_core::{Process, ProcessHandle};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::sys::{self, OpenSocket};

/// A process by its file descriptor, pidfd_open(2), as [`Peer::process`](grpc_ipc_core::Peer::process) has it on Linux.
///
/// It can be waited for, and be signalled, by `peer.process()?.downcast_ref::<PidFd>()?.as_fd()`.
#[derive(Debug)]
pub struct PidFd {
    fd: OwnedFd,
    pid: Option<u32>,
}

impl PidFd {
    /// The process that the connection of `socket` was made by, which had the id `pid`; `None` when the socket has been
    /// closed, or the system has no handle of it.
    pub(super) fn of_peer(socket: &OpenSocket, pid: Option<u32>) -> Option<ProcessHandle> {
        socket.ask(|socket| Self::of(socket, pid))?
    }

    /// The same, for a socket that is open.
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

    /// A pidfd is readable once its process has ended, whether somebody has waited for it or not: pidfd_open(2).
    fn is_running(&self) -> io::Result<bool> {
        let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
        let ended = poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
        Ok(ended == 0)
    }
}
