//! Messages that are large, or come in several frames.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;
use std::time::Duration;

use grpc_ipc_http2::direct::{Begun, Message, Metadata};
use grpc_ipc_http2::{Error, Options, Reason, Side, client, server};
use http::HeaderMap;
use tokio::io::duplex;
use tokio::time::{Instant, sleep};

use super::demoted_responses::{DONE, OK, answered, still_calls};
use super::scene::{
    Answered, Client, Served, both, client, head, head_with, message, run, server, server_with,
};
use super::service::{ECHO, LATER, Seen, TestService};
use crate::util::frame::{Frame, code, data, flag, headers, kind, ping, rst_stream, setting, window_update};

const SECOND: Duration = Duration::from_secs(1);

/// A message of this many octets, in which no two pieces are alike.
fn large(length: usize) -> Vec<u8> {
    (0..length as u32).flat_map(|at| (at.wrapping_mul(0x9e37_79b9) >> 7).to_be_bytes()).take(length).collect()
}

/// The DATA of a message with its prefix, in frames of at most this many octets.
fn frames(stream: u32, message: &[u8], at_most: usize) -> Vec<Frame> {
    message.chunks(at_most).map(|piece| data(stream, piece)).collect()
}

fn ended(mut frames: Vec<Frame>) -> Vec<Frame> {
    let last = frames.pop().unwrap().end_stream();
    frames.push(last);
    frames
}

/// A request with a large message.
fn request(stream: u32, payload: &[u8]) -> Vec<Frame> {
    [vec![head(stream, &ECHO)], ended(frames(stream, &message(payload), 16_384))].concat()
}

/// A response with a large message.
fn response(stream: u32, payload: &[u8]) -> Vec<Frame> {
    let frames = frames(stream, &message(payload), 16_384);
    [vec![headers(stream, &OK)], frames, vec![headers(stream, &DONE).end_stream()]].concat()
}

fn octets(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(Frame::encode).collect()
}

/// Lets the other end read the available data.
async fn yields() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn they_are_direct_at_both_ends() {
    both(async |client, handle, _| {
        let sizes = [16_380, 20_000, 65_531, 65_536, 131_072, 140_000, 1 << 20, 4 << 20];
        for size in sizes {
            let message = large(size);
            assert!(client.call(&ECHO, &message).await.unwrap().direct() == message, "{size}");
        }
        let calls = sizes.len() as u64;
        assert_eq!((client.0.direct_calls(), handle.direct_calls()), (calls, calls));
        assert_eq!(handle.running(), 0);
    });
}

/// A stream that writes and reads a little at a time.
#[test]
fn they_are_direct_however_little_is_read_at_once() {
    for at_once in [10, 1000, 5000, 100_000] {
        run(async || {
            let (here, there) = duplex(at_once);
            let (service, _) = TestService::new();
            let connection = server::Connection::new(there, service.clone(), Options::new());
            let connection = connection.direct(Box::new(service));
            let handle = connection.handle();
            tokio::spawn(connection);
            let (send, connection) = client::handshake(here, &Options::new());
            tokio::spawn(connection);
            send.established().await.unwrap();
            let client = Client(send);
            let message = large(100_000);
            // The beginning of the message comes with the head, or the call takes the general path.
            let answer = client.call(&ECHO, &message).await.unwrap();
            assert!(answer.message() == message, "{at_once}");
            if at_once > 300 {
                assert_eq!((client.0.direct_calls(), handle.direct_calls()), (1, 1), "{at_once}");
            }
        });
    }
}

#[test]
fn a_request_is_direct_however_it_is_cut_into_frames() {
    server(async |mut served| {
        served.peer.send(window_update(0, 1 << 30)).await;
        let payload = large(20_000);
        let whole = message(&payload);
        for (round, at_most) in [5, 6, 100, 4096, 16_383, 16_384].into_iter().enumerate() {
            let id = 2 * round as u32 + 1;
            let body = ended(frames(id, &whole, at_most));
            served.peer.send_all(&[vec![head(id, &ECHO)], body].concat()).await;
            assert!(served.expect_direct().await == payload, "{at_most}");
            assert!(served.peer.expect_response(id).await.body == whole);
        }
        // With a separate end of the stream.
        let end = vec![data(101, []).end_stream()];
        served.peer.send_all(&[vec![head(101, &ECHO)], frames(101, &whole, 16_384), end].concat()).await;
        assert!(served.expect_direct().await == payload);
        served.peer.expect_response(101).await;
        served.still_serves(103).await;
    });
}

