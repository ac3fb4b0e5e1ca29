//! Received frames without a message ([RFC 9113, sections 6.3 to
//! 6.9](https://www.rfc-editor.org/rfc/rfc9113#section-6.3)).

use super::going_away::DRAIN_PING;
use super::recv::Result;
use super::stream::End;
use super::{Connection, Role};
use crate::frame::{self, Head, MAX_MAX_FRAME_SIZE, MAX_WINDOW, MIN_MAX_FRAME_SIZE, flag, setting};
use crate::{Error, Reason, Side};

impl Connection {
    pub(super) fn priority(&mut self, head: Head) -> Result {
        if head.stream == 0 {
            return Err(Error::protocol("PRIORITY on stream 0"));
        }
        expect_length(head, 5)?;
        self.spend()
    }

    pub(super) fn reset_stream(&mut self, head: Head, payload: &[u8]) -> Result {
        let id = head.stream;
        expect_length(head, 4)?;
        if id == 0 {
            return Err(Error::protocol("RST_STREAM on stream 0"));
        }
        if self.is_idle_stream(id) {
            return Err(Error::protocol("RST_STREAM on a stream that is not open"));
        }
        let may_reset = self.closed_lately.take_reset();
        let Some(stream) = self.streams.get(id).filter(|stream| !stream.closed) else {
            return self.spend_if(!may_reset);
        };
        // A stream whose handler was called has cost as much as a call.
        if !stream.accepted {
            self.spend_resets(1)?;
        }
        let Some(stream) = self.streams.get_mut(id) else { return Ok(()) };
        let reason = Reason::from(number(payload));
        if stream.recv_ended && self.role == Role::Client {
            // The response is complete, and the client does not want the rest of the request.
            self.unsent.drop_pending(stream);
            stream.end = End::Sent;
            self.wakers.extend(stream.send_waker.take());
            self.close(id);
        } else {
            self.closed_lately.ended(id);
            self.fail_stream(id, Error::Reset { by: Side::Peer, reason });
        }
        Ok(())
    }

    pub(super) fn settings(&mut self, head: Head, payload: &[u8]) -> Result {
        if head.stream != 0 {
            return Err(Error::protocol("SETTINGS on a stream"));
        }
        if head.has(flag::ACK) {
            expect_length(head, 0)?;
            return self.spend();
        }
        let (settings, []) = payload.as_chunks::<6>() else {
            return Err(Error::violation(
                Reason::FRAME_SIZE_ERROR,
                "the length of SETTINGS is not a multiple of 6",
            ));
        };
        self.spend()?;
        let mut initial_window = self.peer.initial_window;
        for [i0, i1, v0, v1, v2, v3] in settings {
            let value = u32::from_be_bytes([*v0, *v1, *v2, *v3]);
            match u16::from_be_bytes([*i0, *i1]) {
                setting::HEADER_TABLE_SIZE => self.encoder.set_max_table_size(value),
                setting::ENABLE_PUSH if value > 1 || value == 1 && self.role == Role::Client => {
                    return Err(Error::protocol("an invalid SETTINGS_ENABLE_PUSH"));
                }
                setting::MAX_CONCURRENT_STREAMS => self.peer.max_concurrent_streams = value,
                setting::INITIAL_WINDOW_SIZE if value > MAX_WINDOW => {
                    let detail = "an invalid SETTINGS_INITIAL_WINDOW_SIZE";
                    return Err(Error::violation(Reason::FLOW_CONTROL_ERROR, detail));
                }
                setting::INITIAL_WINDOW_SIZE => initial_window = value,
                setting::MAX_FRAME_SIZE if !(MIN_MAX_FRAME_SIZE..=MAX_MAX_FRAME_SIZE).contains(&value) => {
                    return Err(Error::protocol("an invalid SETTINGS_MAX_FRAME_SIZE"));
                }
                setting::MAX_FRAME_SIZE => self.peer.max_frame_size = value,
                setting::MAX_HEADER_LIST_SIZE => self.peer.max_header_list_size = value,
                _ => {}
            }
        }
        self.set_initial_window(initial_window)?;
        self.wake_all_waiting();
        self.answer(frame::write_settings_ack)
    }

