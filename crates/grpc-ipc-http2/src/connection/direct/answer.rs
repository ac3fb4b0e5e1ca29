//! Answers of a server.

use std::sync::LazyLock;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::write::{Kept, headers, headers_and_message};
use super::{Connection, Encode, PREFIX, message};
use crate::connection::stream::End;
use crate::encode::{MessageEncoder, Own, Start, TemplateKey};
use crate::pieces::Pieces;

const START: Start<'_> = Start::Response(StatusCode::OK);
/// Those of a call that has succeeded.
pub(super) static TRAILERS: LazyLock<HeaderMap> = LazyLock::new(|| {
    HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))])
});

impl Connection {
    /// Answers a request with a message and the status OK, after which nobody sends on its stream any more.
    pub(crate) fn answer_direct(
        &mut self,
        id: u32,
        metadata: Option<&HeaderMap>,
        encode: Encode<impl FnOnce(&mut Vec<u8>)>,
    ) {
        let Some(stream) = self.streams.get(id) else { return };
        if stream.end != End::Open || stream.has_answer {
            return;
        }
        let metadata = metadata.filter(|metadata| !metadata.is_empty());
        let window = stream.send_window;
        // What is left of a request has to be refused after the answer, and what has come of it may be read.
        let is_received = stream.recv_ended && !stream.has_reader;
        let message = match encode {
            Encode::Done(message) => message,
            Encode::Later(length, encode) if !is_received => message(length, encode).into(),
            Encode::Later(length, encode) => {
                match self.answer_at_once(id, window, metadata, length, encode) {
                    Some(message) => message.into(),
                    None => return,
                }
            }
        };
        self.answer_in_parts(id, metadata, message);
    }

    /// Answers in one piece, after which the stream is removed. If that is not possible, returns the message with its
    /// prefix.
    fn answer_at_once(
        &mut self,
        id: u32,
        window: i64,
        metadata: Option<&HeaderMap>,
        length: usize,
        encode: impl FnOnce(&mut Vec<u8>),
    ) -> Option<Bytes> {
        if !self.can_send(window, PREFIX + length) {
            return Some(message(length, encode));
        }
        let limit = self.frame_limit(window);
        let kept = kept_response(&self.encoder, metadata, self.peer.max_header_list_size);
        let Some((head, end)) = kept else { return Some(message(length, encode)) };
        let written = self.output.write_whole(|out| {
            out.reserve(RESERVE + length);
            let length = headers_and_message(out, head, id, false, limit, encode)?;
            headers(out, end, id);
            Ok(length)
        });
        match written {
            Ok(length) => {
                self.count_sent(length, 3);
                self.close_and_remove(id);
                None
            }
            Err(message) => Some(message),
        }
    }

    fn answer_in_parts(&mut self, id: u32, metadata: Option<&HeaderMap>, message: Pieces) {
        let none = HeaderMap::new();
        if let Some(stream) = self.streams.get_mut(id) {
            stream.has_answer = true;
        }
        self.send_block(id, START, Own::Response, metadata.unwrap_or(&none), false);
        self.send_pieces(id, message, false);
        self.send_end(id, Some(TRAILERS.clone()));
        keep_trailers(&mut self.encoder);
        if metadata.is_none() {
            self.encoder.keep_template(TemplateKey::Response, START, Own::Response, &none, false);
        }
    }
}

/// Keeps the trailers of a call that has succeeded, once they were sent.
pub(super) fn keep_trailers(encoder: &mut MessageEncoder) {
    encoder.keep_template(TemplateKey::Trailers, Start::Trailers, Own::Nothing, &TRAILERS, true);
}

/// The headers and the trailers of a response that has been sent before, if they are the same again.
fn kept_response<'a>(
    encoder: &'a MessageEncoder,
    metadata: Option<&HeaderMap>,
    max_size: u32,
) -> Option<(Kept<'a>, &'a [u8])> {
    let head = match metadata {
        None => encoder.template(TemplateKey::Response, max_size).map(Kept::Template),
        Some(metadata) => encoder.known(START, Own::Response, metadata, max_size).map(Kept::Block),
    };
    Some((head?, encoder.template(TemplateKey::Trailers, max_size)?))
}

/// What stands around a message that is sent with its headers and trailers.
const RESERVE: usize = 128;
