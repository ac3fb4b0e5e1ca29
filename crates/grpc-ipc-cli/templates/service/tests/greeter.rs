//! The service over memory: no socket, and no other test meets this one.

use grpc_ipc::memory::Network;
use grpc_ipc::{AccessPolicy, Channel, Server};

use {{crate_name}}::greeter_client::GreeterClient;
use {{crate_name}}::greeter_server::GreeterServer;
use {{crate_name}}::{HelloRequest, MyGreeter};

#[tokio::test]
async fn the_reply_names_the_caller() -> anyhow::Result<()> {
    let network = Network::new();
    let listener = network.listen("greeter", AccessPolicy::default())?;
    tokio::spawn(
        Server::builder()
            .add_service(GreeterServer::new(MyGreeter))
            .listener(listener)
            .serve(),
    );

    let channel = Channel::from_connector(network.connector("greeter", AccessPolicy::default()));
    let reply = GreeterClient::new(channel)
        .say_hello(HelloRequest {
            name: "Ada".to_owned(),
        })
        .await?;
    assert_eq!(reply.into_inner().message, "Hello Ada");
    Ok(())
}
