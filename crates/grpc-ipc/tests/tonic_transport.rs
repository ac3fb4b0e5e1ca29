//! `Incoming` and `EndpointConnector` under tonic's own `Server` and `Endpoint`.
#![cfg(all(unix, feature = "uds"))]

mod util;

use grpc_ipc::memory::Network;
use grpc_ipc::{AccessPolicy, EndpointConnector, Incoming};
use grpc_ipc_conformance::run;
use grpc_ipc_proto::greet::HelloRequest;
use grpc_ipc_proto::greet::greeter_client::GreeterClient;
use tempfile::TempDir;
use tonic::transport::{Endpoint, Server};
use util::{MyGreeter, greet};

#[test]
fn a_tonic_program_adds_two_lines() {
    run("a_tonic_program_adds_two_lines", || async {
        let directory = TempDir::new().unwrap();
        let address = format!("unix:{}", directory.path().join("s").display());
        let incoming = Incoming::bind(&address).await.unwrap();
        assert_eq!(incoming.local_addresses()[0].to_string(), address);
        let server = Server::builder().add_service(MyGreeter::default().service());
        tokio::spawn(server.serve_with_incoming(incoming));

        let connector = EndpointConnector::new(&address).unwrap();
        let endpoint = Endpoint::from_static("http://localhost");
        let channel = endpoint.connect_with_connector(connector).await.unwrap();
        let request = HelloRequest { name: "tonic".into() };
        let reply = GreeterClient::new(channel).say_hello(request).await.unwrap().into_inner();
        let pid = std::process::id();
        assert!(reply.message.starts_with("Hello tonic, unix:uid="), "{}", reply.message);
        assert!(reply.message.ends_with(&format!(",pid={pid}")), "{}", reply.message);
    });
}

#[test]
fn a_transport_of_ones_own_goes_under_tonic() {
    run("a_transport_of_ones_own_goes_under_tonic", || async {
        let network = Network::new();
        let incoming = Incoming::from_listener(network.listen("greeter", AccessPolicy::default()).unwrap());
        let server = Server::builder().add_service(MyGreeter::default().service());
        tokio::spawn(server.serve_with_incoming(incoming));
        let channel =
            grpc_ipc::Channel::from_connector(network.connector("greeter", AccessPolicy::default()));
        assert!(greet(channel, "tonic").await.unwrap().starts_with("Hello tonic, memory:"));
    });
}
