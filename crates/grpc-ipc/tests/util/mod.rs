//! A service that waits on request, and a server for it.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::allow_attributes,
    reason = "each test program uses a part of it"
)]

use std::sync::Arc;
use std::time::Duration;

use grpc_ipc::{BoundServer, Peer, ServeError};
use grpc_ipc_proto::greet::greeter_client::GreeterClient;
use grpc_ipc_proto::greet::greeter_server::{Greeter, GreeterServer};
use grpc_ipc_proto::greet::{HelloReply, HelloRequest};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tonic::{Request, Response, Status};

/// Answers with the name and the peer. For the name "wait", it waits until it is told to continue.
#[derive(Clone, Default)]
pub struct MyGreeter {
    pub called: Arc<Notify>,
    pub go_on: Arc<Notify>,
}

#[tonic::async_trait]
impl Greeter for MyGreeter {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        let peer = request.extensions().get::<Peer>().map(Peer::to_string);
        let name = &request.get_ref().name;
        if name == "wait" {
            self.called.notify_one();
            self.go_on.notified().await;
        }
        let message = format!("Hello {name}, {}", peer.unwrap_or_else(|| "nobody".to_owned()));
        Ok(Response::new(HelloReply { message }))
    }
}

impl MyGreeter {
    pub fn service(&self) -> GreeterServer<Self> {
        GreeterServer::new(self.clone())
    }
}

/// A server that runs until it is stopped.
pub struct Running {
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Result<(), ServeError>>,
}

impl Running {
    pub fn start(server: BoundServer, drain: Duration) -> Self {
        let (stop, stopped) = oneshot::channel();
        let signal = async { stopped.await.unwrap_or_default() };
        Self { stop, serving: tokio::spawn(server.serve_with_shutdown(signal, drain)) }
    }

    /// Stops it. The returned task ends when the server has ended.
    pub fn stop(self) -> JoinHandle<Result<(), ServeError>> {
        self.stop.send(()).unwrap();
        self.serving
    }
}

pub const DRAIN: Duration = Duration::from_secs(20);

/// The greeter's answer to `name`.
pub async fn greet(channel: grpc_ipc::Channel, name: &str) -> Result<String, Status> {
    let request = HelloRequest { name: name.to_owned() };
    Ok(GreeterClient::new(channel).say_hello(request).await?.into_inner().message)
}
