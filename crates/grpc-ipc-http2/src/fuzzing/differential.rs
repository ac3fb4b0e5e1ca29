use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;

use http::HeaderMap;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::time::{sleep, timeout};

use super::direct::{DirectEcho, MALFORMED};
use super::echo::Echo;
use super::script::Script;
use super::server::run;
use super::wire::Peer;
use crate::decode::MessageDecoder;
use crate::frame::{self, HEAD, Head, PREFACE, flag, kind, setting};
use crate::message::{Message, ResponseHead};
use crate::{Error, Options, Reason, Side, server};

/// Serves a connection as [`Answer`](super::Answer) specifies, with another implementation of HTTP/2 and these limits.
/// Returns whether that gave up the connection.
pub type Other = fn(DuplexStream) -> Pin<Box<dyn Future<Output = bool> + Send>>;

/// The limits of both servers.
pub const WINDOW: u32 = 1 << 20;
/// See [`WINDOW`].
pub const MAX_FRAME_SIZE: u32 = 16_384;
/// See [`WINDOW`].
pub const MAX_HEADER_LIST_SIZE: u32 = 32 << 10;
/// See [`WINDOW`].
pub const MAX_STREAMS: u32 = 1000;

/// Sends the same bytes to two servers. A request that the other server answers must get the same answer from ours.
///
/// These may differ:
/// - A direct call reports only its metadata, and answers with a status, and only with messages.
/// - The rest of a connection that the other server gives up, or that ours gives up with `ENHANCE_YOUR_CALM`: the
///   limits are not the same.
/// - A request that the other server resets. Ours accepts any `:authority`, for example.
/// - Whether an error concerns the stream or the connection.
/// - Requests that ours refuses and h2 should have refused: an empty `:path`, a `host` that differs from `:authority`,
///   pseudo-headers in trailers, a malformed field in a block with continuations, a push by the client with malformed
///   fields.
/// - The responses to a client that sends SETTINGS_MAX_HEADER_LIST_SIZE, which ours respects.
/// - Whether requests after the client's GOAWAY are answered.
/// - How much of a response is sent that a window blocks before its end, or that the client resets.
/// - A request with a deadline, which ours enforces.
/// - A request with more DATA than it announced. Ours resets it, unless it has been answered by then.
pub fn differential(input: &[u8], other: Other) {
    let mut script = Script::new(input);
    let (mut peer, mut bytes) = Peer::client();
    while !script.is_over() {
        bytes.extend(peer.next(&mut script));
    }
    // An error may be detected in the head of a frame or when the frame is complete, and within a header block or after
    // it.
    bytes.truncate(
        frames(&bytes[PREFACE.len()..]).fold(PREFACE.len(), |end, (_, payload)| end + HEAD + payload.len()),
    );
    frame::write_ping(&mut bytes, [0; 8], false);
    let options = Options::new()
        .max_resets(10_000, 0)
        .max_control_frames(10_000, 0)
        .max_frame_size(MAX_FRAME_SIZE)
        .max_header_list_size(MAX_HEADER_LIST_SIZE)
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window(WINDOW)
        .handshake_timeout(Duration::from_secs(3600));
    let theirs = Served::by(&bytes, other);
    for streams in [false, true] {
        let ours = Served::by(&bytes, |io| {
            let service = DirectEcho::as_echo(streams);
            let connection = server::Connection::new(io, Echo, options.clone()).direct(Box::new(service));
            // A client that sends GOAWAY with an error was not refused.
            let refuses = |error| !matches!(error, Error::GoAway { by: Side::Peer, .. });
            Box::pin(async move { connection.await.is_err_and(refuses) })
        });
        ours.compare(&theirs, &bytes, streams);
    }
}

/// The output of a server.
#[derive(Debug, Default)]
struct Served {
    streams: BTreeMap<u32, Answered>,
    /// Whether it gave up the connection.
    refused: bool,
    /// The error code of its GOAWAY.
    goaway: Option<Reason>,
    /// The total length of all bodies.
    length: usize,
}

#[derive(Debug, Default)]
struct Answered {
    head: Option<ResponseHead>,
    data: Vec<u8>,
    trailers: Option<HeaderMap>,
    ended: bool,
    reset: Option<Reason>,
}

