//! The one Win32 call that no library makes safe.
#![expect(unsafe_code, reason = "this is the one file of this backend that calls Win32")]

use std::io;
use std::os::windows::io::AsRawSocket;
use std::ptr::{null, null_mut};

use windows_sys::Win32::Networking::WinSock::{SIO_AF_UNIX_GETPEERPID, WSAGetLastError, WSAIoctl};

/// The process id of a socket's peer.
pub(super) fn peer_process(socket: &impl AsRawSocket) -> io::Result<u32> {
    let (mut pid, mut written) = (0_u32, 0);
    // SAFETY: the socket is open while it is borrowed. The call writes at most the four bytes of `pid`, and it is
    // complete when it returns, because there is no OVERLAPPED.
    let result = unsafe {
        WSAIoctl(
            socket.as_raw_socket() as usize,
            SIO_AF_UNIX_GETPEERPID,
            null(),
            0,
            (&raw mut pid).cast(),
            size_of::<u32>() as u32,
            &raw mut written,
            null_mut(),
            None,
        )
    };
    if result != 0 {
        // SAFETY: it has no arguments.
        return Err(io::Error::from_raw_os_error(unsafe { WSAGetLastError() }));
    }
    Ok(pid)
}
