//! TCP, for use across machines: `http://HOST:PORT`.

mod socket;

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use grpc_ipc_core::{
    Acceptor, AccessPolicy, Address, BindError, ConnectError, Connector, NoNames, Peer, PeerStream, Source,
};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use socket::Socket;

use crate::backend::tcp_socket;

/// The default number of connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

type Stream = PeerStream<Socket>;

pub(crate) type TcpListener = Acceptor<Listening>;

pub(crate) struct Listening(tokio::net::TcpListener);

/// Without an explicit policy, anyone may connect, because TCP does not identify users.
pub(crate) async fn listen(
    address: &Address,
    access: Option<AccessPolicy>,
    backlog: Option<u32>,
) -> Result<TcpListener, BindError> {
    let failed = |error| BindError::from_io(address, "listen", error);
    let socket =
        bind(host_port(address), backlog.unwrap_or(BACKLOG)).await.map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse { address: address.clone(), by: None },
            _ => failed(error),
        })?;
    let local = socket.local_addr().map_err(failed)?;
    let address = Address::tcp(local.ip().to_string(), local.port())?;
    let access = access.unwrap_or_else(|| {
        warn!(
            %address,
            "TCP does not identify clients, so anyone who reaches the port can connect; use TLS with client certificates"
        );
        AccessPolicy::dangerous_allow_anyone()
    });
    let access = access.resolve(&NoNames).map_err(|error| BindError::unknown_name(&address, error))?;
    Ok(Acceptor::new(Listening(socket), address, access))
}

/// Like [`TcpListener::bind`](tokio::net::TcpListener::bind), with a backlog.
async fn bind(address: (&str, u16), backlog: u32) -> io::Result<tokio::net::TcpListener> {
    let mut failed = None;
    for address in lookup_host(address).await? {
        let bound = (|| {
            let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            if tcp_socket::REUSES_ADDRESSES {
                socket.set_reuseaddr(true)?;
            }
            socket.bind(address)?;
            socket.listen(backlog)
        })();
        match bound {
            Ok(socket) => return Ok(socket),
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.unwrap_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the host has no address")))
}

impl Source for Listening {
    type Client = TcpStream;
    type Connection = Stream;

    async fn next(&mut self) -> io::Result<TcpStream> {
        Ok(self.0.accept().await?.0)
    }

    async fn last(&mut self) -> Option<TcpStream> {
        // Dropping the listener frees the port.
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
    let peer = Peer::new("tcp");
    let peer = match stream.peer_addr() {
        Ok(address) => peer.with_remote_addr(address),
        // The peer has disconnected.
        Err(_) => peer,
    };
    PeerStream::new(Socket::new(stream), peer)
}

fn host_port(address: &Address) -> (&str, u16) {
    match address {
        Address::Tcp { host, port, .. } => (host, *port),
        // `backend` passes only TCP addresses. An empty host resolves to nothing.
        _ => ("", 0),
    }
}
