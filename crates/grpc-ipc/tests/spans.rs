//! The spans and events of `tracing`.

mod util;

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use grpc_ipc::memory::Network;
use grpc_ipc::{AccessPolicy, Channel, RecordCalls, Server};
use grpc_ipc_conformance::{LIMIT, Watchdog};
use grpc_ipc_proto::greet::HelloRequest;
use grpc_ipc_proto::greet::greeter_client::GreeterClient;
use tonic::Request;
use tower_layer::Layer as _;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use util::{MyGreeter, Running};

/// Records all spans and events of this project as text.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Texts>>);

#[derive(Default)]
struct Texts {
    spans: Vec<String>,
    events: Vec<String>,
}

struct Text<'a>(&'a mut String);

impl Visit for Text<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        write!(self.0, " {field}={value}").unwrap();
    }
}

impl Subscriber for Kept {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("grpc_ipc")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut text = span.metadata().name().to_owned();
        span.record(&mut Text(&mut text));
        let mut texts = self.0.lock().unwrap();
        texts.spans.push(text);
        Id::from_u64(texts.spans.len() as u64)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut texts = self.0.lock().unwrap();
        values.record(&mut Text(&mut texts.spans[span.into_u64() as usize - 1]));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = String::new();
        event.record(&mut Text(&mut text));
        self.0.lock().unwrap().events.push(text);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The spans with a name, and the events, of a server and a channel.
fn kept(name: &'static str, test: impl AsyncFnOnce()) -> (Vec<String>, Vec<String>) {
    let _watchdog = Watchdog::start(name, LIMIT);
    let kept = Kept::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tracing::subscriber::with_default(kept.clone(), || runtime.block_on(test()));
    let texts = std::mem::take(&mut *kept.0.lock().unwrap());
    (texts.spans, texts.events)
}

async fn serve(build: impl FnOnce(Server) -> Server) -> (Running, Channel) {
    let network = Network::new();
    let listener = network.listen("spans", AccessPolicy::default()).unwrap();
    let server = build(Server::builder().add_service(MyGreeter::default().service())).listener(listener);
    let running = Running::start(server.bind().await.unwrap(), util::DRAIN);
    (running, Channel::from_connector(network.connector("spans", AccessPolicy::default())))
}

#[test]
fn a_connection_has_a_span_and_its_normal_end_is_no_error() {
    let (spans, events) = kept("a_connection_has_a_span_and_its_normal_end_is_no_error", async || {
        let (running, channel) = serve(|server| server).await;
        util::greet(channel.clone(), "world").await.unwrap();
        drop(channel);
        running.stop().await.unwrap().unwrap();
    });
    // One at each end.
    assert_eq!(spans.len(), 2, "{spans:?}");
    let pid = std::process::id();
    for span in spans {
        assert!(span.starts_with("connection id="), "{span}");
        assert!(span.contains(" address=memory:spans peer.transport=memory"), "{span}");
        assert!(span.contains(&format!(" peer.pid={pid}")), "{span}");
    }
    let ends: Vec<_> = events.iter().filter(|event| event.contains("message=disconnected")).collect();
    assert_eq!(ends.len(), 2, "{events:?}");
    for end in ends {
        assert!(end.contains(" calls=1 bytes_received=") && end.contains(" reason="), "{end}");
    }
    assert!(!events.iter().any(|event| event.contains("error=")), "{events:?}");
}

#[test]
fn a_call_has_a_span_with_the_fields_of_opentelemetry() {
    let (mut spans, _) = kept("a_call_has_a_span_with_the_fields_of_opentelemetry", async || {
        let (running, channel) = serve(|server| server.layer(RecordCalls::server())).await;
        let mut client = GreeterClient::new(RecordCalls::client().layer(channel));
        client.say_hello(HelloRequest { name: "world".to_owned() }).await.unwrap();
        let mut late = Request::new(HelloRequest { name: "wait".to_owned() });
        late.set_timeout(Duration::from_millis(20));
        client.say_hello(late).await.unwrap_err();
        drop(client);
        running.stop().await.unwrap().unwrap();
    });
    spans.retain(|span| span.starts_with("rpc "));
    spans.sort();
    let expected = [("client", 0), ("client", 4), ("server", 0), ("server", 1)].map(|(kind, code)| {
        format!(
            "rpc otel.name=greet.Greeter/SayHello otel.kind={kind} rpc.system=grpc rpc.service=greet.Greeter \
             rpc.method=SayHello rpc.grpc.status_code={code}"
        )
    });
    assert_eq!(spans, expected);
}

#[test]
fn a_panic_of_a_handler_is_logged() {
    let (_, events) = kept("a_panic_of_a_handler_is_logged", async || {
        let panics =
            |_: Request<()>| -> Result<Request<()>, tonic::Status> { panic!("as the test wants it") };
        let service = grpc_ipc_proto::greet::greeter_server::GreeterServer::with_interceptor(
            MyGreeter::default(),
            panics,
        );
        let network = Network::new();
        let listener = network.listen("spans", AccessPolicy::default()).unwrap();
        let server = Server::builder().add_service(service).listener(listener).bind().await.unwrap();
        let running = Running::start(server, util::DRAIN);
        let channel = Channel::from_connector(network.connector("spans", AccessPolicy::default()));
        for _ in 0..2 {
            util::greet(channel.clone(), "world").await.unwrap_err();
        }
        drop(channel);
        running.stop().await.unwrap().unwrap();
    });
    let logged = events.iter().filter(|event| event.contains("a handler panicked")).count();
    assert_eq!(logged, 2, "{events:?}");
    let expected = "method=/greet.Greeter/SayHello";
    assert!(
        events.iter().any(|event| event.contains(expected) && event.contains("as the test wants it")),
        "{events:?}"
    );
}
