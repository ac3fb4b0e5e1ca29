//! Peers that never start, and peers that stop (`Options::handshake_timeout`, `keepalive`).

use std::time::Duration;

use grpc_ipc_http2::{Error, Options, client};
use tokio::io::duplex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::scene::{connect, run};
use super::service::CountingService;
use crate::util::engine::code_of;
use crate::util::frame::{Frame, code, flag, goaway, headers, kind, ping, settings};
use crate::util::raw::{PREFACE, RawPeer};

const SECOND: Duration = Duration::from_secs(1);

/// A client to which nothing has been sent. The sender keeps it alive.
fn connect_client(options: &Options) -> (RawPeer, client::SendRequest, JoinHandle<Result<(), Error>>) {
    let (ours, theirs) = duplex(64 << 10);
    let (send, connection) = client::handshake(theirs, options);
    (RawPeer::new(ours), send, tokio::spawn(connection))
}

#[test]
fn a_client_that_does_not_begin() {
    let beginnings: [&[u8]; 4] = [b"", &PREFACE[..1], PREFACE, &[&PREFACE[..], &[0, 0, 0, 4]].concat()];
    for begun in beginnings {
        run(async || {
            let service = CountingService::default();
            let (mut peer, connection) = connect(&service, &Options::new().handshake_timeout(5 * SECOND));
            let start = Instant::now();
            peer.send_octets(begun).await;
            let error = connection.await.unwrap().unwrap_err();
            assert!(matches!(error, Error::HandshakeTimeout), "{error:?}");
            assert!((5 * SECOND..7 * SECOND).contains(&start.elapsed()), "{:?}", start.elapsed());
            peer.expect_end().await;
        });
    }
}

#[test]
fn a_server_that_does_not_begin() {
    run(async || {
        let (mut peer, send, connection) = connect_client(&Options::new().handshake_timeout(5 * SECOND));
        peer.expect_preface().await;
        let start = Instant::now();
        let call = send.send(http::Request::new(http_body_util::Empty::new()));
        let error = call.await.unwrap_err();
        assert!(matches!(error, Error::HandshakeTimeout), "{error:?}");
        assert!(start.elapsed() < 7 * SECOND, "{:?}", start.elapsed());
        connection.await.unwrap().unwrap_err();
        let error = send.established().await.unwrap_err();
        assert!(matches!(error, Error::HandshakeTimeout), "{error:?}");
    });
}

#[test]
fn a_peer_that_begins_late_is_in_time() {
    run(async || {
        let options = Options::new();
        let service = CountingService::default();
        let (mut peer, _connection) = connect(&service, &options);
        sleep(9 * SECOND).await;
        peer.greet_server(&[]).await;
        sleep(3600 * SECOND).await;
        peer.still_serves().await;
    });
    run(async || {
        let (mut peer, send, _connection) = connect_client(&Options::new());
        sleep(9 * SECOND).await;
        peer.greet_client(&[]).await;
        send.established().await.unwrap();
        sleep(3600 * SECOND).await;
        peer.still_answers().await;
    });
}

fn keepalive() -> Options {
    // The budgets do not use the paused clock.
    Options::new().keepalive(4 * SECOND).keepalive_timeout(2 * SECOND).max_control_frames(u32::MAX, 0)
}

async fn expect_ping(peer: &mut RawPeer) -> Frame {
    peer.expect("PING", |frame| frame.kind == kind::PING && !frame.has(flag::ACK)).await
}

/// Answers for a long time, and then stops.
async fn stops(mut peer: RawPeer, connection: JoinHandle<Result<(), Error>>) {
    for _ in 0..1000 {
        let frame = expect_ping(&mut peer).await;
        sleep(SECOND).await;
        peer.send(frame.with(flag::ACK)).await;
    }
    expect_ping(&mut peer).await;
    let start = Instant::now();
    let error = connection.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::KeepAlive), "{error:?}");
    assert!((2 * SECOND..4 * SECOND).contains(&start.elapsed()), "{:?}", start.elapsed());
    peer.expect_end().await;
}

#[test]
fn a_client_that_stops() {
    run(async || {
        let (mut peer, connection) = connect(&CountingService::default(), &keepalive());
        peer.greet_server(&[]).await;
        stops(peer, connection).await;
    });
}

#[test]
fn a_server_that_stops() {
    run(async || {
        let (mut peer, send, connection) = connect_client(&keepalive());
        peer.greet_client(&[]).await;
        let call = tokio::spawn(send.send(http::Request::new(http_body_util::Empty::new())));
        stops(peer, connection).await;
        let error = call.await.unwrap().unwrap_err();
        assert!(matches!(error, Error::KeepAlive), "{error:?}");
    });
}