    /// Called once for all values in a frame, because it visits all streams.
    fn set_initial_window(&mut self, window: u32) -> Result {
        let change = i64::from(window) - i64::from(self.peer.initial_window);
        if change == 0 {
            return Ok(());
        }
        self.peer.initial_window = window;
        for stream in self.streams.iter_mut().filter(|stream| !stream.closed) {
            stream.send_window += change;
            if stream.send_window > i64::from(MAX_WINDOW) {
                return Err(Error::violation(Reason::FLOW_CONTROL_ERROR, "SETTINGS makes a window overflow"));
            }
            if stream.send_window > 0 && !stream.pending.is_empty() && !stream.queued {
                stream.queued = true;
                self.turns.add(stream.id);
            }
        }
        Ok(())
    }

    pub(super) fn receive_ping(&mut self, head: Head, payload: &[u8]) -> Result {
        expect_length(head, 8)?;
        if head.stream != 0 {
            return Err(Error::protocol("PING on a stream"));
        }
        let Some(payload) = payload.first_chunk() else { return Ok(()) };
        self.spend()?;
        if !head.has(flag::ACK) {
            return self.answer(|out| frame::write_ping(out, *payload, true));
        }
        if *payload == DRAIN_PING && self.going_away.announced && self.going_away.last_stream.is_none() {
            self.drain_confirmed();
        }
        Ok(())
    }

    pub(super) fn goaway(&mut self, head: Head, payload: &[u8]) -> Result {
        if head.stream != 0 {
            return Err(Error::protocol("GOAWAY on a stream"));
        }
        let Some((last, rest)) = payload.split_first_chunk::<4>() else {
            return Err(Error::violation(Reason::FRAME_SIZE_ERROR, "GOAWAY is too short"));
        };
        let Some((reason, detail)) = rest.split_first_chunk::<4>() else {
            return Err(Error::violation(Reason::FRAME_SIZE_ERROR, "GOAWAY is too short"));
        };
        self.spend()?;
        let last = number(last) & MAX_WINDOW;
        let detail = String::from_utf8_lossy(&detail[..detail.len().min(256)]).into_owned();
        self.going_away.peer =
            Some(Error::GoAway { by: Side::Peer, reason: Reason::from(number(reason)), detail });
        if self.role == Role::Client {
            let unprocessed = self.streams.iter().map(|stream| stream.id).filter(|id| *id > last);
            let unprocessed: Vec<u32> = unprocessed.collect();
            for id in unprocessed {
                let window = self.streams.get(id).map_or(0, |stream| stream.recv_window);
                self.closed_lately.reset(id, window);
                self.fail_stream(id, Error::Unprocessed);
            }
        }
        self.wake_all_waiting();
        Ok(())
    }

    pub(super) fn window_update(&mut self, head: Head, payload: &[u8]) -> Result {
        let id = head.stream;
        expect_length(head, 4)?;
        match self.updates_due.checked_sub(1) {
            Some(left) => self.updates_due = left,
            None => self.spend()?,
        }
        let increment = i64::from(number(payload) & MAX_WINDOW);
        if id == 0 {
            if increment == 0 {
                return Err(Error::protocol("WINDOW_UPDATE of 0"));
            }
            self.send_window += increment;
            if self.send_window > i64::from(MAX_WINDOW) {
                return Err(Error::violation(
                    Reason::FLOW_CONTROL_ERROR,
                    "the connection's window overflows",
                ));
            }
            return Ok(());
        }
        let Some(stream) = self.streams.get_mut(id) else {
            if self.is_idle_stream(id) {
                return Err(Error::protocol("WINDOW_UPDATE on a stream that is not open"));
            }
            return Ok(());
        };
        if stream.failed.is_some() {
            return Ok(());
        }
        if increment == 0 {
            return self.stream_error(id, Reason::PROTOCOL_ERROR);
        }
        stream.send_window += increment;
        if stream.send_window > i64::from(MAX_WINDOW) {
            return self.stream_error(id, Reason::FLOW_CONTROL_ERROR);
        }
        if stream.send_window > 0 && !stream.pending.is_empty() && !stream.queued {
            stream.queued = true;
            self.turns.add(id);
        }
        Ok(())
    }
}

fn expect_length(head: Head, length: u32) -> Result {
    if head.length == length {
        return Ok(());
    }
    let detail = format!("a frame of type {} with {} bytes", head.kind, head.length);
    Err(Error::violation(Reason::FRAME_SIZE_ERROR, detail))
}

/// The four bytes of a frame whose length has been checked.
fn number(payload: &[u8]) -> u32 {
    payload.first_chunk().copied().map_or(0, u32::from_be_bytes)
}
