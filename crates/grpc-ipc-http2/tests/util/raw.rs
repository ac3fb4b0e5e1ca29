//! The other end of an engine's connection. It sends whatever a test needs, and checks that the engine follows the
//! rules.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use super::engine;
use super::frame::{Frame, code, flag, headers, kind, ping, setting, settings, settings_ack};
use super::hpack::{Decoder, Fields};
use super::unary::{self, Unary};

pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A test fails after this time without a frame, or without a read. HTTP/2 has no such rule; without it, the watchdog
/// would end all tests.
const SILENCE: Duration = Duration::from_secs(10);

/// The engine's reaction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// Nothing.
    Ignored,
    /// A stream error: RST_STREAM with this code.
    Reset(u32),
    /// A connection error: GOAWAY with this code, then the end.
    ConnectionError(u32),
    /// The end, without a GOAWAY.
    Closed,
    /// A response with this status.
    Answered(u16),
}

impl Outcome {
    /// Whether this is `other` with a generic code, and the engine under test uses those.
    fn is_generic(self, other: Self) -> bool {
        let generic = match other {
            Self::Reset(_) => {
                self == Self::Reset(code::PROTOCOL_ERROR)
                    || self == Self::ConnectionError(code::PROTOCOL_ERROR)
            }
            Self::ConnectionError(_) => self == Self::ConnectionError(code::PROTOCOL_ERROR),
            _ => false,
        };
        generic && !engine::TELLS_ERRORS_APART
    }
}

/// A request or a response.
#[derive(Debug, Default)]
pub(crate) struct Message {
    pub(crate) fields: Fields,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<Fields>,
}

impl Message {
    /// The value of this field, which must occur once.
    pub(crate) fn field(&self, name: &str) -> &str {
        let values: Vec<_> = self.fields.iter().filter(|field| field.0 == name).collect();
        assert_eq!(values.len(), 1, "{name} in {:?}", self.fields);
        &values[0].1
    }
}

pub(crate) struct RawPeer {
    pub(crate) io: DuplexStream,
    pub(crate) decoder: Decoder,
    /// The settings that the engine has sent.
    settings: BTreeMap<u16, u32>,
    /// How much may be sent to the engine, by stream; 0 is the connection.
    windows: BTreeMap<u32, i64>,
    /// The longest payload that the engine may send.
    max_frame_size: usize,
    /// The streams that the engine has reset.
    reset: BTreeSet<u32>,
    /// The highest stream on which HEADERS were sent.
    highest_stream: u32,
    /// Set if requests are converted to unary calls.
    unary: Option<Unary>,
}

impl RawPeer {
    pub(crate) fn new(io: DuplexStream) -> Self {
        Self {
            io,
            decoder: Decoder::default(),
            settings: BTreeMap::new(),
            windows: BTreeMap::from([(0, 65_535)]),
            max_frame_size: 16_384,
            reset: BTreeSet::new(),
            highest_stream: 0,
            unary: None,
        }
    }

    /// Converts requests to unary calls.
    pub(crate) fn unary(mut self) -> Self {
        self.unary = Some(Unary::default());
        self
    }

    /// Exchanges prefaces as a client, and waits until both ends have the other's settings.
    pub(crate) async fn greet_server(&mut self, own: &[(u16, u32)]) {
        self.send_octets(PREFACE).await;
        self.send(settings(own)).await;
        self.expect_settings().await;
        self.expect_settings_ack().await;
    }

    /// Exchanges prefaces as a server, and waits until both ends have the other's settings.
    pub(crate) async fn greet_client(&mut self, own: &[(u16, u32)]) {
        self.expect_preface().await;
        self.send(settings(own)).await;
        self.expect_settings().await;
        self.expect_settings_ack().await;
    }

    pub(crate) async fn expect_preface(&mut self) {
        let mut octets = [0; PREFACE.len()];
        let read = tokio::time::timeout(SILENCE, self.io.read_exact(&mut octets)).await;
        read.expect("no preface").unwrap();
        assert_eq!(&octets, PREFACE);
    }

