//! The calls of each edition.

use std::pin::Pin;
use std::sync::Arc;

use grpc_ipc::memory::Network;
use grpc_ipc::tonic::codegen::tokio_stream::{self, Stream, StreamExt as _};
use grpc_ipc::tonic::{self, Code, Request, Response, Status, Streaming};
use grpc_ipc::{AccessPolicy, Channel, Server};
use grpc_ipc_conformance::run;

use crate::generated::alone::alone_client::AloneClient;
use crate::generated::alone::alone_server::{Alone, AloneServer};
use crate::generated::kinds::Number;
use crate::generated::kinds::kinds_client::KindsClient;
use crate::generated::kinds::kinds_server::{Kinds, KindsServer};
use crate::generated::stubs;

struct MyKinds;

fn number(value: i64) -> Number {
    Number { value, note: Vec::new() }
}

/// Written as for tonic.
#[tonic::async_trait]
impl Kinds for MyKinds {
    type CountStream = tokio_stream::Iter<std::vec::IntoIter<Result<Number, Status>>>;
    type EachStream = Pin<Box<dyn Stream<Item = Result<Number, Status>> + Send>>;

    async fn unary(&self, request: Request<Number>) -> Result<Response<Number>, Status> {
        if request.get_ref().value < 0 {
            return Err(Status::out_of_range("negative"));
        }
        Ok(Response::new(number(request.into_inner().value + 1)))
    }

    async fn count(&self, request: Request<Number>) -> Result<Response<Self::CountStream>, Status> {
        let numbers: Vec<_> = (1..=request.into_inner().value).map(|value| Ok(number(value))).collect();
        Ok(Response::new(tokio_stream::iter(numbers)))
    }

    async fn sum(&self, request: Request<Streaming<Number>>) -> Result<Response<Number>, Status> {
        let mut numbers = request.into_inner();
        let mut sum = 0;
        while let Some(more) = numbers.message().await? {
            sum += more.value;
        }
        Ok(Response::new(number(sum)))
    }

    async fn each(&self, request: Request<Streaming<Number>>) -> Result<Response<Self::EachStream>, Status> {
        let numbers = request.into_inner().map(|more| more.map(|more| number(more.value + 1)));
        Ok(Response::new(Box::pin(numbers)))
    }

    async fn old(&self, request: Request<Number>) -> Result<Response<Number>, Status> {
        Ok(Response::new(number(request.into_inner().value + 2)))
    }
}

struct MyAlone;

#[tonic::async_trait]
impl Alone for MyAlone {
    async fn nothing(&self, _: Request<()>) -> Result<Response<()>, Status> {
        Ok(Response::new(()))
    }

    async fn echo(&self, request: Request<String>) -> Result<Response<String>, Status> {
        Ok(Response::new(request.into_inner()))
    }

    async fn not(&self, request: Request<bool>) -> Result<Response<bool>, Status> {
        Ok(Response::new(!request.into_inner()))
    }
}

struct Stubs;

#[tonic::async_trait]
impl stubs::kinds_server::Kinds for Stubs {
    async fn unary(
        self: Arc<Self>,
        request: Request<stubs::Number>,
    ) -> Result<Response<stubs::Number>, Status> {
        Ok(Response::new(request.into_inner()))
    }
}

/// Starts a server with the services that `build` adds, and returns a channel to it.
async fn serve(build: impl FnOnce(Server) -> Server) -> Channel {
    let network = Network::new();
    let listener = network.listen("generated", AccessPolicy::default()).unwrap();
    let server = build(Server::builder()).listener(listener).bind().await.unwrap();
    tokio::spawn(server.serve());
    Channel::from_connector(network.connector("generated", AccessPolicy::default()))
}

async fn call_all(mut client: KindsClient<Channel>) {
    assert_eq!(client.unary(number(1)).await.unwrap().into_inner().value, 2);
    assert_eq!(client.unary(Request::new(number(-1))).await.unwrap_err().code(), Code::OutOfRange);
    #[allow(deprecated)]
    let old = client.old(number(1)).await.unwrap();
    assert_eq!(old.into_inner().value, 3);

    let counted = client.count(number(3)).await.unwrap().into_inner();
    let counted: Vec<_> = counted.map(|more| more.unwrap().value).collect().await;
    assert_eq!(counted, [1, 2, 3]);

    let sum = client.sum(tokio_stream::iter([number(1), number(2)])).await.unwrap();
    assert_eq!(sum.into_inner().value, 3);

    let each = client.each(Request::new(tokio_stream::iter([number(1), number(2)]))).await.unwrap();
    let each: Vec<_> = each.into_inner().map(|more| more.unwrap().value).collect().await;
    assert_eq!(each, [2, 3]);
}

#[test]
fn all_kinds() {
    run("all_kinds", || async {
        let channel = serve(|server| server.add_service(KindsServer::new(MyKinds))).await;
        // On another thread: futures of calls are `Send`.
        tokio::spawn(call_all(KindsClient::new(channel))).await.unwrap();
    });
}

