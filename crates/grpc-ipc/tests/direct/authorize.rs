//! Rules about methods have the same effect on both paths, and leave calls direct.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use grpc_ipc::memory::Network;
use grpc_ipc::{AccessPolicy, Authorize, Channel, Server};
use grpc_ipc_conformance::run;
use grpc_ipc_proto::bench::Chunk;
use grpc_ipc_proto::greet::HelloReply;
use grpc_ipc_proto::greet::greeter_client::GreeterClient;
use grpc_ipc_proto::greet::greeter_server::GreeterServer;
use http::uri::PathAndQuery;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use crate::util::{Says, general, hello, request};

const METHOD: &str = "/greet.Greeter/SayHello";

fn anyone() -> AccessPolicy {
    AccessPolicy::dangerous_allow_anyone()
}

fn nobody() -> AccessPolicy {
    AccessPolicy::users([])
}

/// A server whose general calls are counted, and a connected channel.
struct Scene {
    channel: Channel,
    general: Arc<AtomicU64>,
}

impl Scene {
    async fn new(build: impl FnOnce(Server) -> Server) -> Self {
        let network = Network::new();
        let listener = network.listen("rules", AccessPolicy::default()).unwrap();
        let server = build(Server::builder().add_service(Says::hello().server()));
        let server = server.listener(listener).bind().await.unwrap();
        let general = server.general_calls();
        tokio::spawn(server.serve());
        let channel = Channel::from_connector(network.connector("rules", AccessPolicy::default()));
        Self { channel, general }
    }

    async fn call(&self) -> Result<HelloReply, Status> {
        let mut client = GreeterClient::new(self.channel.clone());
        client.say_hello(request("you")).await.map(tonic::Response::into_inner)
    }

    /// How many calls took the general path in the server.
    fn general(&self) -> u64 {
        self.general.load(Ordering::Relaxed)
    }
}

#[test]
fn rules_of_a_server_leave_calls_direct() {
    run("rules_of_a_server_leave_calls_direct", || async {
        let rules = [
            (Authorize::new(anyone()), true),
            (Authorize::new(nobody()), false),
            (Authorize::new(nobody()).service("greet.Greeter", anyone()), true),
            (Authorize::new(anyone()).service("greet.Greeter", anyone()).method(METHOD, nobody()), false),
            (Authorize::new(nobody()).method(METHOD, AccessPolicy::custom(|_| true)), true),
            (Authorize::new(anyone()).method(METHOD, AccessPolicy::custom(|_| false)), false),
            (
                Authorize::new(anyone()).method(METHOD, AccessPolicy::custom(|_| panic!("a rule panics"))),
                false,
            ),
        ];
        for (authorize, admits) in rules {
            let shown = format!("{authorize:?}");
            let layer = authorize.clone();
            let direct = Scene::new(|server| server.layer(layer)).await;
            let other = Scene::new(|server| general(server.layer(authorize))).await;
            for _ in 0..3 {
                let outcome = direct.call().await;
                assert_eq!(outcome.is_ok(), admits, "{shown}");
                match (outcome, other.call().await) {
                    (Ok(reply), Ok(other)) => assert_eq!((&reply, &other), (&hello("you"), &reply)),
                    (Err(status), Err(other)) => {
                        assert_eq!(status.code(), Code::PermissionDenied);
                        assert_eq!((status.code(), status.message()), (other.code(), other.message()));
                        assert_eq!(status.metadata().len(), other.metadata().len());
                    }
                    outcomes => panic!("{shown}: {outcomes:?}"),
                }
            }
            assert_eq!((direct.general(), other.general()), (0, 3), "{shown}");
        }
    });
}

/// Each refusal is counted, and a closure of the program's is called each time.
#[test]
fn rules_are_asked_for_each_call() {
    run("rules_are_asked_for_each_call", || async {
        for is_general in [false, true] {
            let refuses = nobody();
            let admits = Arc::<AtomicBool>::default();
            let asked = Arc::<AtomicU64>::default();
            let custom = {
                let (admits, asked) = (Arc::clone(&admits), Arc::clone(&asked));
                AccessPolicy::custom(move |_| {
                    asked.fetch_add(1, Ordering::Relaxed);
                    admits.load(Ordering::Relaxed)
                })
            };
            let way = |server| if is_general { general(server) } else { server };
            let authorize = Authorize::new(refuses.clone());
            let scene = Scene::new(|server| way(server.layer(authorize))).await;
            for calls in 1..4 {
                assert!(scene.call().await.is_err());
                assert_eq!(refuses.refused(), calls);
            }
            let authorize = Authorize::new(custom.clone());
            let scene = Scene::new(|server| way(server.layer(authorize))).await;
            for calls in 1..8 {
                admits.store(calls % 3 != 0, Ordering::Relaxed);
                assert_eq!(scene.call().await.is_ok(), calls % 3 != 0);
                assert_eq!(asked.load(Ordering::Relaxed), calls);
            }
            assert_eq!((custom.refused(), scene.general()), (2, if is_general { 7 } else { 0 }));
        }
    });
}

