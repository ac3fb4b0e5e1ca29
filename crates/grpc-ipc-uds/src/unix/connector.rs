use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use grpc_ipc_core::{AccessPolicy, Address, Backoff, ConnectError, Connector};
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout_at};

use super::LocalStream;
use super::endpoint::{Endpoint, NoEndpoint};
use super::names::SystemNames;
use super::peer::peer_of;
use super::runtime_dir::Create;

/// Connects to a Unix domain socket.
///
/// On macOS and the BSDs a server whose backlog is full cannot be told from one that is not there: connecting to it
/// fails at once with [`ConnectError::Refused`]. On Linux it is waited for.
///
/// [`ConnectOptions::connector`](crate::ConnectOptions::connector) makes one.
#[derive(Clone, Debug)]
pub struct LocalConnector {
    address: Address,
    access: AccessPolicy,
}

impl LocalConnector {
    pub(crate) fn new(address: Address, access: AccessPolicy) -> Self {
        Self { address, access }
    }

    /// The stream, if it is known who the server at its other end is.
    fn identify(&self, stream: UnixStream) -> Result<LocalStream, ConnectError> {
        let peer = peer_of(&stream)
            .map_err(|error| ConnectError::from_io(&self.address, "find out who the server is", error))?;
        Ok(LocalStream::new(stream, peer))
    }

    fn error(&self, path: &Path, error: io::Error) -> ConnectError {
        // connect(2) says of a regular file what it says of a dead server's socket; on macOS it says ENOTSOCK.
        let is_other = || fs::symlink_metadata(path).is_ok_and(|found| !found.file_type().is_socket());
        let refused = error.kind() == io::ErrorKind::ConnectionRefused && is_other();
        if refused || error.raw_os_error() == Some(libc::ENOTSOCK) {
            let not_a_socket = io::Error::new(io::ErrorKind::InvalidInput, "there is no socket at this path");
            return ConnectError::from_io(&self.address, "connect", not_a_socket);
        }
        ConnectError::from_io(&self.address, "connect", error)
    }
}

impl Connector for LocalConnector {
    type Connection = LocalStream;

    async fn connect(&self, deadline: Instant) -> Result<LocalStream, ConnectError> {
        let endpoint =
            Endpoint::new(&self.address, Create::No).map_err(|why| no_endpoint(&self.address, why))?;
        let access = self.access.look_up_names(SystemNames).await;
        let access = access.map_err(|error| ConnectError::unknown_name(&self.address, error))?;
        let path = endpoint.socket_path();
        let timed_out = || ConnectError::TimedOut { address: self.address.clone() };
        let mut backoff = Backoff::connect();
        loop {
            // Without a time limit: this waits for nobody, and one try is made also after the deadline.
            match UnixStream::connect(&path).await {
                Ok(stream) => return access.trust(self.identify(stream)?, &self.address, deadline).await,
                // The backlog is full, and no readiness tells when it is not: connect(2), EAGAIN.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    timeout_at(deadline, backoff.wait()).await.map_err(|_| timed_out())?;
                }
                Err(error) => return Err(self.error(&path, error)),
            }
        }
    }

    fn address(&self) -> &Address {
        &self.address
    }
}

fn no_endpoint(address: &Address, why: NoEndpoint) -> ConnectError {
    let address = address.clone();
    match why {
        NoEndpoint::Unsupported(reason) => ConnectError::Unsupported { address, reason },
        NoEndpoint::NoRuntimeDirectory(reason) => ConnectError::NoRuntimeDirectory { address, reason },
        NoEndpoint::TooLong { length, limit } => ConnectError::TooLong { address, length, limit },
    }
}
