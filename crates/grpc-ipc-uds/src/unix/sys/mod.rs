//! Differences between the Unixes, and the system calls that no library makes safe.

mod detach;
mod inherited;
#[cfg(target_vendor = "apple")]
mod launchd;
mod socket;
mod user_database;

pub use detach::{detach, kill_detached};
pub(super) use inherited::passed_descriptors;
#[cfg(target_vendor = "apple")]
pub(super) use launchd::activate_socket;
pub use socket::LocalSocket;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) use socket::OpenSocket;
pub(super) use user_database::{gid_of, is_own_private_group, uid_of};

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Owns a descriptor, which stays open and unchanged until the owner is dropped.
pub(super) trait Owner: AsRawFd {}
impl Owner for UnixListener {}
impl Owner for OwnedFd {}
impl Owner for Arc<UnixStream> {}

/// Registers the non-blocking `owner` with the runtime for `interest`. A listener is readable when a connection is
/// waiting.
#[expect(unsafe_code, reason = "tokio cannot know of any type that it keeps its descriptor")]
pub(super) fn register<T: Owner>(owner: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    // SAFETY: the descriptor stays open and unchanged until the owner is dropped, which happens together with the
    // AsyncFd.
    match unsafe { AsyncFd::register_with_interest(owner, interest) } {
        Ok(registered) => Ok(registered),
        Err(error) => Err(error.into_parts().1),
    }
}

/// The system's information about a peer; `None` for unknown values.
#[derive(Default)]
pub(super) struct Credentials {
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) pid: Option<i32>,
    /// Supplementary groups; the primary one may be among them.
    pub(super) groups: Option<Vec<u32>>,
    pub(super) label: Option<String>,
    pub(super) audit_token: Option<[u32; 8]>,
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) use linux::{connect, credentials_of, pidfd_of, unmapped_user};

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod others;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) use others::{connect, credentials_of, unmapped_user};

/// Reads a socket option into `buffer`, and returns its length in bytes.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
#[expect(unsafe_code, reason = "no library has these options")]
fn socket_option<T: Number>(
    socket: &impl std::os::fd::AsFd,
    level: i32,
    option: i32,
    buffer: &mut [T],
) -> io::Result<usize> {
    use std::os::fd::AsRawFd as _;

    let mut length = size_of_val(buffer) as libc::socklen_t;
    // SAFETY: the descriptor is open while `socket` is borrowed. The buffer has `length` bytes, and any bits are valid
    // for its numbers.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            option,
            buffer.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result != 0 { Err(io::Error::last_os_error()) } else { Ok(length as usize) }
}

/// Types for which any bits are a valid value.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
trait Number {}
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
impl Number for u8 {}
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
impl Number for u32 {}
