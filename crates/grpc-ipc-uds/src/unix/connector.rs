use std::io;
use std::path::Path;

use grpc_ipc_core::{AccessPolicy, Address, Backoff, ConnectError, Connector};
use rustix::fs::{CWD, FileType};
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout_at};

use super::endpoint::{Endpoint, NoEndpoint};
use super::found::Found;
use super::names::SystemNames;
use super::peer::peer_of;
use super::place::describe;
use super::runtime_dir::Create;
use super::{LocalSocket, LocalStream};

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
        let socket = LocalSocket::new(stream);
        let peer = peer_of(&socket)
            .map_err(|error| ConnectError::from_io(&self.address, "find out who the server is", error))?;
        Ok(LocalStream::new(socket, peer))
    }

    /// Connects to what is at `path` itself. A symbolic link there is not followed: who may put it there would choose the
    /// server.
    async fn open(&self, path: &Path) -> Result<io::Result<UnixStream>, ConnectError> {
        let failed = |error| ConnectError::from_io(&self.address, "connect", error);
        let found = Found::open(CWD, path.as_os_str()).map_err(failed)?;
        let kind = FileType::from_raw_mode(found.stat().map_err(failed)?.st_mode);
        if kind != FileType::Socket {
            return Err(ConnectError::NotASocket { address: self.address.clone(), found: describe(kind) });
        }
        Ok(UnixStream::connect(found.reached_by(path)).await)
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
        let is_abstract = matches!(endpoint, Endpoint::Abstract(_));
        let timed_out = || ConnectError::TimedOut { address: self.address.clone() };
        let mut backoff = Backoff::connect();
        loop {
            // Without a time limit: this waits for nobody, and one try is made also after the deadline.
            let connected = match is_abstract {
                true => UnixStream::connect(&path).await,
                false => self.open(&path).await?,
            };
            match connected {
                Ok(stream) => return access.trust(self.identify(stream)?, &self.address, deadline).await,
                // The backlog is full, and no readiness tells when it is not: connect(2), EAGAIN.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    timeout_at(deadline, backoff.wait()).await.map_err(|_| timed_out())?;
                }
                Err(error) => return Err(ConnectError::from_io(&self.address, "connect", error)),
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
