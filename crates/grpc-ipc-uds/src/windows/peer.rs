use std::os::windows::io::AsRawSocket;

use grpc_ipc_core::Peer;
use grpc_ipc_win32::{Identity, Token, describe};
use tracing::debug;

use super::sys;

/// Identifies the peer: the process that made the connection, and the token of the process that has this id now.
pub(super) fn peer_of(socket: &impl AsRawSocket) -> Peer {
    let peer = Identity::own().map_or_else(|_| Peer::new("unix"), |own| own.peer("unix"));
    let pid = match sys::peer_process(socket) {
        Ok(pid @ 1..) => pid,
        Ok(0) => return peer,
        Err(error) => {
            debug!(%error, "the peer's process is unknown");
            return peer;
        }
    };
    let peer = peer.with_pid(pid);
    match Token::of_process(pid) {
        Ok(token) => describe(peer, &token),
        Err(error) => {
            debug!(%peer, %error, "the peer's user is unknown");
            peer
        }
    }
}