    /// Expects SETTINGS as the engine's first frame, and acknowledges them.
    pub(crate) async fn expect_settings(&mut self) {
        let first = self.next().await.expect("SETTINGS");
        assert!(
            first.kind == kind::SETTINGS && !first.has(flag::ACK),
            "RFC 9113, 3.4: SETTINGS come first: {first:?}"
        );
        self.send(settings_ack()).await;
    }

    pub(crate) async fn expect_settings_ack(&mut self) {
        self.expect("SETTINGS with ACK", |frame| frame.kind == kind::SETTINGS && frame.has(flag::ACK)).await;
    }

    /// The DATA of a response with this body.
    pub(crate) fn as_data(&self, body: &[u8]) -> Vec<u8> {
        if self.unary.is_some() { unary::message(body) } else { body.into() }
    }

    /// A setting of the engine, or `default`.
    pub(crate) fn setting(&self, id: u16, default: u32) -> u32 {
        self.settings.get(&id).copied().unwrap_or(default)
    }

    /// How much DATA the engine accepts now on this stream; 0 is the connection.
    pub(crate) fn window(&self, stream: u32) -> i64 {
        let initial = self.setting(setting::INITIAL_WINDOW_SIZE, 65_535);
        self.windows.get(&stream).copied().unwrap_or(initial.into())
    }

    /// The maximum payload that the engine may send from now on.
    pub(crate) fn allow_frames_of(&mut self, octets: usize) {
        self.max_frame_size = octets;
    }

    pub(crate) async fn send(&mut self, frame: Frame) {
        self.send_all(&[frame]).await;
    }

    /// Sends frames in one piece. If the engine has closed the connection, reading shows that.
    pub(crate) async fn send_all(&mut self, frames: &[Frame]) {
        let unary = self.unary.take().map(|mut unary| {
            let frames = unary.of(frames, |stream| self.window(stream).min(self.window(0)));
            self.unary = Some(unary);
            frames
        });
        let frames = unary.as_deref().unwrap_or(frames);
        for frame in frames {
            match frame.kind {
                kind::DATA => {
                    let length = frame.payload.len() as i64;
                    self.grow_window(0, -length);
                    self.grow_window(frame.stream, -length);
                }
                kind::HEADERS => self.highest_stream = self.highest_stream.max(frame.stream),
                _ => {}
            }
        }
        let octets: Vec<u8> = frames.iter().flat_map(Frame::encode).collect();
        self.send_octets(&octets).await;
    }

    pub(crate) async fn send_octets(&mut self, octets: &[u8]) {
        let written = tokio::time::timeout(SILENCE, self.io.write_all(octets)).await;
        _ = written.expect("the engine neither reads nor closes");
    }

    /// Sends DATA once the engine's windows have room for it.
    pub(crate) async fn send_within_windows(&mut self, frame: Frame) {
        for window in [frame.stream, 0] {
            self.wait_for_window(window, frame.payload.len()).await;
        }
        self.send(frame).await;
    }

    /// Waits until the engine takes this much DATA.
    pub(crate) async fn wait_for_window(&mut self, stream: u32, octets: usize) {
        while self.window(stream) < octets as i64 {
            self.expect("WINDOW_UPDATE", |frame| frame.kind == kind::WINDOW_UPDATE).await;
        }
    }

    /// Ends the sending direction; the engine may continue to send.
    pub(crate) async fn close(&mut self) {
        self.io.shutdown().await.unwrap();
    }