/// Wherever a read ends.
#[test]
fn a_request_is_direct_wherever_it_is_cut() {
    server(async |mut served| {
        served.peer.send(window_update(0, 1 << 30)).await;
        let payload = large(40_000);
        let begins = octets(&[head(1, &ECHO)]).len();
        let cuts = [14, 15, 100, 4096, 16_392, 16_393, 16_394, 16_401, 16_402, 16_403, 20_000, 40_030];
        for (round, cut) in cuts.into_iter().enumerate() {
            let id = 2 * round as u32 + 1;
            let octets = octets(&request(id, &payload));
            let (first, rest) = octets.split_at(begins + cut);
            served.peer.send_octets(first).await;
            yields().await;
            served.peer.send_octets(rest).await;
            assert!(served.expect_direct().await == payload, "{cut}");
            assert!(served.peer.expect_response(id).await.body == message(&payload));
        }
        served.still_serves(101).await;
    });
}

/// If the rest is unusual, the call moves to the general path, with its whole body.
#[test]
fn a_request_that_does_not_end_with_its_message() {
    let whole = message(&large(20_000));
    let (first, rest) = whole.split_at(16_384);
    let longer = [rest, b"more"].concat();
    let cases = [
        ("padding", vec![data(1, first), data(1, rest).padded(3).end_stream()], whole.clone()),
        ("less than it says", vec![data(1, first), data(1, &rest[1..]).end_stream()], {
            [first, &rest[1..]].concat()
        }),
        ("nothing but its beginning", vec![data(1, &first[..100]).end_stream()], first[..100].to_vec()),
        ("more than it says", vec![data(1, first), data(1, &longer[..]).end_stream()], {
            [first, &longer].concat()
        }),
        (
            "another message",
            vec![data(1, first), data(1, rest), data(1, message(b"two")).end_stream()],
            [&whole[..], &message(b"two")].concat(),
        ),
    ];
    for (what, body, expected) in cases {
        server(async |mut served| {
            served.peer.send_all(&[vec![head(1, &ECHO)], body].concat()).await;
            assert!(served.expect_general().await.unwrap().0 == expected, "{what}");
            assert!(served.peer.expect_response(1).await.body == expected, "{what}");
            assert_eq!(served.handle.direct_calls(), 0, "{what}");
            served.still_serves(3).await;
        });
    }
    server(async |mut served| {
        let trailers = headers(1, &[("x-trailer", "yes")]).end_stream();
        served.peer.send_all(&[head(1, &ECHO), data(1, first), data(1, rest), trailers]).await;
        let (all, trailers) = served.expect_general().await.unwrap();
        assert!(all == whole);
        assert_eq!(trailers.unwrap()["x-trailer"], "yes");
        served.peer.expect_response(1).await;
        served.still_serves(3).await;
    });
}

#[test]
fn a_message_that_is_compressed_goes_the_general_way() {
    server(async |mut served| {
        let mut whole = message(&large(20_000));
        whole[0] = 1;
        let body = ended(frames(1, &whole, 16_384));
        served.peer.send_all(&[vec![head(1, &ECHO)], body].concat()).await;
        assert!(served.expect_general().await.unwrap().0 == whole);
        served.peer.expect_response(1).await;
        served.still_serves(3).await;
    });
}

/// The window of the stream is too small for it, so it is not gathered.
#[test]
fn a_message_that_is_larger_than_its_window_goes_the_general_way() {
    both(async |client, handle, _| {
        for size in [(4 << 20) + (64 << 10), 5 << 20] {
            let message = large(size);
            assert!(client.call(&ECHO, &message).await.unwrap().message() == message, "{size}");
        }
        assert_eq!((client.0.direct_calls(), handle.direct_calls()), (0, 0));
    });
}

#[test]
fn two_requests_that_are_mixed_are_direct() {
    server(async |mut served| {
        served.peer.send(window_update(0, 1 << 30)).await;
        let (one, two) = (large(60_000), large(50_000));
        let mut mixed = Vec::new();
        let requests = [request(1, &one), request(3, &two)];
        for at in 0..requests[0].len() {
            mixed.extend(requests.iter().filter_map(|frames| frames.get(at).cloned()));
            mixed.push(ping(*b"between!"));
        }
        served.peer.send_all(&mixed).await;
        assert!(served.expect_direct().await == one);
        assert!(served.expect_direct().await == two);
        // The answers are interleaved, too. Frames of the first one are skipped.
        assert!(served.peer.expect_response(3).await.body == message(&two));
        served.still_serves(5).await;
    });
}

