//! Converts the tests' requests to unary gRPC calls, for a server with a service for direct calls.

use std::collections::BTreeSet;

use super::frame::{Frame, data, flag, headers, kind};
use super::hpack::Fields;
use super::raw::Message;
use super::service::LARGE;

/// The prefix of a message: a flag, and its length.
const PREFIX: usize = 5;
/// A longer message may come in more than one read, and then takes the general path.
const MAX_LENGTH: usize = 4096;
/// A field in the responses of the direct service.
pub(crate) const WAY: (&str, &str) = ("x-way", "direct");

/// Converts requests to unary calls, and restores their responses as if there was no message.
#[derive(Default)]
pub(crate) struct Unary {
    /// The streams whose calls must be direct if they are answered.
    direct: BTreeSet<u32>,
}

/// Whether the direct service answers requests for a path. It sends no trailers except the status, and nothing that
/// gRPC lacks.
pub(crate) fn is_direct(path: &str) -> bool {
    !["/trailers", "/status", "/status-in-trailers", "/connection-specific", "/detached"].contains(&path)
}

impl Unary {
    /// Returns the same frames, where each ordinary request has the fields of gRPC. If its whole body comes with it, in
    /// one frame or none, that becomes a message. `window` is how much DATA a stream accepts.
    pub(crate) fn of(&mut self, frames: &[Frame], window: impl Fn(u32) -> i64) -> Vec<Frame> {
        let length = frames.iter().map(|frame| frame.payload.len()).sum::<usize>();
        let mut unary = Vec::new();
        let mut frames = frames.iter().peekable();
        while let Some(frame) = frames.next() {
            let Some(mut fields) = plain_request(frame) else {
                unary.push(frame.clone());
                continue;
            };
            let is_whole = |next: &&&Frame| {
                next.kind == kind::DATA && next.flags == flag::END_STREAM && next.stream == frame.stream
            };
            let ended = frame.has(flag::END_STREAM);
            let body = match ended {
                true if fields.iter().any(|(name, _)| name == "content-length") => None,
                true => Some(Vec::new()),
                false => frames.peek().filter(is_whole).map(|data| data.payload.clone()),
            };
            let fits = |body: &Vec<u8>| (PREFIX + body.len()) as i64 <= window(frame.stream);
            let Some(body) = body.filter(fits) else {
                unary.push(Frame { flags: frame.flags, ..of_fields(frame.stream, &fields) });
                continue;
            };
            if !ended {
                frames.next();
            }
            for (name, value) in &mut fields {
                if name == "content-length"
                    && let Ok(length) = value.parse::<usize>()
                    && length < MAX_LENGTH
                {
                    *value = (PREFIX + length).to_string();
                }
            }
            let path = fields.iter().find(|(name, _)| name == ":path");
            if length <= MAX_LENGTH && path.is_some_and(|(_, path)| is_direct(path)) {
                self.direct.insert(frame.stream);
            }
            unary.push(of_fields(frame.stream, &fields));
            unary.push(data(frame.stream, message(&body)).end_stream());
        }
        unary
    }

    /// Converts the response of a call to that of the original request.
    pub(crate) fn restore(&self, stream: u32, response: &mut Message) {
        // A body that already has the length of its prefixed message is left unchanged.
        if self.is_direct(stream, &response.fields) && response.body.len() < LARGE {
            response.body.drain(..PREFIX);
            response.trailers = None;
        }
    }

    /// Whether a response belongs to a direct call. A call that can be direct must be.
    fn is_direct(&self, stream: u32, response: &Fields) -> bool {
        let is_direct = response.iter().any(|(name, value)| (name.as_str(), value.as_str()) == WAY);
        let is_answer = response.contains(&(":status".into(), "200".into()))
            && !response.iter().any(|(name, _)| name == "grpc-status");
        assert!(
            is_direct || !is_answer || !self.direct.contains(&stream),
            "the call on stream {stream} did not go the direct way"
        );
        is_direct
    }
}

/// A message with its prefix.
pub(crate) fn message(message: &[u8]) -> Vec<u8> {
    [&[0], &(message.len() as u32).to_be_bytes()[..], message].concat()
}

fn of_fields(stream: u32, fields: &Fields) -> Frame {
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    headers(stream, &fields)
}

/// The fields of a plain request in a single frame, converted to gRPC's.
fn plain_request(frame: &Frame) -> Option<Fields> {
    let names = frame.fields.iter().map(|(name, _)| name.as_str());
    let is_plain = frame.kind == kind::HEADERS
        && frame.flags & !flag::END_STREAM == flag::END_HEADERS
        && names.take(4).eq([":method", ":scheme", ":path", ":authority"])
        && ["GET", "POST"].contains(&frame.fields[0].1.as_str());
    if !is_plain {
        return None;
    }
    let mut fields = frame.fields.clone();
    fields[0].1 = "POST".into();
    for (name, value) in [("te", "trailers"), ("content-type", "application/grpc")] {
        if !fields.iter().any(|(known, _)| known == name) {
            fields.push((name.into(), value.into()));
        }
    }
    Some(fields)
}
