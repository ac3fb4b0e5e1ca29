use std::io;

use grpc_ipc_core::{GroupId, Peer, UserId};
use rustix::process::geteuid;
use tokio::net::UnixStream;

use super::sys;

/// Who is at the other end, as it was when the connection was made: SO_PEERCRED, unix(7), on Linux; getpeereid(3) and
/// LOCAL_PEEREPID on macOS and the BSDs. A client reads the credentials of the process that called listen(2).
pub(super) fn peer_of(stream: &UnixStream) -> io::Result<Peer> {
    let ids = sys::peer_ids(stream)?;
    let mut peer = Peer::new("unix").same_user_as(&own_user());
    if let Some(uid) = ids.uid {
        peer = peer.with_user(UserId::Uid(uid));
    }
    if let Some(gid) = ids.gid {
        peer = peer.with_group(GroupId::Gid(gid));
    }
    // A process of another pid namespace has pid 0 here, which is nobody's.
    match ids.pid.and_then(|pid| u32::try_from(pid).ok()) {
        Some(pid @ 1..) => Ok(peer.with_pid(pid)),
        _ => Ok(peer),
    }
}

/// The user that this process acts as now, and that its peers see. A server may have changed it since it began to
/// listen.
fn own_user() -> UserId {
    UserId::Uid(geteuid().as_raw())
}
