//! The sockets that launchd passes to a service, `launch_activate_socket(3)`.

use std::os::fd::OwnedFd;

use grpc_ipc_core::{Address, BindError};

/// Takes the only socket under `name`. launchd passes it once.
#[cfg(target_vendor = "apple")]
pub(super) fn take(name: &str, address: &Address) -> Result<OwnedFd, BindError> {
    let not_passed = |reason| BindError::NotPassed { address: address.clone(), reason };
    let mut sockets = super::sys::activate_socket(name).map_err(|error| {
        not_passed(match error.raw_os_error() {
            Some(libc::ENOENT) => format!("launchd has no socket {name:?} in this service's property list"),
            Some(libc::ESRCH) => "launchd has not started this process".to_owned(),
            Some(libc::EALREADY) => "this process has already taken the socket".to_owned(),
            _ => error.to_string(),
        })
    })?;
    match (sockets.pop(), sockets.len()) {
        (Some(socket), 0) => Ok(socket),
        (None, _) => Err(not_passed("launchd did not open a socket for it".to_owned())),
        (_, others) => {
            let reason =
                format!("launchd has {} sockets under this name; give each its own name", others + 1);
            Err(not_passed(reason))
        }
    }
}

#[cfg(not(target_vendor = "apple"))]
pub(super) fn take(_: &str, address: &Address) -> Result<OwnedFd, BindError> {
    let reason = "launchd exists only on macOS; use systemd:NAME on Linux, or unix:PATH".to_owned();
    Err(BindError::Unsupported { address: address.clone(), reason })
}
