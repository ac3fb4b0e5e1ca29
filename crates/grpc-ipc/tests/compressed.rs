//! Messages that are small on the wire and large when they are decompressed: tonic's limit on a message holds for both ends.

use grpc_ipc::memory::Network;
use grpc_ipc::{AccessPolicy, Channel, Server};
use grpc_ipc_conformance::run;
use grpc_ipc_proto::greet::greeter_client::GreeterClient;
use grpc_ipc_proto::greet::greeter_server::{Greeter, GreeterServer};
use grpc_ipc_proto::greet::{HelloReply, HelloRequest};
use tonic::codec::CompressionEncoding::Gzip;
use tonic::{Code, Request, Response, Status};

/// A message of 4 MiB is the largest that tonic takes.
const BOMB: usize = 16 << 20;

/// Answers with as many octets as the request says.
struct Bomber;

#[tonic::async_trait]
impl Greeter for Bomber {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        let length = request.into_inner().name.parse().unwrap_or(0);
        Ok(Response::new(HelloReply { message: "x".repeat(length) }))
    }
}

async fn answer(client: &mut GreeterClient<Channel>, name: impl Into<String>) -> Result<usize, Status> {
    let reply = client.say_hello(HelloRequest { name: name.into() }).await?;
    Ok(reply.into_inner().message.len())
}

#[test]
fn a_compressed_bomb_ends_its_call_and_no_other() {
    run("a_compressed_bomb_ends_its_call_and_no_other", || async {
        let network = Network::new();
        let listener = network.listen("bomber", AccessPolicy::default()).unwrap();
        let service = GreeterServer::new(Bomber).accept_compressed(Gzip).send_compressed(Gzip);
        let server = Server::builder().add_service(service).listener(listener).bind().await.unwrap();
        tokio::spawn(server.serve());
        let channel = Channel::from_connector(network.connector("bomber", AccessPolicy::default()));
        let mut client = GreeterClient::new(channel).accept_compressed(Gzip).send_compressed(Gzip);
        for _ in 0..2 {
            // What compresses well is no bomb by itself.
            assert_eq!(answer(&mut client, "1000000").await.unwrap(), 1_000_000);
            let to_client = answer(&mut client, BOMB.to_string()).await.unwrap_err();
            assert_eq!(to_client.code(), Code::ResourceExhausted, "{to_client:?}");
            let to_server = answer(&mut client, "0".repeat(BOMB)).await.unwrap_err();
            assert_eq!(to_server.code(), Code::ResourceExhausted, "{to_server:?}");
        }
        assert_eq!(answer(&mut client, "1").await.unwrap(), 1);
    });
}
