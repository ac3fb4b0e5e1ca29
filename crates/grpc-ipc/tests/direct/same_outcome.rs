//! Handlers and callers observe the same, whichever path a call takes on either side.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};
use std::time::Duration;

use grpc_ipc::codegen::Bytes;
use grpc_ipc::{Http2Options, MethodPath, Peer, Server};
use grpc_ipc_conformance::run;
use grpc_ipc_proto::bench::Chunk;
use grpc_ipc_proto::greet::greeter_client::GreeterClient;
use grpc_ipc_proto::greet::greeter_server::GreeterServer;
use grpc_ipc_proto::greet::{HelloReply, HelloRequest};
use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt as _, Full};
use prost::Message as _;
use tonic::body::Body;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::server::NamedService;
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstCodec;
use tower_service::Service;

use crate::other::Other;
use crate::util::{Answer, Says, Scene, general, hello, request};

/// The caller's observation of an answer.
fn outcome(answer: Answer) -> String {
    match answer {
        Ok(response) => format!("{:?} {:?}", response.get_ref().message, fields(response.metadata())),
        Err(status) => {
            let (code, message) = (status.code(), status.message());
            format!("{code:?} {message:?} {:?} {:?}", status.details(), fields(status.metadata()))
        }
    }
}

/// All fields, sorted.
fn fields(metadata: &MetadataMap) -> Vec<String> {
    let fields = metadata.as_ref().iter().map(|(name, value)| format!("{name}: {value:?}"));
    let mut fields: Vec<_> = fields.collect();
    fields.sort();
    fields
}

/// The outcome of a call, which must be the same for both paths through client and server.
async fn outcome_of(
    says: Says,
    serve: fn(GreeterServer<Says>) -> GreeterServer<Says>,
    limit: Option<usize>,
    request: fn() -> Request<HelloRequest>,
) -> String {
    let layers: [fn(Server) -> Server; 2] = [|server| server, general];
    let mut outcomes = Vec::new();
    for (number, layer) in layers.into_iter().enumerate() {
        let says = says.clone();
        let scene = Scene::new(|server| layer(server.add_service(serve(says.server())))).await;
        let mut direct = GreeterClient::new(scene.channel.clone());
        let mut other = GreeterClient::new(Other(scene.channel.clone()));
        if let Some(limit) = limit {
            direct = direct.max_decoding_message_size(limit).max_encoding_message_size(limit);
            other = other.max_decoding_message_size(limit).max_encoding_message_size(limit);
        }
        outcomes.push(outcome(direct.say_hello(request()).await));
        assert_eq!(scene.general().0, 0);
        outcomes.push(outcome(other.say_hello(request()).await));
        assert_eq!(scene.general().0, 1);
        if number == 0 {
            assert_eq!(scene.general().1, 0);
        }
    }
    let first = outcomes[0].clone();
    assert!(outcomes.iter().all(|outcome| *outcome == first), "{outcomes:#?}");
    first
}

async fn usual(says: Says, request: fn() -> Request<HelloRequest>) -> String {
    outcome_of(says, |server| server, None, request).await
}

