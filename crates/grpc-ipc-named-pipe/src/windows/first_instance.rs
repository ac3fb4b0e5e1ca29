//! The first instance of a pipe, which decides who owns the name.

use std::io;
use std::time::Duration;

use grpc_ipc_core::{Address, Backoff, BindError};
use grpc_ipc_win32::Identity;
use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeServer};
use tokio::time::{Instant, timeout_at};
use windows_sys::Win32::Foundation::ERROR_PIPE_BUSY;

use super::identify;
use super::instances::Template;

/// How long the pipe of an ended server may take to disappear.
const TAKE_OVER: Duration = Duration::from_secs(2);

/// Creates the first instance, whose creator owns the name.
pub(super) async fn create(
    address: &Address,
    own: &Identity,
    template: &Template,
) -> Result<NamedPipeServer, BindError> {
    let deadline = Instant::now() + TAKE_OVER;
    let mut backoff = Backoff::connect();
    loop {
        match template.create_first() {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            result => return result.map_err(|error| BindError::from_io(address, "create the pipe", error)),
        }
        if let Some(in_use) = in_use(address, &template.path, own) {
            return Err(in_use);
        }
        let pause = timeout_at(deadline, backoff.wait()).await;
        pause.map_err(|_| BindError::InUse { address: address.clone(), by: None })?;
    }
}

/// The error for a name that is taken, with its owner; `None` if the pipe may be left over from a server that has
/// ended.
pub(super) fn in_use(address: &Address, path: &str, own: &Identity) -> Option<BindError> {
    let by = match ClientOptions::new().open(path) {
        Ok(pipe) => Some(identify::server_of(&pipe, own)),
        Err(error) if may_go_away(&error) => return None,
        // The owner does not let this user query it.
        Err(_) => None,
    };
    Some(BindError::InUse { address: address.clone(), by })
}

/// Whether the error from opening the pipe may be caused by what is left of a server: no instance at all, or only those
/// of connections that clients have not closed yet. (The server may also be alive, with a client on each instance. An
/// instance will then become free, and show that.)
fn may_go_away(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(ERROR_PIPE_BUSY as i32)
}

#[cfg(test)]
mod tests {
    use windows_sys::Win32::Foundation::{ERROR_ACCESS_DENIED, ERROR_FILE_NOT_FOUND};

    use super::*;

    #[test]
    fn what_is_left_of_a_server_is_waited_for() {
        let says = |code: u32| may_go_away(&io::Error::from_raw_os_error(code as i32));
        assert!(says(ERROR_FILE_NOT_FOUND));
        assert!(says(ERROR_PIPE_BUSY));
        assert!(!says(ERROR_ACCESS_DENIED), "the pipe of another user");
    }
}
