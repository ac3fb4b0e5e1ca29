use std::io;
use std::time::Duration;

use grpc_ipc_core::{Peer, PeerStream, UserId};
use tokio::net::windows::named_pipe::{NamedPipeClient, NamedPipeServer};
use tokio::time::timeout;
use tracing::debug;
use windows_sys::Win32::Foundation::ERROR_CANNOT_IMPERSONATE;

use super::stream::PipeStream;
use super::{LocalStream, sys};

/// How long a client that can be identified only by what it sends may take to send something.
const FIRST_BYTE: Duration = Duration::from_secs(5);

/// The connection, with its client.
///
/// A client says at connect who it is, if it was opened with static tracking, as ours are, those of Rust's tokio and of
/// .NET (but for `TokenImpersonationLevel.None`). One with dynamic tracking, as of programs that do not say, says so with
/// each write; so the first is waited for. It is not looked at.
pub(super) async fn client_of(pipe: NamedPipeServer, own: UserId) -> Option<LocalStream> {
    let mut peer = process(sys::client_process(&pipe), sys::client_session(&pipe)).same_user_as(&own);
    let mut user = sys::client_user(&pipe);
    let waits = |error: &io::Error| error.raw_os_error() == Some(ERROR_CANNOT_IMPERSONATE as i32);
    if user.as_ref().is_err_and(waits) && matches!(timeout(FIRST_BYTE, pipe.readable()).await, Ok(Ok(()))) {
        user = sys::client_user(&pipe);
    }
    match user {
        Ok(sid) => peer = peer.with_user(UserId::Sid(sid.into())),
        Err(error) => debug!(%peer, %error, "the client does not let itself be identified"),
    }
    Some(PeerStream::new(PipeStream::server(pipe), peer))
}

/// Who serves a pipe: its owner, which a squatter cannot choose to be another user.
///
/// Our servers say that they own their pipes. Those of others may not; then their pipes belong to whom everything
/// belongs that such a process of `own` makes, which an elevated one shares with the other Administrators. They could
/// become this user anyway.
pub(super) fn server_of(pipe: &NamedPipeClient, own: &str) -> Peer {
    let peer = process(sys::server_process(pipe), sys::server_session(pipe));
    let peer = peer.same_user_as(&UserId::Sid(own.into()));
    match sys::owner_of(pipe) {
        Ok(owner) if sys::own_default_owner().is_ok_and(|default| default == owner) => {
            peer.with_user(UserId::Sid(own.into()))
        }
        Ok(owner) => peer.with_user(UserId::Sid(owner.into())),
        Err(error) => {
            debug!(%peer, %error, "the owner of the pipe is not known");
            peer
        }
    }
}

/// A peer of which the process and its session are known, as far as Windows says.
fn process(pid: io::Result<u32>, session: io::Result<u32>) -> Peer {
    let mut peer = Peer::new("npipe");
    if let Ok(pid) = pid {
        peer = peer.with_pid(pid);
    }
    if let Ok(session) = session {
        peer = peer.with_session(session);
    }
    peer
}
