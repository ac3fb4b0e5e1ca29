//! Direct calls ([`grpc_ipc_http2::direct`]): that they are as all others on the wire and to whoever makes or answers
//! them, that whatever is unusual about one takes it to the general way, and that they keep every bound.
//!
//! Each test has a runtime on its own thread, whose clock goes on only when nothing else does.

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