/// A small message after the first half of a large one does not wait for it.
#[test]
fn other_calls_pass_it_by() {
    server(async |mut served| {
        let payload = large(60_000);
        let mut first = request(1, &payload);
        let rest = first.split_off(2);
        served.peer.send_all(&first).await;
        served.still_serves(3).await;
        assert_eq!(served.expect_direct().await, b"still");
        assert_eq!(served.handle.running(), 0, "it has no handler yet");
        served.peer.send_all(&rest).await;
        assert!(served.expect_direct().await == payload);
        served.peer.expect_response(1).await;
    });
}

#[test]
fn a_request_that_is_reset_in_the_middle_is_forgotten() {
    server(async |mut served| {
        for round in 0..5 {
            let id = 4 * round + 1;
            let frames = request(id, &large(60_000));
            for sent in 2..frames.len() {
                let id = 20 * id + 2 * sent as u32 + 1;
                let mut frames = request(id, &large(60_000));
                frames.truncate(sent);
                frames.push(rst_stream(id, code::CANCEL));
                served.peer.send_all(&frames).await;
                served.peer.still_answers().await;
            }
            served.handle.finished().await;
        }
        assert!(served.seen.try_recv().is_err(), "a handler is called");
        served.still_serves(10_001).await;
    });
}

#[test]
fn a_connection_that_ends_in_the_middle_fails_the_call() {
    for sent in 1..4 {
        server(async |mut served| {
            served.peer.send_all(&request(1, &large(60_000))[..sent]).await;
            served.peer.still_answers().await;
            served.peer.close().await;
            served.handle.finished().await;
            _ = served.connection.await;
            assert!(!matches!(served.seen.try_recv(), Ok(Seen::Direct(..))), "a handler is called");
        });
        client(async |mut peer, client| {
            let call = client.spawn(&ECHO, b"message").await;
            let stream = peer.expect("a request", |frame| frame.kind == kind::HEADERS).await.stream;
            peer.send_all(&response(stream, &large(60_000))[..sent]).await;
            peer.still_answers().await;
            peer.close().await;
            match call.await.unwrap() {
                Err(error) | Ok(Answered::General { body: Err(error), .. }) => {
                    assert!(matches!(error, Error::Closed), "{error:?}");
                }
                other => panic!("{other:?}"),
            }
        });
    }
}

/// The deadline of a call runs while its message comes, and continues in its handler.
#[test]
fn the_deadline_of_a_request_passes_in_the_middle_of_it() {
    server(async |mut served| {
        for round in 0..3 {
            let id = 2 * round + 1;
            let mut frames = request(id, &large(60_000));
            frames[0] = head_with(id, &ECHO, &[("grpc-timeout", "5S")]);
            let start = Instant::now();
            served.peer.send_all(&frames[..3]).await;
            let is_end = |frame: &Frame| frame.stream == id && frame.kind == kind::HEADERS;
            let end = served.peer.expect("a status", is_end).await;
            assert!(end.fields.contains(&("grpc-status".into(), "4".into())), "{end:?}");
            assert!((5 * SECOND..6 * SECOND).contains(&start.elapsed()), "{:?}", start.elapsed());
            served.peer.expect_reset(id, code::NO_ERROR).await;
            // Frames that were on their way.
            served.peer.send_all(&frames[3..]).await;
            served.peer.still_answers().await;
            served.handle.finished().await;
        }
        assert!(served.seen.try_recv().is_err(), "a handler is called");
        served.still_serves(101).await;
    });
    server(async |mut served| {
        let mut frames = request(1, &large(60_000));
        frames[0] = head_with(1, &LATER, &[("grpc-timeout", "5S")]);
        let start = Instant::now();
        served.peer.send_all(&frames[..3]).await;
        sleep(3 * SECOND).await;
        served.peer.send_all(&frames[3..]).await;
        served.expect_direct().await;
        let is_end = |frame: &Frame| frame.kind == kind::HEADERS;
        let end = served.peer.expect("a status", is_end).await;
        assert!(end.fields.contains(&("grpc-status".into(), "4".into())), "{end:?}");
        assert!((5 * SECOND..6 * SECOND).contains(&start.elapsed()), "{:?}", start.elapsed());
        served.handle.finished().await;
    });
}

