//! Answers of a server.

use std::sync::LazyLock;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::write::{Kept, headers, headers_and_message};
use super::{Connection, Encode, PREFIX, message};
use crate::connection::stream::End;
use crate::encode::{MessageEncoder, Own, Start, TemplateKey};

const START: Start<'_> = Start::Response(StatusCode::OK);
/// Those of a call that has succeeded.
static TRAILERS: LazyLock<HeaderMap> = LazyLock::new(|| {
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
        let (window, recv_ended) = (stream.send_window, stream.recv_ended);
        let metadata = metadata.filter(|metadata| !metadata.is_empty());
        let limit = self.frame_limit(window);
        let message = match encode {
            Encode::Done(message) => message,
            Encode::Later(length, encode) if !recv_ended || !self.can_send(window, PREFIX + length) => {
                message(length, encode)
            }
            Encode::Later(length, encode) => {
                match kept_response(&self.encoder, metadata, self.peer.max_header_list_size) {
                    None => message(length, encode),
                    Some((head, end)) => {
                        let written = self.output.write_whole(|out| {
                            out.reserve(RESERVE + length);
                            let length = headers_and_message(out, head, id, false, limit, encode)?;
                            headers(out, end, id);
                            Ok(length)
                        });
                        match written {
                            Ok(length) => {
                                self.count_sent(length, 3);
                                // Nobody reads it either: its message was handed out.
                                self.close_and_remove(id);
                                return;
                            }
                            Err(message) => message,
                        }
                    }
                }
            }
        };
        self.answer_in_parts(id, metadata, message);
    }

    fn answer_in_parts(&mut self, id: u32, metadata: Option<&HeaderMap>, message: Bytes) {
        let none = HeaderMap::new();
        if let Some(stream) = self.streams.get_mut(id) {
            stream.has_answer = true;
        }
        self.send_block(id, START, Own::Response, metadata.unwrap_or(&none), false);
        self.send_data(id, message, false);
        self.send_end(id, Some(TRAILERS.clone()));
        self.encoder.keep_template(TemplateKey::Trailers, Start::Trailers, Own::Nothing, &TRAILERS, true);
        if metadata.is_none() {
            self.encoder.keep_template(TemplateKey::Response, START, Own::Response, &none, false);
        }
    }
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
