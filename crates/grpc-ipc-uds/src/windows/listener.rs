use std::io;
use std::path::Path;

use grpc_ipc_core::{Acceptor, Address, BindError, Listener, PeerStream, Source};
use grpc_ipc_win32::SystemNames;
use socket2::{SockRef, Socket};
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::endpoint::{Endpoint, NoEndpoint, anchored};
use super::peer::peer_of;
use super::socket_file::{Lock, SocketFile, clear};
use super::{ListenOptions, LocalStream};

/// A listening AF_UNIX socket. Created by [`ListenOptions::listen`].
pub struct LocalListener(Acceptor<Listening>);

struct Listening {
    // Dropped in this order: the file is removed while nobody else can have the path.
    file: Option<SocketFile>,
    /// The listening socket. It is not a stream, but it becomes readable when a connection is waiting. tokio's own
    /// listener cannot accept from a socket that is not TCP.
    socket: TcpStream,
    lock: Option<Lock>,
}

impl LocalListener {
    pub(super) async fn bind(options: ListenOptions, address: &Address) -> Result<Self, BindError> {
        let access = options.access.look_up_names(SystemNames).await;
        let access = access.map_err(|error| BindError::unknown_name(address, error))?;
        let Endpoint { path, socket, name } =
            Endpoint::new(address).map_err(|why| no_endpoint(address, why))?;
        let lock = Lock::acquire(&path).map_err(|error| match (error.kind(), path.parent()) {
            (io::ErrorKind::NotFound, Some(parent)) => {
                BindError::NoParent { address: address.clone(), parent: parent.to_owned() }
            }
            _ => BindError::from_io(address, "create the lock file beside the socket", error),
        })?;
        let lock = lock.ok_or_else(|| BindError::InUse { address: address.clone(), by: None })?;
        clear(address, &path, &name)?;
        let failed = |action| move |error| BindError::from_io(address, action, error);
        socket.bind(&name).map_err(failed("create the socket in its directory"))?;
        let file = SocketFile(absolute(&path));
        socket.listen(options.backlog).map_err(failed("listen"))?;
        let socket = into_tokio(socket).map_err(failed("listen"))?;
        let listening = Listening { file: Some(file), socket, lock: Some(lock) };
        Ok(Self(Acceptor::new(listening, anchored(address), access)))
    }
}

impl Source for Listening {
    type Client = Socket;
    type Connection = LocalStream;

    async fn next(&mut self) -> io::Result<Socket> {
        let accept = || SockRef::from(&self.socket).accept();
        let (client, _) = self.socket.async_io(Interest::READABLE, accept).await?;
        client.set_nonblocking(true)?;
        Ok(client)
    }

    async fn last(&mut self) -> Option<Socket> {
        // In the same order as when they are dropped.
        self.file = None;
        self.lock = None;
        let (client, _) = SockRef::from(&self.socket).accept().ok()?;
        client.set_nonblocking(true).ok()?;
        Some(client)
    }

    async fn identify(client: Socket) -> io::Result<LocalStream> {
        let peer = peer_of(&client);
        Ok(PeerStream::new(into_tokio(client)?, peer))
    }
}

impl Listener for LocalListener {
    type Connection = LocalStream;

    async fn accept(&mut self) -> LocalStream {
        self.0.accept().await
    }

    async fn accept_last(&mut self) -> Option<LocalStream> {
        self.0.accept_last().await
    }

    fn local_address(&self) -> &Address {
        self.0.local_address()
    }
}

fn absolute(path: &Path) -> std::path::PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Wraps a non-blocking socket in the type that tokio has for it.
pub(super) fn into_tokio(socket: Socket) -> io::Result<TcpStream> {
    TcpStream::from_std(socket.into())
}

fn no_endpoint(address: &Address, why: NoEndpoint) -> BindError {
    let address = address.clone();
    match why {
        NoEndpoint::Unsupported(reason) => BindError::Unsupported { address, reason },
        NoEndpoint::TooLong { length, limit } => BindError::TooLong { address, length, limit },
        NoEndpoint::Io(source) => BindError::from_io(&address, "create a socket", source),
    }
}
