//! Serves or calls over a Unix domain socket that another process has opened: its standard input. A program that has
//! obtained another user's descriptor would do the same.
//!
//! ```text
//! inherited call     one call over a connected socket
//! inherited serve    answers the clients of a listening socket; prints `serving` first
//! ```
//!
//! `tests/access_matrix.rs` runs it as another user.

use std::process::ExitCode;

#[cfg(unix)]
#[tokio::main]
async fn main() -> ExitCode {
    grpc_ipc_examples::exit(match std::env::args().nth(1).as_deref() {
        Some("call") => unix::call().await,
        Some("serve") => unix::serve().await,
        _ => Err("inherited call | serve".into()),
    })
}

#[cfg(not(unix))]
fn main() -> ExitCode {
    grpc_ipc_examples::exit(Err("descriptors are inherited that way on Unix only".into()))
}

#[cfg(unix)]
mod unix {
    use std::error::Error;
    use std::io;
    use std::os::fd::{AsFd as _, OwnedFd};
    use std::os::unix::net::UnixListener as StdListener;

    use grpc_ipc::unix::LocalStream;
    use grpc_ipc::{AccessPolicy, Address, Channel, ConnectOptions, Listener, Peer, PeerStream, Server};
    use grpc_ipc_proto::greet::greeter_client::GreeterClient;
    use grpc_ipc_proto::greet::greeter_server::{Greeter, GreeterServer};
    use grpc_ipc_proto::greet::{HelloReply, HelloRequest};
    use tokio::net::{UnixListener, UnixStream};
    use tonic::{Request, Response, Status};

    pub(super) async fn call() -> Result<(), Box<dyn Error>> {
        // Accepts every server.
        let anyone = AccessPolicy::dangerous_allow_anyone();
        let server = LocalStream::try_from(standard_input()?)?;
        let channel = Channel::connect(ConnectOptions::from_connection(server).access(anyone)).await?;
        let request = HelloRequest { name: "world".to_owned() };
        println!("{}", GreeterClient::new(channel).say_hello(request).await?.into_inner().message);
        Ok(())
    }

    pub(super) async fn serve() -> Result<(), Box<dyn Error>> {
        let socket = StdListener::from(standard_input()?);
        socket.set_nonblocking(true)?;
        let listener = InheritedListener(UnixListener::from_std(socket)?, Address::custom("inherited", "0"));
        println!("serving, listening on the standard input");
        Ok(Server::builder().add_service(GreeterServer::new(Impostor)).listener(listener).serve().await?)
    }

    fn standard_input() -> io::Result<OwnedFd> {
        io::stdin().as_fd().try_clone_to_owned()
    }

    struct InheritedListener(UnixListener, Address);

    impl Listener for InheritedListener {
        type Connection = PeerStream<UnixStream>;

        async fn accept(&mut self) -> Self::Connection {
            loop {
                if let Ok((stream, _)) = self.0.accept().await {
                    return PeerStream::new(stream, Peer::new("inherited"));
                }
            }
        }

        fn local_address(&self) -> &Address {
            &self.1
        }
    }

    struct Impostor;

    #[tonic::async_trait]
    impl Greeter for Impostor {
        async fn say_hello(&self, _: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
            Ok(Response::new(HelloReply { message: "Hello from somebody else".to_owned() }))
        }
    }
}
