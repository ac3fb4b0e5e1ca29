//! Interceptors of generated clients and servers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use grpc_ipc::{MethodPath, Peer};
use grpc_ipc_conformance::run;
use grpc_ipc_proto::greet::HelloReply;
use grpc_ipc_proto::greet::greeter_client::GreeterClient;
use grpc_ipc_proto::greet::greeter_server::GreeterServer;
use tonic::metadata::MetadataMap;
use tonic::{Code, GrpcMethod, Request, Response, Status};

use crate::other::Other;
use crate::util::{Says, Scene, general, request};

/// The metadata, sorted.
fn fields(metadata: &MetadataMap) -> String {
    let mut fields: Vec<_> =
        metadata.as_ref().iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    fields.sort();
    fields.join(" ")
}

/// Answers with the metadata that it sees, and the extensions from an interceptor.
fn shows() -> Says {
    Says(|request| {
        Box::pin(async move {
            let note = request.extensions().get::<Note>().map_or("", |note| note.0);
            Ok(Response::new(HelloReply { message: format!("{}{note}", fields(request.metadata())) }))
        })
    })
}

#[derive(Clone)]
struct Note(&'static str);

#[test]
fn an_interceptor_of_a_client_changes_each_request_once() {
    run("an_interceptor_of_a_client_changes_each_request_once", || async {
        let scene = Scene::new(|server| server.add_service(shows().server())).await;
        let runs = Arc::<AtomicU64>::default();
        let interceptor = {
            let runs = Arc::clone(&runs);
            move |mut request: Request<()>| {
                runs.fetch_add(1, Ordering::Relaxed);
                let seen = fields(request.metadata());
                assert_eq!(seen, "a=\"1\"", "as the caller has made it");
                let method = request.extensions().get::<GrpcMethod<'static>>().unwrap();
                let method = format!("{}/{}", method.service(), method.method());
                let metadata = request.metadata_mut();
                metadata.insert("method", method.parse().unwrap());
                // It cannot break the protocol.
                metadata.insert("content-type", "text/plain".parse().unwrap());
                metadata.insert("grpc-status", "1".parse().unwrap());
                Ok(request)
            }
        };
        let a = || {
            let mut request = Request::new(request("you"));
            request.metadata_mut().insert("a", "1".parse().unwrap());
            request
        };
        let expected = "a=\"1\" method=\"greet.Greeter/SayHello\"";
        let mut direct = GreeterClient::with_interceptor(scene.channel.clone(), interceptor.clone());
        assert_eq!(direct.say_hello(a()).await.unwrap().into_inner().message, expected);
        let mut general = GreeterClient::with_interceptor(Other(scene.channel.clone()), interceptor);
        assert_eq!(general.say_hello(a()).await.unwrap().into_inner().message, expected);
        assert_eq!(runs.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn calls_through_an_interceptor_are_direct() {
    run("calls_through_an_interceptor_are_direct", || async {
        let service = || {
            GreeterServer::with_interceptor(shows(), |mut request: Request<()>| {
                assert!(request.extensions().get::<Peer>().is_some());
                let path = request.extensions().get::<MethodPath>().unwrap();
                assert_eq!(path.as_str(), "/greet.Greeter/SayHello");
                request.extensions_mut().insert(Note("!"));
                request.metadata_mut().insert("c", "3".parse().unwrap());
                // Handlers do not see these, whoever sets them.
                request.metadata_mut().insert("user-agent", "an interceptor".parse().unwrap());
                request.metadata_mut().insert("te", "trailers".parse().unwrap());
                Ok(request)
            })
        };
        let other = Scene::new(|server| general(server.add_service(service()))).await;
        let scene = Scene::new(|server| server.add_service(service())).await;
        let mut client = GreeterClient::with_interceptor(scene.channel.clone(), |mut request: Request<()>| {
            request.metadata_mut().insert("b", "2".parse().unwrap());
            Ok(request)
        });
        assert_eq!(client.say_hello(request("you")).await.unwrap().into_inner().message, "b=\"2\" c=\"3\"!");
        assert_eq!(scene.general(), (0, 0));
        let mut client = GreeterClient::new(other.channel.clone());
        assert_eq!(client.say_hello(request("you")).await.unwrap().into_inner().message, "c=\"3\"!");
    });
}

/// As if it came from the server.
#[test]
fn an_interceptor_refuses_a_call_with_all_of_its_status() {
    fn refuse(_: Request<()>) -> Result<Request<()>, Status> {
        let mut status = Status::with_details(Code::Unauthenticated, "who are you? ä", b"details"[..].into());
        status.metadata_mut().insert("why", "because".parse().unwrap());
        status.metadata_mut().insert("te", "it is reserved".parse().unwrap());
        Err(status)
    }

    fn check(status: &Status) {
        assert_eq!((status.code(), status.message()), (Code::Unauthenticated, "who are you? ä"));
        assert_eq!(status.details(), b"details");
        assert_eq!(fields(status.metadata()), "why=\"because\"");
    }

    run("an_interceptor_refuses_a_call_with_all_of_its_status", || async {
        let scene = Scene::new(|server| server.add_service(shows().server())).await;
        let mut client = GreeterClient::with_interceptor(scene.channel.clone(), refuse);
        check(&client.say_hello(request("you")).await.unwrap_err());
        let mut client = GreeterClient::with_interceptor(Other(scene.channel.clone()), refuse);
        check(&client.say_hello(request("you")).await.unwrap_err());
        assert_eq!(scene.general().0, 0, "no request was sent");

        let service = || GreeterServer::with_interceptor(shows(), refuse);
        let scene = Scene::new(|server| server.add_service(service())).await;
        check(&GreeterClient::new(scene.channel.clone()).say_hello(request("you")).await.unwrap_err());
        assert_eq!(scene.general(), (0, 0));
        let scene = Scene::new(|server| general(server.add_service(service()))).await;
        check(&GreeterClient::new(scene.channel.clone()).say_hello(request("you")).await.unwrap_err());
        assert_eq!(scene.general(), (0, 2));
    });
}
