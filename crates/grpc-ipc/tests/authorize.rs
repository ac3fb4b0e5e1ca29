//! Which peer may make which call.

mod util;

use std::time::Duration;

use grpc_ipc::memory::Network;
use grpc_ipc::{AccessPolicy, Authorize, Channel, MethodPath, ServeError, Server, UserId};
use grpc_ipc_conformance::run;
use grpc_ipc_proto::greet::HelloReply;
use grpc_ipc_proto::greet::HelloRequest;
use http::uri::PathAndQuery;
use tonic::body::Body;
use tonic::service::interceptor::InterceptedService;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;
use tower::{Layer as _, ServiceExt as _};
use util::{DRAIN, MyGreeter, Running, greet};

const METHOD: &str = "/greet.Greeter/SayHello";

/// Starts a server, and connects a channel.
async fn serve(build: impl FnOnce(Server) -> Server) -> (Running, Channel) {
    let network = Network::new();
    let listener = network.listen("greeter", AccessPolicy::default()).unwrap();
    let server = build(Server::builder()).listener(listener);
    let running = Running::start(server.bind().await.unwrap(), DRAIN);
    (running, Channel::from_connector(network.connector("greeter", AccessPolicy::default())))
}

fn greeter(server: Server) -> Server {
    server.add_service(MyGreeter::default().service())
}

fn anyone() -> AccessPolicy {
    AccessPolicy::dangerous_allow_anyone()
}

fn nobody() -> AccessPolicy {
    AccessPolicy::users([])
}

/// The code and the text of a failed call.
async fn refused(channel: &Channel) -> (Code, String) {
    let status = greet(channel.clone(), "world").await.unwrap_err();
    (status.code(), status.message().to_owned())
}

#[test]
fn the_rule_counts_that_says_the_most() {
    run("the_rule_counts_that_says_the_most", || async {
        let service = |policy| Authorize::new(anyone()).service("greet.Greeter", policy);
        let cases = [
            (Authorize::new(anyone()), true),
            (Authorize::new(nobody()), false),
            (Authorize::new(nobody()).service("greet.Greeter", anyone()), true),
            (Authorize::new(nobody()).service("grpc.health.v1.Health", anyone()), false),
            (service(nobody()), false),
            (service(nobody()).method(METHOD, anyone()), true),
            (service(anyone()).method(METHOD, nobody()), false),
            (service(anyone()).method("/grpc.health.v1.Health/Check", nobody()), true),
        ];
        for (authorize, admits) in cases {
            let shown = format!("{authorize:?}");
            let (_, health) = tonic_health::server::health_reporter();
            let (_running, channel) =
                serve(|server| greeter(server).add_service(health).layer(authorize)).await;
            match admits {
                true => assert!(greet(channel, "world").await.is_ok(), "{shown}"),
                false => assert_eq!(refused(&channel).await.0, Code::PermissionDenied, "{shown}"),
            }
        }
    });
}

#[test]
fn a_refused_call_says_who_may_not_call_what() {
    run("a_refused_call_says_who_may_not_call_what", || async {
        let (_running, channel) = serve(|server| greeter(server).layer(Authorize::new(nobody()))).await;
        let expected = format!("memory:user=?,pid={} may not call {METHOD}", std::process::id());
        // The connection stays open.
        for _ in 0..2 {
            assert_eq!(refused(&channel).await, (Code::PermissionDenied, expected.clone()));
        }
    });
}

#[test]
fn one_service_can_have_rules_of_its_own() {
    run("one_service_can_have_rules_of_its_own", || async {
        let service = Authorize::new(nobody()).layer(MyGreeter::default().service());
        let (_running, channel) = serve(|server| server.add_service(service)).await;
        assert_eq!(refused(&channel).await.0, Code::PermissionDenied);
    });
}

