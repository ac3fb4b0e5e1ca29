//! The bounds of a connection, from both of their sides: a peer that goes beyond one is stopped with the error that
//! [`Options`](grpc_ipc_http2::Options) or RFC 9113 names, before it costs much memory, and nobody else notices; a peer
//! that comes near it in good faith is served.
//!
//! Each test has a runtime on its own thread, whose clock goes on only when nothing else does, and counts the bytes that
//! are allocated on that thread.

mod bounds {
    mod client;
    mod control_frames;
    mod deadlines;
    mod fields;
    mod good_faith;
    mod idle;
    mod lifetime;
    mod received;
    mod resets;
    mod scene;
    mod service;
    mod small_data;
    mod stalled;
    mod streams;
    mod sys;
    mod time;
    mod unsent;
}

#[expect(dead_code, reason = "the tests of RFC 9113 use the rest")]
mod util;