    /// The next frame, or `None` if the engine has closed. HEADERS include the CONTINUATION frames that follow them.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let mut frame = self.read_frame().await?;
        match frame.kind {
            kind::HEADERS => {
                assert!(!frame.has(flag::PADDED | flag::PRIORITY), "{frame:?}");
                while !frame.has(flag::END_HEADERS) {
                    let more = self.read_frame().await.expect("CONTINUATION");
                    let continued = more.kind == kind::CONTINUATION && more.stream == frame.stream;
                    assert!(continued, "RFC 9113, 6.10: {more:?} in a field block");
                    frame.payload.extend(more.payload);
                    frame.flags |= more.flags;
                }
                frame.fields = self.decoder.decode(&frame.payload);
                check_fields(&frame.fields);
            }
            kind::SETTINGS if !frame.has(flag::ACK) => {
                for setting in frame.payload.chunks_exact(6) {
                    let id = u16::from_be_bytes([setting[0], setting[1]]);
                    self.settings.insert(id, u32::from_be_bytes(setting[2..].try_into().unwrap()));
                }
            }
            kind::WINDOW_UPDATE => {
                assert!(frame.u32(0) > 0, "RFC 9113, 6.9: an increment of 0");
                self.grow_window(frame.stream, frame.u32(0).into());
            }
            kind::RST_STREAM if !self.reset.insert(frame.stream) => {
                // A second RST_STREAM after more frames on the stream: 5.4.2 allows it.
                return Box::pin(self.next()).await;
            }
            _ => {}
        }
        Some(frame)
    }

    async fn read_frame(&mut self) -> Option<Frame> {
        let frame = tokio::time::timeout(SILENCE, read_frame(&mut self.io)).await.expect("no frame came")?;
        assert!(frame.payload.len() <= self.max_frame_size, "RFC 9113, 4.2: {} octets", frame.payload.len());
        assert_eq!(frame.stream >> 31, 0, "RFC 9113, 4.1: the reserved bit is set");
        let flags = match frame.kind {
            kind::DATA => flag::END_STREAM | flag::PADDED,
            kind::HEADERS => flag::END_STREAM | flag::END_HEADERS | flag::PADDED | flag::PRIORITY,
            kind::CONTINUATION => flag::END_HEADERS,
            kind::SETTINGS | kind::PING => flag::ACK,
            _ => 0,
        };
        assert_eq!(frame.flags & !flags, 0, "RFC 9113, 4.1: unused flags are set: {frame:?}");
        assert_ne!(frame.kind, kind::PUSH_PROMISE, "nobody pushes");
        let after_reset = self.reset.contains(&frame.stream) && frame.kind != kind::RST_STREAM;
        assert!(!after_reset, "RFC 9113, 5.4.2: a frame after RST_STREAM: {frame:?}");
        Some(frame)
    }

    fn grow_window(&mut self, stream: u32, octets: i64) {
        let window = self.window(stream) + octets;
        self.windows.insert(stream, window);
    }

    /// The next frame for which `is` returns `true`. An error is not skipped: GOAWAY, or RST_STREAM with an error code.
    pub(crate) async fn expect(&mut self, what: &str, is: impl Fn(&Frame) -> bool) -> Frame {
        loop {
            let frame = self.next().await.unwrap_or_else(|| panic!("the end instead of {what}"));
            if is(&frame) {
                return frame;
            }
            let error = match frame.kind {
                kind::GOAWAY => true,
                kind::RST_STREAM => ![code::NO_ERROR, code::CANCEL].contains(&frame.u32(0)),
                _ => false,
            };
            assert!(!error, "instead of {what}: {frame:?}");
        }
    }

    /// The next DATA, HEADERS or RST_STREAM on a stream.
    pub(crate) async fn expect_on(&mut self, stream: u32) -> Frame {
        let what = format!("a frame on stream {stream}");
        let is_message = |kind| matches!(kind, kind::DATA | kind::HEADERS | kind::RST_STREAM);
        self.expect(&what, |frame| frame.stream == stream && is_message(frame.kind)).await
    }

    /// The rest of the message on a stream, up to END_STREAM.
    pub(crate) async fn expect_message(&mut self, stream: u32) -> Message {
        let mut message = Message::default();
        loop {
            let frame = self.expect_on(stream).await;
            let end = frame.has(flag::END_STREAM);
            match frame.kind {
                kind::DATA => message.body.extend(frame.payload),
                kind::HEADERS if message.fields.is_empty() => message.fields = frame.fields,
                kind::HEADERS => {
                    assert!(end, "RFC 9113, 8.1: trailers end the stream");
                    message.trailers = Some(frame.fields);
                }
                _ => panic!("instead of a message: {frame:?}"),
            }
            if end {
                if let Some(unary) = &self.unary {
                    unary.restore(stream, &mut message);
                }
                return message;
            }
        }
    }

    /// The response on a stream, which has status 200.
    pub(crate) async fn expect_response(&mut self, stream: u32) -> Message {
        let response = self.expect_message(stream).await;
        assert_eq!(response.field(":status"), "200");
        response
    }

    /// Expects RST_STREAM on a stream, and skips frames before it.
    pub(crate) async fn expect_reset(&mut self, stream: u32, code: u32) {
        let is_reset = |frame: &Frame| frame.kind == kind::RST_STREAM && frame.stream == stream;
        let reset = self.expect("RST_STREAM", is_reset).await;
        assert_eq!(reset.u32(0), code);
    }

    /// Expects GOAWAY and then the end: RFC 9113, 5.4.1. GOAWAY is a SHOULD, and nothing prevents it here.
    pub(crate) async fn expect_goaway(&mut self, codes: &[u32]) -> Frame {
        loop {
            let frame = self.next().await.expect("the end instead of GOAWAY");
            if frame.kind == kind::GOAWAY {
                let generic = frame.u32(4) == code::PROTOCOL_ERROR && !engine::TELLS_ERRORS_APART;
                assert!(codes.contains(&frame.u32(4)) || generic, "{codes:?} expected: {frame:?}");
                self.expect_end().await;
                return frame;
            }
        }
    }

    /// GOAWAY of a server that shuts down.
    pub(crate) async fn expect_going_away(&mut self) -> Frame {
        let mut frame = self.next().await.expect("the end instead of GOAWAY");
        while frame.kind != kind::GOAWAY {
            frame = self.next().await.expect("the end instead of GOAWAY");
        }
        assert_eq!(frame.u32(4), code::NO_ERROR, "{frame:?}");
        frame
    }

    /// Reads to the end, and answers each PING.
    pub(crate) async fn answer_pings_to_the_end(&mut self) {
        while let Some(frame) = self.next().await {
            if frame.kind == kind::PING && !frame.has(flag::ACK) {
                self.send(frame.with(flag::ACK)).await;
            }
        }
    }

    /// The end of the connection, with or without a GOAWAY.
    pub(crate) async fn expect_end(&mut self) {
        while self.next().await.is_some() {}
    }

    /// The engine has closed its end, so it cannot read what is sent now.
    pub(crate) async fn expect_broken_pipe(&mut self) {
        let octets = [0; 16_384];
        while let Ok(written) = tokio::time::timeout(SILENCE, self.io.write_all(&octets)).await {
            if written.is_err() {
                return;
            }
        }
        panic!("the engine neither reads nor closes");
    }

    /// The engine's reaction to the frames sent so far, on one stream.
    pub(crate) async fn outcome(&mut self, stream: u32) -> Outcome {
        // The answer to a PING may overtake earlier data, but that of a second PING may not.
        for mark in [*b"outcome1", *b"outcome2"] {
            self.send(ping(mark)).await;
            loop {
                let Some(frame) = self.next().await else { return Outcome::Closed };
                match frame.kind {
                    kind::PING if frame.has(flag::ACK) && frame.payload == mark => break,
                    kind::RST_STREAM if frame.stream == stream => return Outcome::Reset(frame.u32(0)),
                    kind::HEADERS if frame.stream == stream => {
                        let status = frame.fields.iter().find(|(name, _)| name == ":status");
                        return Outcome::Answered(status.expect(":status").1.parse().unwrap());
                    }
                    kind::GOAWAY => {
                        self.expect_end().await;
                        return Outcome::ConnectionError(frame.u32(4));
                    }
                    _ => {}
                }
            }
        }
        Outcome::Ignored
    }

    /// Nothing comes on a stream while the peer sends nothing that changes it.
    pub(crate) async fn expect_silence_on(&mut self, stream: u32) {
        // The answer to a PING may overtake earlier data, but that of a second PING may not.
        for mark in [*b"silence1", *b"silence2"] {
            self.send(ping(mark)).await;
            let answer = self.expect("the answer to a PING", |frame| {
                assert_ne!(frame.stream, stream, "{frame:?}");
                frame.kind == kind::PING && frame.has(flag::ACK)
            });
            assert_eq!(answer.await.payload, mark);
        }
    }

    /// One of these outcomes.
    pub(crate) async fn expect_outcome(&mut self, stream: u32, accepted: &[Outcome]) -> Outcome {
        let outcome = self.outcome(stream).await;
        let expected = accepted.contains(&outcome) || accepted.iter().any(|other| outcome.is_generic(*other));
        assert!(expected, "{outcome:?} is none of {accepted:?}");
        outcome
    }

    /// A connection error (RFC 9113, 5.4.1).
    pub(crate) async fn connection_error(&mut self, code: u32) {
        self.expect_outcome(0, &[Outcome::ConnectionError(code)]).await;
    }

    /// A stream error (RFC 9113, 5.4.2), which an endpoint may treat as a connection error (5.4.1).
    pub(crate) async fn stream_error(&mut self, stream: u32, code: u32) -> Outcome {
        self.expect_outcome(stream, &[Outcome::Reset(code), Outcome::ConnectionError(code)]).await
    }

    /// A PING is answered, and nothing has failed until then.
    pub(crate) async fn still_answers(&mut self) {
        let mark = *b"answers?";
        self.send(ping(mark)).await;
        self.expect("the answer to a PING", |frame| {
            frame.kind == kind::PING && frame.has(flag::ACK) && frame.payload == mark
        })
        .await;
    }

    /// A server's connection continues to work: a PING is answered, and a request on a new stream gets a response.
    pub(crate) async fn still_serves(&mut self) {
        self.still_answers().await;
        let stream = (self.highest_stream | 1) + 2;
        self.send(headers(stream, &STILL_SERVES).end_stream()).await;
        let response = self.expect_response(stream).await;
        assert_eq!(response.body, b"hello");
    }
}

