//! The state machine of a connection: bytes in, streams, bytes out. It does no I/O and looks at no clock but for
//! its budgets.

mod closed;
mod control;
mod data;
mod deadlines;
pub(crate) mod direct;
mod flow;
mod headers;
mod input;
#[cfg(any(test, fuzzing))]
mod invariants;
mod other_protocol;
mod recv;
mod send;
mod stream;
mod streams;
mod too_large;
mod unsent;

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use tokio::time::Instant;

use self::closed::ClosedLately;
use self::direct::Direct;
use self::flow::{CONNECTION_WINDOW, Receiving};
use self::stream::End;
pub(crate) use self::stream::Stream;
use self::streams::Streams;
use self::unsent::Unsent;
pub(crate) use self::unsent::{Admission, Together};
use crate::budget::Budget;
use crate::decode::MessageDecoder;
use crate::encode::MessageEncoder;
use crate::frame::{self, DEFAULT_WINDOW, MAX_WINDOW, MIN_MAX_FRAME_SIZE, PREFACE, setting};
use crate::message::RequestHead;
use crate::output::Output;
use crate::pieces::Pieces;
use crate::{Error, Options, Reason, Side};

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
    /// Streams that the protocol is not through with.
    open: u32,
    /// Requests that nobody has looked at yet.
    accepted: VecDeque<(u32, RequestHead)>,
    /// The highest id the peer has used.
    last_peer_stream: u32,
    /// The id of our next stream.
    next_stream: u32,
    closed_lately: ClosedLately,
    pub(crate) output: Output,
    /// How much of the output is answers to frames of the peer: it can make us answer, but not pile answers up.
    answers: usize,
    /// Where in all that goes their count has begun. It begins again when everything before is written.
    answers_counted_from: u64,
    /// To be woken once the lock is released.
    pub(crate) wakers: Vec<Waker>,
    /// Callers that wait for a stream.
    waiting: VecDeque<(u64, Waker)>,
    next_ticket: u64,
    /// Some of them wait until the server has read.
    waits_for_output: bool,
    /// Callers that were woken and have not run yet.
    pub(crate) woken: usize,

    // What comes.
    received: Received,
    decoder: MessageDecoder,
    block: Option<PartialBlock>,
    data: Option<PartialData>,
    receiving: Receiving,

    // What goes.
    encoder: MessageEncoder,
    peer: PeerSettings,
    send_window: i64,
    unsent: Unsent,
    /// Streams that have something to send and a window for it, in turn.
    queue: VecDeque<u32>,

    /// How many times the peer may open a window because of the DATA that it got. It may be slow to tell, and they are
    /// due all at once then.
    updates_due: u32,
    control_frames: Budget,
    resets: Budget,

    /// No deadline of a call passes before.
    next_deadline: Option<Instant>,
    going_away: GoingAway,
    /// How much was written before nothing more could be.
    written: Option<u64>,
    pub(crate) failed: Option<Error>,
    /// The frames that have come; a block of headers counts as one.
    frames: u64,
    /// To be woken when no handler is left.
    when_finished: Vec<Waker>,
    pub(crate) direct: Direct,
}

/// How far the handshake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
enum Received {
    Nothing,
    Preface,
    Settings,
}

/// A block of headers whose end has not come yet.
#[derive(Debug)]
struct PartialBlock {
    stream: u32,
    end_stream: bool,
    bytes: Vec<u8>,
    frames: u32,
}

/// A frame of DATA whose end has not come yet.
#[derive(Debug)]
struct PartialData {
    stream: u32,
    /// Whether anybody wants it.
    wanted: bool,
    left: u32,
    padding: u32,
    end_stream: bool,
    /// Nothing of it has been looked at.
    untouched: bool,
}

#[derive(Debug)]
struct PeerSettings {
    initial_window: u32,
    max_frame_size: u32,
    max_concurrent_streams: u32,
    max_header_list_size: u32,
}

/// How far the end of the connection is.
#[derive(Debug, Default)]
struct GoingAway {
    /// We have said that we go, but still take what the peer has sent before it heard that.
    announced: bool,
    /// We have said which stream was the last one.
    last_stream: Option<u32>,
    /// The peer goes.
    peer: Option<Error>,
}

