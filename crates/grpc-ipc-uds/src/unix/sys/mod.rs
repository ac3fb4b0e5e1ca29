//! What differs between the Unixes, and the calls that no library makes safe.

mod names;

pub(super) use names::{gid_of, uid_of};

use std::io;
use std::os::unix::net::UnixListener;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;

/// Lets the runtime tell when `listener`, which does not block, has a connection.
#[expect(unsafe_code, reason = "tokio cannot know of any type that it keeps its descriptor")]
pub(super) fn register(listener: UnixListener) -> io::Result<AsyncFd<UnixListener>> {
    // SAFETY: a UnixListener owns its descriptor: it is open, and stays the same, until the listener is dropped, which
    // the AsyncFd does.
    Ok(unsafe { AsyncFd::register_with_interest(listener, Interest::READABLE) }?)
}

/// What a peer's credentials say; what they do not say is `None`.
pub(super) struct Ids {
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) pid: Option<i32>,
}

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) use linux::peer_ids;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) use others::peer_ids;

#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux {
    use std::fs;
    use std::sync::OnceLock;

    use super::{Ids, UnixStream, io};

    pub(crate) fn peer_ids(stream: &UnixStream) -> io::Result<Ids> {
        let credentials = stream.peer_cred()?;
        let (no_uid, no_gid) = unmapped();
        Ok(Ids {
            uid: Some(credentials.uid()).filter(|uid| Some(*uid) != no_uid),
            gid: Some(credentials.gid()).filter(|gid| Some(*gid) != no_gid),
            pid: credentials.pid(),
        })
    }

    /// The ids that stand for all those that this user namespace does not map, user_namespaces(7). In one that maps
    /// every id, as the first one does, they are ids as any other.
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

    /// Whether a `uid_map` has every id; an unreadable one has not.
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
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod others {
    #![expect(unsafe_code, reason = "no library has getpeereid")]

    use std::os::fd::AsRawFd as _;

    use super::{Ids, UnixStream, io};

    /// getpeereid(3), and the process id where there is one. The process id is not known any more of a client that has
    /// left, the user is.
    pub(crate) fn peer_ids(stream: &UnixStream) -> io::Result<Ids> {
        let (mut uid, mut gid) = (0, 0);
        // SAFETY: the descriptor is open as long as `stream` is borrowed; the call writes two numbers.
        if unsafe { libc::getpeereid(stream.as_raw_fd(), &raw mut uid, &raw mut gid) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let pid = stream.peer_cred().ok().and_then(|credentials| credentials.pid());
        Ok(Ids { uid: Some(uid), gid: Some(gid), pid })
    }
}
