use std::task::Waker;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::script::Script;
use super::wire::Peer;
use crate::connection::{Connection, Role};
use crate::encode::Start;
use crate::frame::{HEAD, Head, PREFACE, kind};
use crate::output::SLICES;
use crate::pieces::Pieces;
use crate::{Options, Reason};

/// A connection without I/O. The result must depend only on the received bytes and on the actions of this end, not on
/// how the bytes were split. The [invariants](Connection::check_invariants) must hold after each step.
pub fn frames(input: &[u8]) {
    let mut script = Script::new(input);
    let role = if script.flag() { Role::Client } else { Role::Server };
    let small = script.rarely(4);
    let cuts: Vec<usize> = (0..4).map(|_| usize::from(script.byte()) + 1).collect();
    let (mut peer, hello) = Peer::of(role, &mut script);
    let mut steps = vec![Step::Receive(hello)];
    while !script.is_over() {
        steps.push(match script.below(3) {
            0 => Step::Act(Act::of(role, &mut script)),
            _ => Step::Receive(peer.next(&mut script)),
        });
    }
    let whole = run(role, small, &steps, &[usize::MAX]);
    let pieces = run(role, small, &steps, &cuts);
    // The time of window updates depends on how much is read at once.
    if !small {
        assert_eq!(whole, pieces, "the result depends on how the bytes are split");
    }
}

#[derive(Debug)]
enum Step {
    Receive(Vec<u8>),
    Act(Act),
}

/// An action of this end, on the stream with a number among those that it holds.
#[derive(Clone, Debug)]
enum Act {
    /// Takes a request, or makes one.
    Begin {
        end: bool,
    },
    Respond {
        stream: u8,
        end: bool,
    },
    Data {
        stream: u8,
        length: usize,
        end: bool,
    },
    End {
        stream: u8,
        trailers: bool,
    },
    Read(u8),
    ReadAll(u8),
    Wait(u8),
    DropReader(u8),
    DropSender(u8),
    Reset(u8),
    Write,
    GoAway,
}

impl Act {
    fn of(role: Role, script: &mut Script<'_>) -> Self {
        let stream = script.byte();
        match script.below(20) {
            0..=4 => Self::Begin { end: script.flag() },
            5..=6 if role == Role::Server => Self::Respond { stream, end: script.flag() },
            5..=8 => {
                let length = script.pick(&[0, 1, 10, 1000, 5000, 70_000]);
                Self::Data { stream, length, end: script.flag() }
            }
            9 => Self::End { stream, trailers: script.flag() },
            10..=11 => Self::Read(stream),
            12 => Self::ReadAll(stream),
            13 => Self::Wait(stream),
            14 => Self::DropReader(stream),
            15 => Self::DropSender(stream),
            16 => Self::Reset(stream),
            17 if script.rarely(4) => Self::GoAway,
            _ => Self::Write,
        }
    }
}

/// The final state of a connection.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    /// All frames except WINDOW_UPDATE.
    output: Vec<(Head, Vec<u8>)>,
    requests: Vec<String>,
    read: Vec<(u32, Vec<u8>)>,
    error: Option<String>,
}

fn run(role: Role, small: bool, steps: &[Step], cuts: &[usize]) -> Outcome {
    let mut cuts = cuts.iter().copied().cycle();
    let mut end = End::new(role, small);
    for step in steps {
        match step {
            Step::Receive(bytes) => {
                let mut rest = &bytes[..];
                while !rest.is_empty() && end.connection.failed.is_none() {
                    let (piece, after) = rest.split_at(cuts.next().unwrap_or(1).min(rest.len()));
                    rest = after;
                    end.receive(piece);
                }
            }
            Step::Act(act) => end.act(act),
        }
        end.connection.wakers.clear();
        end.connection.check_invariants();
    }
    end.finish()
}

/// A connection, and the streams that its callers or handlers hold.
struct End {
    role: Role,
    connection: Connection,
    input: BytesMut,
    readers: Vec<u32>,
    senders: Vec<u32>,
    written: Vec<u8>,
    outcome: Outcome,
}

impl End {
    fn new(role: Role, small: bool) -> Self {
        // The budgets do not refill, and there are few streams.
        let options = Options::new().max_resets(20, 0).max_control_frames(50, 0).max_concurrent_streams(8);
        let options = match small {
            true => options.initial_stream_window(0).max_output(1000),
            false => options,
        };
        Self {
            role,
            connection: Connection::new(role, options),
            input: BytesMut::new(),
            readers: Vec::new(),
            senders: Vec::new(),
            written: Vec::new(),
            outcome: Outcome::default(),
        }
    }

    fn receive(&mut self, piece: &[u8]) {
        self.input.extend_from_slice(piece);
        if let Err(error) = self.connection.receive(&mut self.input) {
            self.outcome.error = Some(error.to_string());
            self.connection.fail(error);
        }
    }

