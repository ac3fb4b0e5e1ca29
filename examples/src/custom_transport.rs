//! A transport of your own: a plug-in host calls its plug-in over the plug-in's standard input and output.
//!
//! ```text
//! cargo run --release --bin custom_transport
//! ```
//!
//! starts itself again as the plug-in, and prints:
//!
//! ```text
//! Hello host, says the plug-in (answered by stdio:user=?,pid=4243)
//! ```
//!
//! It implements a connector and a listener.

use std::error::Error;
use std::future::pending;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::pin::Pin;
use std::process::{ExitCode, Stdio};
use std::task::{Context, Poll};
use std::time::Duration;

use grpc_ipc::{Address, Channel, ConnectError, Connector, Listener, Peer, PeerStream, Server};
use grpc_ipc_examples::exit;
use grpc_ipc_proto::greet::greeter_client::GreeterClient;
use grpc_ipc_proto::greet::greeter_server::{Greeter, GreeterServer};
use grpc_ipc_proto::greet::{HelloReply, HelloRequest};
use tokio::io::{AsyncRead, AsyncWrite, Join, ReadBuf, Stdin, Stdout, join, stdin, stdout};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tonic::{Request, Response, Status};

/// In the host: each connection starts a plug-in, a child process that is killed when the connection is dropped.
struct PluginConnector {
    program: PathBuf,
    address: Address,
}

impl PluginConnector {
    fn new(program: PathBuf) -> Self {
        let address = Address::custom("stdio", program.display().to_string());
        Self { program, address }
    }

    fn start(&self) -> io::Result<<Self as Connector>::Connection> {
        let mut child = Command::new(&self.program)
            .arg("plugin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (Some(output), Some(input)) = (child.stdout.take(), child.stdin.take()) else {
            return Err(io::Error::new(
                ErrorKind::BrokenPipe,
                "the plug-in has no standard input and output",
            ));
        };
        let peer = Peer::new("stdio");
        let peer = match child.id() {
            Some(pid) => peer.with_pid(pid),
            None => peer,
        };
        Ok(PeerStream::new(Held { stream: join(output, input), _held: child }, peer))
    }
}

impl Connector for PluginConnector {
    type Connection = PeerStream<Held<Join<ChildStdout, ChildStdin>, Child>>;

    async fn connect(&self, _: Instant) -> Result<Self::Connection, ConnectError> {
        self.start().map_err(|error| ConnectError::from_io(&self.address, "start the plug-in", error))
    }

    fn address(&self) -> &Address {
        &self.address
    }
}

/// In the plug-in: the only connection exists from the start.
struct HostListener {
    /// Dropped with the connection.
    connected: Option<oneshot::Sender<()>>,
    address: Address,
}

impl HostListener {
    /// The listener, and a receiver that completes when the host has ended.
    fn new() -> (Self, oneshot::Receiver<()>) {
        let (connected, gone) = oneshot::channel();
        (Self { connected: Some(connected), address: Address::custom("stdio", "host") }, gone)
    }
}

impl Listener for HostListener {
    type Connection = PeerStream<Held<Join<Stdin, Stdout>, oneshot::Sender<()>>>;

    async fn accept(&mut self) -> Self::Connection {
        match self.connected.take() {
            Some(connected) => PeerStream::new(
                Held { stream: join(stdin(), stdout()), _held: connected },
                Peer::new("stdio"),
            ),
            None => pending().await,
        }
    }

    fn local_address(&self) -> &Address {
        &self.address
    }
}

/// A stream, and a value that is dropped with it.
struct Held<S, T> {
    stream: S,
    _held: T,
}

impl<S: AsyncRead + Unpin, T: Unpin> AsyncRead for Held<S, T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin, T: Unpin> AsyncWrite for Held<S, T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

struct Plugin;

#[tonic::async_trait]
impl Greeter for Plugin {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        let message = format!("Hello {}, says the plug-in", request.into_inner().name);
        Ok(Response::new(HelloReply { message }))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    exit(match std::env::args().nth(1).as_deref() {
        Some("plugin") => plugin().await,
        _ => host().await,
    })
}

async fn plugin() -> Result<(), Box<dyn Error>> {
    let (listener, gone) = HostListener::new();
    let gone = async { gone.await.unwrap_or_default() };
    let server = Server::builder().add_service(GreeterServer::new(Plugin)).listener(listener);
    Ok(server.serve_with_shutdown(gone, Duration::ZERO).await?)
}

async fn host() -> Result<(), Box<dyn Error>> {
    let channel = Channel::from_connector(PluginConnector::new(std::env::current_exe()?));
    let request = HelloRequest { name: "host".to_owned() };
    let reply = GreeterClient::new(channel.clone()).say_hello(request).await?.into_inner();
    let peer = channel.peer().ok_or("the plug-in is not known")?;
    println!("{} (answered by {peer})", reply.message);
    Ok(())
}