#[test]
fn it_is_an_interceptor_too() {
    run("it_is_an_interceptor_too", || async {
        let rules = [
            (Authorize::new(nobody()).method(METHOD, anyone()), true),
            (Authorize::new(anyone()).method(METHOD, nobody()), false),
        ];
        for (authorize, admits) in rules {
            let service = InterceptedService::new(MyGreeter::default().service(), authorize);
            let (_running, channel) = serve(|server| server.add_service(service)).await;
            match admits {
                true => assert!(greet(channel, "world").await.is_ok()),
                false => assert_eq!(refused(&channel).await.0, Code::PermissionDenied),
            }
        }
    });
}

#[test]
fn the_layer_waits_for_an_asynchronous_rule_and_the_interceptor_refuses() {
    run("the_layer_waits_for_an_asynchronous_rule", || async {
        let authorize = || {
            Authorize::new(AccessPolicy::custom_async(Duration::from_secs(20), async |_| {
                tokio::task::yield_now().await;
                true
            }))
        };
        let (_running, channel) = serve(|server| greeter(server).layer(authorize())).await;
        assert!(greet(channel, "world").await.is_ok());
        let service = InterceptedService::new(MyGreeter::default().service(), authorize());
        let (_running, channel) = serve(|server| server.add_service(service)).await;
        let expected = "an interceptor cannot wait for an asynchronous rule";
        assert_eq!(refused(&channel).await, (Code::PermissionDenied, expected.to_owned()));
    });
}

#[test]
fn no_other_spelling_of_a_path_gets_around_a_rule() {
    run("no_other_spelling_of_a_path_gets_around_a_rule", || async {
        let authorize = Authorize::new(anyone()).method(METHOD, nobody());
        let (_running, channel) = serve(|server| greeter(server).layer(authorize)).await;
        for path in [
            "/greet.Greeter/SayHello?x",
            "//greet.Greeter/SayHello",
            "/greet.Greeter//SayHello",
            "/greet.Greeter/SayHello/",
            "/greet.Greeter/%53ayHello",
            "/greet%2EGreeter/SayHello",
            "/./greet.Greeter/SayHello",
        ] {
            let mut client = tonic::client::Grpc::new(channel.clone());
            client.ready().await.unwrap();
            let request = Request::new(HelloRequest { name: "world".to_owned() });
            let codec = ProstCodec::<HelloRequest, HelloReply>::default();
            let status = client.unary(request, PathAndQuery::from_static(path), codec).await.unwrap_err();
            assert!(
                matches!(status.code(), Code::PermissionDenied | Code::Unimplemented),
                "{path}: {status}"
            );
        }
    });
}

#[test]
fn a_call_of_nobody_knows_whom_is_refused() {
    run("a_call_of_nobody_knows_whom_is_refused", || async {
        let service = Authorize::new(anyone()).layer(MyGreeter::default().service());
        let request = http::Request::post(METHOD).body(Body::empty()).unwrap();
        let response = service.oneshot(request).await.unwrap();
        let status = Status::from_header_map(response.headers()).unwrap();
        assert_eq!(
            (status.code(), status.message()),
            (Code::PermissionDenied, "the peer of this call is unknown")
        );
    });
}

#[test]
fn names_refuse_until_they_are_looked_up() {
    run("names_refuse_until_they_are_looked_up", || async {
        let named =
            || Authorize::new(anyone()).method(METHOD, AccessPolicy::user_names(["no-such-user-as-this"]));
        let service = InterceptedService::new(MyGreeter::default().service(), named());
        let (_running, channel) = serve(|server| server.add_service(service)).await;
        assert_eq!(refused(&channel).await.0, Code::PermissionDenied);
        assert!(named().look_up_names().await.is_err());
        let numbers = Authorize::new(AccessPolicy::users([UserId::Uid(1)]));
        assert!(numbers.look_up_names().await.is_ok(), "there is nothing to look up");
    });
}

#[test]
fn handlers_and_interceptors_know_the_method() {
    run("handlers_and_interceptors_know_the_method", || async {
        let service = InterceptedService::new(MyGreeter::default().service(), |request: Request<()>| {
            let path = request.extensions().get::<MethodPath>().unwrap();
            Err(Status::aborted(format!("{} {} {path}", path.service(), path.method())))
        });
        let (_running, channel) = serve(|server| server.add_service(service)).await;
        let expected = format!("greet.Greeter SayHello {METHOD}");
        assert_eq!(refused(&channel).await, (Code::Aborted, expected));
    });
}

