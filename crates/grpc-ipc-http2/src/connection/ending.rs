//! The end of a stream ([RFC 9113, section 5.1](https://www.rfc-editor.org/rfc/rfc9113#section-5.1)).

use super::stream::End;
use super::{Connection, EARLY_RESETS, KEEP_STREAMS, Role, wake_reader};
use crate::frame;
use crate::{Error, Reason, Side};

impl Connection {
    /// Resets a stream. The peer is informed unless the stream has already ended for it.
    pub(crate) fn reset(&mut self, id: u32, reason: Reason) {
        self.reset_because(id, reason, Error::Reset { by: Side::Local, reason });
    }

    /// Like [`reset`](Self::reset), with the error that this end reports.
    pub(crate) fn reset_because(&mut self, id: u32, reason: Reason, error: Error) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        if stream.closed {
            return;
        }
        self.output.write(|out| frame::write_reset(out, id, reason));
        self.closed_lately.reset(id, stream.recv_window);
        self.fail_stream(id, error);
    }

    /// The sender of a stream is dropped. An unfinished stream is reset.
    pub(crate) fn drop_sender(&mut self, id: u32, reason: Reason) {
        if let Some(stream) = self.streams.get_mut(id) {
            stream.has_sender = false;
            stream.send_waker = None;
            if stream.end == End::Open {
                self.reset(id, reason);
            }
            self.remove_if_done(id);
        }
        if !self.when_finished.is_empty() && self.running() == 0 {
            self.wakers.append(&mut self.when_finished);
        }
    }

    /// Ends a stream early.
    pub(super) fn fail_stream(&mut self, id: u32, error: Error) {
        if self.role == Role::Client {
            self.demote(id);
        }
        self.gathered_no_more(id);
        let Some(stream) = self.streams.get_mut(id) else { return };
        if stream.failed.is_none() {
            stream.failed = Some(error);
        }
        self.receiving.end(stream);
        self.unsent.drop_pending(stream);
        stream.end = End::Sent;
        self.wakers.extend(stream.send_waker.take());
        wake_reader(stream, &mut self.wakers, &mut self.woken);
        let accepted = stream.accepted;
        self.close(id);
        if !accepted {
            self.forget_request(id);
        }
        self.unsent_changed();
    }

    /// Removes a stream from the protocol's state.
    pub(super) fn close(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        let is_needed = stream.has_reader || stream.has_sender;
        if !stream.closed {
            stream.closed = true;
            if stream.failed.is_none() {
                self.resets.give_back(EARLY_RESETS);
            }
            self.open -= 1;
            self.wake_waiting();
        }
        if !is_needed {
            self.remove_if_done(id);
        }
    }

    /// Closes a stream if both directions have ended.
    pub(super) fn close_if_ended(&mut self, id: u32) {
        let Some(stream) = self.streams.get(id) else { return };
        if stream.end != End::Sent {
            return;
        }
        if !stream.recv_ended && stream.failed.is_none() {
            if self.role == Role::Client {
                return;
            }
            // The answer is complete, so the rest of the request is not needed (section 8.1).
            self.output.write(|out| frame::write_reset(out, id, Reason::NO_ERROR));
            self.closed_lately.reset(id, stream.recv_window);
            if let Some(stream) = self.streams.get_mut(id) {
                stream.failed = Some(Error::Reset { by: Side::Local, reason: Reason::NO_ERROR });
                self.receiving.end(stream);
                wake_reader(stream, &mut self.wakers, &mut self.woken);
            }
        }
        self.close(id);
    }

    /// Removes a stream that is no longer used.
    pub(crate) fn remove_if_done(&mut self, id: u32) {
        let Some(stream) = self.streams.get(id) else { return };
        if stream.closed && !stream.has_reader && !stream.has_sender {
            // The end of a stream that this end has reset is recorded.
            if stream.failed.is_none() && !stream.reset_when_answered {
                self.closed_lately.ended(id);
            }
            self.remove(id);
        }
    }

    /// Like [`close`](Self::close), for a stream that has ended in both directions and is no longer used.
    pub(super) fn close_and_remove(&mut self, id: u32) {
        self.resets.give_back(EARLY_RESETS);
        self.open -= 1;
        self.wake_waiting();
        self.closed_lately.ended(id);
        self.remove(id);
    }

    #[inline]
    fn remove(&mut self, id: u32) {
        let Self { streams, receiving, woken, turns, accepted, .. } = self;
        streams.remove(id, |stream| {
            receiving.close(stream, stream.opened);
            woken.callers -= usize::from(stream.woken);
            if stream.queued {
                turns.remove(id);
            }
        });
        if streams.shrink() {
            accepted.shrink_to(KEEP_STREAMS);
            turns.shrink_to(KEEP_STREAMS);
        }
    }
}
