//! A server's answers.

use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::write::{Kept, Unframed, headers, headers_and_message};
use super::{Connection, Encode, PREFIX};
use crate::connection::stream::End;
use crate::encode::{MessageEncoder, Own, Start, TemplateKey};

const START: Start<'_> = Start::Response(StatusCode::OK);
/// The trailers of a call that succeeded.
pub(super) static TRAILERS: LazyLock<HeaderMap> = LazyLock::new(|| {
    HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))])
});

impl Connection {
    /// Answers a request with a message and the status OK, and ends the sending side of its stream.
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
        // The rest of a request has to be refused after the answer. What has come of it may still be read.
        let is_received = stream.recv_ended && !stream.has_reader;
        let can_go = |length| is_received && self.can_send(window, PREFIX + length);
        let kept = match &encode {
            Encode::Later(length, _) if can_go(*length) => {
                kept_response(&self.encoder, metadata, self.peer.max_header_list_size)
            }
            _ => None,
        };
        let message = match (encode, kept) {
            (Encode::Done(message), _) => Unframed::Large(message),
            (Encode::Later(length, encode), None) => self.unframed(length, encode),
            (Encode::Later(length, encode), Some((head, end))) => {
                let limit = self.frame_limit(window);
                let written = self.output.write_whole(|out| {
                    out.reserve(RESERVE + length);
                    let length = headers_and_message(out, head, id, false, limit, encode)?;
                    headers(out, end, id);
                    Ok(length)
                });
                match written {
                    Ok(length) => {
                        self.count_sent(length, 3);
                        return self.close_and_remove(id);
                    }
                    Err(message) => message,
                }
            }
        };
        self.begin_answer(id, metadata);
        self.send_unframed(id, message, false);
        self.end_answer(id);
    }
}

/// Keeps the trailers of a successful call after they were sent.
pub(super) fn keep_trailers(encoder: &mut MessageEncoder) {
    encoder.keep_template(TemplateKey::Trailers, Start::Trailers, Own::Nothing, &TRAILERS, true);
}

/// The headers and trailers of an earlier response, if they are the same again.
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

/// Room for the headers and trailers around a message.
const RESERVE: usize = 128;
