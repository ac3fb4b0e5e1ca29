//! Flow control of what comes ([RFC 9113, section 5.2](https://www.rfc-editor.org/rfc/rfc9113#section-5.2)).
//!
//! The window of the connection says nothing about memory: it is given back as DATA comes, so that a body that nobody
//! reads holds up no other. The windows of the streams bound what is not read. Each begins small, because there may be
//! many, and is opened further when a body fills it, as far as [`Options::max_unread`] allows for all of them.

use super::{Connection, Stream};
use crate::frame;
use crate::output::Output;
use crate::{Error, Options, Reason};

/// How much the peer may send on the connection before it hears of more.
pub(super) const CONNECTION_WINDOW: u32 = 8 << 20;

/// A window is opened for a message in steps of this size: one that is opened by a few bytes looks like an attack.
const STEP: u32 = 16 << 10;
/// What stands before a message.
const MESSAGE_HEAD: u64 = 5;

#[derive(Debug)]
pub(super) struct Receiving {
    /// The window that each stream begins with.
    pub(super) initial: u32,
    /// How far the window of a stream is opened.
    max: u32,
    /// By how much all windows may be opened beyond the initial one.
    max_opened: usize,
    /// By how much they are.
    pub(super) opened: usize,
    /// How many bytes of bodies have come, or begun to come, that nobody has read.
    pub(super) unread: usize,
    /// How much the peer may send on the connection.
    pub(super) window: i64,
    /// How much has come since the peer was last told.
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

    /// Nothing more comes on a stream: its window takes only as much as is not read.
    #[inline]
    pub(super) fn end(&mut self, stream: &mut Stream) {
        let unused = stream.recv_window + i64::from(stream.credit);
        self.close(stream, u32::try_from(unused).unwrap_or(0));
        stream.recv_window = 0;
        stream.credit = 0;
    }

    /// Takes back as much of what the window of a stream was opened by.
    #[inline]
    pub(super) fn close(&mut self, stream: &mut Stream, bytes: u32) {
        let closed = stream.opened.min(bytes);
        stream.opened -= closed;
        self.opened -= closed as usize;
    }

    /// So much DATA has come, or begun to come, as the peer may send.
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

    /// By how much to open the window of a stream further: so that its first message fits, and later ones when the window
    /// is half full. It gets a part of what is left, so that others get some, too.
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
    /// DATA has come, or begun to come.
    ///
    /// # Errors
    /// It is more than the peer may send.
    pub(super) fn take_window(&mut self, length: u32) -> Result<(), Error> {
        if i64::from(length) > self.receiving.window {
            let detail = "more DATA than the connection's window";
            return Err(Error::violation(Reason::FLOW_CONTROL_ERROR, detail));
        }
        self.receiving.take(length, &mut self.output);
        Ok(())
    }

    /// Opens the window of a stream further if more comes than it was made for. What has begun to come is a frame of this
    /// length.
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

    /// So much was read of a stream: the peer may send as much again, when that is worth a frame.
    pub(super) fn give_back(&mut self, id: u32, length: u32) {
        self.receiving.unread -= length as usize;
        let Some(stream) = self.streams.get_mut(id) else { return };
        if stream.recv_ended || stream.failed.is_some() {
            self.receiving.close(stream, length);
            return;
        }
        stream.credit += length;
        // What a message has room for already need not be said again.
        let left = stream.left_of_first_message();
        let fits = left > 0 && left <= stream.recv_window.max(0) as u64;
        if !fits && stream.credit >= (self.receiving.initial + stream.opened) / 2 {
            give_credit(stream, id, &mut self.output);
        }
    }
}

/// Where the first message of a body of gRPC ends, which begins with a flag and the message's length; 0 if too little of
/// it is here. A body that is not gRPC's may say anything: it gets no more than any other.
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
