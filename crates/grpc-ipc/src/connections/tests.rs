//! Misbehaving servers, with a paused clock.

use std::panic::Location;

use bytes::Bytes;
use grpc_ipc_conformance::{LIMIT, Watchdog};
use grpc_ipc_core::memory::{MemoryListener, MemoryStream, Network};
use grpc_ipc_core::{AccessPolicy, Listener as _};
use grpc_ipc_http2::{Reason, refusal};
use http::Request;
use http_body_util::Empty;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

#[track_caller]
fn run(test: impl AsyncFnOnce(MemoryListener, Arc<Connections>)) {
    let _watchdog = Watchdog::start(&Location::caller().to_string(), LIMIT);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let network = Network::new();
        let listener = network.listen("server", AccessPolicy::default()).unwrap();
        let connector = BoxConnector::new(network.connector("server", AccessPolicy::default()));
        let http2 = Http2Options::new().keepalive(SECOND);
        let options = ConnectionsOptions { http2, ..ConnectionsOptions::default() };
        test(listener, Connections::new(connector, options)).await;
    });
}

/// The next connection of a client, on which the server has begun HTTP/2.
async fn begin(listener: &mut MemoryListener) -> MemoryStream {
    let mut stream = listener.accept().await;
    stream.write_all(&SETTINGS).await.unwrap();
    stream
}

fn goaway(reason: Reason, detail: &[u8]) -> Vec<u8> {
    // All streams have been taken.
    let head = [0, 0, 8 + detail.len() as u8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff];
    [&head[..], &reason.code().to_be_bytes(), detail].concat()
}

/// Reads whole frames up to a PING.
async fn expect_ping(stream: &mut MemoryStream, preface: bool) {
    if preface {
        stream.read_exact(&mut [0; 24]).await.unwrap();
    }
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.unwrap();
        let mut payload = vec![0; usize::from(head[2])];
        stream.read_exact(&mut payload).await.unwrap();
        if head[3] == 6 {
            return;
        }
    }
}

/// Even while the server still finishes a call.
#[test]
fn too_many_pings_halve_their_number() {
    run(async |mut listener, connections| {
        let mut unfinished = Vec::new();
        for doubled in 0..5 {
            let opening = tokio::spawn({
                let connections = Arc::clone(&connections);
                async move { connections.open().await }
            });
            let mut stream = begin(&mut listener).await;
            let calls = opening.await.unwrap().unwrap();
            let start = Instant::now();
            expect_ping(&mut stream, true).await;
            let (waited, expected) = (start.elapsed(), SECOND * (1 << doubled));
            assert!((expected..expected + SECOND / 2).contains(&waited), "{waited:?}, not {expected:?}");
            let request = Request::post("/").body(Empty::<Bytes>::new()).unwrap();
            let mut call = Box::pin(calls.send(request));
            assert!(futures_util::poll!(&mut call).is_pending());
            let calm = goaway(Reason::ENHANCE_YOUR_CALM, b"too_many_pings");
            stream.write_all(&calm).await.unwrap();
            while calls.is_usable() {
                tokio::task::yield_now().await;
            }
            assert!(futures_util::poll!(&mut call).is_pending());
            unfinished.push((stream, call));
        }
    });
}

