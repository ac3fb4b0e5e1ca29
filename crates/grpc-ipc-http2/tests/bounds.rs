//! The limits of a connection, from both sides. A peer that exceeds one is stopped with the error that
//! [`Options`](grpc_ipc_http2::Options) or RFC 9113 names, before it costs much memory, and without an effect on
//! others. A peer that comes near a limit in good faith is served.
//!
//! Each test has a runtime on its own thread. Its clock advances only when nothing else can run, and it counts the
//! bytes that the thread allocates.

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
