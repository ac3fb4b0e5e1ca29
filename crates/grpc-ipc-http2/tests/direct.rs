//! Direct calls ([`grpc_ipc_http2::direct`]). On the wire and for callers and handlers, they are like all other calls.
//! Anything unusual moves a call to the general path, and every limit applies.
//!
//! Each test has a runtime on its own thread, whose clock advances only when nothing else can run.

mod direct {
    mod both_ends;
    mod client;
    mod demoted_requests;
    mod demoted_responses;
    mod faults;
    mod large;
    mod limits;
    mod scene;
    mod server;
    mod service;
    mod time;
    mod writes;
}

#[expect(dead_code, reason = "the tests of RFC 9113 use the rest")]
mod util;
