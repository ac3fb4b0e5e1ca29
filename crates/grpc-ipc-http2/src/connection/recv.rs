//! Received frames ([RFC 9113, section 6](https://www.rfc-editor.org/rfc/rfc9113#section-6)).

use bytes::BytesMut;

use super::input::Input;
use super::{Connection, EARLY_RESETS, Received, Role, other_protocol};
use crate::frame::{self, HEAD, Head, PREFACE, flag, kind};
use crate::{Error, Reason, Side, refusal};

pub(super) type Result<T = ()> = std::result::Result<T, Error>;

/// How many bytes of answers may be unread by the peer. The limit is between this and twice as much.
const MAX_ANSWERS: usize = 64 * 1024;

impl Connection {
    /// Processes received bytes. An incomplete frame stays in `input`.
    ///
    /// # Errors
    /// The rule that the peer broke. The connection is over.
    pub(crate) fn receive(&mut self, input: &mut BytesMut) -> Result {
        let mut input = Input::new(input);
        let result = self.receive_all(&mut input);
        input.finish();
        self.demote_awaiting();
        result
    }

    fn receive_all(&mut self, input: &mut Input<'_>) -> Result {
        loop {
            self.receive_direct(input);
            if self.data.is_some() {
                if !self.data_piece(input)? {
                    return Ok(());
                }
                continue;
            }
            if self.received == Received::Nothing && !self.preface(input)? {
                return Ok(());
            }
            let rest = input.rest();
            if self.received == Received::Preface && self.role == Role::Client {
                if let Some(refused) = refusal::parse(rest) {
                    return Err(refused);
                }
                if refusal::may_be(rest) {
                    return Ok(());
                }
                other_protocol::check_server(rest)?;
            }
            let Some(head) = rest.first_chunk() else { return Ok(()) };
            let head = Head::parse(head);
            self.check_head(head)?;
            if head.kind == kind::DATA {
                let padded = usize::from(head.has(flag::PADDED) && head.length > 0);
                if rest.len() < HEAD + padded {
                    return Ok(());
                }
                let padding = if padded == 1 { u32::from(rest[HEAD]) + 1 } else { 0 };
                input.take(HEAD + padded);
                self.frames += 1;
                self.data_head(head, padding)?;
                continue;
            }
            let end = HEAD + head.length as usize;
            let Some(payload) = rest.get(HEAD..end) else { return Ok(()) };
            self.frame(head, payload)?;
            self.frames += u64::from(self.block.is_none());
            input.take(end);
        }
    }

    /// Takes the client's preface, and returns whether it is complete.
    fn preface(&mut self, input: &mut Input<'_>) -> Result<bool> {
        let rest = input.rest();
        other_protocol::check_client(rest)?;
        if rest.len() < PREFACE.len() {
            return Ok(false);
        }
        input.take(PREFACE.len());
        self.received = Received::Preface;
        Ok(true)
    }

    fn check_head(&mut self, head: Head) -> Result {
        if head.length > self.options.max_frame_size {
            let detail = format!("a frame of {} bytes", head.length);
            return Err(Error::violation(Reason::FRAME_SIZE_ERROR, detail));
        }
        if self.received == Received::Preface {
            if head.kind != kind::SETTINGS || head.has(flag::ACK) {
                return Err(Error::protocol("the first frame is not SETTINGS"));
            }
            self.received = Received::Settings;
        }
        if self.block.is_some() && head.kind != kind::CONTINUATION {
            return Err(Error::protocol("another frame inside a header block"));
        }
        Ok(())
    }

    fn frame(&mut self, head: Head, payload: &[u8]) -> Result {
        match head.kind {
            kind::HEADERS => self.headers(head, payload),
            kind::CONTINUATION => self.continuation(head, payload),
            kind::PRIORITY => self.priority(head),
            kind::RST_STREAM => self.reset_stream(head, payload),
            kind::SETTINGS => self.settings(head, payload),
            kind::PUSH_PROMISE => Err(Error::protocol("PUSH_PROMISE is not enabled")),
            kind::PING => self.receive_ping(head, payload),
            kind::GOAWAY => self.goaway(head, payload),
            kind::WINDOW_UPDATE => self.window_update(head, payload),
            _ => self.spend(),
        }
    }

    /// Counts a frame that moves no message forward.
    pub(super) fn spend(&mut self) -> Result {
        if self.control_frames.take() {
            return Ok(());
        }
        Err(Error::violation(Reason::ENHANCE_YOUR_CALM, "too many frames that move no message forward"))
    }

    /// Writes a frame in response to one of the peer's. The peer must read them in time.
    pub(super) fn answer(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result {
        if self.output.all_written() >= self.answers_counted_from {
            self.answers = 0;
            self.answers_counted_from = self.output.position();
        }
        let before = self.output.len();
        self.output.write(write);
        self.answers += self.output.len() - before;
        if self.answers <= MAX_ANSWERS {
            return Ok(());
        }
        Err(Error::violation(Reason::ENHANCE_YOUR_CALM, "too many unread answers"))
    }

    /// Resets a stream on which the peer broke a rule.
    pub(super) fn stream_error(&mut self, id: u32, reason: Reason) -> Result {
        self.stream_error_because(id, reason, Error::Reset { by: Side::Local, reason })
    }

    /// Like [`stream_error`](Self::stream_error), with the error that this end reports.
    pub(super) fn stream_error_because(&mut self, id: u32, reason: Reason, error: Error) -> Result {
        if self.role == Role::Server {
            self.spend_resets(EARLY_RESETS)?;
        }
        let window = self.streams.get(id).map_or(0, |stream| stream.recv_window);
        self.closed_lately.reset(id, window);
        self.fail_stream(id, error);
        self.write_reset(id, reason)
    }

    /// Writes a reset. A server stops reading when the client does not read. A client always reads, so its resets are
    /// counted.
    pub(super) fn write_reset(&mut self, id: u32, reason: Reason) -> Result {
        match self.role {
            Role::Server => self.output.write(|out| frame::write_reset(out, id, reason)),
            Role::Client => return self.answer(|out| frame::write_reset(out, id, reason)),
        }
        Ok(())
    }

    pub(super) fn spend_resets(&mut self, tokens: u32) -> Result {
        if self.resets.take_many(tokens) {
            return Ok(());
        }
        Err(Error::violation(Reason::ENHANCE_YOUR_CALM, "too many streams were reset"))
    }

    /// Counts DATA or HEADERS for a stream that this end may have reset. The peer may not have known, but only a
    /// limited amount can be late.
    pub(super) fn spend_if(&mut self, too_late: bool) -> Result {
        if too_late { self.spend() } else { Ok(()) }
    }

    /// Whether the stream has not been used yet.
    pub(super) fn is_idle_stream(&self, id: u32) -> bool {
        let ours = (id % 2 == 1) == (self.role == Role::Client);
        if ours { id >= self.next_stream } else { id > self.last_peer_stream }
    }
}
