//! What gRPC over HTTP/2 asks of a client and of a server, sentence by sentence
//! ([PROTOCOL-HTTP2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md), and
//! [the mapping of HTTP's status](https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md)): a `Channel`
//! and a `Server` under test, with a peer at the other end that sends raw frames. A test quotes the sentence it pins, or
//! has it in its name. What of it lives in the engine alone is tested there (`grpc_…`).

mod call_errors;
mod cancellation;
mod deadlines;
mod direct_streams;
mod hostile_fields;
mod http_status;
mod messages;
mod metadata;
mod requests;
mod responses;
#[cfg(feature = "routes")]
mod routes;
mod transport;
mod util;
