//! A server that floods its client.

use bytes::Bytes;
use grpc_ipc_http2::{Error, Options, RecvBody, client};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use tokio::io::duplex;
use tokio::task::JoinHandle;

use super::scene::{BASE, run};
use super::sys::Peak;
use crate::util::engine::code_of;
use crate::util::frame::{
    Frame, code, continuation, data, flag, goaway, headers, headers_of, kind, ping, priority, rst_stream,
    setting, settings, settings_ack, window_update,
};
use crate::util::hpack::literals;
use crate::util::raw::RawPeer;

const BURST: u32 = 50;
const OK: [(&str, &str); 1] = [(":status", "200")];

fn options() -> Options {
    Options::new().max_control_frames(BURST, 0)
}

/// One client of two servers.
struct Scene {
    peer: RawPeer,
    send: client::SendRequest,
    connection: JoinHandle<Result<(), Error>>,
    other: (RawPeer, client::SendRequest),
    peak: Peak,
}

type Call = JoinHandle<Result<Response<RecvBody>, Error>>;

async fn connect(
    options: &Options,
    settings: &[(u16, u32)],
) -> (RawPeer, client::SendRequest, JoinHandle<Result<(), Error>>) {
    let (ours, theirs) = duplex(64 << 10);
    let (send, connection) = client::handshake(theirs, options);
    let connection = tokio::spawn(connection);
    let mut peer = RawPeer::new(ours);
    peer.greet_client(settings).await;
    (peer, send, connection)
}

fn call(send: &client::SendRequest, body: Bytes) -> Call {
    tokio::spawn(send.send(Request::post("/").body(Full::new(body)).unwrap()))
}

#[track_caller]
fn client(options: Options, test: impl AsyncFnOnce(Scene)) {
    client_with(options, &[], test);
}

#[track_caller]
fn client_with(options: Options, settings: &[(u16, u32)], test: impl AsyncFnOnce(Scene)) {
    run(async || {
        let (peer, send, connection) = connect(&options, settings).await;
        let other = connect(&options, &[]).await;
        let scene = Scene { peer, send, connection, other: (other.0, other.1), peak: Peak::start() };
        test(scene).await;
    });
}

async fn still_calls(peer: &mut RawPeer, send: &client::SendRequest) {
    let call = call(send, Bytes::new());
    let id = peer.expect("a request", |frame| frame.kind == kind::HEADERS).await.stream;
    peer.send_all(&[headers(id, &OK), data(id, "still").end_stream()]).await;
    let body = call.await.unwrap().unwrap().into_body().collect().await.unwrap();
    assert_eq!(body.to_bytes(), "still");
}

impl Scene {
    /// A call whose request has arrived.
    async fn call(&mut self) -> (u32, Call) {
        let call = call(&self.send, Bytes::new());
        let id = self.peer.expect("a request", |frame| frame.kind == kind::HEADERS).await.stream;
        (id, call)
    }

    async fn repeat(&mut self, frames: &[Frame], times: usize) {
        for _ in 0..times.div_ceil(100) {
            self.peer.send_all(&vec![frames; 100].concat()).await;
            still_calls(&mut self.other.0, &self.other.1).await;
        }
    }

    async fn ends_with(mut self, code: u32) {
        self.peer.expect_goaway(&[code]).await;
        let error = self.connection.await.unwrap().unwrap_err();
        assert_eq!(code_of(&error), Some(code), "{error:?}");
        still_calls(&mut self.other.0, &self.other.1).await;
        assert!(self.peak.octets() <= BASE, "{} octets", self.peak.octets());
    }

    async fn goes_on(&mut self) {
        still_calls(&mut self.peer, &self.send).await;
        still_calls(&mut self.other.0, &self.other.1).await;
    }
}

/// These frames end the connection while the client waits for an answer (on stream 1), and the caller gets the reason.
#[track_caller]
fn is_a_flood(frames: &[Frame]) {
    is_a_flood_after(&[], frames);
}

