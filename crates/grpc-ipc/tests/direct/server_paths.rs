//! The paths of calls in a server. A layer or wrapper around a service is never bypassed.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use grpc_ipc::{AccessPolicy, Authorize};
use grpc_ipc_conformance::run;
use grpc_ipc_proto::greet::greeter_client::GreeterClient;
use grpc_ipc_proto::greet::greeter_server::GreeterServer;
use grpc_ipc_proto::tonic_generated::greet::greeter_server as tonics;
use tonic::body::Body;
use tonic::codec::CompressionEncoding;
use tonic::server::NamedService;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Status};
use tower_layer::Layer as _;
use tower_service::Service;

use crate::util::{Answer, Says, Scene, general, hello, request};

async fn call(scene: &Scene) {
    let mut client = GreeterClient::new(scene.channel.clone());
    assert_eq!(client.say_hello(request("you")).await.unwrap().into_inner(), hello("you"));
    assert_eq!(scene.general().0, 0, "the client is direct in any case");
}

/// How many of two calls take the general path.
async fn general_calls(scene: &Scene) -> u64 {
    call(scene).await;
    scene.general().1
}

#[test]
fn generated_servers_are_called_directly() {
    run("generated_servers_are_called_directly", || async {
        let scene = Scene::new(|server| server.add_service(Says::hello().server())).await;
        assert_eq!(general_calls(&scene).await, 0);
        let limited = Says::hello().server().max_decoding_message_size(100).max_encoding_message_size(100);
        let scene = Scene::new(|server| server.add_service(limited)).await;
        assert_eq!(general_calls(&scene).await, 0);
        // The calls of a client that compresses are not direct; others are.
        let accepting = Says::hello().server().accept_compressed(CompressionEncoding::Gzip);
        let scene = Scene::new(|server| server.add_service(accepting)).await;
        assert_eq!(general_calls(&scene).await, 0);
        let mut compressing =
            GreeterClient::new(scene.channel.clone()).send_compressed(CompressionEncoding::Gzip);
        compressing.say_hello(request("you")).await.unwrap();
        assert_eq!(scene.general().1, 1);
    });
}

#[test]
fn layers_see_every_call() {
    run("layers_see_every_call", || async {
        let scene = Scene::new(|server| general(server.add_service(Says::hello().server()))).await;
        assert_eq!(general_calls(&scene).await, 2);
    });
}

#[test]
fn what_else_needs_tonic_is_left_to_it() {
    run("what_else_needs_tonic_is_left_to_it", || async {
        let compressing = Says::hello().server().send_compressed(CompressionEncoding::Gzip);
        let scene = Scene::new(|server| server.add_service(compressing)).await;
        assert_eq!(general_calls(&scene).await, 2);

        let scene = Scene::new(|server| server.add_service(tonics::GreeterServer::new(TonicsGreeter))).await;
        assert_eq!(general_calls(&scene).await, 2);
    });
}

#[cfg(feature = "routes")]
#[test]
fn routes_are_called_the_general_way() {
    run("routes_are_called_the_general_way", || async {
        let routes = tonic::service::Routes::new(Says::hello().server());
        let scene = Scene::new(|server| server.routes(routes)).await;
        assert_eq!(general_calls(&scene).await, 2);
    });
}

struct TonicsGreeter;

#[tonic::async_trait]
impl tonics::Greeter for TonicsGreeter {
    async fn say_hello(&self, request: Request<grpc_ipc_proto::greet::HelloRequest>) -> Answer {
        Ok(tonic::Response::new(hello(&request.get_ref().name)))
    }
}

/// Counts the requests that it sees.
#[derive(Clone)]
struct Counted<S>(S, Arc<AtomicU64>);

impl<S> Counted<S> {
    fn new(service: S) -> (Self, Arc<AtomicU64>) {
        let seen = Arc::<AtomicU64>::default();
        (Self(service, Arc::clone(&seen)), seen)
    }
}

/// Has the future of the inner service, as a wrapper may that reads only the request.
impl<S, B> Service<http::Request<B>> for Counted<S>
where
    S: Service<http::Request<B>, Response = http::Response<Body>, Error = Infallible>,
{
    type Response = S::Response;
    type Error = Infallible;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<B>) -> S::Future {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.call(request)
    }
}

impl<S: NamedService> NamedService for Counted<S> {
    const NAME: &'static str = S::NAME;
}

#[test]
fn a_wrapper_with_the_same_future_is_not_passed_by() {
    run("a_wrapper_with_the_same_future_is_not_passed_by", || async {
        let (service, seen) = Counted::new(Says::hello().server());
        let scene = Scene::new(|server| server.add_service(service)).await;
        assert_eq!(general_calls(&scene).await, 2);
        // Nor is it probed.
        assert_eq!(seen.load(Ordering::Relaxed), 2);

        let (service, seen) = Counted::new(Counted::new(Says::hello().server()).0);
        let scene = Scene::new(|server| server.add_service(service)).await;
        assert_eq!(general_calls(&scene).await, 2);
        assert_eq!(seen.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn tonics_interceptors_see_every_call() {
    run("tonics_interceptors_see_every_call", || async {
        let seen = Arc::<AtomicU64>::default();
        let interceptor = {
            let seen = Arc::clone(&seen);
            move |request: Request<()>| {
                seen.fetch_add(1, Ordering::Relaxed);
                Ok::<_, Status>(request)
            }
        };
        let service = InterceptedService::new(Says::hello().server(), interceptor.clone());
        let scene = Scene::new(|server| server.add_service(service)).await;
        assert_eq!(general_calls(&scene).await, 2);
        assert_eq!(seen.load(Ordering::Relaxed), 2);

        // Around one of our services as well.
        let service = GreeterServer::with_interceptor(Says::hello(), interceptor.clone());
        let service = InterceptedService::new(service, interceptor);
        let scene = Scene::new(|server| server.add_service(service)).await;
        assert_eq!(general_calls(&scene).await, 2);
        assert_eq!(seen.load(Ordering::Relaxed), 6);
    });
}

#[test]
fn rules_of_a_service_are_not_passed_by() {
    run("rules_of_a_service_are_not_passed_by", || async {
        let authorize = Authorize::new(AccessPolicy::users([]));
        let service = authorize.layer(Says::hello().server());
        let scene = Scene::new(|server| server.add_service(service)).await;
        let refused = GreeterClient::new(scene.channel.clone()).say_hello(request("you")).await;
        assert_eq!(refused.unwrap_err().code(), tonic::Code::PermissionDenied);

        let service = GreeterServer::with_interceptor(Says::hello(), authorize);
        let scene = Scene::new(|server| server.add_service(service)).await;
        let refused = GreeterClient::new(scene.channel.clone()).say_hello(request("you")).await;
        assert_eq!(refused.unwrap_err().code(), tonic::Code::PermissionDenied);
        assert_eq!(scene.general(), (0, 0), "an interceptor of ours decides directly");
    });
}