impl Served {
    fn by(
        bytes: &[u8],
        serve: impl FnOnce(DuplexStream) -> Pin<Box<dyn Future<Output = bool> + Send>>,
    ) -> Self {
        let (sent, refused) = run(async {
            let (here, there) = tokio::io::duplex(1 << 16);
            let (mut read, mut write) = tokio::io::split(here);
            let connection = tokio::spawn(serve(there));
            let reads = tokio::spawn(async move {
                let mut sent = Vec::new();
                _ = read.read_to_end(&mut sent).await;
                sent
            });
            _ = timeout(Duration::from_secs(1), write.write_all(bytes)).await;
            // Until the server has nothing left to do.
            sleep(Duration::from_secs(10)).await;
            let refused = match connection.is_finished() {
                true => connection.await.expect("the connection does not panic"),
                false => {
                    connection.abort();
                    false
                }
            };
            _ = write.shutdown().await;
            (reads.await.expect("the reader does not panic"), refused)
        });
        Self { refused, ..Self::parse(&sent) }
    }

    fn parse(sent: &[u8]) -> Self {
        let mut served = Self::default();
        let mut decoder = MessageDecoder::new(4096, u32::MAX);
        let mut block = Vec::new();
        for (head, payload) in frames(sent) {
            let stream = served.streams.entry(head.stream).or_default();
            match head.kind {
                kind::DATA => {
                    stream.data.extend_from_slice(payload);
                    served.length += payload.len();
                    stream.ended |= head.has(flag::END_STREAM);
                }
                kind::HEADERS | kind::CONTINUATION => {
                    block.extend_from_slice(payload);
                    stream.ended |= head.kind == kind::HEADERS && head.has(flag::END_STREAM);
                    if head.has(flag::END_HEADERS) {
                        match decoder.decode(&block).expect("a server compresses well") {
                            Message::Response(head) => stream.head = Some(head),
                            Message::Trailers(trailers) => stream.trailers = Some(trailers),
                            wrong => panic!("a server answers {wrong:?}"),
                        }
                        block.clear();
                    }
                }
                kind::RST_STREAM => stream.reset = payload.first_chunk().map(reason),
                kind::GOAWAY => served.goaway = payload[4..].first_chunk().map(reason),
                _ => {}
            }
        }
        served
    }

    fn compare(&self, theirs: &Self, bytes: &[u8], streams: bool) {
        if theirs.refused || self.goaway == Some(Reason::ENHANCE_YOUR_CALM) {
            return;
        }
        if self.refused {
            // An error of a stream may be one of the connection.
            let reset = |stream: &Answered| stream.reset.is_some_and(|reason| reason != Reason::NO_ERROR);
            let excused = theirs.streams.values().any(reset) || pushes(bytes);
            assert!(excused, "ours refuses: {self:#?}\nand the other one does not: {theirs:#?}");
            return;
        }
        if sets(bytes, setting::MAX_HEADER_LIST_SIZE) {
            return;
        }
        // The rest of the connection's window may go to any stream. The data sent before a window is reduced depends on
        // when the server learns of that.
        let unlimited = theirs.length.max(self.length) < 60_000 && !sets(bytes, setting::INITIAL_WINDOW_SIZE);
        for (id, their) in &theirs.streams {
            let Some(head) = &their.head else { continue };
            let kept = |reset: Option<Reason>| reset.is_none_or(|reason| reason == Reason::NO_ERROR);
            let seen = head.headers.get("x-request").map(|seen| String::from_utf8_lossy(seen.as_bytes()));
            let seen = seen.unwrap_or_default();
            // Ours enforces deadlines.
            if !kept(their.reset) || seen.contains(" grpc-timeout=") || is_lenient(&seen) {
                continue;
            }
            let Some(our) = self.streams.get(id) else {
                // A large message is passed on when it is complete.
                let is_gathered = !streams && !their.ended;
                assert!(is_gathered || goes_away(bytes), "stream {id} has no answer: {their:#?}");
                continue;
            };
            let both = || format!("stream {id}: ours {our:#?}\ntheirs {their:#?}");
            let has_several = || has_several_header_frames(bytes, *id);
            if our.reset == Some(Reason::PROTOCOL_ERROR) && has_several() {
                continue;
            }
            if our.reset == Some(Reason::STREAM_CLOSED) && has_data_after_its_end(bytes, *id) {
                continue;
            }
            assert!(kept(our.reset), "{}", both());
            let our_head = our.head.as_ref().unwrap_or_else(|| panic!("no answer: {}", both()));
            assert_eq!(our_head.status, head.status, "{}", both());
            let is_direct = our_head.headers.contains_key("x-way");
            if is_direct {
                let metadata = |head: &ResponseHead| head.headers.get("x-metadata").cloned();
                assert_eq!(metadata(our_head), metadata(head), "{}", both());
            } else {
                assert_eq!(our_head.headers, head.headers, "{}", both());
            }
            let common = our.data.len().min(their.data.len());
            assert!(our.data[..common] == their.data[..common], "{}", both());
            let status = |headers: &HeaderMap| headers.get("grpc-status").cloned();
            let ended_with = our.trailers.as_ref().and_then(status).or_else(|| status(&our_head.headers));
            if is_direct && ended_with.as_ref().is_some_and(|status| status == MALFORMED) {
                continue;
            }
            if is_direct && !their.ended {
                // The beginning of a message waits for its rest.
                assert!(!our.ended || !unlimited, "{}", both());
                continue;
            }
            if unlimited && !resets(bytes, *id) {
                assert_eq!(our.data.len(), their.data.len(), "{}", both());
                assert_eq!(our.ended, their.ended, "{}", both());
                if is_direct {
                    assert!(ended_with.is_some_and(|status| status == "0"), "{}", both());
                } else {
                    assert_eq!(our.trailers, their.trailers, "{}", both());
                }
            }
        }
    }
}