#[test]
fn messages() {
    run("messages", || async {
        let outcome = usual(Says::hello(), || Request::new(request("you"))).await;
        assert_eq!(outcome, r#""Hello you" []"#);
        // An empty message.
        let empty = Says(|_| Box::pin(async { Ok(Response::new(HelloReply::default())) }));
        assert_eq!(usual(empty, || Request::new(request(""))).await, r#""" []"#);
    });
}

/// With several values of a name, joined values, and binary values.
fn with_metadata() -> Request<HelloRequest> {
    let mut request = Request::new(request("you"));
    let metadata = request.metadata_mut();
    metadata.insert("single", "1".parse().unwrap());
    metadata.append("several", "1".parse().unwrap());
    metadata.append("several", "2".parse().unwrap());
    metadata.insert_bin("some-bin", MetadataValue::from_bytes(b"\x00\xff,"));
    metadata.append_bin("some-bin", MetadataValue::from_bytes(b"more"));
    let mut secret: MetadataValue<_> = "secret".parse().unwrap();
    secret.set_sensitive(true);
    metadata.insert("secret", secret);
    request.set_timeout(Duration::from_secs(3600));
    request
}

#[test]
fn metadata_of_requests() {
    run("metadata_of_requests", || async {
        let shows = Says(|request| {
            Box::pin(async move {
                let peer = request.extensions().get::<Peer>().unwrap();
                let path = request.extensions().get::<MethodPath>().unwrap();
                let fields = fields(request.metadata());
                Ok(Response::new(HelloReply { message: format!("{fields:?} {peer} {path} {path:?}") }))
            })
        });
        let outcome = usual(shows, with_metadata).await;
        for shown in ["grpc-timeout", "single", "several", "some-bin", "secret", "/greet.Greeter/SayHello"] {
            assert!(outcome.contains(shown), "{outcome}");
        }
        for own in ["content-type", "te:", "user-agent"] {
            assert!(!outcome.contains(own), "{outcome}");
        }
    });
}

#[test]
fn metadata_of_responses() {
    run("metadata_of_responses", || async {
        let answers = Says(|request| {
            Box::pin(async move {
                let mut response = Response::new(hello(&request.get_ref().name));
                *response.metadata_mut() = with_metadata().metadata().clone();
                response.metadata_mut().insert("content-type", "text/plain".parse().unwrap());
                response.metadata_mut().insert("grpc-status", "3".parse().unwrap());
                response.metadata_mut().insert("grpc-message-type", "reserved".parse().unwrap());
                Ok(response)
            })
        });
        let outcome = usual(answers, || Request::new(request("you"))).await;
        assert!(outcome.contains("several") && outcome.contains("Sensitive"), "{outcome}");
        for own in ["content-type", "grpc-status", "grpc-message-type"] {
            assert!(!outcome.contains(own), "{outcome}");
        }
    });
}

#[test]
fn errors() {
    run("errors", || async {
        let fails = Says(|_| {
            Box::pin(async {
                let mut status = Status::with_details(Code::DataLoss, "100% ä\n", b"\x00details"[..].into());
                *status.metadata_mut() = with_metadata().metadata().clone();
                status.metadata_mut().insert("te", "reserved".parse().unwrap());
                Err(status)
            })
        });
        let outcome = usual(fails, || Request::new(request("you"))).await;
        assert!(outcome.starts_with(r#"DataLoss "100% ä\n""#), "{outcome}");
        let bare = Says(|_| Box::pin(async { Err(Status::ok("")) }));
        let outcome = usual(bare, || Request::new(request("you"))).await;
        assert!(outcome.starts_with("Internal"), "{outcome}");
    });
}

#[test]
fn limits_of_messages() {
    run("limits_of_messages", || async {
        let long = || Request::new(request("as long as this"));
        let decoding =
            outcome_of(Says::hello(), |server| server.max_decoding_message_size(16), None, long).await;
        assert_eq!(
            decoding,
            "ResourceExhausted \"Error, decoded message length too large: found 17 bytes, the limit is: 16 bytes\" \
             [] []"
        );
        let fits = outcome_of(Says::hello(), |server| server.max_decoding_message_size(17), None, long).await;
        assert!(fits.contains("Hello"), "{fits}");

        let answers = Says(|request| {
            Box::pin(async move {
                let mut response = Response::new(hello(&request.get_ref().name));
                response.metadata_mut().insert("some", "metadata".parse().unwrap());
                Ok(response)
            })
        });
        let encoding =
            outcome_of(answers.clone(), |server| server.max_encoding_message_size(22), None, long).await;
        assert_eq!(
            encoding,
            "OutOfRange \"Error, encoded message length too large: found 23 bytes, the limit is: 22 bytes\" \
             [] [\"some: \\\"metadata\\\"\"]"
        );

        let sent = outcome_of(answers.clone(), |server| server, Some(16), long).await;
        assert!(sent.contains("encoded message length too large: found 17 bytes"), "{sent}");
        let received = outcome_of(answers, |server| server, Some(22), long).await;
        assert!(received.contains("decoded message length too large: found 23 bytes"), "{received}");
    });
}

#[test]
fn handlers_that_are_not_ready_at_once() {
    run("handlers_that_are_not_ready_at_once", || async {
        let waits = Says(|request| {
            Box::pin(async move {
                for _ in 0..10 {
                    tokio::task::yield_now().await;
                }
                let mut response = Response::new(hello(&request.get_ref().name));
                response.metadata_mut().insert("some", "metadata".parse().unwrap());
                Ok(response)
            })
        });
        let outcome = usual(waits, || Request::new(request("you"))).await;
        assert!(outcome.contains("Hello you") && outcome.contains("some"), "{outcome}");
        let fails = Says(|_| {
            Box::pin(async {
                tokio::task::yield_now().await;
                Err(Status::aborted("later"))
            })
        });
        let outcome = usual(fails, || Request::new(request("you"))).await;
        assert!(outcome.starts_with("Aborted \"later\""), "{outcome}");
    });
}

#[test]
fn handlers_that_panic() {
    run("handlers_that_panic", || async {
        let panics = Says(|request| {
            Box::pin(async move {
                // Not for the call that connects.
                if request.get_ref().name == "panic" {
                    panic!("as the test wants it");
                }
                Ok(Response::new(hello("you")))
            })
        });
        let outcome = usual(panics, || Request::new(request("panic"))).await;
        assert!(outcome.starts_with("Unknown"), "{outcome}");
    });
}

#[test]
fn messages_that_cannot_be_decoded() {
    run("messages_that_cannot_be_decoded", || async {
        let mut outcomes = Vec::new();
        let layers: [fn(Server) -> Server; 2] = [|server| server, general];
        for layer in layers {
            let scene = Scene::new(|server| layer(server.add_service(Says::hello().server()))).await;
            let before = scene.general().1;
            let mut client = tonic::client::Grpc::new(scene.channel.clone());
            let path = http::uri::PathAndQuery::from_static("/greet.Greeter/SayHello");
            // The field `name`, but not in UTF-8.
            let chunk = Request::new(Chunk { payload: b"\xff"[..].into() });
            let answer = client.unary(chunk, path, ProstCodec::<Chunk, HelloReply>::default()).await;
            outcomes.push((outcome(answer), scene.general().1 - before));
        }
        let direct = &outcomes[0];
        assert!(direct.0.starts_with("Internal") && direct.1 == 0, "{direct:?}");
        assert_eq!((&outcomes[1].0, outcomes[1].1), (&direct.0, 1));
    });
}

/// Answers with a message, and with metadata before and after it.
#[derive(Clone)]
struct Answers(&'static [u8]);

impl NamedService for Answers {
    const NAME: &'static str = "greet.Greeter";
}

impl Service<http::Request<Body>> for Answers {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<Body>) -> Self::Future {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        trailers.insert("behind", HeaderValue::from_static("2"));
        let body = Full::new(Bytes::from_static(self.0)).with_trailers(ready(Some(Ok(trailers))));
        let response = http::Response::builder().header("content-type", "application/grpc");
        ready(Ok(response.header("before", "1").body(Body::new(body)).unwrap()))
    }
}

/// The metadata after a message that is not accepted is not read.
#[test]
fn metadata_of_responses_whose_messages_are_not_taken() {
    run("metadata_of_responses_whose_messages_are_not_taken", || async {
        let cases: [(&[u8], Option<usize>, &str); 3] = [
            (b"\0\0\0\0\x03\x0a\x01a", None, "[\"before: \\\"1\\\"\", \"behind: \\\"2\\\"\"]"),
            (b"\0\0\0\0\x03\x0a\x01\xff", None, "[\"before: \\\"1\\\"\"]"),
            (b"\0\0\0\0\x03\x0a\x01a", Some(2), "[\"before: \\\"1\\\"\"]"),
        ];
        for (answer, limit, metadata) in cases {
            let scene = Scene::new(|server| server.add_service(Answers(answer))).await;
            let mut direct = GreeterClient::new(scene.channel.clone());
            let mut other = GreeterClient::new(Other(scene.channel.clone()));
            if let Some(limit) = limit {
                direct = direct.max_decoding_message_size(limit);
                other = other.max_decoding_message_size(limit);
            }
            let outcomes = [
                outcome(direct.say_hello(request("you")).await),
                outcome(other.say_hello(request("you")).await),
            ];
            assert_eq!(outcomes[0], outcomes[1]);
            assert!(outcomes[0].ends_with(metadata), "{}", outcomes[0]);
            assert_eq!(scene.general().0, 1);
        }
    });
}

/// As some clients send them: several values in one field.
#[test]
fn binary_metadata_that_is_joined() {
    run("binary_metadata_that_is_joined", || async {
        let shows = Says(|request| {
            Box::pin(async move {
                let values = request.metadata().get_all_bin("some-bin").iter();
                let values: Vec<_> = values.map(|value| value.to_bytes().unwrap()).collect();
                Ok(Response::new(HelloReply { message: format!("{values:?}") }))
            })
        });
        let layers: [fn(Server) -> Server; 2] = [|server| server, general];
        for (number, layer) in layers.into_iter().enumerate() {
            let shows = shows.clone();
            let scene = Scene::new(|server| layer(server.add_service(shows.server()))).await;
            let before = scene.general().1;
            let mut joined = Other(scene.channel.clone());
            let message = b"\0\0\0\0\x05\x0a\x03you";
            let request = http::Request::post("/greet.Greeter/SayHello")
                .header("content-type", "application/grpc")
                .header("te", "trailers")
                .header("some-bin", "AQ,Ag")
                .body(Body::new(Full::new(Bytes::from_static(message))));
            let response = Service::call(&mut joined, request.unwrap()).await.unwrap();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let reply = HelloReply::decode(&body[5..]).unwrap();
            assert_eq!(reply.message, r#"[b"\x01", b"\x02"]"#);
            assert_eq!(scene.general().1 - before, number as u64);
        }
    });
}

/// With the option, a handler is never polled in the task of its connection.
#[test]
fn handlers_that_have_tasks_of_their_own() {
    run("handlers_that_have_tasks_of_their_own", || async {
        let shows = Says(|_| {
            Box::pin(async { Ok(Response::new(HelloReply { message: tokio::task::id().to_string() })) })
        });
        for in_place in [true, false] {
            let options = Http2Options::new().poll_in_place(in_place);
            let shows = shows.clone();
            let scene = Scene::new(|server| server.http2(options).add_service(shows.server())).await;
            let mut client = GreeterClient::new(scene.channel.clone());
            let mut id = async || client.say_hello(request("you")).await.unwrap().into_inner().message;
            let ids = (id().await, id().await);
            assert_eq!(ids.0 == ids.1, in_place, "{ids:?}");
            assert_eq!(scene.general(), (0, 0));
        }
    });
}