/// However long a peer may take to answer, it is pinged one interval after its last data.
#[test]
fn pings_come_an_interval_apart() {
    run(async || {
        let options = Options::new().keepalive(SECOND).keepalive_timeout(20 * SECOND);
        let (mut peer, connection) = connect(&CountingService::default(), &options);
        peer.greet_server(&[]).await;
        let mut last = Instant::now();
        for _ in 0..5 {
            let frame = expect_ping(&mut peer).await;
            assert!((SECOND..2 * SECOND).contains(&last.elapsed()), "{:?}", last.elapsed());
            last = Instant::now();
            peer.send(frame.with(flag::ACK)).await;
        }
        // It is given up after one interval and the time for an answer.
        let error = connection.await.unwrap().unwrap_err();
        assert!(matches!(error, Error::KeepAlive), "{error:?}");
        assert!((21 * SECOND..23 * SECOND).contains(&last.elapsed()), "{:?}", last.elapsed());
    });
}

/// A peer that sends other data is alive, too.
#[test]
fn anything_that_comes_is_a_sign_of_life() {
    run(async || {
        let (mut peer, _connection) = connect(&CountingService::default(), &keepalive());
        peer.greet_server(&[]).await;
        for _ in 0..1000 {
            sleep(3 * SECOND).await;
            peer.send(settings(&[])).await;
            let frame = peer.next().await.unwrap();
            assert_eq!(frame.kind, kind::SETTINGS, "nothing else is said");
            peer.send(ping([0; 8])).await;
            assert!(peer.next().await.unwrap().has(flag::ACK));
        }
    });
}

/// Without options, a connection waits for ever.
#[test]
fn nobody_is_pinged_by_default() {
    run(async || {
        let (mut peer, _connection) = connect(&CountingService::default(), &Options::new());
        peer.greet_server(&[]).await;
        sleep(24 * 3600 * SECOND).await;
        peer.send(ping([0; 8])).await;
        assert!(peer.next().await.unwrap().has(flag::ACK));
    });
}

/// RFC 9113, 5.4.1: a peer that reports an error of the connection has to close it. Node.js does not.
#[test]
fn a_server_that_reports_an_error_and_does_not_close() {
    run(async || {
        let (mut peer, send, connection) = connect_client(&Options::new());
        peer.greet_client(&[]).await;
        let call = tokio::spawn(send.send(http::Request::new(http_body_util::Empty::<bytes::Bytes>::new())));
        peer.expect("a request", |frame| frame.kind == kind::HEADERS).await;
        let start = Instant::now();
        peer.send(goaway(1, code::COMPRESSION_ERROR)).await;
        let error = call.await.unwrap().unwrap_err();
        assert_eq!(code_of(&error), Some(code::COMPRESSION_ERROR), "{error:?}");
        assert!((5 * SECOND..7 * SECOND).contains(&start.elapsed()), "{:?}", start.elapsed());
        connection.await.unwrap().unwrap_err();
    });
}

#[test]
fn a_client_that_reports_an_error_and_does_not_close() {
    run(async || {
        let service = CountingService::default();
        let (mut peer, connection) = connect(&service, &Options::new());
        peer.greet_server(&[]).await;
        let start = Instant::now();
        peer.send(headers(
            1,
            &[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "x")],
        ))
        .await;
        peer.send(goaway(0, code::PROTOCOL_ERROR)).await;
        let error = connection.await.unwrap().unwrap_err();
        assert_eq!(code_of(&error), Some(code::PROTOCOL_ERROR), "{error:?}");
        assert!((5 * SECOND..7 * SECOND).contains(&start.elapsed()), "{:?}", start.elapsed());
    });
}

#[test]
fn a_server_that_shuts_down_may_take_its_time() {
    run(async || {
        let (mut peer, send, _connection) = connect_client(&Options::new());
        peer.greet_client(&[]).await;
        let call = tokio::spawn(send.send(http::Request::new(http_body_util::Empty::<bytes::Bytes>::new())));
        peer.expect("a request", |frame| frame.kind == kind::HEADERS).await;
        peer.send(goaway(1, code::NO_ERROR)).await;
        sleep(60 * SECOND).await;
        peer.send(headers(1, &[(":status", "204")]).end_stream()).await;
        assert_eq!(call.await.unwrap().unwrap().status(), 204);
    });
}
