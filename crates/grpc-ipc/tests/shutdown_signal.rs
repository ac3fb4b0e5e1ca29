//! `shutdown_signal`, in a process of its own: without its handlers, these signals end the process.
#![cfg(unix)]

use grpc_ipc::shutdown_signal;
use grpc_ipc_conformance::run;
use rustix::process::{Signal, getpid, kill_process};

#[test]
fn a_signal_that_comes_before_the_first_poll_is_not_lost() {
    run("a_signal_that_comes_before_the_first_poll_is_not_lost", || async {
        for signal in [Signal::TERM, Signal::INT] {
            let stop = shutdown_signal().unwrap();
            kill_process(getpid(), signal).unwrap();
            stop.await;
        }
    });
}

#[test]
fn a_signal_ends_all_who_wait_for_it() {
    run("a_signal_ends_all_who_wait_for_it", || async {
        let waiting: Vec<_> = (0..3).map(|_| tokio::spawn(shutdown_signal().unwrap())).collect();
        kill_process(getpid(), Signal::TERM).unwrap();
        for task in waiting {
            task.await.unwrap();
        }
    });
}