#[test]
fn a_content_length_has_to_be_that_of_the_data() {
    server(async |mut served| {
        let payload = large(20_000);
        for (round, length) in ["3", "16384", "20004", "20006"].into_iter().enumerate() {
            for again in 0..3 {
                let id = (8 * round + 2 * again + 1) as u32;
                let mut frames = request(id, &payload);
                frames[0] = head_with(id, &ECHO, &[("content-length", length)]);
                served.peer.send_all(&frames).await;
                served.peer.expect_reset(id, code::PROTOCOL_ERROR).await;
            }
        }
        assert_eq!((served.handle.direct_calls(), served.handle.running()), (0, 0));
        let mut frames = request(101, &payload);
        frames[0] = head_with(101, &ECHO, &[("content-length", "20005")]);
        served.peer.send_all(&frames).await;
        served.peer.expect_response(101).await;
        assert_eq!(served.handle.direct_calls(), 1);
    });
}

/// No stream has a window for answers.
const SHUT: [(u16, u32); 1] = [(setting::INITIAL_WINDOW_SIZE, 0)];

/// Requests two answers. The first exceeds the limit of data kept for the client.
async fn ask_for_much(served: &mut Served) {
    let frames = [request(1, &large(100_000)), request(3, &large(90_000))].concat();
    served.peer.send_all(&frames).await;
    served.peer.still_answers().await;
    assert_eq!(served.expect_direct().await.len(), 100_000);
    assert!(served.seen.try_recv().is_err(), "the second handler is called");
}

#[test]
fn requests_wait_while_much_is_kept_for_the_client() {
    let options = || Options::new().max_unsent(50_000);
    server_with(options(), &SHUT, async |mut served| {
        ask_for_much(&mut served).await;
        served.peer.send_all(&[window_update(0, 1 << 30), window_update(1, 1 << 20)]).await;
        served.peer.send(window_update(3, 1 << 20)).await;
        assert!(served.expect_direct().await == large(90_000));
        let is_end = |frame: &Frame| frame.stream == 3 && frame.has(flag::END_STREAM);
        served.peer.expect("the end", is_end).await;
        served.handle.finished().await;
    });
    // One is reset while it waits.
    server_with(options(), &SHUT, async |mut served| {
        ask_for_much(&mut served).await;
        served.peer.send_all(&[rst_stream(3, code::CANCEL), rst_stream(1, code::CANCEL)]).await;
        served.handle.finished().await;
        assert!(served.seen.try_recv().is_err(), "the second handler is called");
        served.peer.send_all(&request(5, &large(30_000))).await;
        assert_eq!(served.expect_direct().await.len(), 30_000);
    });
    // The client takes nothing for a long time.
    server_with(options(), &SHUT, async |mut served| {
        ask_for_much(&mut served).await;
        let is_refused = |frame: &Frame| frame.stream == 3 && frame.has(flag::END_STREAM);
        let refusal = served.peer.expect("a refusal", is_refused).await;
        assert!(refusal.fields.contains(&("grpc-status".into(), "8".into())), "{refusal:?}");
        assert!(served.seen.try_recv().is_err(), "the second handler is called");
        served.handle.finished().await;
    });
    // The connection ends.
    server_with(options(), &SHUT, async |mut served| {
        ask_for_much(&mut served).await;
        served.handle.close();
        served.handle.finished().await;
        _ = served.connection.await;
        assert!(served.seen.try_recv().is_err(), "the second handler is called");
    });
}

#[test]
fn a_response_is_direct_wherever_it_is_cut() {
    client(async |mut peer, client| {
        let payload = large(40_000);
        let begins = octets(&[headers(1, &OK)]).len();
        for cut in [0, 14, 100, 4096, 16_393, 16_394, 16_402, 16_403, 20_000, 40_030, 40_035] {
            let call = client.spawn(&ECHO, b"message").await;
            let stream = peer.expect("a request", |frame| frame.kind == kind::HEADERS).await.stream;
            let octets = octets(&response(stream, &payload));
            let (first, rest) = octets.split_at(begins + cut);
            peer.send_octets(first).await;
            yields().await;
            assert!(!call.is_finished());
            peer.send_octets(rest).await;
            assert!(call.await.unwrap().unwrap().direct() == payload, "{cut}");
        }
        still_calls(&mut peer, &client).await;
        assert!(client.0.has_room());
    });
}

/// The unusual property, the DATA and the end of a response, and its body.
type Case<'a> = (&'static str, &'a dyn Fn(u32) -> Vec<Frame>, &'a [u8]);