/// Connections that were opened with the same interval double it only once. Other reasons for an end do not double it.
#[test]
fn the_interval_is_doubled_for_its_own_reason_only() {
    run(async |mut listener, connections| {
        let ends = [
            goaway(Reason::ENHANCE_YOUR_CALM, b"too_many_pings"),
            goaway(Reason::ENHANCE_YOUR_CALM, b"too_many_pings"),
            goaway(Reason::ENHANCE_YOUR_CALM, b"something else"),
            goaway(Reason::NO_ERROR, b"too_many_pings"),
            Vec::new(),
        ];
        let mut open = Vec::new();
        for _ in &ends {
            let (opened, stream) = tokio::join!(connections.open(), begin(&mut listener));
            open.push((opened.unwrap(), stream));
        }
        for ((calls, mut stream), end) in open.into_iter().zip(ends) {
            stream.write_all(&end).await.unwrap();
            drop(stream);
            while calls.is_usable() {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(connections.state().remove_unusable().keepalive, Some(2 * SECOND));
    });
}

/// The server is stopped before or after it accepts.
#[test]
fn a_server_that_does_not_answer_is_given_up_in_time() {
    run(async |mut listener, connections| {
        for accepts in [false, true] {
            let start = Instant::now();
            let opening = connections.open();
            let (opened, stream) = if accepts {
                let (opened, stream) = tokio::join!(opening, listener.accept());
                (opened, Some(stream))
            } else {
                (opening.await, None)
            };
            let error = opened.unwrap_err();
            assert!(matches!(error, ConnectError::TimedOut { .. }), "{error:?}");
            assert!((5 * SECOND..6 * SECOND).contains(&start.elapsed()), "{:?}", start.elapsed());
            drop(stream);
            // The connection that was not accepted.
            if !accepts {
                listener.accept().await;
            }
        }
    });
}

#[test]
fn no_attempt_begins_after_the_wait_for_a_server() {
    run(async |_listener, connections| {
        let start = Instant::now();
        let error = connections.connect(Some(start + 2 * SECOND), &mut None).await.unwrap_err();
        assert!(matches!(error, ConnectError::TimedOut { .. }), "{error:?}");
        assert!((5 * SECOND..6 * SECOND).contains(&start.elapsed()), "{:?}", start.elapsed());
    });
}

/// However long `connect_timeout` is, no other limit applies.
#[test]
fn a_server_may_take_as_long_as_the_client_has_patience() {
    run(async |_, _| {
        let connect_timeout = 60 * SECOND;
        let options = ConnectionsOptions { connect_timeout, ..ConnectionsOptions::default() };
        let network = Network::new();
        let mut listener = network.listen("server", AccessPolicy::default()).unwrap();
        let connector = BoxConnector::new(network.connector("server", AccessPolicy::default()));
        let connections = Connections::new(connector, options);
        let late = async {
            let mut stream = listener.accept().await;
            tokio::time::sleep(59 * SECOND).await;
            stream.write_all(&SETTINGS).await.unwrap();
            stream
        };
        let (opened, _stream) = tokio::join!(connections.open(), late);
        opened.unwrap();
    });
}

/// What a server sends instead of HTTP/2, and the resulting error.
#[test]
fn a_server_that_does_not_begin_says_why() {
    let cases: [(&[u8], &str); 5] = [
        (refusal::FORBIDDEN, "Rejected"),
        (refusal::TOO_MANY_CONNECTIONS, "TooManyConnections"),
        (b"", "Closed"),
        (b"HTTP/1.1 40", "Closed"),
        (&[0x15, 3, 3, 0, 2, 2, 40], "Io"),
    ];
    for (said, expected) in cases {
        run(async |mut listener, connections| {
            let mut tries = 0;
            let serve = async {
                loop {
                    let mut stream = listener.accept().await;
                    tries += 1;
                    stream.write_all(said).await.unwrap();
                }
            };
            let error = tokio::select! {
                opened = connections.open() => opened.unwrap_err(),
                () = serve => unreachable!(),
            };
            assert!(format!("{error:?}").starts_with(&format!("{expected} {{")), "{error:?}");
            // A server that sends nothing may be about to end. One that refuses means it.
            assert_eq!(tries, if matches!(error, ConnectError::Closed { .. }) { 4 } else { 1 });
        });
    }
}

#[test]
fn a_channel_that_is_closed_waits_for_no_further_connection() {
    run(async |mut listener, connections| {
        let growing = tokio::spawn(Arc::clone(&connections).grow());
        // It does not begin.
        let _stream = listener.accept().await;
        let start = Instant::now();
        connections.close();
        connections.closed().await;
        growing.await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
    });
}

#[test]
fn connections_beyond_the_first_end_when_they_are_idle() {
    run(async |_, _| {
        let network = Network::new();
        let mut listener = network.listen("server", AccessPolicy::default()).unwrap();
        let connector = BoxConnector::new(network.connector("server", AccessPolicy::default()));
        let connections = Connections::new(connector, ConnectionsOptions::default());
        let (first, mut streams) = (Arc::clone(&connections), Vec::new());
        let (opened, stream) = tokio::join!(first.open(), begin(&mut listener));
        opened.unwrap();
        streams.push(stream);
        for _ in 0..2 {
            let ((), stream) = tokio::join!(Arc::clone(&connections).grow(), begin(&mut listener));
            streams.push(stream);
        }
        let count = || connections.state().connections.len();
        let minute = 60 * SECOND;
        tokio::time::sleep(4 * minute).await;
        assert_eq!(count(), 3);
        // One of them makes a call that its server does not answer, and then gives it up.
        let busy = Arc::clone(&connections.state().connections[1]);
        let call =
            tokio::spawn(async move { busy.send(http::Request::new(tonic::body::Body::empty())).await });
        tokio::time::sleep(30 * minute).await;
        assert_eq!(count(), 2, "the first, and the one with a call");
        call.abort();
        assert!(call.await.is_err());
        tokio::time::sleep(4 * minute).await;
        assert_eq!(count(), 2);
        tokio::time::sleep(7 * minute).await;
        assert_eq!(count(), 1);
        tokio::time::sleep(30 * minute).await;
        assert_eq!(count(), 1, "the first stays");
    });
}