#[test]
fn rules_that_take_time_are_waited_for_the_general_way() {
    run("rules_that_take_time_are_waited_for_the_general_way", || async {
        let slow = |admits: bool| {
            AccessPolicy::custom_async(Duration::from_secs(20), move |_| async move {
                tokio::task::yield_now().await;
                admits
            })
        };
        for admits in [true, false] {
            let authorize = Authorize::new(nobody()).method(METHOD, nobody().or(slow(admits)));
            let scene = Scene::new(|server| server.layer(authorize)).await;
            for calls in 1..4 {
                assert_eq!(scene.call().await.is_ok(), admits);
                assert_eq!(scene.general(), calls);
            }
        }
        // Other methods need not wait.
        let authorize = Authorize::new(anyone()).method("/grpc.health.v1.Health/Check", slow(true));
        let (_, health) = tonic_health::server::health_reporter();
        let scene = Scene::new(|server| server.add_service(health).layer(authorize)).await;
        scene.call().await.unwrap();
        assert_eq!(scene.general(), 0);
    });
}

/// The first rules added are checked first.
#[test]
fn rules_that_are_added_one_after_the_other() {
    run("rules_that_are_added_one_after_the_other", || async {
        for is_general in [false, true] {
            let [first, second] = [nobody(), nobody()];
            let rules = [&first, &second].map(|policy| Authorize::new(policy.clone()));
            let scene = Scene::new(|server| {
                let [first, second] = rules;
                let server = server.layer(first).layer(second);
                if is_general { general(server) } else { server }
            })
            .await;
            assert!(scene.call().await.is_err());
            assert_eq!((first.refused(), second.refused()), (1, 0));
            let scene = Scene::new(|server| {
                let rules = [&anyone(), &second].map(|policy| Authorize::new(policy.clone()));
                let [first, second] = rules;
                let server = server.layer(first).layer(second);
                if is_general { general(server) } else { server }
            })
            .await;
            assert!(scene.call().await.is_err());
            assert_eq!((second.refused(), scene.general()), (1, u64::from(is_general)));
        }
    });
}

/// Before anything else, even for services that are added later.
#[test]
fn rules_come_before_interceptors_and_messages() {
    run("rules_come_before_interceptors_and_messages", || async {
        let network = Network::new();
        let listener = network.listen("rules", AccessPolicy::default()).unwrap();
        let server = Server::builder().layer(Authorize::new(nobody()));
        let asked = Arc::<AtomicU64>::default();
        let interceptor = {
            let asked = Arc::clone(&asked);
            move |request: Request<()>| {
                asked.fetch_add(1, Ordering::Relaxed);
                Ok::<_, Status>(request)
            }
        };
        let server = server.add_service(GreeterServer::with_interceptor(Says::hello(), interceptor));
        let server = server.listener(listener).bind().await.unwrap();
        let general = server.general_calls();
        tokio::spawn(server.serve());
        let channel = Channel::from_connector(network.connector("rules", AccessPolicy::default()));
        for (path, is_general) in [(METHOD, 0), ("/greet.Greeter/Other", 1), ("/greet.Other/SayHello", 1)] {
            let before = general.load(Ordering::Relaxed);
            let mut client = tonic::client::Grpc::new(channel.clone());
            // The field `name`, but not in UTF-8.
            let chunk = Request::new(Chunk { payload: b"\xff"[..].into() });
            let path = PathAndQuery::from_static(path);
            let answer = client.unary(chunk, path, ProstCodec::<Chunk, HelloReply>::default()).await;
            assert_eq!(answer.unwrap_err().code(), Code::PermissionDenied);
            assert_eq!(general.load(Ordering::Relaxed) - before, is_general);
        }
        assert_eq!(asked.load(Ordering::Relaxed), 0);
    });
}
