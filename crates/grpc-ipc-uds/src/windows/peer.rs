use std::os::windows::io::AsRawSocket;

use grpc_ipc_core::{Peer, UserId};
use tracing::debug;

use super::sys;

/// Who is at the other end: the process that made the connection, and the user of the process that has that id now.
pub(super) fn peer_of(socket: &impl AsRawSocket) -> Peer {
    let peer = match own_user() {
        Some(own) => Peer::new("unix").same_user_as(&own),
        None => Peer::new("unix"),
    };
    let pid = match sys::peer_process(socket) {
        Ok(pid @ 1..) => pid,
        Ok(0) => return peer,
        Err(error) => {
            debug!(%error, "the peer's process is not known");
            return peer;
        }
    };
    let peer = peer.with_pid(pid);
    match sys::user_of_process(pid) {
        Ok(sid) => peer.with_user(UserId::Sid(sid.into())),
        Err(error) => {
            debug!(%peer, %error, "the peer's user is not known");
            peer
        }
    }
}

/// The user that this process runs as.
fn own_user() -> Option<UserId> {
    sys::user_of_process(std::process::id()).ok().map(|sid| UserId::Sid(sid.into()))
}
