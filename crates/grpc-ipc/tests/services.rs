//! Ordinary tonic services, with layers and interceptors.

mod util;

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream;
use grpc_ipc::memory::Network;
use grpc_ipc::{AccessPolicy, Channel, ServeError, Server};
use grpc_ipc_conformance::run;
use grpc_ipc_proto::greet::greeter_client::GreeterClient;
use grpc_ipc_proto::greet::greeter_server::{Greeter, GreeterServer};
use grpc_ipc_proto::greet::{HelloReply, HelloRequest};
use http_body_util::Limited;
use tokio::task::JoinSet;
use tonic::body::Body;
use tonic::service::interceptor::InterceptedService;
use tonic::{Code, Request, Response, Status};
use tower_service::Service;
use util::{DRAIN, MyGreeter, Running, greet};

/// Starts a server, and connects a channel.
async fn serve(build: impl FnOnce(Server) -> Server) -> (Running, Channel) {
    let network = Network::new();
    let listener = network.listen("greeter", AccessPolicy::default()).unwrap();
    let server = build(Server::builder()).listener(listener);
    let running = Running::start(server.bind().await.unwrap(), DRAIN);
    (running, Channel::from_connector(network.connector("greeter", AccessPolicy::default())))
}

fn refuse(request: Request<()>) -> Result<Request<()>, Status> {
    match request.metadata().contains_key("refuse") {
        true => Err(Status::permission_denied("refused")),
        false => Ok(request),
    }
}

#[test]
fn interceptors_stand_at_both_ends() {
    run("interceptors_stand_at_both_ends", || async {
        let service = InterceptedService::new(MyGreeter::default().service(), refuse);
        let (_running, channel) = serve(|server| server.add_service(service)).await;
        greet(channel.clone(), "world").await.unwrap();
        let mut client = GreeterClient::with_interceptor(channel.clone(), |mut request: Request<()>| {
            request.metadata_mut().insert("refuse", "1".parse().unwrap());
            Ok(request)
        });
        let request = HelloRequest { name: "world".to_owned() };
        assert_eq!(client.say_hello(request.clone()).await.unwrap_err().code(), Code::PermissionDenied);
        let mut client =
            GreeterClient::with_interceptor(channel, |_: Request<()>| Err(Status::aborted("here")));
        assert_eq!(client.say_hello(request).await.unwrap_err().code(), Code::Aborted);
    });
}

#[test]
fn two_services_of_one_name_are_refused() {
    run("two_services_of_one_name_are_refused", || async {
        let listener = Network::new().listen("greeter", AccessPolicy::default()).unwrap();
        let server = Server::builder().listener(listener);
        let twice =
            server.add_service(MyGreeter::default().service()).add_service(MyGreeter::default().service());
        let error = twice.bind().await.unwrap_err();
        assert!(matches!(error, ServeError::DuplicateService("greet.Greeter")), "{error}");
    });
}

#[test]
fn health_and_reflection_are_served() {
    run("health_and_reflection_are_served", || async {
        use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
        use tonic_reflection::pb::v1::ServerReflectionRequest;
        use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
        use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
        use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

        let (reporter, health) = tonic_health::server::health_reporter();
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .build_v1()
            .unwrap();
        let (_running, channel) = serve(|server| server.add_service(health).add_service(reflection)).await;

        let mut client = HealthClient::new(channel.clone());
        let request = HealthCheckRequest { service: String::new() };
        let mut changes = client.watch(request).await.unwrap().into_inner();
        let serving = changes.message().await.unwrap().unwrap().status();
        reporter.set_service_status("", tonic_health::ServingStatus::NotServing).await;
        assert_ne!(changes.message().await.unwrap().unwrap().status(), serving);

        let message_request = Some(MessageRequest::ListServices(String::new()));
        let requests = stream::iter([ServerReflectionRequest { host: String::new(), message_request }]);
        let mut client = ServerReflectionClient::new(channel);
        let mut answers = client.server_reflection_info(requests).await.unwrap().into_inner();
        let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
        let MessageResponse::ListServicesResponse(list) = answer else { panic!("{answer:?}") };
        assert!(list.service.iter().any(|service| service.name == "grpc.health.v1.Health"), "{list:?}");
        assert!(answers.message().await.unwrap().is_none());
    });
}

#[test]
fn what_no_service_has_is_unimplemented() {
    run("what_no_service_has_is_unimplemented", || async {
        let (_running, mut channel) =
            serve(|server| server.add_service(MyGreeter::default().service())).await;
        let no_path =
            |path: &str| format!("{path:?} is not the path of a method, such as \"/package.Service/Method\"");
        let paths = [
            ("/", no_path("/")),
            ("//", "the server has no service \"\"".to_owned()),
            ("/greet.Greeter", no_path("/greet.Greeter")),
            ("/greet.Greeter/", "the service greet.Greeter has no method \"\"".to_owned()),
            ("/greet.Greeter/No", "the service greet.Greeter has no method \"No\"".to_owned()),
            ("/no.Such/M", "the server has no service \"no.Such\"".to_owned()),
            ("//SayHello", "the server has no service \"\"".to_owned()),
        ];
        for (path, why) in paths {
            let request = http::Request::post(path).header("content-type", "application/grpc");
            let response = channel.call(request.body(Body::empty()).unwrap()).await.unwrap();
            assert_eq!(response.status(), 200, "{path}");
            assert_eq!(response.headers()["content-type"], "application/grpc", "{path}");
            assert_eq!(response.headers()["grpc-status"], "12", "{path}");
            let status = Status::from_header_map(response.headers()).unwrap();
            assert_eq!(status.message(), why, "{path}");
        }
    });
}

