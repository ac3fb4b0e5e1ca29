//! `Incoming` and `EndpointConnector` under tonic's own `Server` and `Endpoint`.
#![cfg(all(unix, feature = "uds"))]

mod util;

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use grpc_ipc::memory::Network;
use grpc_ipc::{AccessPolicy, EndpointConnector, Incoming};
use grpc_ipc_conformance::run;
use grpc_ipc_proto::greet::HelloRequest;
use grpc_ipc_proto::greet::greeter_client::GreeterClient;
use tempfile::TempDir;
use tonic::body::Body;
use tonic::transport::{Endpoint, Server};
use tower_layer::Layer;
use tower_service::Service;
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

/// Adds its number to a log for each request.
#[derive(Clone)]
struct Logs(Arc<Mutex<Vec<u32>>>, u32);

impl<S> Layer<S> for Logs {
    type Service = Logged<S>;

    fn layer(&self, service: S) -> Logged<S> {
        Logged(self.clone(), service)
    }
}

#[derive(Clone)]
struct Logged<S>(Logs, S);

impl<S: Service<http::Request<Body>>> Service<http::Request<Body>> for Logged<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.1.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> S::Future {
        let Logs(log, number) = &self.0;
        log.lock().unwrap().push(*number);
        self.1.call(request)
    }
}

#[test]
fn layers_see_a_request_in_tonics_order() {
    run("layers_see_a_request_in_tonics_order", || async {
        let network = Network::new();
        let service = || MyGreeter::default().service();
        let [tonics, ours] = [(); 2].map(|()| Arc::<Mutex<Vec<u32>>>::default());
        let layer = |log: &Arc<Mutex<_>>, number| Logs(Arc::clone(log), number);

        let incoming = Incoming::from_listener(network.listen("tonic", AccessPolicy::default()).unwrap());
        let mut server = Server::builder().layer(layer(&tonics, 1)).layer(layer(&tonics, 2));
        tokio::spawn(server.add_service(service()).serve_with_incoming(incoming));

        let listener = network.listen("ours", AccessPolicy::default()).unwrap();
        let server = grpc_ipc::Server::builder().layer(layer(&ours, 1)).add_service(service());
        tokio::spawn(server.layer(layer(&ours, 2)).listener(listener).serve());

        for name in ["tonic", "ours"] {
            let connector = network.connector(name, AccessPolicy::default());
            greet(grpc_ipc::Channel::from_connector(connector), name).await.unwrap();
        }
        assert_eq!(*tonics.lock().unwrap(), [1, 2]);
        assert_eq!(*ours.lock().unwrap(), [1, 2]);
    });
}
