//! The state machine of a connection: bytes in, streams, bytes out. It does no I/O, and reads the clock only for its
//! budgets.

mod closed;
mod control;
mod data;
mod deadlines;
pub(crate) mod direct;
mod ending;
mod flow;
mod going_away;
mod headers;
mod input;
#[cfg(any(test, fuzzing))]
mod invariants;
mod other_protocol;
mod reading;
mod recv;
mod requests;
mod room;
mod send;
mod stream;
mod streams;
mod too_large;
mod turns;
mod unsent;

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use tokio::time::Instant;

use self::closed::ClosedLately;
use self::direct::Direct;
use self::flow::{CONNECTION_WINDOW, Receiving};
use self::going_away::GoingAway;
use self::reading::{Woken, wake_reader};
pub(crate) use self::requests::room_for_one;
pub(crate) use self::stream::Stream;
use self::streams::Streams;
use self::turns::Turns;
use self::unsent::Unsent;
pub(crate) use self::unsent::{Admission, Together};
use crate::budget::Budget;
use crate::decode::MessageDecoder;
use crate::encode::MessageEncoder;
use crate::frame::{self, DEFAULT_WINDOW, MIN_MAX_FRAME_SIZE, PREFACE, setting};
use crate::message::RequestHead;
use crate::output::Output;
use crate::record::Traffic;
use crate::{Error, Options};

/// Which end of the connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Client,
    Server,
}

/// One end of an HTTP/2 connection.
pub(crate) struct Connection {
    role: Role,
    pub(crate) options: Options,
    streams: Streams,
    /// Streams that are open in the protocol.
    open: u32,
    /// Requests that have not been taken.
    accepted: VecDeque<(u32, RequestHead)>,
    /// The highest id the peer has used.
    last_peer_stream: u32,
    /// The id of our next stream.
    next_stream: u32,
    closed_lately: ClosedLately,
    pub(crate) output: Output,
    /// How much of the output consists of answers to the peer's frames, which must not pile up.
    answers: usize,
    /// The output position where this count began. It begins again when everything before it is written.
    answers_counted_from: u64,
    /// To be woken after the lock is released.
    pub(crate) wakers: Vec<Waker>,
    /// Callers that wait for a stream.
    waiting: VecDeque<(u64, Waker)>,
    next_ticket: u64,
    /// Whether some of them wait for the server to read.
    waits_for_output: bool,
    pub(crate) woken: Woken,

    // Receiving.
    received: Received,
    decoder: MessageDecoder,
    block: Option<PartialBlock>,
    data: Option<PartialData>,
    receiving: Receiving,

    // Sending.
    encoder: MessageEncoder,
    peer: PeerSettings,
    send_window: i64,
    unsent: Unsent,
    /// Streams with data to send and a window for it.
    turns: Turns,

    /// How many window updates the DATA sent so far may still cause. A slow peer may send them all at once.
    updates_due: u32,
    control_frames: Budget,
    resets: Budget,

    /// No deadline is earlier than this.
    next_deadline: Option<Instant>,
    going_away: GoingAway,
    /// How much was written before writing failed.
    written: Option<u64>,
    pub(crate) failed: Option<Error>,
    /// The number of bytes read.
    pub(crate) bytes_received: u64,
    /// The number of received frames. A header block counts as one.
    frames: u64,
    /// To be woken when no handler is left.
    when_finished: Vec<Waker>,
    /// Tasks that wait until the connection accepts no more calls.
    when_gone: Vec<Waker>,
    pub(crate) direct: Direct,
}

/// The progress of the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
enum Received {
    Nothing,
    Preface,
    Settings,
}

/// A header block whose end has not come yet.
#[derive(Debug)]
struct PartialBlock {
    stream: u32,
    end_stream: bool,
    bytes: Vec<u8>,
    frames: u32,
}

/// A DATA frame whose end has not come yet.
#[derive(Debug)]
struct PartialData {
    stream: u32,
    /// Whether the data is needed.
    wanted: bool,
    left: u32,
    padding: u32,
    end_stream: bool,
    /// Whether nothing of it has been processed.
    untouched: bool,
}

#[derive(Debug)]
struct PeerSettings {
    initial_window: u32,
    max_frame_size: u32,
    max_concurrent_streams: u32,
    max_header_list_size: u32,
}

/// How many control frames a message allows: a WINDOW_UPDATE for its stream, one for the connection, a PING, and one
/// other.
const PER_MESSAGE: u32 = 4;
/// How many streams that are reset before their handler is called count as one that is reset for breaking a rule. They
/// only cost the reading of their headers.
const EARLY_RESETS: u32 = 32;
/// The capacity for streams that a connection without streams keeps.
const KEEP_STREAMS: usize = 64;
pub(crate) const KEEPALIVE_PING: [u8; 8] = *b"anybody?";

