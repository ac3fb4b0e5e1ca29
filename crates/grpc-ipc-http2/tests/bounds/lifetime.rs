//! The lifetime of a connection (`Options::header_timeout`, `stall_timeout`, `max_connection_idle`,
//! `max_connection_age`), and the duration of its shutdown.

use std::time::Duration;

use grpc_ipc_http2::{Error, Options, server};
use tokio::io::duplex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::scene::{Scene, connect, post, run, server, server_with};
use super::service::CountingService;
use crate::util::frame::{
    Frame, code, continuation, data, flag, headers, kind, ping, setting, window_update,
};
use crate::util::hpack::literals;
use crate::util::raw::RawPeer;

const SECOND: Duration = Duration::from_secs(1);

/// A request whose header block is in two frames.
fn in_two(stream: u32) -> [Frame; 2] {
    let fields = [(":method", "POST"), (":scheme", "http"), (":path", "/hello"), (":authority", "localhost")];
    let block = literals(&fields);
    let (first, second) = block.split_at(block.len() / 2);
    let head = Frame::new(kind::HEADERS, flag::END_STREAM, stream, first.to_vec());
    [head, continuation(stream, second.to_vec()).with(flag::END_HEADERS)]
}

/// Checks that about this time has passed, and not less.
fn assert_about(start: Instant, expected: Duration) {
    let elapsed = start.elapsed();
    assert!((expected..expected + 2 * SECOND).contains(&elapsed), "{elapsed:?}, not {expected:?}");
}

/// Frames that a client begins and does not finish.
#[test]
fn a_block_of_headers_that_does_not_end() {
    let [head, _] = in_two(1);
    let head = head.encode();
    for begun in [&head[..], &head[..20], &head[..3]] {
        server(Options::new(), async |mut scene| {
            let start = Instant::now();
            scene.peer.send_octets(begun).await;
            sleep(9 * SECOND).await;
            let goaway = scene.peer.expect_goaway(&[code::ENHANCE_YOUR_CALM]).await;
            assert!(
                goaway.payload.ends_with(b"a frame or header block was not completed in time"),
                "{goaway:?}"
            );
            assert_about(start, 10 * SECOND);
            scene.other.still_serves().await;
        });
    }
}

/// Byte by byte, so that it never stops.
#[test]
fn a_block_of_headers_at_one_byte_a_second() {
    server(Options::new().header_timeout(5 * SECOND), async |mut scene| {
        let start = Instant::now();
        for octet in post(1, "/hello").encode() {
            scene.peer.send_octets(&[octet]).await;
            sleep(SECOND).await;
            if scene.connection.is_finished() {
                break;
            }
        }
        scene.peer.expect_goaway(&[code::ENHANCE_YOUR_CALM]).await;
        assert_about(start, 5 * SECOND);
    });
}

/// The same from a server.
#[test]
fn a_response_whose_headers_do_not_end() {
    run(async || {
        let (ours, theirs) = duplex(64 << 10);
        let (send, connection) = grpc_ipc_http2::client::handshake(theirs, &Options::new());
        let connection = tokio::spawn(connection);
        let mut peer = RawPeer::new(ours);
        peer.greet_client(&[]).await;
        let call = tokio::spawn(send.send(http::Request::new(http_body_util::Empty::new())));
        peer.expect("a request", |frame| frame.kind == kind::HEADERS).await;
        let start = Instant::now();
        let block = literals(&[(":status", "200")]);
        peer.send(Frame::new(kind::HEADERS, 0, 1, block)).await;
        call.await.unwrap().unwrap_err();
        connection.await.unwrap().unwrap_err();
        assert_about(start, 10 * SECOND);
    });
}

/// A client is served even if it needs most of the time for each of many blocks, or sends a body slowly.
#[test]
fn slow_peers_are_served() {
    server(Options::new(), async |mut scene| {
        let mut stream = 1;
        for _ in 0..100 {
            let [head, rest] = in_two(stream);
            scene.peer.send(head).await;
            sleep(9 * SECOND).await;
            scene.peer.send(rest).await;
            scene.peer.expect_response(stream).await;
            stream += 2;
        }
        scene.peer.send(post(stream, "/echo")).await;
        let body = data(stream, [b'x'; 100]).end_stream().encode();
        for octet in body {
            scene.peer.send_octets(&[octet]).await;
            sleep(SECOND).await;
        }
        assert_eq!(scene.peer.expect_response(stream).await.body, [b'x'; 100]);
        scene.goes_on().await;
    });
}