const STILL_SERVES: [(&str, &str); 4] = [
    (":method", "GET"),
    (":scheme", "http"),
    (":path", super::service::STILL_SERVES),
    (":authority", "localhost"),
];

async fn read_frame(io: &mut DuplexStream) -> Option<Frame> {
    let mut head = [0; 9];
    let mut filled = 0;
    while filled < head.len() {
        match io.read(&mut head[filled..]).await {
            Ok(read @ 1..) => filled += read,
            _ => {
                assert_eq!(filled, 0, "a frame is cut off");
                return None;
            }
        }
    }
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; length as usize];
    io.read_exact(&mut payload).await.expect("a frame is cut off");
    let stream = u32::from_be_bytes(head[5..].try_into().unwrap());
    Some(Frame::new(head[3], head[4], stream, payload))
}

/// The requirements of RFC 9113, 8.2 and 8.3, for sent fields.
fn check_fields(fields: &Fields) {
    let mut regular = false;
    for (name, value) in fields {
        let pseudo = name.starts_with(':');
        assert!(!pseudo || !regular, "8.3: {name} after a regular field");
        regular |= !pseudo;
        assert!(!name.contains(|c: char| c.is_ascii_uppercase()), "8.2: {name}");
        let connection = ["connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade"];
        assert!(!connection.contains(&name.as_str()), "8.2.2: {name}");
        assert!(name != "te" || value == "trailers", "8.2.2: te: {value}");
    }
}
