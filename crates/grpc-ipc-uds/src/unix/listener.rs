use std::io;
use std::path::Path;

use grpc_ipc_core::{AccessPolicy, Address, Backoff, BindError, Connection as _, Listener};
use tokio::net::{UnixListener, UnixSocket, UnixStream};
use tracing::{debug, warn};

use super::directory_lock::DirectoryLock;
use super::endpoint::{Create, Endpoint, NoEndpoint, parent};
use super::peer::{own_user, peer_of};
use super::socket_file::{SocketFile, clear, in_use};
use super::{ListenOptions, LocalStream};

/// A Unix domain socket that a server listens on. [`ListenOptions::listen`] makes one.
pub struct LocalListener {
    // Dropped before the socket: see SocketFile.
    _file: Option<SocketFile>,
    socket: UnixListener,
    address: Address,
    access: AccessPolicy,
}

impl LocalListener {
    pub(super) async fn bind(options: ListenOptions, address: &Address) -> Result<Self, BindError> {
        let endpoint = Endpoint::new(address, Create::Yes).map_err(|why| no_endpoint(address, why))?;
        let (file, socket) = match &endpoint {
            Endpoint::Path(path) => {
                let (file, socket) = bind_path(&options, address, path).await?;
                (Some(file), socket)
            }
            Endpoint::Abstract(_) => (None, bind_abstract(&options, address, &endpoint.socket_path()).await?),
        };
        let address = endpoint.address(address);
        Ok(Self { _file: file, socket, address, access: options.access })
    }

    /// The connection, if its peer is known and let in.
    fn admit(&self, stream: UnixStream) -> Option<LocalStream> {
        let peer = peer_of(&stream)
            .inspect_err(|error| debug!(address = %self.address, %error, "a client of which nothing is known is refused"))
            .ok()?;
        let stream = LocalStream::new(stream, peer);
        self.access
            .check(stream.peer(), Some(&own_user()))
            .inspect_err(|refused| warn!(address = %self.address, "{refused}"))
            .ok()?;
        Some(stream)
    }
}

impl Listener for LocalListener {
    type Connection = LocalStream;

    async fn accept(&mut self) -> LocalStream {
        let mut backoff = Backoff::accept();
        loop {
            match self.socket.accept().await {
                Ok((stream, _)) => {
                    if let Some(stream) = self.admit(stream) {
                        return stream;
                    }
                }
                Err(error) => {
                    warn!(address = %self.address, %error, "accept failed, and is tried again");
                    backoff.wait_after(&error).await;
                }
            }
        }
    }

    fn local_address(&self) -> &Address {
        &self.address
    }
}

async fn bind_path(
    options: &ListenOptions,
    address: &Address,
    path: &Path,
) -> Result<(SocketFile, UnixListener), BindError> {
    let _lock = DirectoryLock::acquire(parent(path)).await.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            BindError::NoParent { address: address.clone(), parent: parent(path).to_owned() }
        }
        _ => BindError::from_io(address, "lock the socket's directory", error),
    })?;
    clear(address, path).await?;
    let socket = new_socket(address)?;
    let file = SocketFile::bind(&socket, path, options.mode)
        .map_err(|error| BindError::from_io(address, "create the socket in its directory", error))?;
    Ok((file, listen(socket, options, address)?))
}

async fn bind_abstract(
    options: &ListenOptions,
    address: &Address,
    path: &Path,
) -> Result<UnixListener, BindError> {
    let socket = new_socket(address)?;
    match socket.bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let taken = BindError::InUse { address: address.clone(), pid: None };
            return Err(in_use(address, path).await?.unwrap_or(taken));
        }
        result => result.map_err(|error| BindError::from_io(address, "bind the socket", error))?,
    }
    listen(socket, options, address)
}

fn new_socket(address: &Address) -> Result<UnixSocket, BindError> {
    UnixSocket::new_stream().map_err(|error| BindError::from_io(address, "create a socket", error))
}

fn listen(socket: UnixSocket, options: &ListenOptions, address: &Address) -> Result<UnixListener, BindError> {
    socket.listen(options.backlog).map_err(|error| BindError::from_io(address, "listen", error))
}

fn no_endpoint(address: &Address, why: NoEndpoint) -> BindError {
    let address = address.clone();
    match why {
        NoEndpoint::Unsupported(reason) => BindError::Unsupported { address, reason },
        NoEndpoint::TooLong { length, limit } => BindError::TooLong { address, length, limit },
        NoEndpoint::NoRuntimeDirectory(reason) => BindError::NoRuntimeDirectory { address, reason },
    }
}