#[track_caller]
fn is_a_flood_after(before: &[Frame], frames: &[Frame]) {
    client(options(), async |mut scene| {
        let (id, call) = scene.call().await;
        assert_eq!(id, 1);
        scene.peer.send_all(before).await;
        scene.repeat(frames, 2000).await;
        scene.ends_with(code::ENHANCE_YOUR_CALM).await;
        let error = match call.await.unwrap() {
            Ok(response) => response.into_body().collect().await.unwrap_err(),
            Err(error) => error,
        };
        // After a server's GOAWAY, its stated reason counts.
        if !frames.iter().any(|frame| frame.kind == kind::GOAWAY) {
            assert_eq!(code_of(&error), Some(code::ENHANCE_YOUR_CALM), "{error:?}");
        }
    });
}

#[test]
fn frames_that_move_nothing_forward() {
    is_a_flood(&[ping([0; 8])]);
    is_a_flood(&[ping([0; 8]).with(flag::ACK)]);
    is_a_flood(&[settings(&[])]);
    is_a_flood(&[
        settings(&[(setting::MAX_CONCURRENT_STREAMS, 0)]),
        settings(&[(setting::MAX_CONCURRENT_STREAMS, 1)]),
    ]);
    is_a_flood(&[settings_ack()]);
    is_a_flood(&[priority(1, 0, 1)]);
    is_a_flood(&[window_update(0, 1)]);
    is_a_flood(&[window_update(1, 1)]);
    is_a_flood(&[Frame::new(0xfa, 0, 0, [])]);
    is_a_flood(&[goaway((1 << 31) - 1, code::NO_ERROR)]);
}

#[test]
fn empty_data() {
    is_a_flood_after(&[headers(1, &OK)], &[data(1, [])]);
    is_a_flood_after(&[headers(1, &OK)], &[data(1, []).padded(100)]);
}

#[test]
fn informational_responses_without_end() {
    is_a_flood(&[headers(1, &[(":status", "103")])]);
    is_a_flood(&[headers(1, &[(":status", "100"), ("x", "y")])]);
}

#[test]
fn a_few_informational_responses_are_fine() {
    client(options(), async |mut scene| {
        for _ in 0..100 {
            let (id, call) = scene.call().await;
            let informational = headers(id, &[(":status", "103")]);
            scene.peer.send_all(&[informational, headers(id, &OK), data(id, "body").end_stream()]).await;
            call.await.unwrap().unwrap();
        }
        scene.goes_on().await;
    });
}

#[test]
fn continuations_without_end() {
    client(options(), async |mut scene| {
        let (id, _call) = scene.call().await;
        scene.peer.send(headers_of(id, []).unfinished()).await;
        scene.repeat(&[continuation(id, []).unfinished()], 1000).await;
        scene.ends_with(code::ENHANCE_YOUR_CALM).await;
    });
}

/// One call fails, and its stream is reset with ENHANCE_YOUR_CALM; other calls continue.
#[test]
fn headers_that_are_too_large() {
    client(options(), async |mut scene| {
        let (id, failed) = scene.call().await;
        let mut block = literals(&OK);
        block.extend(literals(&[("x", &*"x".repeat(33_000))]));
        scene.peer.send(headers_of(id, block).end_stream()).await;
        let error = failed.await.unwrap().unwrap_err();
        assert_eq!(code_of(&error), Some(code::ENHANCE_YOUR_CALM), "{error:?}");
        scene.peer.expect_reset(id, code::ENHANCE_YOUR_CALM).await;
        scene.goes_on().await;
    });
}

#[test]
fn trailers_that_are_too_large() {
    client(options(), async |mut scene| {
        let (id, call) = scene.call().await;
        let trailers = [("grpc-status", "0"), ("x", &*"x".repeat(33_000))];
        scene.peer.send_all(&[headers(id, &OK), data(id, "body"), headers(id, &trailers).end_stream()]).await;
        let error = call.await.unwrap().unwrap().into_body().collect().await.unwrap_err();
        assert_eq!(code_of(&error), Some(code::ENHANCE_YOUR_CALM), "{error:?}");
        scene.peer.expect_reset(id, code::ENHANCE_YOUR_CALM).await;
        scene.goes_on().await;
    });
}

#[test]
fn an_index_again_and_again() {
    client(options(), async |mut scene| {
        let (id, failed) = scene.call().await;
        let mut block = literals(&OK);
        block.extend([0x40, 1, b'x']);
        block.extend(crate::util::hpack::string(&"x".repeat(4000)));
        block.extend([0xbe; 60_000]);
        scene.peer.send(headers_of(id, block).end_stream()).await;
        failed.await.unwrap().unwrap_err();
        assert!(scene.peak.octets() <= BASE, "{} octets", scene.peak.octets());
    });
}