/// How many control frames a message allows for: a WINDOW_UPDATE of its stream, one of the connection, a PING, and
/// something else.
const PER_MESSAGE: u32 = 4;
/// How many streams that are reset before anybody has looked at them count as one that is reset for breaking a rule: they
/// cost no more than to read their headers.
const EARLY_RESETS: u32 = 32;
/// How many streams a connection has room for when it has none.
const KEEP_STREAMS: usize = 64;
/// The payload of the ping that finds out when the peer has heard that we go.
const DRAIN_PING: [u8; 8] = *b"goodbye!";
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
            woken: 0,
            received: if role == Role::Server { Received::Nothing } else { Received::Preface },
            decoder: MessageDecoder::new(options.header_table_size, options.max_header_list_size),
            block: None,
            data: None,
            receiving: Receiving::new(&options),
            encoder: MessageEncoder::new(),
            peer: PeerSettings {
                initial_window: DEFAULT_WINDOW,
                max_frame_size: MIN_MAX_FRAME_SIZE,
                // What section 6.5.2 advises a server to allow at least.
                max_concurrent_streams: 100,
                max_header_list_size: u32::MAX,
            },
            send_window: DEFAULT_WINDOW.into(),
            unsent: Unsent::new(role, &options),
            queue: VecDeque::new(),
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
            frames: 0,
            when_finished: Vec::new(),
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

    /// The next request that nobody has looked at.
    pub(crate) fn accept(&mut self) -> Option<(u32, RequestHead)> {
        let (id, head) = self.accepted.pop_front()?;
        if let Some(stream) = self.streams.get_mut(id) {
            stream.accepted = true;
        }
        Some((id, head))
    }

    /// Forgets a stream that is over before anybody has looked at it.
    fn forget_request(&mut self, id: u32) {
        if let Ok(place) = self.accepted.binary_search_by_key(&id, |(id, _)| *id) {
            self.accepted.remove(place);
            self.disown(id);
        } else {
            self.forget_direct(id);
        }
    }

    pub(crate) fn stream(&self, id: u32) -> Option<&Stream> {
        self.streams.get(id)
    }

    pub(crate) fn stream_mut(&mut self, id: u32) -> Option<&mut Stream> {
        self.streams.get_mut(id)
    }

    /// The peer has begun with HTTP/2.
    pub(crate) fn is_established(&self) -> bool {
        self.received == Received::Settings
    }

    /// A request can be sent now.
    pub(crate) fn has_room(&self) -> bool {
        self.accepts_calls() && self.open < self.peer.max_concurrent_streams && !self.is_output_full()
    }

    /// The peer has to read before it gets more.
    fn is_output_full(&self) -> bool {
        self.output.len() > self.options.max_output.saturating_add(send::MAX_DATA)
    }

    /// Everything is written.
    pub(crate) fn output_is_empty(&mut self) {
        if std::mem::take(&mut self.waits_for_output) {
            self.wake_all_waiting();
        }
    }

    /// Requests can be sent, now or later.
    pub(crate) fn accepts_calls(&self) -> bool {
        self.failed.is_none()
            && self.going_away.peer.is_none()
            && !self.going_away.announced
            && self.next_stream <= MAX_WINDOW
    }

    /// Waits until [`has_room`](Self::has_room) may have changed; the ticket is for
    /// [`stop_waiting`](Self::stop_waiting).
    pub(crate) fn wait_for_room(&mut self, waker: &Waker) -> u64 {
        self.waits_for_output |= self.is_output_full();
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.waiting.push_back((ticket, waker.clone()));
        ticket
    }

    /// The holder of the ticket does not wait any more. If it was woken, it may not need the room that it was woken for:
    /// because it is given up, or because it had begun before. Then the next one gets that.
    pub(crate) fn stop_waiting(&mut self, ticket: u64) {
        // Tickets are counted up.
        match self.waiting.binary_search_by_key(&ticket, |(waiting, _)| *waiting) {
            Ok(place) => _ = self.waiting.remove(place),
            Err(_) if self.has_room() => self.wake_waiting(),
            Err(_) => self.waits_for_output |= self.is_output_full(),
        }
    }

    /// The next one of those that wait for a stream may look again.
    pub(crate) fn wake_waiting(&mut self) {
        if let Some((_, waker)) = self.waiting.pop_front() {
            self.wakers.push(waker);
        }
    }

    pub(crate) fn wake_all_waiting(&mut self) {
        self.wakers.extend(self.waiting.drain(..).map(|(_, waker)| waker));
    }

    /// Nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.streams.is_empty()
    }

    /// How many calls are being answered.
    pub(crate) fn running(&self) -> usize {
        let all = self.streams.iter().filter(|stream| stream.has_sender).count();
        all.saturating_sub(self.accepted.len() + self.direct.waiting())
    }

    /// Waits until none is.
    pub(crate) fn poll_finished(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.running() == 0 {
            return Poll::Ready(());
        }
        if !self.when_finished.iter().any(|waker| waker.will_wake(cx.waker())) {
            self.when_finished.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Why it has failed, or goes away.
    pub(crate) fn failure(&self) -> Option<&Error> {
        self.failed.as_ref().or(self.going_away.peer.as_ref())
    }

    /// What the peer has given the connection up for.
    pub(crate) fn peers_error(&self) -> Option<&Error> {
        let is_error = |said: &&Error| !matches!(said, Error::GoAway { reason: Reason::NO_ERROR, .. });
        self.going_away.peer.as_ref().filter(is_error)
    }

    /// What calls there are, and were: while it stays the same and nothing is under way, nothing was.
    pub(crate) fn activity(&self) -> u64 {
        u64::from(self.last_peer_stream) * 2 + u64::from(!self.is_idle())
    }

    /// Which frame the peer has begun and not ended, if it is not DATA; `rest` is what has not been taken. A block of
    /// headers is one frame.
    pub(crate) fn unfinished(&self, rest: &[u8]) -> Option<u64> {
        (self.block.is_some() || self.data.is_none() && !rest.is_empty()).then_some(self.frames)
    }

    /// The peer has not said yet that it has heard of the end.
    pub(crate) fn is_waiting_to_drain(&self) -> bool {
        self.going_away.announced && self.going_away.last_stream.is_none()
    }

    /// Takes no more streams, once the peer has heard of it, and why; those that are there go on.
    pub(crate) fn go_away(&mut self, detail: &str) {
        if self.going_away.announced || self.failed.is_some() {
            return;
        }
        self.going_away.announced = true;
        match self.role {
            Role::Server if self.received == Received::Settings => self.output.write(|out| {
                frame::write_goaway(out, MAX_WINDOW, Reason::NO_ERROR, detail);
                frame::write_ping(out, DRAIN_PING, false);
            }),
            _ => self.say_last_stream(),
        }
    }

    /// Takes no more streams from now on.
    pub(crate) fn say_last_stream(&mut self) {
        let last = self.last_peer_stream;
        self.going_away.last_stream = Some(last);
        self.output.write(|out| frame::write_goaway(out, last, Reason::NO_ERROR, ""));
    }

    /// Everything has been said, and everybody has heard it.
    pub(crate) fn is_over(&self) -> bool {
        let goes = self.going_away.last_stream.is_some() || self.going_away.peer.is_some();
        self.failed.is_some() || goes && self.streams.is_empty()
    }

    /// Nothing more can be written. What the peer has said before can still be read, and tells what becomes of the calls.
    pub(crate) fn writing_failed(&mut self) {
        self.going_away.announced = true;
        if self.role == Role::Server {
            // Nobody would get the answers.
            self.going_away.last_stream.get_or_insert(self.last_peer_stream);
        }
        self.written.get_or_insert(self.output.all_written());
        self.output.clear();
        self.wake_all_waiting();
    }

    /// Tells the client which of its calls nobody will look at, when there is no time for more.
    pub(crate) fn break_off(&mut self) {
        let known = self.failed.is_some() || self.going_away.last_stream.is_some();
        if self.role == Role::Server && self.is_established() && !known {
            self.say_last_stream();
        }
    }

    /// Ends the connection, and all that is under way on it.
    pub(crate) fn fail(&mut self, error: Error) {
        if self.failed.is_some() {
            return;
        }
        let told = match &error {
            Error::GoAway { by: Side::Local, reason, detail } => Some((*reason, detail.as_str())),
            Error::NotHttp2(detail) => Some((Reason::PROTOCOL_ERROR, *detail)),
            _ => None,
        };
        if let Some((reason, detail)) = told {
            let last = self.going_away.last_stream.unwrap_or(self.last_peer_stream);
            self.output.write(|out| frame::write_goaway(out, last, reason, detail));
        }
        let error = match (&self.going_away.peer, error) {
            // What the peer has said of the end tells more than that it came.
            (Some(said), Error::Closed | Error::Io(_)) => said.clone(),
            (None, end) if self.role == Role::Client && !self.is_established() && end.is_end_of_peer() => {
                Error::ClosedAtOnce
            }
            (_, error) => error,
        };
        let streams: Vec<_> = self.streams.iter().map(|stream| (stream.id, stream.begins_at)).collect();
        for (id, begins_at) in streams {
            // The server has not heard of a call of which nothing was written.
            let unheard =
                self.role == Role::Client && self.written.is_some_and(|written| begins_at >= written);
            self.fail_stream(id, if unheard { Error::Unprocessed } else { error.clone() });
        }
        self.wake_all_waiting();
        self.failed = Some(error);
    }

    /// A stream is over before its end.
    fn fail_stream(&mut self, id: u32, error: Error) {
        if self.role == Role::Client {
            self.demote(id);
        }
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

    /// The protocol is through with a stream.
    fn close(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(id)
            && !stream.closed
        {
            stream.closed = true;
            if stream.failed.is_none() {
                self.resets.give_back(EARLY_RESETS);
            }
            self.open -= 1;
            self.wake_waiting();
        }
        self.remove_if_done(id);
    }

    /// Closes a stream if both of its directions are over.
    fn close_if_ended(&mut self, id: u32) {
        let Some(stream) = self.streams.get(id) else { return };
        if stream.end != End::Sent {
            return;
        }
        if !stream.recv_ended && stream.failed.is_none() {
            if self.role == Role::Client {
                return;
            }
            // The answer is complete: the rest of the request need not come (section 8.1).
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

    /// Forgets a stream that nobody needs any more.
    pub(crate) fn remove_if_done(&mut self, id: u32) {
        let Some(stream) = self.streams.get(id) else { return };
        if stream.closed && !stream.has_reader && !stream.has_sender {
            if stream.failed.is_none() {
                self.closed_lately.ended(id);
            }
            let Self { streams, receiving, woken, queue, accepted, .. } = self;
            streams.remove(id, |stream| {
                receiving.close(stream, stream.opened);
                *woken -= usize::from(stream.woken);
                if stream.queued {
                    queue.retain(|queued| *queued != id);
                }
            });
            if streams.shrink() {
                accepted.shrink_to(KEEP_STREAMS);
                queue.shrink_to(KEEP_STREAMS);
            }
        }
    }

    /// The caller that waits for what comes on a stream runs.
    pub(crate) fn reader_runs(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(id)
            && stream.woken
        {
            stream.woken = false;
            self.woken -= 1;
        }
    }

    /// The reader of a stream is gone; what it has not read counts as read.
    pub(crate) fn drop_reader(&mut self, id: u32) {
        self.reader_runs(id);
        let Some(stream) = self.streams.get_mut(id) else { return };
        stream.has_reader = false;
        stream.recv_waker = None;
        let unread = stream.drop_unread();
        self.give_back(id, unread as u32);
        self.remove_if_done(id);
    }

    /// What comes is complete, and small: the reader gets all of it at once, and need not come back.
    pub(crate) fn take_all(&mut self, id: u32) -> Option<(Pieces, Option<HeaderMap>)> {
        const SMALL: u64 = 16 * 1024;
        let stream = self.streams.get_mut(id)?;
        if !stream.recv_ended || stream.received > SMALL {
            return None;
        }
        let all = (std::mem::take(&mut stream.data), stream.trailers.take());
        let length = stream.received as u32;
        stream.has_reader = false;
        self.give_back(id, length);
        self.remove_if_done(id);
        Some(all)
    }

    /// The next piece of a body.
    pub(crate) fn take_data(&mut self, id: u32) -> Option<Bytes> {
        let data = self.streams.get_mut(id)?.data.pop()?;
        self.give_back(id, data.len() as u32);
        Some(data)
    }
}

/// A queue that is used makes room for four, and most connections have one call at a time.
pub(crate) fn room_for_one<T>(queue: &mut VecDeque<T>) {
    if queue.capacity() == 0 {
        queue.reserve_exact(1);
    }
}

/// Wakes whoever waits for what comes on a stream, and counts a caller that will probably call again.
fn wake_reader(stream: &mut Stream, wakers: &mut Vec<Waker>, woken: &mut usize) {
    if let Some(waker) = stream.recv_waker.take() {
        wakers.push(waker);
        if !stream.woken {
            stream.woken = true;
            *woken += 1;
        }
    }
}
