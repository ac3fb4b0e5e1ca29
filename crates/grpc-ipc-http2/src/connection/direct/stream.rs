//! Sent streams of messages.

use http::{HeaderMap, StatusCode};

use super::answer::{TRAILERS, keep_trailers};
use super::write::headers;
use super::{BETWEEN, Connection};
use crate::connection::stream::End;
use crate::connection::{PER_MESSAGE, Role};
use crate::direct::{Batch, Ending};
use crate::encode::{Own, Start, TemplateKey};
use crate::{Error, Reason, frame};

const START: Start<'_> = Start::Response(StatusCode::OK);

impl Connection {
    /// Answers a request with headers. Messages follow.
    pub(crate) fn begin_answer(&mut self, id: u32, metadata: Option<&HeaderMap>) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        if stream.end != End::Open || stream.has_answer {
            return;
        }
        stream.has_answer = true;
        let metadata = metadata.filter(|metadata| !metadata.is_empty());
        let max_size = self.peer.max_header_list_size;
        if metadata.is_none()
            && let Some(template) = self.encoder.template(TemplateKey::Response, max_size)
        {
            self.output.write(|out| {
                headers(out, template, id);
                out.truncate(out.len() - BETWEEN);
            });
            self.control_frames.give_back(PER_MESSAGE);
            return;
        }
        let none = HeaderMap::new();
        self.send_block(id, START, Own::Response, metadata.unwrap_or(&none), false);
        if metadata.is_none() {
            self.encoder.keep_template(TemplateKey::Response, START, Own::Response, &none, false);
        }
    }

    /// Sends messages, as soon as flow control permits.
    pub(crate) fn send_batch(&mut self, id: u32, batch: &mut Batch) {
        self.put_batch(id, batch, false);
        batch.clear();
    }

    /// Sends the last messages of a stream, and its end.
    pub(crate) fn send_last(&mut self, id: u32, batch: &Batch, ending: Ending) {
        let ends = matches!(ending, Ending::Done) && self.role == Role::Client;
        self.put_batch(id, batch, ends);
        match ending {
            Ending::Done if ends => {}
            Ending::Done => self.end_answer(id),
            Ending::Status(trailers) => self.send_end(id, Some(trailers)),
            Ending::Failed(error) => self.reset_because(id, Reason::CANCEL, Error::Body(error.into())),
        }
    }

    fn put_batch(&mut self, id: u32, batch: &Batch, ends: bool) {
        for piece in &batch.pieces {
            self.send_data(id, piece.clone(), false);
        }
        if (!batch.buffer.is_empty() || ends) && !self.put_at_once(id, &batch.buffer, ends) {
            self.send_data(id, bytes::Bytes::copy_from_slice(&batch.buffer), ends);
        }
    }

    /// Puts messages into the output if they can be sent ahead of everything else, and returns whether it did.
    pub(super) fn put_at_once(&mut self, id: u32, messages: &[u8], ends: bool) -> bool {
        let Some(stream) = self.streams.get_mut(id) else { return true };
        let window = stream.send_window;
        let can_go = stream.end == End::Open && stream.is_drained() && !messages.is_empty();
        if !can_go || !self.can_send(window, messages.len()) {
            return false;
        }
        self.output.write(|out| {
            out.reserve(frame::HEAD + messages.len());
            frame::write_data_head(out, id, messages.len() as u32, ends);
            out.extend_from_slice(messages);
        });
        self.count_sent(messages.len(), 1);
        if let Some(stream) = self.streams.get_mut(id) {
            stream.send_window -= messages.len() as i64;
        }
        if ends {
            self.end_sent(id);
        }
        true
    }

    /// Ends an answer with the status OK.
    pub(super) fn end_answer(&mut self, id: u32) {
        let Some(stream) = self.streams.get(id) else { return };
        if stream.end != End::Open {
            return;
        }
        let max_size = self.peer.max_header_list_size;
        if stream.is_drained()
            && let Some(template) = self.encoder.template(TemplateKey::Trailers, max_size)
        {
            self.output.write(|out| headers(out, template, id));
            self.control_frames.give_back(PER_MESSAGE);
            self.end_sent(id);
            return;
        }
        self.send_end(id, Some(TRAILERS.clone()));
        keep_trailers(&mut self.encoder);
    }
}
