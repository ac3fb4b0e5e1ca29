//! Flow control for received data ([RFC 9113, section 5.2](https://www.rfc-editor.org/rfc/rfc9113#section-5.2)).
//!
//! The connection's window does not limit memory. It is given back as DATA arrives, so that an unread body does not
//! block the others. The streams' windows limit unread data. Each starts small, because there may be many, and grows
//! when a body fills it, within [`Options::max_unread`] for all of them.

use super::{Connection, Stream};
use crate::frame;
use crate::output::Output;
use crate::{Error, Options, Reason};

/// How much the peer may send on the connection before it receives a WINDOW_UPDATE.
pub(super) const CONNECTION_WINDOW: u32 = 8 << 20;

/// Windows are opened for a message in steps of this size, because updates of a few bytes look like an attack.
const STEP: u32 = 16 << 10;
/// The length of a message's prefix.
const MESSAGE_HEAD: u64 = 5;

#[derive(Debug)]
pub(super) struct Receiving {
    /// The initial window of each stream.
    pub(super) initial: u32,
    /// The maximum window of a stream.
    max: u32,
    /// The maximum growth of all windows together.
    max_opened: usize,
    /// Their current growth.
    pub(super) opened: usize,
    /// The number of bytes of bodies that have come, or begun to come, and are unread.
    pub(super) unread: usize,
    /// How much the peer may send on the connection.
    pub(super) window: i64,
    /// How much has come since the last WINDOW_UPDATE.
    pub(super) credit: u32,
}

impl Receiving {
    pub(super) fn new(options: &Options) -> Self {
        let (initial, max) = options.stream_windows();
        Self {
            initial,
            max,
            max_opened: options.max_unread,
            opened: 0,
            unread: 0,
            window: CONNECTION_WINDOW.into(),
            credit: 0,
        }
    }

    /// The stream receives nothing more, so its window counts only for unread data.
    #[inline]
    pub(super) fn end(&mut self, stream: &mut Stream) {
        let unused = stream.recv_window + i64::from(stream.credit);
        self.close(stream, u32::try_from(unused).unwrap_or(0));
        stream.recv_window = 0;
        stream.credit = 0;
    }

    /// Gives back up to `growth` bytes of a stream's window growth.
    #[inline]
    pub(super) fn close(&mut self, stream: &mut Stream, bytes: u32) {
        let closed = stream.opened.min(bytes);
        stream.opened -= closed;
        self.opened -= closed as usize;
    }

    /// Counts DATA that has come, or begun to come.
    #[inline]
    pub(super) fn take(&mut self, length: u32, output: &mut Output) {
        self.window -= i64::from(length);
        self.credit += length;
        if self.credit >= CONNECTION_WINDOW / 2 {
            let credit = std::mem::take(&mut self.credit);
            self.window += i64::from(credit);
            output.write(|out| frame::write_window_update(out, 0, credit));
        }
    }

    /// How much to open the window of a stream: enough for its first message, and for later ones when the window is
    /// half full. It gets a share of the remaining growth, so that other streams get some, too.
    fn growth(&self, stream: &Stream) -> u32 {
        let size = self.initial + stream.opened;
        let window = stream.recv_window + i64::from(stream.credit);
        let wanted = match stream.left_of_first_message() {
            // Most bodies are one message.
            0 if window > i64::from(size / 2) || stream.received == stream.first_message => 0,
            0 => u32::MAX,
            left => {
                let missing = u32::try_from(left.saturating_sub(window.max(0) as u64)).unwrap_or(u32::MAX);
                missing.checked_next_multiple_of(STEP).unwrap_or(u32::MAX)
            }
        };
        if !stream.has_reader || wanted == 0 {
            return 0;
        }
        let left = self.max_opened.saturating_sub(self.opened) / 4;
        let growth = wanted.min(self.max - size).min(u32::try_from(left).unwrap_or(u32::MAX));
        if growth >= wanted.min(self.initial / 2) { growth } else { 0 }
    }
}

impl Connection {
    /// Counts DATA against the connection's window when it has come, or begun to come.
    ///
    /// # Errors
    /// The peer exceeds the window.
    pub(super) fn take_window(&mut self, length: u32) -> Result<(), Error> {
        if i64::from(length) > self.receiving.window {
            let detail = "DATA exceeds the connection's window";
            return Err(Error::violation(Reason::FLOW_CONTROL_ERROR, detail));
        }
        self.receiving.take(length, &mut self.output);
        Ok(())
    }

    /// Opens the window of a stream if its data does not fit. A frame of length `frame` has begun to come.
    pub(super) fn open_window(&mut self, id: u32, frame: u32, beginning: &[u8]) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        if stream.received == u64::from(frame) {
            stream.first_message = message_end(beginning);
        }
        let growth = self.receiving.growth(stream);
        if growth > 0 {
            stream.opened += growth;
            self.receiving.opened += growth as usize;
            stream.credit += growth;
            give_credit(stream, id, &mut self.output);
        }
    }

    /// `length` bytes of a stream were read. The peer may send as much again, once that is worth a frame.
    pub(super) fn give_back(&mut self, id: u32, length: u32) {
        self.receiving.unread -= length as usize;
        let Some(stream) = self.streams.get_mut(id) else { return };
        if stream.recv_ended || stream.failed.is_some() {
            self.receiving.close(stream, length);
            return;
        }
        stream.credit += length;
        // Data that has room within the current message needs no update.
        let left = stream.left_of_first_message();
        let fits = left > 0 && left <= stream.recv_window.max(0) as u64;
        if !fits && stream.credit >= (self.receiving.initial + stream.opened) / 2 {
            give_credit(stream, id, &mut self.output);
        }
    }
}

/// Where the first message of a gRPC body ends, from the flag and length in its prefix; 0 if too little has come. Other
/// bodies may contain anything there; that gains them no more window than others.
fn message_end(beginning: &[u8]) -> u64 {
    match beginning {
        [_, a, b, c, d, ..] => MESSAGE_HEAD + u64::from(u32::from_be_bytes([*a, *b, *c, *d])),
        _ => 0,
    }
}

fn give_credit(stream: &mut Stream, id: u32, output: &mut Output) {
    let credit = std::mem::take(&mut stream.credit);
    stream.recv_window += i64::from(credit);
    output.write(|out| frame::write_window_update(out, id, credit));
}
