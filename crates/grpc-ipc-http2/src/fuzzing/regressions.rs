//! Inputs that once failed, and seeds for fuzzing.

use std::fs;
use std::path::{Path, PathBuf};

use grpc_ipc_conformance::{LIMIT, Watchdog};

use super::client::{self, client};
use super::server::{self, server};
use super::{differential, frames, h2, hpack_decode, hpack_round_trip};

/// All stored inputs of a target, in order.
fn inputs(target: &str) -> Vec<PathBuf> {
    let mut inputs = Vec::new();
    for kept in ["seeds", "regressions"] {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(kept).join(target);
        // Git does not keep empty directories.
        let Ok(entries) = fs::read_dir(directory) else { continue };
        inputs.extend(entries.map(|entry| entry.expect("an entry of a directory").path()));
    }
    inputs.sort();
    inputs
}

/// Runs all inputs of a target.
fn pass(target: &'static str, run_on: fn(&[u8])) {
    let _watchdog = Watchdog::start(target, LIMIT);
    for input in inputs(target) {
        println!("{}", input.display());
        run_on(&fs::read(input).expect("an input"));
    }
}

#[test]
fn frames_that_once_failed_pass() {
    pass("frames", frames);
}

#[test]
fn blocks_that_once_failed_pass() {
    pass("hpack_decode", |input| _ = hpack_decode(input));
}

#[test]
fn fields_that_once_failed_pass() {
    pass("hpack_round_trip", hpack_round_trip);
}

#[test]
fn clients_that_once_failed_a_server_pass() {
    pass("server", server);
}

#[test]
fn servers_that_once_failed_a_client_pass() {
    pass("client", client);
}

#[test]
fn what_h2_answers_is_answered_in_the_same_way() {
    pass("differential", |input| differential(input, h2::serve));
}

/// The targets would find little if their calls were not direct.
#[test]
fn the_seeds_with_large_messages_make_direct_calls() {
    let _watchdog = Watchdog::start("the_seeds_with_large_messages_make_direct_calls", LIMIT);
    let seed = |target: &str| {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
        fs::read(seeds.join(target).join("large")).expect("an input")
    };
    for streams in [false, true] {
        let calls = (server::serve(&seed("server"), streams), client::drive(&seed("client"), streams));
        assert!(calls.0 > 20 && calls.1 > 0, "{calls:?}");
    }
}
