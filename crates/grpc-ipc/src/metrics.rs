//! Metrics of connections and calls (feature `metrics`). They go to the recorder that the program installs for the
//! crate [`metrics`](https://docs.rs/metrics).
//!
//! | name | kind | unit | labels | recorded by |
//! |---|---|---|---|---|
//! | `rpc.server.duration`, `rpc.client.duration` | histogram | ms | `rpc.system`, `rpc.service`, `rpc.method`, `rpc.grpc.status_code` | [`RecordCalls::metrics`](crate::RecordCalls::metrics) |
//! | `rpc.server.connections.open`, `rpc.client.connections.open` | gauge | | | [`ConnectionMetrics`] |
//! | `rpc.server.connections`, `rpc.client.connections` | counter | | | [`ConnectionMetrics`] |
//! | `rpc.server.connections.refused` | counter | | `reason` | [`ConnectionMetrics`] |
//! | `rpc.client.connections.failed` | counter | | | [`ConnectionMetrics`] |
//! | `rpc.server.connection.calls`, `rpc.client.connection.calls` | counter | | | [`ConnectionMetrics`] |
//! | `rpc.server.connection.duration`, `rpc.client.connection.duration` | histogram | ms | | [`ConnectionMetrics`] |
//! | `rpc.server.network.io`, `rpc.client.network.io` | counter | bytes | `direction` | [`ConnectionMetrics`] |
//!
//! The names of calls are OpenTelemetry's
//! ([RPC metrics](https://opentelemetry.io/docs/specs/semconv/rpc/rpc-metrics/)). It has none for connections.
//!
//! Each failed attempt of a channel to connect counts. The calls and bytes of a connection are added when it ends;
//! [`ServerStats`](crate::ServerStats) also counts the calls of open connections.

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use tonic::Code;

use crate::record_calls::{CallRecord, CallSide};
use crate::{Event, Observer, Refusal};

/// Records the connections of a server or a channel: an [`Observer`]. Calls stay direct.
///
/// ```
/// # use grpc_ipc_proto::greet::greeter_server::{Greeter, GreeterServer};
/// use grpc_ipc::metrics::ConnectionMetrics;
/// use grpc_ipc::{ConnectOptions, Server};
///
/// # fn example(greeter: impl Greeter) {
/// let server = Server::builder().add_service(GreeterServer::new(greeter)).observe(ConnectionMetrics::server());
/// let options = ConnectOptions::new("local:greeter").observe(ConnectionMetrics::client());
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ConnectionMetrics {
    names: &'static Names,
}

#[derive(Debug)]
struct Names {
    open: &'static str,
    connections: &'static str,
    failed: &'static str,
    calls: &'static str,
    duration: &'static str,
    bytes: &'static str,
}

static SERVER: Names = Names {
    open: "rpc.server.connections.open",
    connections: "rpc.server.connections",
    failed: "rpc.server.connections.refused",
    calls: "rpc.server.connection.calls",
    duration: "rpc.server.connection.duration",
    bytes: "rpc.server.network.io",
};

static CLIENT: Names = Names {
    open: "rpc.client.connections.open",
    connections: "rpc.client.connections",
    failed: "rpc.client.connections.failed",
    calls: "rpc.client.connection.calls",
    duration: "rpc.client.connection.duration",
    bytes: "rpc.client.network.io",
};

impl ConnectionMetrics {
    /// For [`Server::observe`](crate::Server::observe).
    #[must_use]
    pub fn server() -> Self {
        Self::new(&SERVER)
    }

    /// For [`ConnectOptions::observe`](crate::ConnectOptions::observe).
    #[must_use]
    pub fn client() -> Self {
        Self::new(&CLIENT)
    }

    fn new(names: &'static Names) -> Self {
        describe_gauge!(names.open, Unit::Count, "connections that are open");
        describe_counter!(names.connections, Unit::Count, "connections that were made");
        describe_counter!(names.failed, Unit::Count, "connections that were refused, or could not be made");
        describe_counter!(names.calls, Unit::Count, "calls of connections that have ended");
        describe_histogram!(names.duration, Unit::Milliseconds, "how long connections were open");
        describe_counter!(names.bytes, Unit::Bytes, "bytes of connections that have ended");
        Self { names }
    }
}

impl Observer for ConnectionMetrics {
    fn on_event(&self, event: &Event<'_>) {
        let Names { open, connections, failed, calls, duration: durations, bytes } = *self.names;
        match event {
            Event::Connected { .. } => {
                counter!(connections).increment(1);
                gauge!(open).increment(1);
            }
            Event::Refused { why, .. } => {
                let reason = match why {
                    Refusal::AccessPolicy(_) => "access_policy",
                    Refusal::TooManyConnections => "too_many_connections",
                };
                counter!(failed, "reason" => reason).increment(1);
            }
            Event::ConnectFailed { .. } => counter!(failed).increment(1),
            Event::Disconnected { duration, traffic, .. } => {
                gauge!(open).decrement(1);
                counter!(calls).increment(traffic.calls);
                histogram!(durations).record(duration.as_secs_f64() * 1000.0);
                counter!(bytes, "direction" => "receive").increment(traffic.bytes_received);
                counter!(bytes, "direction" => "transmit").increment(traffic.bytes_sent);
            }
        }
    }
}

fn calls_of(side: CallSide) -> &'static str {
    match side {
        CallSide::Server => "rpc.server.duration",
        CallSide::Client => "rpc.client.duration",
    }
}

pub(crate) fn describe_calls(side: CallSide) {
    describe_histogram!(calls_of(side), Unit::Milliseconds, "how long calls took");
}

pub(crate) fn record_call(side: CallSide, record: &CallRecord<'_>) {
    let (service, method) = match record.code {
        // A client could invent names.
        Code::Unimplemented => ("_OTHER".to_owned(), "_OTHER".to_owned()),
        _ => (record.path.service().to_owned(), record.path.method().to_owned()),
    };
    histogram!(
        calls_of(side),
        "rpc.system" => "grpc",
        "rpc.service" => service,
        "rpc.method" => method,
        "rpc.grpc.status_code" => (record.code as i32).to_string(),
    )
    .record(record.duration.as_secs_f64() * 1000.0);
}
