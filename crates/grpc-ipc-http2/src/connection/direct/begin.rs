//! A client's calls.

use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;
use http::{HeaderMap, Method};

use super::usual::PlainHead;
use super::write::{Kept, Unframed, headers_and_message};
use super::{Connection, PREFIX, Progress};
use crate::Error;
use crate::connection::send::{TOO_LARGE, expect_updates};
use crate::connection::stream::End;
use crate::connection::{PER_MESSAGE, Stream};
use crate::direct;
use crate::encode::{LOCALHOST, Own, Start, TemplateKey};
use crate::pieces::Pieces;

/// What the response to a call contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// One message.
    WithMessage,
    /// A stream of messages. It is an [`Answer::Response`](direct::Answer::Response).
    WithStream,
}

/// The state of a call.
pub(crate) enum Outcome<T, R> {
    /// There is no answer yet.
    Waits,
    /// The ordinary answer was decoded to this value.
    Answered(T),
    /// The ordinary answer has a large message, which is decoded without the lock. It is boxed because it is rare.
    Gathered(R, Box<Gathered>),
    /// The call continues on the general path.
    General,
}

/// An answer with a large message.
pub(crate) struct Gathered {
    message: Bytes,
    head: Option<Arc<PlainHead>>,
    trailers: Option<Arc<HeaderMap>>,
}

impl Gathered {
    /// Decodes the answer.
    pub(crate) fn read<T>(mut self, read: impl FnOnce(direct::Message<'_>, direct::Metadata<'_>) -> T) -> T {
        let metadata = direct::Metadata::new(self.head.as_mut(), self.trailers.as_deref());
        read(direct::Message::Bytes(self.message), metadata)
    }
}

/// The message of a new call.
pub(crate) enum Encode<F> {
    /// Not encoded yet. Its encoded length is known.
    Later(usize, F),
    /// Encoded, with its prefix.
    Done(Pieces),
}

impl Connection {
    /// Opens a stream with a whole request. There must be [room](Self::has_room).
    ///
    /// # Errors
    /// [`Error::Unsendable`] if the metadata exceeds the server's limit.
    pub(crate) fn begin_direct(
        &mut self,
        method: &'static direct::Method,
        metadata: &HeaderMap,
        encode: Encode<impl FnOnce(&mut Vec<u8>)>,
        answer: Answered,
        waker: &Waker,
    ) -> Result<u32, Error> {
        let id = self.next_stream;
        let begins_at = self.output.position();
        let key = TemplateKey::Method(method);
        let window = i64::from(self.peer.initial_window);
        let limit = self.frame_limit(window);
        let max_size = self.peer.max_header_list_size;
        let kept = match &encode {
            Encode::Later(length, _) if !self.can_send(window, PREFIX + length) => None,
            Encode::Done(_) => None,
            Encode::Later(..) if metadata.is_empty() => {
                self.encoder.template(key, max_size).map(Kept::Template)
            }
            Encode::Later(..) => {
                let start = request_of(method, self.options.https, self.options.authority.as_deref());
                self.encoder.known(start, Own::Request, metadata, max_size).map(Kept::Block)
            }
        };
        let rest = match (encode, kept) {
            (Encode::Later(_, encode), Some(kept)) => {
                self.output.write_whole(|out| headers_and_message(out, kept, id, true, limit, encode))
            }
            (Encode::Later(length, encode), None) => Err(self.unframed(length, encode)),
            (Encode::Done(message), _) => Err(Unframed::Large(message)),
        };
        if rest.is_err() {
            let authority = self.options.authority.clone();
            let start = request_of(method, self.options.https, authority.as_deref());
            if !self.write_block(id, start, Own::Request, metadata, false) {
                return Err(TOO_LARGE);
            }
            if metadata.is_empty() {
                self.encoder.keep_template(key, start, Own::Request, metadata, false);
            }
        }
        let stream = self.opened(id, begins_at, answer, waker);
        stream.has_sender = false;
        match rest {
            Ok(length) => {
                stream.send_window -= length as i64;
                stream.end = End::Sent;
                self.count_sent(length, 1);
            }
            Err(message) => self.send_unframed(id, message, true),
        }
        Ok(id)
    }

