//! In a process where SIGPIPE has its default action, as in a program in C, C++ or Swift with this library, a peer that
//! disconnects does not end the process.
//!
//! The test runs itself again. The inner run restores the default action of SIGPIPE.
#![cfg(all(unix, feature = "uds"))]

mod sys;

use std::env;
use std::io::{self, IoSlice};
use std::process::Command;

use futures_util::StreamExt as _;
use grpc_ipc::{EndpointConnector, Incoming};
use grpc_ipc_conformance::run;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tower::ServiceExt as _;

/// Set in the inner run.
const INSIDE: &str = "GRPC_IPC_TEST_INSIDE";
const PEERS: usize = 200;

#[test]
fn a_peer_that_goes_away_does_not_end_the_process() {
    let test = "a_peer_that_goes_away_does_not_end_the_process";
    if env::var_os(INSIDE).is_none() {
        let mut again = Command::new(env::current_exe().unwrap());
        let output = again.args(["--exact", test, "--nocapture"]).env(INSIDE, "").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("1 passed"), "{}: {said}", output.status);
        return;
    }
    sys::restore_sigpipe();
    run(test, || async {
        let directory = TempDir::new().unwrap();
        let socket = format!("unix:{}", directory.path().join("s").display());
        for address in [&socket, "http://127.0.0.1:0"] {
            let mut incoming = Incoming::bind(address).await.unwrap();
            let reached = incoming.local_addresses()[0].to_string();
            for number in 0..PEERS {
                let connector = EndpointConnector::new(&reached).unwrap();
                let (client, server) = tokio::join!(
                    connector.oneshot(http::Uri::from_static("http://localhost")),
                    incoming.next()
                );
                let (client, server) = (client.unwrap().into_inner(), server.unwrap().unwrap());
                let vectored = number / 2 % 2 == 0;
                match number % 2 {
                    0 => go_away(client, server, vectored).await,
                    _ => go_away(server, client, vectored).await,
                }
            }
        }
    });
}

/// Drops one end, and lets the other write until it fails, and once more. Then shuts it down.
async fn go_away(leaves: impl AsyncRead, mut stays: impl AsyncWrite + Unpin, vectored: bool) {
    drop(leaves);
    assert!(stays.is_write_vectored());
    let mut write = async || match vectored {
        true => stays.write_vectored(&[IoSlice::new(b"hello "), IoSlice::new(b"you")]).await,
        false => stays.write(b"hello").await,
    };
    // Over TCP, the first write may succeed, and its answer reports that the peer has disconnected.
    let error = loop {
        if let Err(error) = write().await {
            break error;
        }
    };
    assert!(is_gone(&error), "{error:?}");
    assert_eq!(write().await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    _ = stays.shutdown().await;
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}