#[test]
fn a_response_that_does_not_end_with_its_message() {
    client(async |mut peer, client| {
        let whole = message(&large(20_000));
        let (first, rest) = whole.split_at(16_384);
        let done = |id| headers(id, &DONE).end_stream();
        let failed = [("grpc-status", "5"), ("grpc-message", "none")];
        let twice = [&whole[..], &message(b"two")].concat();
        let cases: [Case<'_>; 6] = [
            ("padding", &|id| vec![data(id, first), data(id, rest).padded(3), done(id)], &whole),
            ("less than it says", &|id| vec![data(id, first), done(id)], first),
            ("no trailers", &|id| vec![data(id, first), data(id, rest).end_stream()], &whole),
            (
                "an end of its own",
                &|id| vec![data(id, first), data(id, rest), data(id, []).end_stream()],
                &whole,
            ),
            (
                "an error",
                &|id| vec![data(id, first), data(id, rest), headers(id, &failed).end_stream()],
                &whole,
            ),
            (
                "another message",
                &|id| vec![data(id, first), data(id, rest), data(id, message(b"two")), done(id)],
                &twice,
            ),
        ];
        for (what, frames, expected) in cases {
            let answer = |id| [vec![headers(id, &OK)], frames(id)].concat();
            let answered = answered(&mut peer, &client, answer).await.unwrap();
            assert!(answered.general() == expected, "{what}");
        }
        assert_eq!(client.0.direct_calls(), 0);
        still_calls(&mut peer, &client).await;
    });
}

#[test]
fn a_reset_in_a_response() {
    client(async |mut peer, client| {
        for count in 1..=3 {
            let reset = |id| {
                let mut frames = response(id, &large(40_000));
                frames.truncate(count);
                frames.push(rst_stream(id, code::INTERNAL_ERROR));
                frames
            };
            let outcome = answered(&mut peer, &client, reset).await;
            let Ok(Answered::General { body: Err(error), .. }) = outcome else { panic!("{outcome:?}") };
            let expected = Reason::INTERNAL_ERROR;
            assert!(
                matches!(error, Error::Reset { by: Side::Peer, reason } if reason == expected),
                "{error:?}"
            );
        }
        still_calls(&mut peer, &client).await;
    });
}

/// A cancelled call takes no more data, and its late frames hold up nothing.
#[test]
fn a_call_that_is_dropped_in_the_middle_of_its_response() {
    client(async |mut peer, client| {
        for count in 1..=4 {
            let Begun::Call(call) = client.begin(&ECHO, &HeaderMap::new(), None, b"message").await else {
                panic!("the call has to go elsewhere");
            };
            let stream = peer.expect("a request", |frame| frame.kind == kind::HEADERS).await.stream;
            let frames = response(stream, &large(40_000));
            peer.send_all(&frames[..count]).await;
            peer.still_answers().await;
            drop(call);
            peer.expect_reset(stream, code::CANCEL).await;
            peer.send_all(&frames[count..]).await;
            still_calls(&mut peer, &client).await;
        }
        assert!(client.0.has_room());
    });
}

#[test]
fn a_decoder_panics() {
    client(async |mut peer, client| {
        for _ in 0..3 {
            let Begun::Call(mut call) = client.begin(&ECHO, &HeaderMap::new(), None, b"message").await else {
                panic!("the call has to go elsewhere");
            };
            let stream = peer.expect("a request", |frame| frame.kind == kind::HEADERS).await.stream;
            peer.send_all(&response(stream, &large(40_000))).await;
            let poll = poll_fn(|cx| {
                let read = |message: Message<'_>, _: Metadata<'_>| -> () {
                    assert!(matches!(message, Message::Bytes(_)));
                    panic!("a decoder panics")
                };
                match catch_unwind(AssertUnwindSafe(|| call.poll(cx, read))) {
                    Ok(Poll::Pending) => Poll::Pending,
                    Ok(Poll::Ready(answer)) => panic!("{answer:?}"),
                    Err(_) => Poll::Ready(()),
                }
            });
            poll.await;
            drop(call);
            still_calls(&mut peer, &client).await;
        }
        assert!(client.0.has_room());
    });
}

/// A client that reads slowly gets everything.
#[test]
fn an_answer_to_a_client_that_reads_slowly() {
    server_with(Options::new(), &[(setting::INITIAL_WINDOW_SIZE, 1000)], async |mut served| {
        served.peer.send(window_update(0, 1 << 30)).await;
        let payload = large(100_000);
        served.peer.send_all(&request(1, &payload)).await;
        assert!(served.expect_direct().await == payload);
        let mut body = Vec::new();
        loop {
            let frame = served.peer.expect_on(1).await;
            if frame.kind == kind::DATA {
                body.extend_from_slice(&frame.payload);
                served.peer.send(window_update(1, frame.payload.len() as u32)).await;
            }
            if frame.has(flag::END_STREAM) {
                break;
            }
        }
        assert!(body == message(&payload));
        served.handle.finished().await;
    });
}
