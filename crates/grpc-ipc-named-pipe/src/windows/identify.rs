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

/// How long a client may take to send its first data, if it cannot be identified before that.
const FIRST_BYTE: Duration = Duration::from_secs(5);

/// Returns the connection with its client.
///
/// A client that was opened with static tracking can be identified when it connects. Ours are, and so are those of
/// tokio and .NET (except with `TokenImpersonationLevel.None`). A client with dynamic tracking, the default of Win32,
/// can be identified after its first write, so this waits for that. The data is not read.
pub(super) async fn client_of(Connected { pipe, free }: Connected, own: &Identity) -> LocalStream {
    let pid = sys::client_process(&pipe);
    let mut peer = process(own, &pid);
    // Opened now, before the client can disconnect while it is waited for.
    let opened = pid.and_then(|pid| ClientProcess::open(pid, &free));
    match opened {
        Ok(Some(handle)) => peer = peer.with_process(handle),
        Ok(None) => {}
        Err(error) => debug!(%peer, %error, "cannot open the client's process"),
    }
    let mut token = Token::of_client(&pipe);
    let waits = |error: &io::Error| error.raw_os_error() == Some(ERROR_CANNOT_IMPERSONATE as i32);
    if token.as_ref().is_err_and(waits) && matches!(timeout(FIRST_BYTE, pipe.readable()).await, Ok(Ok(()))) {
        token = Token::of_client(&pipe);
    }
    match token {
        Ok(token) => peer = describe(peer, &token),
        Err(error) => debug!(%peer, %error, "the client does not allow identification"),
    }
    PeerStream::new(PipeStream::server(pipe), peer)
}

/// Identifies the server of a pipe by the owner, which a squatter cannot set to another user.
///
/// Our servers set themselves as the owner of their pipes. Other servers may not; their pipes then have the default
/// owner of the process. For an elevated process of the user `own`, that is the Administrators group, which it shares
/// with other administrators. They could become this user anyway, so they are trusted, unless this user is SYSTEM,
/// which has more rights than they do.
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
            debug!(%peer, %error, "the owner of the pipe is unknown");
            peer
        }
    }
}

/// A peer with its process id, if known.
fn process(own: &Identity, pid: &io::Result<u32>) -> Peer {
    let peer = own.peer("npipe");
    match pid {
        Ok(pid) => peer.with_pid(*pid),
        Err(_) => peer,
    }
}