/// A server that is not reading, because its client does not, cannot tell whether a block continues.
#[test]
fn headers_that_are_not_read_are_not_late() {
    server(Options::new(), async |mut scene| {
        let mut sent = 0;
        loop {
            let calls: Vec<u8> = (0..100)
                .flat_map(|call| post(sent * 2 + call * 2 + 1, "/early").end_stream().encode())
                .collect();
            if timeout(SECOND, tokio::io::AsyncWriteExt::write_all(&mut scene.peer.io, &calls)).await.is_err()
            {
                break;
            }
            sent += 100;
        }
        sleep(3600 * SECOND).await;
        for _ in 0..sent {
            scene.peer.expect("HEADERS", |frame| frame.kind == kind::HEADERS).await;
        }
        assert!(!scene.connection.is_finished());
    });
}

/// Expects GOAWAY with a reason, and the end of the connection after the peer has answered the ping.
async fn goes_away(peer: &mut RawPeer, why: &str) {
    let goaway = peer.expect_going_away().await;
    assert_eq!(&goaway.payload[8..], why.as_bytes());
    peer.answer_pings_to_the_end().await;
}

#[test]
fn an_idle_connection_is_ended() {
    server(Options::new().max_connection_idle(60 * SECOND), async |mut scene| {
        // Frames that are not calls do not interrupt idleness.
        for _ in 0..5 {
            sleep(10 * SECOND).await;
            scene.peer.send(ping([0; 8])).await;
            scene.peer.expect("PING", |frame| frame.kind == kind::PING).await;
        }
        let start = Instant::now();
        sleep(9 * SECOND).await;
        goes_away(&mut scene.peer, "max_idle").await;
        assert_about(start, 10 * SECOND);
        (&mut scene.connection).await.unwrap().unwrap();
    });
}

/// A long call, and regular calls: neither connection is idle.
#[test]
fn a_busy_connection_is_not_idle() {
    server(Options::new().max_connection_idle(60 * SECOND), async |mut scene| {
        for _ in 0..100 {
            sleep(50 * SECOND).await;
            scene.peer.still_serves().await;
        }
        scene.peer.send(post(1001, "/unread")).await;
        sleep(3600 * SECOND).await;
        assert!(!scene.connection.is_finished());
        scene.peer.send(crate::util::frame::rst_stream(1001, code::CANCEL)).await;
        sleep(59 * SECOND).await;
        assert!(!scene.connection.is_finished());
        // The idle time and the drain both end.
        sleep(63 * SECOND).await;
        assert!(scene.connection.is_finished());
        goes_away(&mut scene.peer, "max_idle").await;
    });
}

#[test]
fn an_old_connection_finishes_its_calls() {
    server(Options::new().max_connection_age(100 * SECOND), async |mut scene| {
        let start = Instant::now();
        scene.peer.send(post(1, "/echo")).await;
        while start.elapsed() < 89 * SECOND {
            scene.peer.send(data(1, "x")).await;
            sleep(SECOND).await;
        }
        scene.peer.still_answers().await;
        sleep(22 * SECOND).await;
        assert_eq!(scene.peer.expect_going_away().await.payload[8..], *b"max_age");
        // However long the call takes.
        sleep(3600 * SECOND).await;
        assert!(!scene.connection.is_finished());
        scene.peer.send(data(1, "x").end_stream()).await;
        scene.peer.answer_pings_to_the_end().await;
        (&mut scene.connection).await.unwrap().unwrap();
    });
}

#[test]
fn the_grace_of_an_old_connection_ends() {
    let options = Options::new().max_connection_age(100 * SECOND).max_connection_age_grace(50 * SECOND);
    server(options, async |mut scene| {
        let start = Instant::now();
        scene.peer.send(post(1, "/unread")).await;
        (&mut scene.connection).await.unwrap().unwrap_err();
        assert!((140 * SECOND..162 * SECOND).contains(&start.elapsed()), "{:?}", start.elapsed());
        scene.peer.expect_going_away().await;
        scene.peer.expect_goaway(&[code::NO_ERROR]).await;
        tokio::task::yield_now().await;
        assert_eq!(scene.service.alive(), 0);
    });
}

/// A peer that still sends, but does not read.
#[test]
fn a_stalled_peer_is_ended() {
    let settings = [(setting::INITIAL_WINDOW_SIZE, 1 << 30)];
    server_with(Options::new().stall_timeout(60 * SECOND), &settings, async |mut scene| {
        stall(&mut scene).await;
        let start = Instant::now();
        while !scene.connection.is_finished() && start.elapsed() < 3600 * SECOND {
            scene.peer.send(window_update(0, 1)).await;
            sleep(SECOND).await;
        }
        (&mut scene.connection).await.unwrap().unwrap_err();
        assert!((59 * SECOND..64 * SECOND).contains(&start.elapsed()), "{:?}", start.elapsed());
        assert_eq!(scene.service.alive(), 0);
    });
}

/// More than the socket takes, and less than what makes the server stop reading.
async fn stall(scene: &mut Scene) {
    scene.peer.send(window_update(0, 1 << 30)).await;
    scene.peer.send(post(1, "/pieces/8/16384").end_stream()).await;
    scene.other.still_serves().await;
}