    /// Opens a stream for a request whose messages follow. There must be [room](Self::has_room).
    ///
    /// # Errors
    /// [`Error::Unsendable`] if the metadata exceeds the server's limit.
    pub(crate) fn begin_stream(
        &mut self,
        method: &'static direct::Method,
        metadata: &HeaderMap,
        answer: Answered,
        waker: &Waker,
    ) -> Result<u32, Error> {
        let id = self.next_stream;
        let begins_at = self.output.position();
        let authority = self.options.authority.clone();
        let start = request_of(method, self.options.https, authority.as_deref());
        if !self.write_block(id, start, Own::Request, metadata, false) {
            return Err(TOO_LARGE);
        }
        self.opened(id, begins_at, answer, waker);
        Ok(id)
    }

    /// Counts a new stream.
    #[inline]
    fn opened(&mut self, id: u32, begins_at: u64, answer: Answered, waker: &Waker) -> &mut Stream {
        self.next_stream += 2;
        self.closed_lately.opened();
        self.direct.is_used = true;
        let stream = self.insert(id);
        stream.accepted = true;
        stream.begins_at = begins_at;
        stream.wait(waker);
        match answer {
            Answered::WithMessage => stream.direct.progress = Progress::Begun,
            Answered::WithStream => stream.direct.follow(),
        }
        stream
    }

    /// The maximum length of a DATA frame.
    #[inline]
    pub(super) fn frame_limit(&self, window: i64) -> usize {
        let window = window.min(self.send_window).max(0) as usize;
        window.min(self.peer.max_frame_size as usize)
    }

    /// Whether `length` bytes of DATA can be sent ahead of everything else.
    #[inline]
    pub(super) fn can_send(&self, window: i64, length: usize) -> bool {
        self.turns.is_empty()
            && length <= self.frame_limit(window)
            && self.output.len() < self.options.max_output
    }

    /// Counts DATA that was put into frames, and the messages in it that allow the peer more control frames.
    #[inline]
    pub(super) fn count_sent(&mut self, length: usize, messages: u32) {
        self.send_window -= length as i64;
        self.unsent.sent_at_once(length);
        self.control_frames.give_back(messages * PER_MESSAGE);
        expect_updates(&mut self.updates_due);
    }

    /// Polls a call. The stream of an answered call is removed.
    pub(crate) fn poll_direct<T, R: FnOnce(direct::Message<'_>, direct::Metadata<'_>) -> T>(
        &mut self,
        id: u32,
        waker: &Waker,
        read: R,
    ) -> Outcome<T, R> {
        let Some(stream) = self.streams.get_mut(id) else { return Outcome::General };
        match stream.direct.progress {
            Progress::Done => {}
            Progress::General => return Outcome::General,
            _ => {
                self.reader_runs(id);
                self.wait_to_read(id, waker);
                return Outcome::Waits;
            }
        }
        let mut length = 0;
        let call = &mut stream.direct;
        let outcome = if call.gathered.is_empty() {
            // If this panics, the stream is unchanged, and its reader drops it.
            let message = direct::Message::Slice(&call.message[PREFIX..]);
            let metadata = direct::Metadata::new(call.response.as_mut(), call.trailers.as_deref());
            Outcome::Answered(read(message, metadata))
        } else {
            length = call.gathered.len();
            let (head, trailers) = (call.response.clone(), call.trailers.clone());
            let message = call.gathered.take_message();
            Outcome::Gathered(read, Box::new(Gathered { message, head, trailers }))
        };
        stream.has_reader = false;
        length += stream.drop_unread();
        self.receiving.unread -= length;
        self.receiving.close(stream, length as u32);
        self.remove_if_done(id);
        self.direct.calls += 1;
        outcome
    }
}

/// The first fields of a direct call's request.
fn request_of<'a>(method: &'static direct::Method, https: bool, authority: Option<&'a str>) -> Start<'a> {
    Start::Request {
        method: &Method::POST,
        scheme: if https { "https" } else { "http" },
        authority: authority.unwrap_or(LOCALHOST),
        path: method.path(),
    }
}