#[test]
fn a_rule_that_would_never_be_asked_is_an_error_of_the_program() {
    let rules = || Authorize::new(nobody());
    for path in
        ["", "/", "greet.Greeter/SayHello", "/greet.Greeter", "/greet.Greeter/", "//SayHello", "/a/b/c"]
    {
        let made = std::panic::catch_unwind(|| rules().method(path, anyone()));
        assert!(made.is_err(), "{path:?}");
    }
    for name in ["", "/greet.Greeter", "greet.Greeter/SayHello"] {
        assert!(std::panic::catch_unwind(|| rules().service(name, anyone())).is_err(), "{name:?}");
    }
}

#[test]
fn a_server_looks_up_the_names_of_its_rules() {
    run("a_server_looks_up_the_names_of_its_rules", || async {
        let bind = async |policy| {
            let listener = Network::new().listen("greeter", AccessPolicy::default()).unwrap();
            let authorize = Authorize::new(nobody()).method(METHOD, policy);
            greeter(Server::builder()).layer(authorize).listener(listener).bind().await
        };
        let error = bind(AccessPolicy::user_names(["no-such-user-as-this"])).await.unwrap_err();
        assert!(matches!(error, ServeError::Name(_)), "{error}");
        assert_eq!(
            error.to_string(),
            "the user \"no-such-user-as-this\" in the access policy cannot be resolved"
        );
        assert!(bind(AccessPolicy::users([UserId::Uid(1)])).await.is_ok());
    });
}

#[test]
fn a_rule_for_what_the_server_does_not_have_is_an_error() {
    run("a_rule_for_what_the_server_does_not_have_is_an_error", || async {
        let bind = async |server: Server, authorize: Authorize| {
            let listener = Network::new().listen("greeter", AccessPolicy::default()).unwrap();
            greeter(server)
                .layer(authorize)
                .listener(listener)
                .bind()
                .await
                .err()
                .map(|error| error.to_string())
        };
        let rules = || Authorize::new(nobody());
        let mistakes = [
            (
                rules().method("/greet.Greeter/SayHelo", anyone()),
                "Authorize has a rule for /greet.Greeter/SayHelo, which the server does not have; did you mean \
                 /greet.Greeter/SayHello?",
            ),
            (
                rules().method("/greet.Greter/SayHello", anyone()),
                "Authorize has a rule for /greet.Greter/SayHello, which the server does not have; did you mean \
                 /greet.Greeter/SayHello or greet.Greeter?",
            ),
            (
                rules().service("greet.Greter", anyone()),
                "Authorize has a rule for greet.Greter, which the server does not have; did you mean greet.Greeter?",
            ),
        ];
        for (authorize, error) in mistakes {
            assert_eq!(bind(Server::builder(), authorize).await.as_deref(), Some(error));
        }
        assert_eq!(bind(Server::builder(), rules().method(METHOD, anyone())).await, None);
        assert_eq!(bind(Server::builder(), rules().service("greet.Greeter", anyone())).await, None);
        // The methods of routes are unknown.
        #[cfg(feature = "routes")]
        {
            let open = || Server::builder().routes(tonic::service::Routes::default());
            assert_eq!(bind(open(), rules().service("grpc.health.v1.Health", anyone())).await, None);
            assert_eq!(bind(open(), rules().method("/grpc.health.v1.Health/Check", anyone())).await, None);
            assert!(bind(open(), rules().method("/greet.Greeter/SayHelo", anyone())).await.is_some());
        }
        // Other generators do not list the methods of a service.
        let (_, health) = tonic_health::server::health_reporter();
        let health = Server::builder().add_service(health);
        assert_eq!(bind(health, rules().method("/grpc.health.v1.Health/Check", anyone())).await, None);
    });
}