#[test]
fn windows_that_overflow() {
    client(options(), async |mut scene| {
        let (id, failed) = scene.call().await;
        // Still open, because the response has not come.
        scene.peer.send(window_update(id, (1 << 31) - 1)).await;
        let error = failed.await.unwrap().unwrap_err();
        assert_eq!(code_of(&error), Some(code::FLOW_CONTROL_ERROR), "{error:?}");
        scene.peer.send(window_update(0, (1 << 31) - 1)).await;
        scene.peer.expect_reset(id, code::FLOW_CONTROL_ERROR).await;
        scene.ends_with(code::FLOW_CONTROL_ERROR).await;
    });
}

/// An unread body, up to the windows and not beyond.
#[test]
fn a_body_that_is_not_read() {
    let options = options().initial_stream_window(65_535);
    client(options, async |mut scene| {
        let mut unread = Vec::new();
        for _ in 0..3 {
            let (id, call) = scene.call().await;
            scene.peer.send(headers(id, &OK)).await;
            unread.push(call.await.unwrap().unwrap());
            for _ in 0..65_535 / 15 {
                scene.peer.send(data(id, [0; 15])).await;
            }
        }
        scene.peer.still_answers().await;
        assert!(scene.peak.octets() <= BASE, "{} octets", scene.peak.octets());
        scene.peer.send(data(1, "x")).await;
        scene.peer.expect_reset(1, code::FLOW_CONTROL_ERROR).await;
        scene.goes_on().await;
    });
}

/// Hundreds of unread downloads, and calls that are still answered.
#[test]
fn unread_downloads_do_not_stop_other_calls() {
    for count in [5, 100, 1000] {
        client_with(Options::new(), &[(setting::MAX_CONCURRENT_STREAMS, 2000)], async |mut scene| {
            let mut unread = Vec::new();
            for _ in 0..count {
                let (id, call) = scene.call().await;
                scene.peer.send(headers(id, &OK)).await;
                unread.push(call.await.unwrap().unwrap());
                // Five fill their grown windows, the others their initial windows.
                let at_most = if count == 5 { usize::MAX } else { 1 << 16 };
                let mut sent = 0;
                while scene.peer.window(id) > 0 && sent < at_most {
                    let length = scene.peer.window(id).min(16_384) as usize;
                    scene.peer.send_within_windows(data(id, vec![0; length])).await;
                    sent += length;
                    scene.peer.still_answers().await;
                }
            }
            assert!(scene.peak.octets() <= BASE + 3 * (64 << 20), "{} octets", scene.peak.octets());
            for _ in 0..200 {
                let (id, call) = scene.call().await;
                scene.peer.send(headers(id, &OK)).await;
                for _ in 0..3 {
                    scene.peer.send_within_windows(data(id, vec![0; 16_384])).await;
                }
                scene.peer.send(data(id, []).end_stream()).await;
                call.await.unwrap().unwrap().into_body().collect().await.unwrap();
            }
            // Nothing of them is lost.
            for response in unread {
                let frame = response.into_body().frame().await.unwrap().unwrap();
                assert!(!frame.into_data().unwrap().is_empty());
            }
        });
    }
}

/// DATA for abandoned calls, as often as the server likes. The client answers once, or once in a while.
#[test]
fn data_on_cancelled_calls() {
    client(options(), async |mut scene| {
        for _ in 0..100 {
            let (id, call) = scene.call().await;
            call.abort();
            scene.peer.expect_reset(id, code::CANCEL).await;
        }
        for _ in 0..100 {
            let frames: Vec<_> = (0..100).map(|index| data(2 * index + 1, [0; 100])).collect();
            scene.peer.send_all(&frames).await;
            still_calls(&mut scene.other.0, &scene.other.1).await;
        }
        assert!(scene.peak.octets() <= BASE, "{} octets", scene.peak.octets());
    });
}

