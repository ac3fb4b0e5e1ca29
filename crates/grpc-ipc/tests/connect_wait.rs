//! `Channel::connect` with a server that is not running yet.

mod util;

use std::error::Error as _;
use std::future::{pending, ready};
use std::io;
use std::time::Duration;

use grpc_ipc::{AccessPolicy, Address, Channel, ConnectError, ConnectOptions, Server};
use grpc_ipc_conformance::{LIMIT, Watchdog, run, unique_name};
use tokio::time::Instant;
use util::{DRAIN, MyGreeter, Running, greet};

fn address() -> Address {
    Address::local(unique_name("wait")).unwrap()
}

async fn serve(address: &Address) -> Running {
    let server = Server::builder().add_service(MyGreeter::default().service()).listen(address);
    Running::start(server.bind().await.unwrap(), DRAIN)
}

/// It may begin with nothing at the address, or with the remains of a dead server.
#[test]
fn a_server_is_waited_for() {
    run("a_server_is_waited_for", || async {
        for _ in 0..20 {
            let address = address();
            let options = ConnectOptions::new(&address).wait(LIMIT);
            let connecting = tokio::spawn(Channel::connect(options.clone()));
            tokio::task::yield_now().await;
            let running = serve(&address).await;
            let channel = connecting.await.unwrap().unwrap();
            greet(channel, "world").await.unwrap();
            running.stop().await.unwrap().unwrap();
        }
    });
}

#[cfg(unix)]
#[test]
fn a_server_that_was_killed_is_waited_for() {
    run("a_server_that_was_killed_is_waited_for", || async {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("s");
        let address = Address::unix(&path).unwrap();
        drop(std::os::unix::net::UnixListener::bind(path).unwrap());
        let error = Channel::connect(&address).await.unwrap_err();
        assert!(matches!(error, ConnectError::Refused { .. }), "{error:?}");
        let connecting = tokio::spawn(Channel::connect(ConnectOptions::new(&address).wait(LIMIT)));
        tokio::task::yield_now().await;
        let _running = serve(&address).await;
        greet(connecting.await.unwrap().unwrap(), "world").await.unwrap();
    });
}

/// The error is that of the last attempt.
#[test]
fn a_server_that_never_starts_is_given_up() {
    let _watchdog = Watchdog::start("a_server_that_never_starts_is_given_up", LIMIT);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let wait = Duration::from_secs(7);
        let start = Instant::now();
        let error = Channel::connect(ConnectOptions::new(address()).wait(wait)).await.unwrap_err();
        assert!(matches!(error, ConnectError::NotFound { .. }), "{error:?}");
        assert_eq!(start.elapsed().as_secs(), wait.as_secs());
    });
}

#[test]
fn what_does_not_pass_is_told_at_once() {
    run("what_does_not_pass_is_told_at_once", || async {
        let address = address();
        let _running = serve(&address).await;
        let wary = ConnectOptions::new(&address).access(AccessPolicy::users([])).wait(2 * LIMIT);
        let error = Channel::connect(wary).await.unwrap_err();
        assert!(matches!(error, ConnectError::Untrusted { .. }), "{error:?}");
        let error = Channel::connect(ConnectOptions::new("nonsense").wait(2 * LIMIT)).await.unwrap_err();
        assert!(matches!(error, ConnectError::Address(_)), "{error:?}");
    });
}

#[test]
fn a_server_whose_process_has_ended_is_not_waited_for() {
    run("a_server_whose_process_has_ended_is_not_waited_for", || async {
        let error = Channel::connect_unless(address(), async {
            // Some attempts have failed by then.
            tokio::time::sleep(Duration::from_millis(20)).await;
            io::Result::Ok("exit status: 3")
        });
        let error = error.await.unwrap_err();
        let ConnectError::ServerEnded { status, source, .. } = &error else { panic!("{error:?}") };
        assert_eq!(status, "exit status: 3");
        assert!(matches!(source.as_deref(), Some(ConnectError::NotFound { .. })), "{source:?}");
        assert!(error.source().is_some());
        let said = error.to_string();
        assert!(said.ends_with("the server's process has ended: exit status: 3"), "{said}");

        let limited = ConnectOptions::new(address()).wait(Duration::from_millis(20));
        let error = Channel::connect_unless(limited, pending::<io::Result<&str>>()).await.unwrap_err();
        assert!(matches!(error, ConnectError::NotFound { .. }), "{error:?}");

        // A server that still serves has not ended.
        let address = address();
        let _running = serve(&address).await;
        let channel = Channel::connect_unless(&address, pending::<io::Result<&str>>()).await.unwrap();
        greet(channel, "world").await.unwrap();
        let lost = ready(Err::<&str, _>(io::Error::other("no such child")));
        let error = Channel::connect_unless("local:nobody-serves-this", lost).await.unwrap_err();
        assert!(error.to_string().ends_with("no such child"), "{error}");
    });
}
