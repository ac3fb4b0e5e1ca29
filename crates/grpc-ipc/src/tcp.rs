//! TCP, for a program that has outgrown one machine: `http://HOST:PORT`.

mod socket;

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use grpc_ipc_core::{
    Acceptor, AccessPolicy, Address, BindError, ConnectError, Connector, NoNames, Peer, PeerStream, Source,
};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use socket::Socket;

type Stream = PeerStream<Socket>;

pub(crate) type TcpListener = Acceptor<Listening>;

pub(crate) struct Listening(tokio::net::TcpListener);

/// Without an explicit policy everyone is let in: a user cannot be told from another over TCP.
pub(crate) async fn listen(
    address: &Address,
    access: Option<AccessPolicy>,
) -> Result<TcpListener, BindError> {
    let failed = |error| BindError::from_io(address, "listen", error);
    let socket =
        tokio::net::TcpListener::bind(host_port(address)).await.map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse { address: address.clone(), by: None },
            _ => failed(error),
        })?;
    let local = socket.local_addr().map_err(failed)?;
    let address = Address::tcp(local.ip().to_string(), local.port())?;
    let access = access.unwrap_or_else(|| {
        warn!(%address, "TCP cannot tell who connects: anyone who reaches the port is let in");
        AccessPolicy::dangerous_allow_anyone()
    });
    let access = access.resolve(&NoNames).map_err(|error| BindError::unknown_name(&address, error))?;
    Ok(Acceptor::new(Listening(socket), address, access))
}

impl Source for Listening {
    type Client = TcpStream;
    type Connection = Stream;

    async fn next(&mut self) -> io::Result<TcpStream> {
        Ok(self.0.accept().await?.0)
    }

    async fn last(&mut self) -> Option<TcpStream> {
        // The port is free when the listener is dropped.
        poll_fn(|cx| match self.0.poll_accept(cx) {
            Poll::Ready(Ok((client, _))) => Poll::Ready(Some(client)),
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    async fn identify(client: TcpStream) -> io::Result<Stream> {
        Ok(with_peer(client))
    }
}

pub(crate) struct TcpConnector {
    address: Address,
    access: AccessPolicy,
}

impl TcpConnector {
    pub(crate) fn new(address: Address, access: Option<AccessPolicy>) -> Self {
        Self { address, access: access.unwrap_or_else(AccessPolicy::dangerous_allow_anyone) }
    }
}

impl Connector for TcpConnector {
    type Connection = Stream;

    async fn connect(&self, deadline: Instant) -> Result<Stream, ConnectError> {
        match timeout_at(deadline, TcpStream::connect(host_port(&self.address))).await {
            Ok(Ok(stream)) => {
                let stream = with_peer(stream);
                self.access
                    .resolve(&NoNames)
                    .map_err(|error| ConnectError::unknown_name(&self.address, error))?
                    .trust(stream, &self.address, deadline)
                    .await
            }
            Ok(Err(error)) => Err(ConnectError::from_io(&self.address, "connect", error)),
            Err(_) => Err(ConnectError::TimedOut { address: self.address.clone() }),
        }
    }

    fn address(&self) -> &Address {
        &self.address
    }
}

fn with_peer(stream: TcpStream) -> Stream {
    PeerStream::new(Socket::new(stream), Peer::new("tcp"))
}

fn host_port(address: &Address) -> (&str, u16) {
    match address {
        Address::Tcp { host, port, .. } => (host, *port),
        // The dispatch in `backend` brings no other here; nothing resolves to it.
        _ => ("", 0),
    }
}
