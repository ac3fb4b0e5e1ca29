//! Answers of a server.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::write::{headers, headers_and_message};
use super::{Connection, Encode, PREFIX, message};
use crate::connection::stream::End;
use crate::encode::{Own, Start, TemplateKey};

impl Connection {
    /// Answers a request with a message and the status OK.
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
        let plain = metadata.is_none_or(HeaderMap::is_empty);
        let max_size = self.peer.max_header_list_size;
        let limit = self.frame_limit(window);
        let message = match encode {
            Encode::Later(length, encode)
                if plain && recv_ended && self.can_send(window, PREFIX + length) =>
            {
                let head = self.encoder.template(TemplateKey::Response, max_size);
                let end = self.encoder.template(TemplateKey::Trailers, max_size);
                if let (Some(head), Some(end)) = (head, end) {
                    let written = self.output.write_whole(|out| {
                        out.reserve(head.len() + length + end.len());
                        let length = headers_and_message(out, head, id, false, limit, encode)?;
                        headers(out, end, id);
                        Ok(length)
                    });
                    match written {
                        Ok(length) => {
                            self.sent_at_once(id, length, 3);
                            self.close_if_ended(id);
                            return;
                        }
                        Err(message) => message,
                    }
                } else {
                    message(length, encode)
                }
            }
            Encode::Later(length, encode) => message(length, encode),
            Encode::Done(message) => message,
        };
        self.answer_in_parts(id, metadata, message);
    }

    fn answer_in_parts(&mut self, id: u32, metadata: Option<&HeaderMap>, message: Bytes) {
        let none = HeaderMap::new();
        let metadata = metadata.unwrap_or(&none);
        let start = Start::Response(StatusCode::OK);
        if let Some(stream) = self.streams.get_mut(id) {
            stream.has_answer = true;
        }
        self.send_block(id, start, Own::Response, metadata, false);
        if metadata.is_empty() {
            self.encoder.keep_template(TemplateKey::Response, start, Own::Response, metadata, false);
        }
        self.send_data(id, message, false);
        let mut trailers = HeaderMap::with_capacity(1);
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        self.send_end(id, Some(trailers.clone()));
        self.encoder.keep_template(TemplateKey::Trailers, Start::Trailers, Own::Nothing, &trailers, true);
    }
}