impl Connection {
    pub(crate) fn new(role: Role, options: Options) -> Self {
        let mut connection = Self {
            role,
            streams: Streams::default(),
            open: 0,
            accepted: VecDeque::new(),
            last_peer_stream: 0,
            next_stream: 1,
            closed_lately: ClosedLately::new(),
            output: Output::default(),
            answers: 0,
            answers_counted_from: 0,
            wakers: Vec::new(),
            waiting: VecDeque::new(),
            next_ticket: 0,
            waits_for_output: false,
            woken: Woken::default(),
            received: if role == Role::Server { Received::Nothing } else { Received::Preface },
            decoder: MessageDecoder::new(options.header_table_size, options.max_header_list_size),
            block: None,
            data: None,
            receiving: Receiving::new(&options),
            encoder: MessageEncoder::new(Arc::clone(&options.user_agent)),
            peer: PeerSettings {
                initial_window: DEFAULT_WINDOW,
                max_frame_size: MIN_MAX_FRAME_SIZE,
                // Section 6.5.2 recommends that servers allow at least this many.
                max_concurrent_streams: 100,
                max_header_list_size: u32::MAX,
            },
            send_window: DEFAULT_WINDOW.into(),
            unsent: Unsent::new(role, &options),
            turns: Turns::default(),
            updates_due: 0,
            control_frames: Budget::new(options.max_control_frames.0, options.max_control_frames.1),
            resets: Budget::new(
                options.max_resets.0.saturating_mul(EARLY_RESETS),
                options.max_resets.1.saturating_mul(EARLY_RESETS),
            ),
            next_deadline: None,
            going_away: GoingAway::default(),
            written: None,
            failed: None,
            bytes_received: 0,
            frames: 0,
            when_finished: Vec::new(),
            when_gone: Vec::new(),
            direct: Direct::default(),
            options,
        };
        connection.begin();
        connection
    }

    fn begin(&mut self) {
        let Options {
            max_concurrent_streams, max_frame_size, max_header_list_size, header_table_size, ..
        } = self.options;
        let role = match self.role {
            Role::Client => (setting::ENABLE_PUSH, 0),
            Role::Server => (setting::MAX_CONCURRENT_STREAMS, max_concurrent_streams),
        };
        let settings = [
            role,
            (setting::INITIAL_WINDOW_SIZE, self.receiving.initial),
            (setting::MAX_FRAME_SIZE, max_frame_size),
            (setting::MAX_HEADER_LIST_SIZE, max_header_list_size),
            (setting::HEADER_TABLE_SIZE, header_table_size),
        ];
        self.output.write(|out| {
            if self.role == Role::Client {
                out.extend_from_slice(PREFACE);
            }
            frame::write_settings(out, &settings);
            frame::write_window_update(out, 0, CONNECTION_WINDOW - DEFAULT_WINDOW);
        });
    }

    pub(crate) fn stream(&self, id: u32) -> Option<&Stream> {
        self.streams.get(id)
    }

    pub(crate) fn stream_mut(&mut self, id: u32) -> Option<&mut Stream> {
        self.streams.get_mut(id)
    }

    /// Whether the peer has started HTTP/2.
    pub(crate) fn is_established(&self) -> bool {
        self.received == Received::Settings
    }

    /// Whether no call is active.
    pub(crate) fn is_idle(&self) -> bool {
        self.streams.is_empty()
    }

    /// A number that changes with the calls. While it is the same and no call is active, there was none in between.
    pub(crate) fn activity(&self) -> u64 {
        u64::from(self.last_peer_stream) * 2 + u64::from(!self.is_idle())
    }

    /// The number of calls that the peer has begun, from its last stream id: a client numbers them 1, 3, 5 …
    pub(crate) fn peers_calls(&self) -> u64 {
        u64::from(self.last_peer_stream).div_ceil(2)
    }

    /// The traffic so far.
    pub(crate) fn traffic(&self) -> Traffic {
        let calls = match self.role {
            Role::Server => self.peers_calls(),
            Role::Client => u64::from(self.calls_begun()),
        };
        Traffic { bytes_received: self.bytes_received, bytes_sent: self.output.all_written(), calls }
    }

    /// The number of calls that this end has begun.
    pub(crate) fn calls_begun(&self) -> u32 {
        self.next_stream / 2
    }

    /// The number of the frame that the peer has begun and not finished, unless it is DATA. `rest` is the data not
    /// taken yet. A header block counts as one frame.
    pub(crate) fn unfinished(&self, rest: &[u8]) -> Option<u64> {
        (self.block.is_some() || self.data.is_none() && !rest.is_empty()).then_some(self.frames)
    }
}
