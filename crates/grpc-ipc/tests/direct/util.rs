//! A server in this process, which counts calls by path.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use grpc_ipc::memory::Network;
use grpc_ipc::{AccessPolicy, Channel, Server};
use grpc_ipc_proto::greet::greeter_client::GreeterClient;
use grpc_ipc_proto::greet::greeter_server::{Greeter, GreeterServer};
use grpc_ipc_proto::greet::{HelloReply, HelloRequest};
use tonic::{Request, Response, Status};
use tower_layer::layer_fn;

pub(crate) type Answer = Result<Response<HelloReply>, Status>;

/// Answers with the result of a function.
#[derive(Clone)]
pub(crate) struct Says(pub(crate) fn(Request<HelloRequest>) -> Answering);

type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

#[tonic::async_trait]
impl Greeter for Says {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Answer {
        (self.0)(request).await
    }
}

impl Says {
    pub(crate) fn hello() -> Self {
        Self(|request| Box::pin(async move { Ok(Response::new(hello(&request.get_ref().name))) }))
    }

    pub(crate) fn server(self) -> GreeterServer<Self> {
        GreeterServer::new(self)
    }
}

pub(crate) fn hello(name: &str) -> HelloReply {
    HelloReply { message: format!("Hello {name}") }
}

pub(crate) fn request(name: &str) -> HelloRequest {
    HelloRequest { name: name.to_owned() }
}

/// A server, and a connected channel.
pub(crate) struct Scene {
    pub(crate) channel: Channel,
    server: Arc<AtomicU64>,
}

impl Scene {
    pub(crate) async fn new(build: impl FnOnce(Server) -> Server) -> Self {
        let network = Network::new();
        let listener = network.listen("direct", AccessPolicy::default()).unwrap();
        let server = build(Server::builder()).listener(listener).bind().await.unwrap();
        let general = server.general_calls();
        tokio::spawn(server.serve());
        let channel = Channel::from_connector(network.connector("direct", AccessPolicy::default()));
        // The first call waits for the connection, and so takes the general path.
        _ = GreeterClient::new(channel.clone()).say_hello(request("first")).await;
        assert_eq!(channel.general_calls(), 1);
        Self { channel, server: general }
    }

    /// How many calls have taken the general path since: in the client, and in the server, where the first one counts
    /// as well.
    pub(crate) fn general(&self) -> (u64, u64) {
        (self.channel.general_calls() - 1, self.server.load(Ordering::Relaxed))
    }
}

/// The same server behind a layer that does nothing.
pub(crate) fn general(server: Server) -> Server {
    server.layer(layer_fn(|services| services))
}
