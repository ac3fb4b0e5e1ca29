//! What a channel does when its server allows no more calls, goes away, or comes back.

mod util;

use std::sync::Arc;
use std::time::Duration;

use grpc_ipc::memory::Network;
use grpc_ipc::{AccessPolicy, Channel, Http2Options, Server};
use grpc_ipc_conformance::run;
use tokio::task::JoinSet;
use tonic::Code;
use util::{DRAIN, MyGreeter, Running, greet};

async fn serve(network: &Network, greeter: &MyGreeter, streams: u32) -> Running {
    let listener = network.listen("greeter", AccessPolicy::default()).unwrap();
    let server = Server::builder()
        .add_service(greeter.service())
        .http2(Http2Options::new().max_concurrent_streams(streams))
        .listener(listener);
    Running::start(server.bind().await.unwrap(), DRAIN)
}

#[test]
fn calls_beyond_the_servers_limit_get_another_connection() {
    run("calls_beyond_the_servers_limit_get_another_connection", || async {
        let (network, greeter) = (Network::new(), MyGreeter::default());
        let running = serve(&network, &greeter, 2).await;
        let channel = Channel::from_connector(network.connector("greeter", AccessPolicy::default()));
        greet(channel.clone(), "first").await.unwrap();
        let mut calls = JoinSet::new();
        for _ in 0..9 {
            calls.spawn(greet(channel.clone(), "wait"));
            // All of them run at the same time.
            greeter.called.notified().await;
        }
        for _ in 0..9 {
            greeter.go_on.notify_one();
            calls.join_next().await.unwrap().unwrap().unwrap();
        }
        drop(channel);
        running.stop().await.unwrap().unwrap();
    });
}

#[test]
fn calls_beyond_what_all_connections_take_wait() {
    run("calls_beyond_what_all_connections_take_wait", || async {
        let (network, greeter) = (Network::new(), MyGreeter::default());
        let running = serve(&network, &greeter, 1).await;
        let channel = Channel::from_connector(network.connector("greeter", AccessPolicy::default()));
        let mut calls = JoinSet::new();
        for _ in 0..100 {
            calls.spawn(greet(channel.clone(), "world"));
        }
        while let Some(call) = calls.join_next().await {
            call.unwrap().unwrap();
        }
        drop(channel);
        running.stop().await.unwrap().unwrap();
    });
}

#[test]
fn calls_go_on_while_servers_come_and_go() {
    run("calls_go_on_while_servers_come_and_go", || async {
        let (network, greeter) = (Network::new(), MyGreeter::default());
        let channel = Channel::from_connector(network.connector("greeter", AccessPolicy::default()));
        for _ in 0..5 {
            let running = serve(&network, &greeter, 100).await;
            let calling = Arc::new(());
            let mut calls = JoinSet::new();
            for _ in 0..8 {
                let (channel, calling) = (channel.clone(), Arc::downgrade(&calling));
                calls.spawn(async move {
                    let mut answered = 0_u32;
                    while calling.upgrade().is_some() {
                        match greet(channel.clone(), "world").await {
                            Ok(_) => answered += 1,
                            // The next connection found no server: between two of them there is none.
                            Err(status) => {
                                assert_eq!(status.code(), Code::Unavailable);
                                assert!(status.message().contains("nothing is there"), "{status:?}");
                                break;
                            }
                        }
                    }
                    answered
                });
            }
            greet(channel.clone(), "world").await.unwrap();
            // What the server has taken it answers; what it has not taken is made again.
            running.stop().await.unwrap().unwrap();
            drop(calling);
            while let Some(answered) = calls.join_next().await {
                answered.unwrap();
            }
        }
    });
}

#[test]
fn a_deadline_passes_also_while_a_call_waits_for_a_stream() {
    run("a_deadline_passes_also_while_a_call_waits_for_a_stream", || async {
        let (network, greeter) = (Network::new(), MyGreeter::default());
        let running = serve(&network, &greeter, 0).await;
        let channel = Channel::from_connector(network.connector("greeter", AccessPolicy::default()));
        let mut request = tonic::Request::new(grpc_ipc_proto::greet::HelloRequest { name: "x".to_owned() });
        request.set_timeout(Duration::from_millis(20));
        let mut client = grpc_ipc_proto::greet::greeter_client::GreeterClient::new(channel);
        let status = client.say_hello(request).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
        drop(client);
        running.stop().await.unwrap().unwrap();
    });
}
