use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle};
use std::time::Duration;

use grpc_ipc_core::{GroupId, Peer, PeerStream, UserId};
use grpc_ipc_win32::{Identity, Token, describe, owner_of};
use tokio::time::timeout;
use tracing::debug;
use windows_sys::Win32::Foundation::ERROR_CANNOT_IMPERSONATE;

use super::instances::Connected;
use super::stream::PipeStream;
use super::{ClientProcess, LocalStream, sys};

/// How long a client that can be identified only by what it sends may take to send something.
const FIRST_BYTE: Duration = Duration::from_secs(5);

/// The connection, with its client.
///
/// A client says at connect who it is, if it was opened with static tracking, as ours are, those of Rust's tokio and of
/// .NET (but for `TokenImpersonationLevel.None`). One with dynamic tracking, as of programs that do not say, says so with
/// each write; so the first is waited for. It is not looked at.
pub(super) async fn client_of(Connected { pipe, free }: Connected, own: &Identity) -> LocalStream {
    let pid = sys::client_process(&pipe);
    let mut peer = process(own, &pid);
    // Now, before the client can have gone while it is waited for.
    let opened = pid.and_then(|pid| ClientProcess::open(pid, &free));
    match opened {
        Ok(Some(handle)) => peer = peer.with_process(handle),
        Ok(None) => {}
        Err(error) => debug!(%peer, %error, "the process of the client cannot be opened"),
    }
    let mut token = Token::of_client(&pipe);
    let waits = |error: &io::Error| error.raw_os_error() == Some(ERROR_CANNOT_IMPERSONATE as i32);
    if token.as_ref().is_err_and(waits) && matches!(timeout(FIRST_BYTE, pipe.readable()).await, Ok(Ok(()))) {
        token = Token::of_client(&pipe);
    }
    match token {
        Ok(token) => peer = describe(peer, &token),
        Err(error) => debug!(%peer, %error, "the client does not let itself be identified"),
    }
    PeerStream::new(PipeStream::server(pipe), peer)
}

/// Who serves a pipe: its owner, which a squatter cannot choose to be another user.
///
/// Our servers say that they own their pipes. Those of others may not; then their pipes belong to whom everything
/// belongs that such a process of `own` makes, which an elevated one shares with the other Administrators. They could
/// become this user anyway; unless it is SYSTEM, which is more than they are.
pub(super) fn server_of(pipe: &(impl AsHandle + AsRawHandle), own: &Identity) -> Peer {
    let mut peer = process(own, &sys::server_process(pipe));
    if let Ok(session) = sys::server_session(pipe) {
        peer = peer.with_session(session);
    }
    match owner_of(pipe) {
        Ok(owner)
            if !own.user().is_system()
                && Token::own()
                    .and_then(|token| token.default_owner())
                    .is_ok_and(|default| default == owner) =>
        {
            let group = (owner != own.sid()).then(|| GroupId::Sid(owner.into()));
            let peer = peer.with_user(own.user().clone());
            match group {
                Some(group) => peer.with_groups([group]),
                None => peer,
            }
        }
        Ok(owner) => peer.with_user(UserId::Sid(owner.into())),
        Err(error) => {
            debug!(%peer, %error, "the owner of the pipe is not known");
            peer
        }
    }
}

/// A peer with its process id, if Windows tells it.
fn process(own: &Identity, pid: &io::Result<u32>) -> Peer {
    let peer = own.peer("npipe");
    match pid {
        Ok(pid) => peer.with_pid(*pid),
        Err(_) => peer,
    }
}
