use std::io;
use std::os::fd::AsFd;

use grpc_ipc_core::{GroupId, Peer, UserId};
use rustix::process::geteuid;

use super::sys::{self, Credentials};
use super::{LocalSocket, descriptor};

/// Identifies the process at the other end of a connected Unix domain socket: its user, groups, process and security
/// label, as for a connection that a [`LocalListener`](crate::LocalListener) has accepted.
///
/// The system recorded them when the connection was made, so this can be called at any time. For a socketpair(2), both
/// ends report the process that created the pair: a program that passes one end to a child process sees itself at the
/// other end.
///
/// On Linux, this opens a handle to the process ([`Peer::process`]), if the system supports it and a descriptor is
/// left. The handle stays open until the last clone of the peer is dropped.
///
/// # Errors
/// [`InvalidInput`](io::ErrorKind::InvalidInput) if `socket` is not a connected stream socket of the family AF_UNIX; the
/// message says what it is. Otherwise the error of the system.
pub fn peer_of(socket: &impl AsFd) -> io::Result<Peer> {
    let socket = socket.as_fd();
    descriptor::check_connected(socket)?;
    let known = sys::credentials_of(socket)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let pid = pid_of(&known);
        let peer = describe(known);
        Ok(match super::PidFd::of(socket, pid) {
            Some(process) => peer.with_process(process),
            None => peer,
        })
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    Ok(describe(known))
}

/// The process at the other end of `socket`, as recorded when the connection was made. For a server, it is the process
/// that called listen(2).
#[cfg_attr(
    not(any(target_os = "linux", target_os = "android")),
    expect(unused_variables, reason = "other systems have no handle of a process")
)]
pub(super) fn of_socket(socket: &LocalSocket, known: Credentials) -> Peer {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let (socket, pid) = (socket.open().clone(), pid_of(&known));
        describe(known).with_process_from(move || super::PidFd::of_peer(&socket, pid))
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    describe(known)
}

/// A process of a pid namespace that this one cannot see has pid 0 here, which is no process's id.
fn pid_of(known: &Credentials) -> Option<u32> {
    known.pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0)
}

fn describe(known: Credentials) -> Peer {
    let mut peer = Peer::new("unix").same_user_as(&own_user());
    if let Some(pid) = pid_of(&known) {
        peer = peer.with_pid(pid);
    }
    if let Some(uid) = known.uid {
        peer = peer.with_user(UserId::Uid(uid));
    }
    if let Some(gid) = known.gid {
        peer = peer.with_group(GroupId::Gid(gid));
    }
    if let Some(groups) = known.groups {
        peer = peer.with_groups(groups.into_iter().map(GroupId::Gid));
    }
    if let Some(label) = known.label {
        peer = peer.with_security_label(label);
    }
    if let Some(token) = known.audit_token {
        peer = peer.with_audit_token(token);
    }
    peer
}

/// The user that this process acts as now, and that its peers see. A server may have changed it after it began to
/// listen.
pub(super) fn own_user() -> UserId {
    UserId::Uid(geteuid().as_raw())
}
