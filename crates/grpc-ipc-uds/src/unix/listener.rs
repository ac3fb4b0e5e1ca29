use std::future::pending;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};

use grpc_ipc_core::{Acceptor, Address, BindError, Listener, Source};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixSocket;

use super::abstract_socket::AbstractSocket;
use super::endpoint::{Endpoint, NoEndpoint};
use super::given_socket::GivenSocket;
use super::hand_over::HandOver;
use super::kept_socket::KeptSocket;
use super::names::SystemNames;
use super::runtime_dir::Create;
use super::systemd::{self, Lease};
use super::{ListenOptions, LocalStream, launchd, stream, sys};

/// A listening Unix domain socket. Created by [`ListenOptions::listen`].
pub struct LocalListener(Acceptor<Socket>);

// Not tokio's listener, which panics when a client has bound a path of the full 108 bytes: mio 1.2.5 expects a NUL at
// the end, which such a path does not have.
enum Socket {
    AtPath(Box<KeptSocket>),
    Abstract(AbstractSocket),
    Given(GivenSocket),
}

impl Source for Socket {
    type Client = UnixStream;
    type Connection = LocalStream;

    async fn next(&mut self) -> io::Result<UnixStream> {
        let stream = match self {
            Self::AtPath(socket) => socket.accept().await,
            Self::Abstract(socket) => socket.accept().await,
            Self::Given(socket) => socket.accept().await,
        }?;
        stream.set_nonblocking(true)?;
        Ok(stream)
    }

    async fn last(&mut self) -> Option<UnixStream> {
        let stream = match self {
            Self::AtPath(socket) => socket.last(),
            Self::Abstract(socket) => socket.last(),
            // Others may have the socket open, so waiting clients are left for the next server to accept.
            Self::Given(_) => None,
        }?;
        stream.set_nonblocking(true).ok()?;
        Some(stream)
    }

    async fn identify(client: UnixStream) -> io::Result<LocalStream> {
        stream::identify(client)
    }
}

impl LocalListener {
    pub(super) async fn bind(options: ListenOptions, address: &Address) -> Result<Self, BindError> {
        match address {
            Address::Systemd { name, .. } => {
                let (socket, lease) = systemd::take(name, address)?;
                return Self::of_given(options, socket, Some(lease), address).await;
            }
            Address::Launchd { name, .. } => {
                let socket = launchd::take(name, address)?;
                return Self::of_given(options, socket, None, address).await;
            }
            _ => {}
        }
        let endpoint =
            Endpoint::new(address, Create::Yes).map_err(|why| no_endpoint(address, why))?.anchored();
        let access = options.access.look_up_names(SystemNames).await;
        let access = access.map_err(|error| BindError::unknown_name(address, error))?;
        let socket = match &endpoint {
            Endpoint::Path(path) => {
                Socket::AtPath(Box::new(KeptSocket::bind(options, address, path.clone()).await?))
            }
            Endpoint::Abstract(_) => {
                Socket::Abstract(AbstractSocket::bind(&options, address, &endpoint.socket_path()).await?)
            }
        };
        Ok(Self(Acceptor::new(socket, endpoint.address(address), access)))
    }

    /// Listens on a socket that someone else has bound. Errors use the address `given`.
    pub(super) async fn of_given(
        options: ListenOptions,
        socket: OwnedFd,
        lease: Option<Lease>,
        given: &Address,
    ) -> Result<Self, BindError> {
        let (socket, address) = GivenSocket::new(socket, lease, given)?;
        let access = options.access.look_up_names(SystemNames).await;
        let access = access.map_err(|error| BindError::unknown_name(&address, error))?;
        Ok(Self(Acceptor::new(Socket::Given(socket), address, access)))
    }
}

impl LocalListener {
    /// Waits until another process has taken over the socket ([`ListenOptions::restartable`]). From then on, this
    /// listener accepts no more clients, and the server may finish its calls and end. Never completes without a
    /// hand-over.
    pub fn handed_over(&self) -> impl Future<Output = ()> + Send + use<> {
        let hand_over = match self.0.source() {
            Socket::AtPath(socket) => socket.hand_over(),
            Socket::Abstract(socket) => socket.hand_over(),
            Socket::Given(_) => None,
        };
        let handed_over = hand_over.map(HandOver::handed_over);
        async move {
            match handed_over {
                Some(handed_over) => handed_over.await,
                None => pending().await,
            }
        }
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

pub(super) fn new_socket(address: &Address) -> Result<UnixSocket, BindError> {
    UnixSocket::new_stream().map_err(|error| BindError::from_io(address, "create a socket", error))
}

pub(super) fn listen(
    socket: UnixSocket,
    options: &ListenOptions,
    address: &Address,
) -> Result<AsyncFd<UnixListener>, BindError> {
    let listening = socket.listen(options.backlog).and_then(|listener| listener.into_std());
    listening
        .and_then(|listener| sys::register(listener, Interest::READABLE))
        .map_err(|error| BindError::from_io(address, "listen", error))
}

fn no_endpoint(address: &Address, why: NoEndpoint) -> BindError {
    let address = address.clone();
    match why {
        NoEndpoint::Unsupported(reason) => BindError::Unsupported { address, reason },
        NoEndpoint::TooLong { length, limit } => BindError::TooLong { address, length, limit },
        NoEndpoint::NoRuntimeDirectory(reason) => BindError::NoRuntimeDirectory { address, reason },
    }
}
