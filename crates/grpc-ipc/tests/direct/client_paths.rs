//! The paths of calls in a client.

use std::sync::atomic::Ordering;

use grpc_ipc::{Address, ConnectError, ConnectOptions, Server};
use grpc_ipc_conformance::{run, unique_name};
use grpc_ipc_proto::bench::bench_client::BenchClient;
use grpc_ipc_proto::bench::{Chunk, Transfer};
use grpc_ipc_proto::greet::greeter_client::GreeterClient;
use grpc_ipc_proto::tonic_generated::greet::greeter_client as tonics;
use tonic::codec::CompressionEncoding;
use tonic::codegen::tokio_stream;
use tonic::{Code, Request};

use crate::other::Other;
use crate::util::{Says, Scene, hello, request};

#[test]
fn calls_over_a_channel_are_direct() {
    run("calls_over_a_channel_are_direct", || async {
        let scene = Scene::new(|server| server.add_service(Says::hello().server())).await;
        let mut client = GreeterClient::new(scene.channel.clone());
        for _ in 0..3 {
            assert_eq!(client.say_hello(request("you")).await.unwrap().into_inner(), hello("you"));
        }
        // Also concurrently, and in another task.
        let (mut one, mut other) = (client.clone(), client);
        let two =
            async move { tokio::join!(one.say_hello(request("one")), other.say_hello(request("other"))) };
        let (one, other) = tokio::spawn(two).await.unwrap();
        assert_eq!((one.unwrap().into_inner(), other.unwrap().into_inner()), (hello("one"), hello("other")));
        assert_eq!(scene.general(), (0, 0));
    });
}

#[test]
fn a_client_connects() {
    run("a_client_connects", || async {
        let address = Address::local(unique_name("client")).unwrap();
        let error = GreeterClient::connect(address.clone()).await.unwrap_err();
        assert!(matches!(error, ConnectError::NotFound { .. }), "{error:?}");
        let server = Server::builder().add_service(Says::hello().server()).listen(address.clone());
        let server = server.bind().await.unwrap();
        let general = server.general_calls();
        tokio::spawn(server.serve());
        let text = address.to_string();
        let mut client = GreeterClient::connect(text.as_str()).await.unwrap();
        assert_eq!(client.say_hello(request("you")).await.unwrap().into_inner(), hello("you"));
        let mut client = GreeterClient::connect(ConnectOptions::new(address)).await.unwrap();
        assert_eq!(client.say_hello(request("you")).await.unwrap().into_inner(), hello("you"));
        assert_eq!(general.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn options_that_need_tonic_are_left_to_it() {
    run("options_that_need_tonic_are_left_to_it", || async {
        let server = Says::hello().server().accept_compressed(CompressionEncoding::Gzip);
        let scene = Scene::new(|server_| server_.add_service(server)).await;
        let channel = || scene.channel.clone();
        let clients = [
            GreeterClient::with_origin(channel(), http::Uri::from_static("http://somewhere")),
            GreeterClient::new(channel()).send_compressed(CompressionEncoding::Gzip),
            GreeterClient::new(channel()).accept_compressed(CompressionEncoding::Gzip),
        ];
        for (number, mut client) in clients.into_iter().enumerate() {
            assert_eq!(client.say_hello(request("you")).await.unwrap().into_inner(), hello("you"));
            assert_eq!(scene.general().0, number as u64 + 1);
        }
        let mut other = GreeterClient::new(Other(channel()));
        assert_eq!(other.say_hello(request("you")).await.unwrap().into_inner(), hello("you"));
        assert_eq!(scene.general().0, 4);
        let mut tonics = tonics::GreeterClient::new(channel());
        assert_eq!(tonics.say_hello(request("you")).await.unwrap().into_inner(), hello("you"));
        assert_eq!(scene.general().0, 5);
    });
}

#[test]
fn requests_that_need_tonic_are_left_to_it() {
    run("requests_that_need_tonic_are_left_to_it", || async {
        let scene = Scene::new(|server| server.add_service(Says::hello().server())).await;
        let mut client = GreeterClient::new(scene.channel.clone());

        let mut cancelled = Request::new(request("you"));
        cancelled.cancellation_handle().cancel();
        assert_eq!(client.say_hello(cancelled).await.unwrap_err().code(), Code::Cancelled);
        assert_eq!(scene.general().0, 1);

        let mut named = Request::new(request("you"));
        named.metadata_mut().insert("user-agent", "me".parse().unwrap());
        client.say_hello(named).await.unwrap();
        assert_eq!(scene.general().0, 2);
    });
}

/// They are rare, and begin when the connection has room.
#[test]
fn calls_that_do_not_fit_go_the_general_way() {
    run("calls_that_do_not_fit_go_the_general_way", || async {
        let scene = Scene::new(|server| server.add_service(Says::hello().server())).await;
        let mut client = GreeterClient::new(scene.channel.clone());
        let large = "large".repeat(100_000);
        for _ in 0..3 {
            assert_eq!(client.say_hello(request(&large)).await.unwrap().into_inner(), hello(&large));
        }
        assert_eq!(client.say_hello(request("you")).await.unwrap().into_inner(), hello("you"));
    });
}

#[test]
fn calls_with_streams_work() {
    run("calls_with_streams_work", || async {
        let scene = Scene::new(|server| server.add_service(Says::hello().server())).await;
        let mut client = BenchClient::new(scene.channel.clone());
        let unimplemented = [
            client.download(Transfer { count: 1, size: 1 }).await.map(drop),
            client.upload(tokio_stream::iter([Chunk::default()])).await.map(drop),
            client.exchange(tokio_stream::iter([Chunk::default()])).await.map(drop),
            client.echo(Chunk::default()).await.map(drop),
        ];
        for result in unimplemented {
            assert_eq!(result.unwrap_err().code(), Code::Unimplemented);
        }
    });
}
