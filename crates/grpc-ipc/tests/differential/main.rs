//! The same calls have the same outcome with each kind of client and each kind of server, for callers and for handlers.

mod call;
mod cancelled;
mod clients;
#[path = "../util/other.rs"]
mod other;
mod random;
mod servers;
mod streams;

use grpc_ipc::Http2Options;
use grpc_ipc_conformance::run;

use crate::call::Call;
use crate::clients::CLIENTS;
use crate::random::Random;
use crate::servers::{SERVERS, Scene};

/// Makes calls generated from `seed`, over connections with these options at both ends.
async fn compare(seed: u64, count: usize, options: &Http2Options) {
    let mut random = Random::new(seed);
    let calls: Vec<_> = (0..count).map(|_| Call::random(&mut random)).collect();
    let mut expected: Vec<Option<String>> = vec![None; count];
    for server in SERVERS {
        let scene = Scene::new(server, options).await;
        for client in CLIENTS {
            for (number, call) in calls.iter().enumerate() {
                let (channel, served) = scene.general();
                let outcome = with_our_code(&scene.call(client, call).await);
                if call.may_be_direct() && options_are_usual(options) {
                    let which = || format!("seed {seed}, call {number}, {client:?} to {server:?}: {call:?}");
                    let (channel_now, served_now) = scene.general();
                    assert_eq!(channel_now - channel, u64::from(!client.is_direct()), "{}", which());
                    assert_eq!(served_now - served, u64::from(!server.is_direct()), "{}", which());
                }
                if call.hangs() || is_given_up(&outcome) {
                    scene.settle(client).await;
                }
                let expected = expected[number].get_or_insert_with(|| outcome.clone());
                assert_eq!(
                    outcome, *expected,
                    "seed {seed}, call {number}, {client:?} to {server:?}: {call:?}"
                );
            }
        }
    }
}

/// The outcome with our code of a received message over the limit, which is not tonic's.
fn with_our_code(outcome: &str) -> String {
    outcome.replace("OutOfRange \"Error, decoded", "ResourceExhausted \"Error, decoded")
}

/// Whether a client found a message too long, perhaps after the request had begun.
fn is_given_up(outcome: &str) -> bool {
    outcome.contains("encoded message length")
}

/// Whether no call has to wait for a window.
fn options_are_usual(options: &Http2Options) -> bool {
    format!("{options:?}") == format!("{:?}", Http2Options::new())
}

#[test]
fn usual_connections() {
    for seed in 0..4 {
        run("usual_connections", async || compare(seed, 60, &Http2Options::new()).await);
    }
}

#[test]
fn small_windows() {
    let options = Http2Options::new().initial_stream_window(100).max_stream_window(1000);
    run("small_windows", async || compare(100, 40, &options).await);
}

#[test]
fn little_output() {
    let options = Http2Options::new().max_output(100).poll_in_place(false);
    run("little_output", async || compare(200, 40, &options).await);
}

#[test]
fn small_header_lists() {
    let options = Http2Options::new().max_header_list_size(500).header_table_size(0);
    run("small_header_lists", async || compare(300, 60, &options).await);
}

#[test]
fn large_frames() {
    let options = Http2Options::new().max_frame_size(1 << 20);
    run("large_frames", async || compare(400, 40, &options).await);
}