#[test]
fn two_calls_of_one_channel() {
    run("two_calls_of_one_channel", || async {
        let channel = serve(|server| server.add_service(KindsServer::new(MyKinds))).await;
        let (mut one, mut other) = (KindsClient::new(channel.clone()), KindsClient::new(channel));
        let (one, other) = tokio::join!(one.unary(number(1)), other.unary(number(2)));
        assert_eq!((one.unwrap().into_inner().value, other.unwrap().into_inner().value), (2, 3));
    });
}

/// A generic function with bounds as users of tonic write them.
async fn generic<T>(channel: T) -> i64
where
    T: tonic::client::GrpcService<tonic::body::Body> + 'static,
    T::Error: Into<tonic::codegen::StdError>,
    T::ResponseBody: tonic::codegen::Body<Data = tonic::codegen::Bytes> + Send + 'static,
    <T::ResponseBody as tonic::codegen::Body>::Error: Into<tonic::codegen::StdError> + Send,
{
    KindsClient::new(channel).unary(number(1)).await.unwrap().into_inner().value
}

/// Counts the calls. It is a foreign channel, so no call is direct.
#[derive(Clone)]
struct Other(Channel);

impl tonic::codegen::Service<tonic::codegen::http::Request<tonic::body::Body>> for Other {
    type Response =
        <Channel as tonic::codegen::Service<tonic::codegen::http::Request<tonic::body::Body>>>::Response;
    type Error =
        <Channel as tonic::codegen::Service<tonic::codegen::http::Request<tonic::body::Body>>>::Error;
    type Future =
        <Channel as tonic::codegen::Service<tonic::codegen::http::Request<tonic::body::Body>>>::Future;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: tonic::codegen::http::Request<tonic::body::Body>) -> Self::Future {
        self.0.call(request)
    }
}

#[test]
fn over_any_service() {
    run("over_any_service", || async {
        let channel = serve(|server| server.add_service(KindsServer::new(MyKinds))).await;
        assert_eq!(generic(channel.clone()).await, 2);
        assert_eq!(generic(Other(channel)).await, 2);
    });
}

#[test]
fn interceptors() {
    run("interceptors", || async {
        let service = KindsServer::with_interceptor(MyKinds, |request: Request<()>| {
            match request.metadata().contains_key("secret") {
                true => Ok(request),
                false => Err(Status::unauthenticated("no secret")),
            }
        });
        let channel = serve(|server| server.add_service(service)).await;
        let error = KindsClient::new(channel.clone()).unary(number(1)).await.unwrap_err();
        assert_eq!(error.code(), Code::Unauthenticated);
        let mut client = KindsClient::with_interceptor(channel, |mut request: Request<()>| {
            request.metadata_mut().insert("secret", tonic::metadata::MetadataValue::from_static("1"));
            Ok(request)
        });
        assert_eq!(client.unary(number(1)).await.unwrap().into_inner().value, 2);
    });
}

#[test]
fn limits() {
    run("limits", || async {
        let channel = serve(|server| {
            server.add_service(KindsServer::from_arc(Arc::new(MyKinds)).max_decoding_message_size(50))
        })
        .await;
        let large = || Number { value: 1, note: vec![0; 100] };
        let mut client = KindsClient::new(channel.clone());
        assert_eq!(client.unary(large()).await.unwrap_err().code(), Code::ResourceExhausted);
        assert_eq!(client.unary(number(1)).await.unwrap().into_inner().value, 2);
        let mut client = KindsClient::new(channel).max_encoding_message_size(50);
        assert_eq!(client.unary(large()).await.unwrap_err().code(), Code::OutOfRange);
    });
}

#[test]
fn no_package_and_well_known_types() {
    run("no_package_and_well_known_types", || async {
        let channel = serve(|server| server.add_service(AloneServer::new(MyAlone))).await;
        let mut client = AloneClient::new(channel);
        client.nothing(()).await.unwrap();
        assert_eq!(client.echo("hello".to_owned()).await.unwrap().into_inner(), "hello");
        assert!(client.not(false).await.unwrap().into_inner());
    });
}

#[test]
fn stubs_are_unimplemented() {
    run("stubs_are_unimplemented", || async {
        let channel = serve(|server| server.add_service(stubs::kinds_server::KindsServer::new(Stubs))).await;
        let mut client = stubs::kinds_client::KindsClient::new(channel);
        let number = stubs::Number { value: 5, note: grpc_ipc::prost::bytes::Bytes::new() };
        assert_eq!(client.unary(number.clone()).await.unwrap().into_inner(), number);
        assert_eq!(client.count(number.clone()).await.unwrap_err().code(), Code::Unimplemented);
        let numbers = || tokio_stream::iter([number.clone()]);
        assert_eq!(client.sum(numbers()).await.unwrap_err().code(), Code::Unimplemented);
        assert_eq!(client.each(numbers()).await.unwrap_err().code(), Code::Unimplemented);
    });
}

#[test]
fn a_service_that_is_not_served_is_unimplemented() {
    run("a_service_that_is_not_served_is_unimplemented", || async {
        let channel = serve(|server| server.add_service(KindsServer::new(MyKinds))).await;
        let status = AloneClient::new(channel).nothing(()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented);
    });
}