/// A peer that reads a little is not stalled, and by default there is no limit.
#[test]
fn a_slow_reader_is_not_stalled() {
    let settings = [(setting::INITIAL_WINDOW_SIZE, 1 << 30)];
    server_with(Options::new().stall_timeout(60 * SECOND), &settings, async |mut scene| {
        stall(&mut scene).await;
        loop {
            sleep(50 * SECOND).await;
            let frame = scene.peer.expect("DATA", |frame| frame.kind == kind::DATA).await;
            if frame.has(flag::END_STREAM) {
                break;
            }
        }
        scene.goes_on().await;
    });
    server_with(Options::new(), &settings, async |mut scene| {
        stall(&mut scene).await;
        sleep(24 * 3600 * SECOND).await;
        assert!(!scene.connection.is_finished());
    });
}

/// A connection whose server is shutting down.
async fn shut_down(service: &CountingService) -> (RawPeer, server::Handle, JoinHandle<Result<(), Error>>) {
    let (ours, theirs) = duplex(64 << 10);
    let connection = server::Connection::new(theirs, service.clone(), Options::new());
    let handle = connection.handle();
    let connection = tokio::spawn(connection);
    let mut peer = RawPeer::new(ours);
    peer.greet_server(&[]).await;
    (peer, handle, connection)
}

/// For example, because its client is in a debugger.
#[test]
fn a_client_that_does_not_answer_holds_up_no_shutdown() {
    run(async || {
        let (mut peer, handle, connection) = shut_down(&CountingService::default()).await;
        let start = Instant::now();
        handle.graceful_shutdown();
        connection.await.unwrap().unwrap();
        assert_about(start, SECOND);
        let first = peer.expect_going_away().await;
        assert_eq!(first.u32(0), (1 << 31) - 1);
        let last = peer.expect_goaway(&[code::NO_ERROR]).await;
        assert_eq!(last.u32(0), 0, "the last stream");
    });
}

/// The second ping gives it no more time.
#[test]
fn a_client_that_answers_one_ping_holds_up_no_shutdown() {
    run(async || {
        let (mut peer, handle, connection) = shut_down(&CountingService::default()).await;
        let start = Instant::now();
        handle.graceful_shutdown();
        peer.expect_going_away().await;
        let ping = peer.expect("PING", |frame| frame.kind == kind::PING).await;
        sleep(SECOND / 2).await;
        peer.send(ping.with(flag::ACK)).await;
        connection.await.unwrap().unwrap();
        assert!((SECOND..SECOND * 5 / 4).contains(&start.elapsed()), "{:?}", start.elapsed());
        let last = peer.expect_goaway(&[code::NO_ERROR]).await;
        assert_eq!(last.u32(0), 0, "the last stream");
    });
}

/// A call that came before is answered, and a later one is reported as unprocessed.
#[test]
fn calls_of_a_client_that_does_not_answer_are_told_apart() {
    run(async || {
        let (mut peer, handle, connection) = shut_down(&CountingService::default()).await;
        peer.send(post(1, "/echo")).await;
        peer.send(data(1, "x")).await;
        peer.expect_on(1).await;
        handle.graceful_shutdown();
        peer.expect_going_away().await;
        let late = headers(3, &[(":method", "POST"), (":scheme", "http"), (":path", "/hello")]);
        peer.send(late.end_stream()).await;
        peer.expect_response(3).await;
        let last = peer.expect_going_away().await;
        assert_eq!(last.u32(0), 3);
        peer.send(post(5, "/hello").end_stream()).await;
        peer.send(data(1, "x").end_stream()).await;
        while let Some(frame) = peer.next().await {
            assert_ne!(frame.stream, 5, "{frame:?}");
        }
        connection.await.unwrap().unwrap();
    });
}

/// With all options set, nothing happens without a reason.
#[test]
fn limits_of_any_length() {
    let options = Options::new()
        .header_timeout(Duration::MAX)
        .stall_timeout(Duration::MAX)
        .max_connection_idle(Duration::MAX)
        .max_connection_age(Duration::MAX)
        .max_connection_age_grace(Duration::MAX)
        .keepalive(Duration::MAX)
        .keepalive_timeout(Duration::MAX)
        .handshake_timeout(Duration::MAX);
    run(async || {
        let (mut peer, _connection) = connect(&CountingService::default(), &options);
        sleep(24 * 3600 * SECOND).await;
        peer.greet_server(&[]).await;
        let call = post(1, "/hello").end_stream().encode();
        peer.send_octets(&call[..5]).await;
        sleep(24 * 3600 * SECOND).await;
        peer.send_octets(&call[5..]).await;
        peer.expect_response(1).await;
    });
}