    fn act(&mut self, act: &Act) {
        let reader = |stream: u8| self.readers.get(usize::from(stream) % self.readers.len().max(1)).copied();
        let sender = |stream: u8| self.senders.get(usize::from(stream) % self.senders.len().max(1)).copied();
        let connection = &mut self.connection;
        match *act {
            Act::Begin { end } => self.begin(end),
            Act::Respond { stream, end } => {
                let Some(id) = sender(stream) else { return };
                connection.send_response(id, StatusCode::OK, &headers(), end);
            }
            Act::Data { stream, length, end } => {
                let Some(id) = sender(stream) else { return };
                if self.role == Role::Client || connection.stream(id).is_some_and(|stream| stream.has_answer)
                {
                    connection.send_data(id, Bytes::from(vec![b'd'; length]), end);
                }
            }
            Act::End { stream, trailers } => {
                let Some(id) = sender(stream) else { return };
                if self.role == Role::Client || connection.stream(id).is_some_and(|stream| stream.has_answer)
                {
                    connection.send_end(id, trailers.then(headers));
                }
            }
            Act::Read(stream) => {
                let Some(id) = reader(stream) else { return };
                // A client takes the head of the response first.
                if connection.stream(id).is_none_or(|stream| stream.response.is_some()) {
                    return;
                }
                connection.reader_runs(id);
                let data: Vec<u8> = std::iter::from_fn(|| connection.take_data(id)).flatten().collect();
                self.outcome.read.push((id, data));
            }
            Act::ReadAll(stream) => {
                let Some(id) = reader(stream) else { return };
                connection.reader_runs(id);
                // Like the real ends: a server before it reads, a client with the head.
                let fresh = self.role == Role::Client
                    && connection.stream_mut(id).is_some_and(|stream| stream.response.take().is_some());
                if fresh && let Some((data, _)) = connection.take_all(id) {
                    self.readers.retain(|reader| *reader != id);
                    self.outcome.read.push((id, flat(data)));
                }
            }
            Act::Wait(stream) => {
                if let Some(id) = reader(stream) {
                    connection.wait_to_read(id, Waker::noop());
                }
                if let Some(id) = sender(stream) {
                    connection.wait_to_send(id, Waker::noop());
                }
            }
            Act::DropReader(stream) => {
                let Some(id) = reader(stream) else { return };
                if self.role == Role::Client {
                    connection.reset(id, Reason::CANCEL);
                }
                connection.drop_reader(id);
                self.readers.retain(|reader| *reader != id);
            }
            Act::DropSender(stream) => {
                let Some(id) = sender(stream) else { return };
                connection.drop_sender(id, Reason::INTERNAL_ERROR);
                self.senders.retain(|sender| *sender != id);
            }
            Act::Reset(stream) => {
                let Some(id) = sender(stream) else { return };
                connection.reset(id, Reason::CANCEL);
            }
            Act::Write => self.write(),
            Act::GoAway => connection.go_away(crate::record::Departure::WentAway),
        }
    }

    fn begin(&mut self, end: bool) {
        let connection = &mut self.connection;
        let id = match self.role {
            Role::Server => {
                let Some((id, head)) = connection.accept() else { return };
                self.outcome.requests.push(format!("{id}: {head:?}"));
                if end && let Some((data, _)) = connection.take_all(id) {
                    self.outcome.read.push((id, flat(data)));
                    self.senders.push(id);
                    return;
                }
                id
            }
            Role::Client if connection.has_room() => {
                let start = Start::Request {
                    method: &Method::POST,
                    scheme: "http",
                    authority: "localhost",
                    path: "/",
                };
                let Ok(id) = connection.open(start, &headers(), end) else { return };
                id
            }
            Role::Client => return,
        };
        self.readers.push(id);
        self.senders.push(id);
    }

    /// All output is written, and the peer has read it.
    fn write(&mut self) {
        loop {
            self.connection.fill_output();
            let output = &mut self.connection.output;
            let mut slices = [std::io::IoSlice::new(&[]); SLICES];
            let count = output.slices(&mut slices);
            let bytes: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect();
            assert_eq!(bytes.is_empty(), output.is_empty(), "some of the output is in no slice");
            if bytes.is_empty() {
                return;
            }
            output.advance(bytes.len());
            self.written.extend_from_slice(&bytes);
        }
    }

    fn finish(mut self) -> Outcome {
        for id in std::mem::take(&mut self.senders) {
            self.connection.drop_sender(id, Reason::INTERNAL_ERROR);
        }
        for id in std::mem::take(&mut self.readers) {
            self.connection.drop_reader(id);
        }
        self.connection.check_invariants();
        self.write();
        self.connection.fail(crate::Error::Closed);
        while self.connection.accept().is_some_and(|(id, _)| self.readers.contains(&id)) {}
        assert!(self.connection.is_over());
        let mut rest = &self.written[if self.role == Role::Client { PREFACE.len() } else { 0 }..];
        while let Some((bytes, after)) = rest.split_first_chunk::<HEAD>() {
            let head = Head::parse(bytes);
            let (payload, after) = after.split_at(head.length as usize);
            rest = after;
            if head.kind != kind::WINDOW_UPDATE {
                self.outcome.output.push((head, payload.to_vec()));
            }
        }
        assert!(rest.is_empty(), "the output does not end with a frame");
        self.outcome
    }
}

fn flat(mut pieces: Pieces) -> Vec<u8> {
    std::iter::from_fn(|| pieces.pop()).flatten().collect()
}

fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    headers
}
