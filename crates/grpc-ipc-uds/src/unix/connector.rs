use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use grpc_ipc_core::{Address, Backoff, ConnectError, Connector};
use rustix::fs::{CWD, FileType};
use tokio::time::{Instant, timeout_at};

use super::endpoint::{Endpoint, NoEndpoint, anchored, parent};
use super::found::{Found, LONGEST_REACHED};
use super::names::SystemNames;
use super::place::describe;
use super::runtime_dir::Create;
use super::stream::identify;
use super::{LocalStream, appearance, runtime_dir, sys, trust};
use crate::ConnectOptions;

/// Connects to a Unix domain socket. Created by [`ConnectOptions::connector`](crate::ConnectOptions::connector).
///
/// On Linux, the connector waits for a server whose backlog is full. On macOS and the BSDs it cannot tell such a server
/// from a missing one, so connecting fails at once with [`ConnectError::Refused`].
#[derive(Clone, Debug)]
pub struct LocalConnector {
    address: Address,
    /// The address's path, if it is relative, resolved when the connector was created.
    anchored: Option<PathBuf>,
    options: ConnectOptions,
}

/// The limit of Linux, path_resolution(7).
const MAX_LINKS: usize = 40;

impl LocalConnector {
    pub(crate) fn new(address: Address, options: ConnectOptions) -> Self {
        let anchored = match &address {
            Address::Unix { path, .. } => Some(anchored(path, LONGEST_REACHED)),
            _ => None,
        };
        Self { address, anchored, options }
    }

    /// Returns the stream once its server is identified.
    fn identify(&self, stream: UnixStream) -> Result<LocalStream, ConnectError> {
        identify(stream).map_err(|error| ConnectError::from_io(&self.address, "identify the server", error))
    }

    /// Connects to the socket at `path` itself. It follows a symbolic link there only if the options say so, because
    /// anyone who can create the link chooses the server.
    async fn open(&self, path: &Path) -> Result<io::Result<UnixStream>, ConnectError> {
        let failed = |error| ConnectError::from_io(&self.address, "connect", error);
        let none = |found| Err(ConnectError::NotASocket { address: self.address.clone(), found });
        let mut path = path.to_owned();
        for _ in 0..MAX_LINKS {
            let found = Found::open(CWD, path.as_os_str()).map_err(failed)?;
            let stat = found.stat().map_err(failed)?;
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Socket => return Ok(sys::connect(&found.reached_by(&path)).await),
                FileType::Symlink if self.options.follow_symlinks => {
                    if !trust::is_own(&stat) && !trust::user(&stat).is_some_and(|owner| owner.is_system()) {
                        return none("a symbolic link that belongs to neither this user nor root");
                    }
                    // The target of the link that was checked. It cannot change: a link can be replaced, but not
                    // modified.
                    path = parent(&path).join(found.read_link().map_err(failed)?);
                }
                kind => return none(describe(kind)),
            }
        }
        none("a chain of more than 40 symbolic links")
    }
}

impl Connector for LocalConnector {
    type Connection = LocalStream;

    async fn connect(&self, deadline: Instant) -> Result<LocalStream, ConnectError> {
        let endpoint =
            Endpoint::new(&self.address, Create::No).map_err(|why| no_endpoint(&self.address, why))?;
        let access = self.options.access.look_up_names(SystemNames).await;
        let access = access.map_err(|error| ConnectError::unknown_name(&self.address, error))?;
        let path = self.anchored.clone().unwrap_or_else(|| endpoint.socket_path());
        let is_abstract = matches!(endpoint, Endpoint::Abstract(_));
        let timed_out = || ConnectError::TimedOut { address: self.address.clone() };
        let mut backoff = Backoff::connect();
        loop {
            // No time limit: this does not block, and one attempt is made even after the deadline.
            let connected = match is_abstract {
                true => sys::connect(&path).await,
                false => self.open(&path).await?,
            };
            match connected {
                Ok(stream) => return access.trust(self.identify(stream)?, &self.address, deadline).await,
                // The backlog is full, and the system does not report when there is room again: connect(2), EAGAIN.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    timeout_at(deadline, backoff.wait()).await.map_err(|_| timed_out())?;
                }
                Err(error) => return Err(ConnectError::from_io(&self.address, "connect", error)),
            }
        }
    }

    /// Watches the socket's directory on Linux. On other systems, and in the abstract namespace, there is no
    /// notification.
    async fn appears(&self) {
        let paths = match (&self.anchored, &self.address) {
            (Some(path), _) => vec![path.clone()],
            (None, Address::Local { name, .. }) => runtime_dir::candidates(name),
            _ => Vec::new(),
        };
        appearance::wait(paths).await;
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