#[test]
fn a_layer_may_change_the_bodies() {
    run("a_layer_may_change_the_bodies", || async {
        let limit_response =
            |response: http::Response<Body>| response.map(|body| Limited::new(body, 1 << 20));
        let limit_request =
            |request: http::Request<Body>| request.map(|body| Body::new(Limited::new(body, 1 << 20)));
        let (_running, channel) = serve(|server| {
            server
                .add_service(MyGreeter::default().service())
                .layer(tower::util::MapResponseLayer::new(limit_response))
                .layer(tower::util::MapRequestLayer::new(limit_request))
        })
        .await;
        greet(channel, "world").await.unwrap();
    });
}

#[test]
fn a_layer_that_is_not_ready_is_waited_for() {
    run("a_layer_that_is_not_ready_is_waited_for", || async {
        let greeter = MyGreeter::default();
        let limit = tower::limit::GlobalConcurrencyLimitLayer::new(1);
        let (_running, channel) =
            serve(|server| server.add_service(greeter.service()).layer(limit.clone())).await;
        let first = tokio::spawn(greet(channel.clone(), "wait"));
        greeter.called.notified().await;
        let mut others = JoinSet::new();
        for _ in 0..10 {
            others.spawn(greet(channel.clone(), "world"));
        }
        // A cancelled call frees its place for the others.
        others.spawn(greet(channel.clone(), "world")).abort();
        greeter.go_on.notify_one();
        first.await.unwrap().unwrap();
        let mut answered = 0;
        while let Some(other) = others.join_next().await {
            answered += u32::from(other.is_ok_and(|answer| answer.is_ok()));
        }
        assert_eq!(answered, 10);
    });
}

/// Refuses every request, with a reason.
#[derive(Clone)]
struct Full<S>(S);

impl<S: Service<http::Request<Body>>> Service<http::Request<Body>> for Full<S> {
    type Response = S::Response;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Err(Box::new(Status::resource_exhausted("full"))))
    }

    fn call(&mut self, _: http::Request<Body>) -> Self::Future {
        unreachable!("it is not ready")
    }
}

#[test]
fn why_a_layer_takes_no_request_is_the_status() {
    run("why_a_layer_takes_no_request_is_the_status", || async {
        let service = MyGreeter::default().service();
        let (_running, channel) =
            serve(|server| server.add_service(service).layer(tower_layer::layer_fn(Full))).await;
        for _ in 0..2 {
            let status = greet(channel.clone(), "world").await.unwrap_err();
            assert_eq!((status.code(), status.message()), (Code::ResourceExhausted, "full"));
        }
    });
}

struct LongStatus;

#[tonic::async_trait]
impl Greeter for LongStatus {
    async fn say_hello(&self, _: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        Err(Status::not_found("x".repeat(40_000)))
    }
}

#[test]
fn a_status_that_is_too_large_for_the_client_keeps_its_code() {
    run("a_status_that_is_too_large_for_the_client_keeps_its_code", || async {
        let (_running, channel) = serve(|server| server.add_service(GreeterServer::new(LongStatus))).await;
        let status = greet(channel, "world").await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound);
        assert!(status.message().starts_with("xxx"));
    });
}

#[test]
fn a_service_may_be_left_out() {
    run("a_service_may_be_left_out", || async {
        let greeter = |is_on: bool| is_on.then(|| MyGreeter::default().service());
        let (_running, channel) = serve(|server| server.add_optional_service(greeter(true))).await;
        greet(channel, "world").await.unwrap();
        let (_running, channel) = serve(|server| server.add_optional_service(greeter(false))).await;
        assert_eq!(greet(channel, "world").await.unwrap_err().code(), Code::Unimplemented);
    });
}

#[test]
fn towers_errors_have_the_codes_of_what_they_mean() {
    run("towers_errors_have_the_codes_of_what_they_mean", || async {
        let greeter = MyGreeter::default();
        let service = greeter.service();
        let late = tower::timeout::TimeoutLayer::new(std::time::Duration::ZERO);
        let (_running, channel) = serve(|server| server.add_service(service).layer(late)).await;
        let status = greet(channel, "wait").await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::DeadlineExceeded, "request timed out"));

        let service = greeter.service();
        let full = tower::limit::GlobalConcurrencyLimitLayer::new(0);
        let (_running, channel) = serve(|server| {
            server.add_service(service).layer(tower::load_shed::LoadShedLayer::new()).layer(full)
        })
        .await;
        let status = greet(channel, "world").await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
    });
}