/// DATA and trailers for a call that ended long ago, or just now.
#[test]
fn frames_on_streams_that_are_over() {
    for others in [0, 100] {
        for late in [data(1, "late"), headers(1, &[("x-trailer", "late")]).end_stream()] {
            client(options(), async |mut scene| {
                for _ in 0..=others {
                    still_calls(&mut scene.peer, &scene.send).await;
                }
                scene.repeat(std::slice::from_ref(&late), 2000).await;
                let error = scene.connection.await.unwrap().unwrap_err();
                let codes = [code::ENHANCE_YOUR_CALM, code::STREAM_CLOSED, code::PROTOCOL_ERROR];
                assert!(codes.contains(&code_of(&error).unwrap()), "{late:?}: {error:?}");
                still_calls(&mut scene.other.0, &scene.other.1).await;
            });
        }
    }
}

/// The same for a call that was answered before its request was complete. The client resets it, and accepts a little
/// more on it.
#[test]
fn frames_on_streams_that_were_answered_early() {
    let trailers = headers(1, &[("x-trailer", "late")]).end_stream();
    for late in [data(1, "late"), trailers, headers(1, &OK).end_stream(), rst_stream(1, code::NO_ERROR)] {
        client_with(options(), &[(setting::INITIAL_WINDOW_SIZE, 10_000)], async |mut scene| {
            let call = call(&scene.send, Bytes::from_static(&[0; 20_000]));
            scene.peer.expect("a request", |frame| frame.kind == kind::HEADERS).await;
            scene.peer.send(headers(1, &OK).end_stream()).await;
            scene.peer.expect_reset(1, code::NO_ERROR).await;
            drop(call.await.unwrap().unwrap());
            scene.repeat(std::slice::from_ref(&late), 2000).await;
            scene.ends_with(code::ENHANCE_YOUR_CALM).await;
        });
    }
}

#[test]
fn resets_of_every_call() {
    client(options(), async |mut scene| {
        for _ in 0..2000 {
            let (id, call) = scene.call().await;
            scene.peer.send(rst_stream(id, code::REFUSED_STREAM)).await;
            assert!(call.await.unwrap().unwrap_err().is_unprocessed());
        }
        scene.goes_on().await;
        assert!(scene.peak.octets() <= BASE, "{} octets", scene.peak.octets());
    });
}

/// A server that does not read: requests wait with their callers, not in the connection.
#[test]
fn a_server_that_reads_nothing() {
    let settings = [(setting::INITIAL_WINDOW_SIZE, 1 << 30), (setting::MAX_CONCURRENT_STREAMS, 100)];
    client_with(options(), &settings, async |mut scene| {
        scene.peer.send(window_update(0, 1 << 30)).await;
        let body = Bytes::from(vec![0; 1 << 20]);
        let calls: Vec<_> = (0..200).map(|_| call(&scene.send, body.clone())).collect();
        still_calls(&mut scene.other.0, &scene.other.1).await;
        // All of them share one body of 1 MiB.
        assert!(scene.peak.octets() <= BASE + (3 << 20), "{} octets", scene.peak.octets());
        calls.iter().for_each(JoinHandle::abort);
    });
}

/// The server causes answers, and does not read them.
#[test]
fn answers_that_are_not_read() {
    client(Options::new().max_control_frames(u32::MAX, 0), async |mut scene| {
        scene.repeat(&[ping([0; 8])], 100_000).await;
        scene.ends_with(code::ENHANCE_YOUR_CALM).await;
    });
}

/// Calls that wait for a stream, and a server that keeps waking them without making room.
#[test]
fn waiting_calls_are_woken_to_no_end() {
    let settings_of = |streams| settings(&[(setting::MAX_CONCURRENT_STREAMS, streams)]);
    client_with(Options::new(), &[(setting::MAX_CONCURRENT_STREAMS, 0)], async |mut scene| {
        let calls: Vec<_> = (0..5000).map(|_| call(&scene.send, Bytes::new())).collect();
        for _ in 0..20 {
            scene.peer.send(settings_of(0)).await;
            scene.peer.expect_settings_ack().await;
            scene.peer.still_answers().await;
        }
        assert!(calls.iter().all(|call| !call.is_finished()));
        let octets = scene.peak.octets();
        assert!(octets <= BASE + 5000 * 2048, "{octets} octets");
        // One stream at a time, every call gets one.
        scene.peer.send(settings_of(1)).await;
        for _ in 0..calls.len() {
            let id = scene.peer.expect("a request", |frame| frame.kind == kind::HEADERS).await.stream;
            scene.peer.send(headers(id, &OK).end_stream()).await;
        }
        for call in calls {
            call.await.unwrap().unwrap();
        }
    });
}
