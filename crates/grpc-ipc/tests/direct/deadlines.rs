//! Deadlines and cancellation of direct calls.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::poll;
use grpc_ipc::StatusExt as _;
use grpc_ipc_conformance::run;
use grpc_ipc_proto::greet::HelloRequest;
use grpc_ipc_proto::greet::greeter_client::GreeterClient;
use grpc_ipc_proto::greet::greeter_server::{Greeter, GreeterServer};
use tokio::sync::Notify;
use tonic::{Code, Request};

use crate::util::{Answer, Scene, hello, request};

/// Answers "first". Otherwise it waits forever, and reports when it is dropped.
#[derive(Clone, Default)]
struct Waits {
    called: Arc<Notify>,
    dropped: Arc<Notify>,
}

struct WhenDropped(Arc<Notify>);

impl Drop for WhenDropped {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[tonic::async_trait]
impl Greeter for Waits {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Answer {
        if request.get_ref().name == "first" {
            return Ok(tonic::Response::new(hello("first")));
        }
        let _dropped = WhenDropped(Arc::clone(&self.dropped));
        self.called.notify_one();
        std::future::pending().await
    }
}

#[test]
fn a_direct_call_ends_at_its_deadline() {
    run("a_direct_call_ends_at_its_deadline", || async {
        let waits = Waits::default();
        let scene = Scene::new(|server| server.add_service(GreeterServer::new(waits.clone()))).await;
        let mut client = GreeterClient::new(scene.channel.clone());
        let mut late = Request::new(request("wait"));
        late.set_timeout(Duration::from_millis(20));
        let status = client.say_hello(late).await.unwrap_err();
        assert_eq!(
            (status.code(), status.message()),
            (Code::DeadlineExceeded, "the deadline of the call has passed")
        );
        waits.dropped.notified().await;
        assert_eq!(scene.general(), (0, 0));
    });
}

/// The answer would be there as soon as the call.
#[test]
fn a_direct_call_whose_deadline_has_passed_is_not_made() {
    run("a_direct_call_whose_deadline_has_passed_is_not_made", || async {
        let scene = Scene::new(|server| server.add_service(GreeterServer::new(Waits::default()))).await;
        let mut client = GreeterClient::new(scene.channel.clone());
        client.say_hello(request("first")).await.unwrap();
        let mut late = Request::new(request("first"));
        late.set_timeout(Duration::ZERO);
        let status = client.say_hello(late).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert!(!status.may_have_been_processed());
        assert_eq!(client.say_hello(request("first")).await.unwrap().into_inner(), hello("first"));
        assert_eq!(scene.general(), (0, 0));
    });
}

#[test]
fn a_call_that_is_dropped_is_cancelled() {
    run("a_call_that_is_dropped_is_cancelled", || async {
        let waits = Waits::default();
        let scene = Scene::new(|server| server.add_service(GreeterServer::new(waits.clone()))).await;
        let mut client = GreeterClient::new(scene.channel.clone());
        {
            let mut call = Box::pin(client.say_hello(request("wait")));
            assert!(poll!(&mut call).is_pending());
            waits.called.notified().await;
        }
        waits.dropped.notified().await;
        assert_eq!(client.say_hello(request("first")).await.unwrap().into_inner(), hello("first"));
        assert_eq!(scene.general(), (0, 0));
    });
}

/// The future is polled in the caller's task. It is `Send` if the service is, and borrows only the client.
#[test]
fn futures_of_calls_are_send() {
    fn send<T: Send>(future: T) -> T {
        future
    }

    run("futures_of_calls_are_send", || async {
        let scene = Scene::new(|server| server.add_service(GreeterServer::new(Waits::default()))).await;
        let mut client = GreeterClient::new(scene.channel.clone());
        let call: Pin<Box<dyn Future<Output = Answer> + Send>> =
            Box::pin(send(async move { client.say_hello(request("first")).await }));
        call.await.unwrap();
        let mut client = GreeterClient::with_interceptor(scene.channel.clone(), Ok);
        send(async move { client.say_hello(request("first")).await }).await.unwrap();
    });
}
