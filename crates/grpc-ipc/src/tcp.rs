//! TCP, for a program that has outgrown one machine: `http://HOST:PORT`.

use grpc_ipc_core::{
    AccessPolicy, Address, Backoff, BindError, ConnectError, Connection as _, Connector, Listener, Peer,
    PeerStream,
};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

type Stream = PeerStream<TcpStream>;

pub(crate) struct TcpListener {
    socket: tokio::net::TcpListener,
    address: Address,
    access: AccessPolicy,
}

/// Without an explicit policy everyone is let in: a user cannot be told from another over TCP.
pub(crate) async fn listen(
    address: &Address,
    access: Option<AccessPolicy>,
) -> Result<TcpListener, BindError> {
    let failed = |error| BindError::from_io(address, "listen", error);
    let socket =
        tokio::net::TcpListener::bind(host_port(address)).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::AddrInUse => BindError::InUse { address: address.clone(), pid: None },
            _ => failed(error),
        })?;
    let local = socket.local_addr().map_err(failed)?;
    let address = Address::tcp(local.ip().to_string(), local.port())?;
    let access = access.unwrap_or_else(|| {
        warn!(%address, "TCP cannot tell who connects: anyone who reaches the port is let in");
        AccessPolicy::dangerous_allow_anyone()
    });
    Ok(TcpListener { socket, address, access })
}

impl Listener for TcpListener {
    type Connection = Stream;

    async fn accept(&mut self) -> Stream {
        let mut backoff = Backoff::accept();
        loop {
            match self.socket.accept().await {
                Ok((stream, _)) => {
                    let stream = with_peer(stream);
                    match self.access.check(stream.peer(), None) {
                        Ok(()) => return stream,
                        Err(refused) => warn!(address = %self.address, "{refused}"),
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
                    .check(stream.peer(), None)
                    .map_err(|refused| ConnectError::untrusted(&self.address, refused))?;
                Ok(stream)
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
    // gRPC writes whole frames, so waiting for more to send only delays them. Without it the stream still works.
    _ = stream.set_nodelay(true);
    PeerStream::new(stream, Peer::new("tcp"))
}

fn host_port(address: &Address) -> (&str, u16) {
    match address {
        Address::Tcp { host, port, .. } => (host, *port),
        // The dispatch in `backend` brings no other here; nothing resolves to it.
        _ => ("", 0),
    }
}
