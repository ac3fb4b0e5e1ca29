use grpc_ipc_core::{GroupId, Peer, UserId};
use rustix::process::geteuid;

use super::LocalSocket;
use super::sys::Credentials;

/// Who is at the other end, as it was when the connection was made; of the server, of the process that called
/// listen(2).
#[cfg_attr(
    not(any(target_os = "linux", target_os = "android")),
    expect(unused_variables, reason = "other systems have no handle of a process")
)]
pub(super) fn peer_of(socket: &LocalSocket, known: Credentials) -> Peer {
    let mut peer = Peer::new("unix").same_user_as(&own_user());
    if let Some(uid) = known.uid {
        peer = peer.with_user(UserId::Uid(uid));
    }
    if let Some(gid) = known.gid {
        peer = peer.with_group(GroupId::Gid(gid));
    }
    if let Some(groups) = known.groups {
        peer = peer.with_groups(groups.into_iter().map(GroupId::Gid));
    }
    // A process of a pid namespace that this one cannot see into has pid 0 here, which is nobody's.
    let pid = known.pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0);
    if let Some(pid) = pid {
        peer = peer.with_pid(pid);
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let socket = socket.open().clone();
        peer = peer.with_process_from(move || super::PidFd::of_peer(&socket, pid));
    }
    if let Some(label) = known.label {
        peer = peer.with_security_label(label);
    }
    if let Some(token) = known.audit_token {
        peer = peer.with_audit_token(token);
    }
    peer
}

/// The user that this process acts as now, and that its peers see. A server may have changed it since it began to
/// listen.
pub(super) fn own_user() -> UserId {
    UserId::Uid(geteuid().as_raw())
}
