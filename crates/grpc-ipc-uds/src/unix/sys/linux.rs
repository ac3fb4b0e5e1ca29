use std::fs;
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::OnceLock;

#[cfg(target_os = "linux")]
use libc::{SO_PEERGROUPS, SO_PEERPIDFD};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};

use super::{Credentials, socket_option};

/// Android runs on none of the architectures that number them differently.
#[cfg(target_os = "android")]
const SO_PEERGROUPS: i32 = 59;
#[cfg(target_os = "android")]
const SO_PEERPIDFD: i32 = 77;

/// Connects to a path, or to an abstract name after a NUL, without blocking. Linux decides at once,
/// [connect(2)](https://man7.org/linux/man-pages/man2/connect.2.html): it connects, or fails with EAGAIN if the backlog
/// is full. So nobody needs to wait until the runtime reports that the stream is writable.
pub(crate) async fn connect(path: &Path) -> io::Result<UnixStream> {
    let address = match path.as_os_str().as_bytes() {
        [0, name @ ..] => SocketAddrUnix::new_abstract_name(name)?,
        path => SocketAddrUnix::new(path)?,
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &address)?;
    Ok(socket.into())
}

/// SO_PEERCRED, SO_PEERGROUPS and SO_PEERSEC: [unix(7)](https://man7.org/linux/man-pages/man7/unix.7.html) and
/// [socket(7)](https://man7.org/linux/man-pages/man7/socket.7.html). Only the first is required.
pub(crate) fn credentials_of(socket: BorrowedFd<'_>) -> io::Result<Credentials> {
    // `struct ucred`: the process, its user, its group.
    let mut ucred = [0_u32; 3];
    socket_option(&socket, libc::SOL_SOCKET, libc::SO_PEERCRED, &mut ucred)?;
    let [pid, uid, gid] = ucred;
    let (no_uid, no_gid) = unmapped();
    Ok(Credentials {
        uid: Some(uid).filter(|uid| Some(*uid) != no_uid),
        gid: Some(gid).filter(|gid| Some(*gid) != no_gid),
        pid: i32::try_from(pid).ok(),
        groups: groups_of(socket).ok().map(|mut groups| {
            groups.retain(|gid| Some(*gid) != no_gid);
            groups
        }),
        label: label_of(socket).ok().flatten(),
        audit_token: None,
    })
}

fn groups_of(socket: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    /// NGROUPS_MAX, getgroups(2).
    const LIMIT: usize = 65_536;
    let mut groups = vec![0_u32; 64];
    loop {
        match socket_option(&socket, libc::SOL_SOCKET, SO_PEERGROUPS, &mut groups) {
            Ok(length) => {
                groups.truncate(length / size_of::<u32>());
                return Ok(groups);
            }
            // There are more groups.
            Err(error) if error.raw_os_error() == Some(libc::ERANGE) && groups.len() < LIMIT => {
                groups.resize(groups.len() * 4, 0);
            }
            Err(error) => return Err(error),
        }
    }
}

/// The label, if it is valid text. SELinux ends it with a NUL, AppArmor does not.
fn label_of(socket: BorrowedFd<'_>) -> io::Result<Option<String>> {
    const LIMIT: usize = 65_536;
    let mut label = vec![0_u8; 256];
    loop {
        match socket_option(&socket, libc::SOL_SOCKET, libc::SO_PEERSEC, &mut label) {
            Ok(length) => {
                label.truncate(length);
                let label = String::from_utf8(label).ok();
                let label = label.map(|label| label.trim_end_matches('\0').to_owned());
                return Ok(label.filter(|label| !label.is_empty()));
            }
            Err(error) if error.raw_os_error() == Some(libc::ERANGE) && label.len() < LIMIT => {
                label.resize(label.len() * 4, 0);
            }
            Err(error) => return Err(error),
        }
    }
}

/// SO_PEERPIDFD: a pidfd of the process that made the connection, even if that was long ago.
#[expect(unsafe_code, reason = "no library has SO_PEERPIDFD")]
pub(crate) fn pidfd_of(socket: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut pidfd = [u32::MAX];
    socket_option(&socket, libc::SOL_SOCKET, SO_PEERPIDFD, &mut pidfd)?;
    match RawFd::try_from(pidfd[0]) {
        // SAFETY: the kernel has just opened it for this call, and nothing else owns it. It closes itself on exec.
        Ok(pidfd) => Ok(unsafe { OwnedFd::from_raw_fd(pidfd) }),
        Err(_) => Err(io::ErrorKind::NotFound.into()),
    }
}

/// The user id that stands for all users that this user namespace does not map, if there is one.
pub(crate) fn unmapped_user() -> Option<u32> {
    unmapped().0
}

/// The ids that stand for all users and groups that this user namespace does not map, user_namespaces(7). In a
/// namespace that maps every id, as the initial one does, they are ordinary ids.
fn unmapped() -> (Option<u32>, Option<u32>) {
    static UNMAPPED: OnceLock<(Option<u32>, Option<u32>)> = OnceLock::new();
    *UNMAPPED.get_or_init(|| (overflow("uid"), overflow("gid")))
}

fn overflow(kind: &str) -> Option<u32> {
    let map = fs::read_to_string(format!("/proc/self/{kind}_map")).unwrap_or_default();
    if maps_all(&map) {
        return None;
    }
    let overflow = fs::read_to_string(format!("/proc/sys/kernel/overflow{kind}"));
    Some(overflow.ok().and_then(|id| id.trim().parse().ok()).unwrap_or(65_534))
}

/// Whether a `uid_map` contains every id. An unreadable map does not count.
fn maps_all(map: &str) -> bool {
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

#[test]
fn only_the_map_of_the_first_namespace_has_every_id() {
    assert!(maps_all("         0          0 4294967295\n"));
    assert!(!maps_all("     65534          0          1\n"));
    assert!(!maps_all("0 100000 65536\n"));
    assert!(!maps_all(""));
}