/// Whether h2 should have refused a request, which ours does (RFC 9113, section 8.3.1). `seen` is the request as h2
/// reports it.
fn is_lenient(seen: &str) -> bool {
    let path = seen.split(' ').nth(1).unwrap_or_default();
    // The path was empty, or the request is OPTIONS, or nothing.
    path == "/" || !path.starts_with('/') || seen.contains(" host=")
}

/// Whether the client sends a setting.
fn sets(bytes: &[u8], setting: u16) -> bool {
    frames(&bytes[PREFACE.len()..]).any(|(head, payload)| {
        head.kind == kind::SETTINGS && payload.chunks(6).any(|sent| sent.starts_with(&setting.to_be_bytes()))
    })
}

/// Whether the client sends GOAWAY. Ours then shuts down once everything received by then is answered.
fn goes_away(bytes: &[u8]) -> bool {
    frames(&bytes[PREFACE.len()..]).any(|(head, _)| head.kind == kind::GOAWAY)
}

/// Whether the client pushes, which is an error of the connection (RFC 9113, section 8.4). h2 overlooks it if the
/// fields are malformed and the stream is closed.
fn pushes(bytes: &[u8]) -> bool {
    frames(&bytes[PREFACE.len()..]).any(|(head, _)| head.kind == kind::PUSH_PROMISE)
}

/// Whether there is more than one frame of headers on a stream. h2 takes the pseudo-headers of a second block for
/// trailers (RFC 9113, section 8.1), and drops malformed fields from a block with continuations; ours does neither.
fn has_several_header_frames(bytes: &[u8], id: u32) -> bool {
    let is_block = |head: &Head| matches!(head.kind, kind::HEADERS | kind::CONTINUATION) && head.stream == id;
    frames(&bytes[PREFACE.len()..]).filter(|(head, _)| is_block(head)).count() > 1
}

/// Whether the client resets a stream.
fn resets(bytes: &[u8], id: u32) -> bool {
    frames(&bytes[PREFACE.len()..]).any(|(head, _)| head.kind == kind::RST_STREAM && head.stream == id)
}

/// Whether DATA comes on a stream after the client has ended it, which is an error of the stream (RFC 9113, section
/// 5.1).
fn has_data_after_its_end(bytes: &[u8], id: u32) -> bool {
    let on_stream = |head: &Head| matches!(head.kind, kind::DATA | kind::HEADERS) && head.stream == id;
    frames(&bytes[PREFACE.len()..])
        .map(|(head, _)| head)
        .filter(on_stream)
        .skip_while(|head| !head.has(flag::END_STREAM))
        .skip(1)
        .any(|head| head.kind == kind::DATA)
}

/// The complete frames at the beginning.
fn frames(mut bytes: &[u8]) -> impl Iterator<Item = (Head, &[u8])> {
    std::iter::from_fn(move || {
        let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
        let head = Head::parse(head);
        let (payload, rest) = rest.split_at_checked(head.length as usize)?;
        bytes = rest;
        Some((head, payload))
    })
}

fn reason(code: &[u8; 4]) -> Reason {
    Reason::from(u32::from_be_bytes(*code))
}
