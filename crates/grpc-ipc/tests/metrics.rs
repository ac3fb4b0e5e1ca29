//! Metrics of connections and calls.

mod util;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use grpc_ipc::metrics::ConnectionMetrics;
use grpc_ipc::{Channel, ConnectOptions, RecordCalls, Server};
use grpc_ipc_conformance::{LIMIT, Watchdog};
use grpc_ipc_proto::greet::HelloRequest;
use grpc_ipc_proto::greet::greeter_client::GreeterClient;
use http::uri::PathAndQuery;
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use tonic::codec::Streaming;
use tonic::{Code, Request};
use tower_layer::Layer as _;
use util::{DRAIN, MyGreeter, Running};

/// Records all values.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<BTreeMap<String, f64>>>);

/// One value. For a histogram, the number of values.
struct One(Kept, String);

impl One {
    fn add(&self, value: f64) {
        *self.0.0.lock().unwrap().entry(self.1.clone()).or_default() += value;
    }
}

impl CounterFn for One {
    fn increment(&self, value: u64) {
        self.add(value as f64);
    }

    fn absolute(&self, _: u64) {}
}

impl GaugeFn for One {
    fn increment(&self, value: f64) {
        self.add(value);
    }

    fn decrement(&self, value: f64) {
        self.add(-value);
    }

    fn set(&self, _: f64) {}
}

impl HistogramFn for One {
    fn record(&self, value: f64) {
        assert!((0.0..1e6).contains(&value), "{value}");
        self.add(1.0);
    }
}

impl Kept {
    fn one(&self, key: &Key) -> Arc<One> {
        let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        Arc::new(One(self.clone(), format!("{}{{{}}}", key.name(), labels.join(","))))
    }
}

impl Recorder for Kept {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.one(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.one(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.one(key))
    }
}

#[test]
fn connections_and_calls_are_measured() {
    let _watchdog = Watchdog::start("connections_and_calls_are_measured", LIMIT);
    let kept = Kept::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&kept, || {
        runtime.block_on(async {
            let server = Server::builder().add_service(MyGreeter::default().service());
            let server =
                server.layer(RecordCalls::server().metrics(true)).observe(ConnectionMetrics::server());
            let server = server.listen("http://127.0.0.1:0").bind().await.unwrap();
            let address = server.local_addresses()[0].clone();
            let running = Running::start(server, DRAIN);
            let options = ConnectOptions::new(address).observe(ConnectionMetrics::client());
            let channel = Channel::connect(options).await.unwrap();
            let recorded = RecordCalls::client().metrics(true).layer(channel.clone());
            let mut client = GreeterClient::new(recorded.clone());
            for _ in 0..2 {
                client.say_hello(HelloRequest { name: "world".to_owned() }).await.unwrap();
            }
            assert_eq!(kept.0.lock().unwrap()["rpc.server.connections.open{}"], 1.0);
            assert_eq!(kept.0.lock().unwrap()["rpc.client.connections.open{}"], 1.0);
            // A name invented by the client does not become a label.
            let mut any = tonic::client::Grpc::new(recorded);
            any.ready().await.unwrap();
            let codec = tonic_prost::ProstCodec::<HelloRequest, HelloRequest>::default();
            let path = PathAndQuery::from_static("/made.Up/Name");
            let request = Request::new(HelloRequest::default());
            let answer: Result<tonic::Response<Streaming<HelloRequest>>, _> =
                any.server_streaming(request, path, codec).await;
            assert_eq!(answer.unwrap_err().code(), Code::Unimplemented);
            running.stop().await.unwrap().unwrap();
            // The next call finds no server.
            client.say_hello(HelloRequest::default()).await.unwrap_err();
        });
    });
    let kept = kept.0.lock().unwrap();
    let ok = "rpc.system=grpc,rpc.service=greet.Greeter,rpc.method=SayHello,rpc.grpc.status_code=0";
    let other = "rpc.system=grpc,rpc.service=_OTHER,rpc.method=_OTHER,rpc.grpc.status_code=12";
    let expected = [
        (format!("rpc.server.duration{{{ok}}}"), 2.0),
        (format!("rpc.server.duration{{{other}}}"), 1.0),
        (format!("rpc.client.duration{{{ok}}}"), 2.0),
        (format!("rpc.client.duration{{{other}}}"), 1.0),
        ("rpc.server.connections{}".to_owned(), 1.0),
        ("rpc.server.connections.open{}".to_owned(), 0.0),
        ("rpc.server.connection.calls{}".to_owned(), 3.0),
        ("rpc.server.connection.duration{}".to_owned(), 1.0),
        ("rpc.client.connections{}".to_owned(), 1.0),
        ("rpc.client.connections.open{}".to_owned(), 0.0),
        ("rpc.client.connection.calls{}".to_owned(), 3.0),
        ("rpc.client.connections.failed{}".to_owned(), 1.0),
    ];
    for (name, value) in expected {
        assert_eq!(kept.get(&name), Some(&value), "{name} of {kept:#?}");
    }
    assert!(kept["rpc.server.network.io{direction=receive}"] > 100.0);
    assert!(kept["rpc.client.network.io{direction=transmit}"] > 100.0);
}
