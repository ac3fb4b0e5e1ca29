#![doc = include_str!("../docs/lib.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod authorize;
mod backend;
pub mod blocking;
#[cfg(all(doctest, feature = "tonic-transport", feature = "uds"))]
mod book;
mod bound_server;
mod call_body;
mod call_error;
mod call_limit;
mod channel;
pub mod codegen;
#[cfg(feature = "tonic-transport")]
mod connect;
mod connect_info;
mod connect_options;
mod connections;
mod connectivity;
mod content_type;
mod default_timeout;
mod direct;
#[doc = include_str!("../docs/errors.md")]
pub mod errors {}
mod fields;
mod from_connection;
mod from_connector;
mod from_incoming;
mod hooks;
mod include_proto;
#[cfg(feature = "tonic-transport")]
mod incoming;
mod intercepted;
mod known_methods;
mod launcher;
mod layers;
mod lifecycle;
mod limits;
mod listen_options;
mod listeners;
mod messages;
mod method_path;
#[cfg(feature = "metrics")]
pub mod metrics;
mod observer;
mod peer_service;
mod places;
mod record_calls;
mod response;
mod router;
#[doc = include_str!("../docs/tonic.md")]
pub mod from_tonic {}
#[doc = include_str!("../docs/security.md")]
pub mod security {}
mod serve_error;
mod served;
mod server;
mod server_stats;
mod service_manager;
mod services;
mod shutdown_signal;
mod spawn;
mod status;
mod sync;
mod tcp;
#[cfg(feature = "tls")]
pub mod tls;
mod traced;
mod wait_for_ready;

pub use authorize::{Authorize, Authorized};
#[allow(
    unused_imports,
    unreachable_pub,
    clippy::allow_attributes,
    reason = "some platforms have nothing of their own"
)]
#[doc(inline)]
pub use backend::platform::*;
pub use bound_server::BoundServer;
pub use call_body::CallBody;
pub use call_error::{CallError, StatusExt};
pub use channel::{Channel, ResponseFuture};
#[cfg(feature = "tonic-transport")]
pub use connect::EndpointConnector;
pub use connect_options::ConnectOptions;
pub use connectivity::{ConnectivityState, StateWatch};
pub use grpc_ipc_core::{
    Acceptor, AccessPolicy, Address, AddressError, Admission, Backoff, BindError, BoxConnection,
    BoxConnector, BoxListener, ConnectError, Connection, Connector, GroupId, IntegrityLevel, IntoAddress,
    Listener, NameError, NameService, NoNames, Peer, PeerStream, Process, ProcessHandle, Refused, Source,
    UserId, memory,
};
pub use grpc_ipc_http2::{
    Authority, End, Error as Http2Error, Options as Http2Options, Reason, Side, Traffic, refusal,
};
#[cfg(feature = "tonic-transport")]
pub use incoming::{Incoming, IncomingConnection};
pub use intercepted::{Intercepted, InterceptedFuture, InterceptedServer};
pub use launcher::{LaunchError, Launcher};
pub use lifecycle::{Announcement, Description};
pub use listen_options::ListenOptions;
pub use method_path::MethodPath;
pub use observer::{ConnectionInfo, Event, Observer, Refusal};
/// prost, in the version that generated messages use: `prost::Message` encodes and decodes them.
pub use prost;
pub use record_calls::{CallRecord, RecordCalls, RecordedBody, RecordedCalls, RecordedFuture};
pub use serve_error::ServeError;
pub use server::Server;
pub use server_stats::ServerStats;
pub use services::Services;
pub use shutdown_signal::{ShutdownSignal, shutdown_signal};
pub use spawn::ServerHandle;
/// The version of tonic that this crate's API and generated code use.
pub use tonic;
pub use wait_for_ready::{RequestExt, WaitForReady};
