#![expect(unsafe_code, reason = "no library has getpeereid")]

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::Credentials;

/// Connects to a path. The stream is non-blocking.
pub(crate) async fn connect(path: &Path) -> io::Result<UnixStream> {
    tokio::net::UnixStream::connect(path).await?.into_std()
}

/// getpeereid(3), the process id where available, and macOS's additional information (`unix(4)`, `sys/un.h`). After a
/// client has disconnected, its process id is unknown, but its user is not.
pub(crate) fn credentials_of(socket: BorrowedFd<'_>) -> io::Result<Credentials> {
    let (mut uid, mut gid) = (0, 0);
    // SAFETY: the descriptor is open while `socket` is borrowed; the call writes two numbers.
    if unsafe { libc::getpeereid(socket.as_raw_fd(), &raw mut uid, &raw mut gid) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let known = Credentials { uid: Some(uid), gid: Some(gid), pid: pid_of(socket), ..Credentials::default() };
    #[cfg(target_vendor = "apple")]
    let known =
        Credentials { groups: apple::groups_of(socket), audit_token: apple::audit_token_of(socket), ..known };
    Ok(known)
}

#[cfg(target_vendor = "apple")]
use apple::pid_of;

/// The process id that tokio determines. tokio needs its own socket, and a runtime.
#[cfg(not(target_vendor = "apple"))]
fn pid_of(socket: BorrowedFd<'_>) -> Option<i32> {
    tokio::runtime::Handle::try_current().ok()?;
    let socket = std::os::unix::net::UnixStream::from(socket.try_clone_to_owned().ok()?);
    socket.set_nonblocking(true).ok()?;
    tokio::net::UnixStream::from_std(socket).ok()?.peer_cred().ok()?.pid()
}

#[cfg(target_vendor = "apple")]
mod apple {
    use std::os::fd::BorrowedFd;

    use super::super::socket_option;

    /// The level of the options of a Unix domain socket, `sys/un.h`.
    const SOL_LOCAL: i32 = 0;

    /// LOCAL_PEEREPID: the process, or the one that it acts for.
    pub(super) fn pid_of(socket: BorrowedFd<'_>) -> Option<i32> {
        let mut pid = [0_u32];
        socket_option(&socket, SOL_LOCAL, libc::LOCAL_PEEREPID, &mut pid).ok()?;
        i32::try_from(pid[0]).ok()
    }

    /// LOCAL_PEERCRED: the effective group, and then the others, at most 16.
    pub(super) fn groups_of(socket: BorrowedFd<'_>) -> Option<Vec<u32>> {
        // Read as numbers: `struct xucred` is a version, a user, the number of groups (16 bits, and 16 bits of
        // padding), and the groups.
        const HEAD: usize = std::mem::offset_of!(libc::xucred, cr_groups) / size_of::<u32>();
        let mut xucred = [0_u32; size_of::<libc::xucred>() / size_of::<u32>()];
        let length = socket_option(&socket, SOL_LOCAL, libc::LOCAL_PEERCRED, &mut xucred).ok()?;
        if length != size_of_val(&xucred) || xucred[0] != libc::XUCRED_VERSION {
            return None;
        }
        // Little-endian, as all of Apple's processors are.
        let groups = usize::from(xucred[HEAD - 1] as u16);
        xucred[HEAD..].get(..groups).map(<[u32]>::to_vec)
    }

    /// LOCAL_PEERTOKEN, `audit_token_t`.
    pub(super) fn audit_token_of(socket: BorrowedFd<'_>) -> Option<[u32; 8]> {
        let mut token = [0; 8];
        let length = socket_option(&socket, SOL_LOCAL, libc::LOCAL_PEERTOKEN, &mut token).ok()?;
        (length == size_of_val(&token)).then_some(token)
    }
}

/// These systems have no user namespaces.
pub(crate) fn unmapped_user() -> Option<u32> {
    None
}
