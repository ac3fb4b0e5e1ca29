//! Both ends of a connection without I/O. The invariants are checked after each step.

use std::io::IoSlice;
use std::sync::Arc;
use std::task::Waker;

use bytes::BytesMut;
use http::HeaderMap;

use super::{Answered, Connection, Encode, Outcome, Request, Requests, Source};
use crate::connection::Role;
use crate::direct::{Head, Message, Metadata, Method, Reply, Service};
use crate::frame;
use crate::output::SLICES;
use crate::{Options, Reason};

static ECHO: Method = Method::new("/test.Test/Echo");

struct Echo;

impl Service for Echo {
    fn route(&self, _: &str) -> Option<u32> {
        Some(0)
    }

    fn call(&mut self, _: &mut Arc<Head>, _: Message<'_>, _: Reply<'_>) {}
}

struct Ends {
    client: Connection,
    server: Connection,
}

impl Ends {
    fn new(server: Options) -> Self {
        let client = Connection::new(Role::Client, Options::new());
        let mut server = Connection::new(Role::Server, server);
        server.direct.is_used = true;
        server.direct.service = Some(Box::new(Echo));
        let mut ends = Self { client, server };
        ends.pass();
        ends
    }

    /// Passes all output of each end to the other.
    fn pass(&mut self) {
        let Self { client, server } = self;
        while pass(client, server) || pass(server, client) {}
    }

    fn begin(&mut self, message: &[u8]) -> u32 {
        let encode = Encode::Later(message.len(), |out: &mut Vec<u8>| out.extend_from_slice(message));
        let id = self
            .client
            .begin_direct(&ECHO, &HeaderMap::new(), encode, Answered::WithMessage, Waker::noop())
            .unwrap();
        self.client.check_invariants();
        id
    }

    /// The received requests, by stream.
    fn requests(&mut self) -> Vec<(u32, Vec<u8>)> {
        let mut requests = Requests::default();
        self.server.take_direct(&mut requests);
        self.server.check_invariants();
        let message = |request: &Request| match &request.message {
            Source::Read(range) => requests.messages[range.clone()].to_vec(),
            Source::Gathered | Source::Stream => panic!("no small message"),
        };
        requests.list.iter().map(|request| (request.id, message(request))).collect()
    }

    fn answer(&mut self, id: u32, message: &[u8]) {
        let encode = Encode::Later(message.len(), |out: &mut Vec<u8>| out.extend_from_slice(message));
        self.server.answer_direct(id, None, encode);
        self.server.drop_sender(id, Reason::INTERNAL_ERROR);
        self.server.check_invariants();
    }

    fn poll(&mut self, id: u32) -> Option<Vec<u8>> {
        let read = |message: Message<'_>, _: Metadata<'_>| message.as_slice().to_vec();
        let outcome = self.client.poll_direct(id, Waker::noop(), read);
        self.client.check_invariants();
        match outcome {
            Outcome::Answered(message) => Some(message),
            _ => None,
        }
    }
}

fn pass(from: &mut Connection, to: &mut Connection) -> bool {
    from.fill_output();
    let mut slices = [IoSlice::new(&[]); SLICES];
    let count = from.output.slices(&mut slices);
    let bytes: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect();
    from.output.advance(bytes.len());
    to.receive(&mut BytesMut::from(&bytes[..])).unwrap();
    from.check_invariants();
    to.check_invariants();
    !bytes.is_empty()
}

#[test]
fn calls_leave_nothing_behind() {
    let mut ends = Ends::new(Options::new());
    for round in 0..3 {
        for size in [0, 1, 100, 4096, 5000, 16_379] {
            let id = ends.begin(&vec![round; size]);
            ends.pass();
            assert_eq!(ends.requests(), [(id, vec![round; size])]);
            ends.answer(id, &vec![round; size]);
            assert_eq!(ends.poll(id), None);
            ends.pass();
            assert_eq!(ends.poll(id), Some(vec![round; size]));
            assert!(ends.client.is_idle() && ends.server.is_idle());
        }
    }
}

#[test]
fn answers_that_the_client_does_not_read_wait_before_they_are_put_into_frames() {
    let mut ends = Ends::new(Options::new().max_output(1000));
    let call = |ends: &mut Ends| {
        let ids: Vec<u32> = (0..90).map(|_| ends.begin(b"")).collect();
        ends.pass();
        assert_eq!(ends.requests().len(), ids.len());
        for id in &ids {
            ends.answer(*id, &[7; 4000]);
        }
        ids
    };
    // After that, the headers are known.
    for _ in 0..5 {
        for id in call(&mut ends) {
            ends.pass();
            assert!(ends.poll(id).is_some());
        }
    }
    call(&mut ends);
    let output = ends.server.output.len();
    assert!(output < 1000 + 90 * 100 + 2 * 4000, "{output} bytes");
}

#[test]
fn an_answer_to_a_call_that_is_over_is_not_sent() {
    let mut ends = Ends::new(Options::new());
    for round in 0..5 {
        let id = ends.begin(b"");
        ends.pass();
        assert_eq!(ends.requests().len(), 1);
        if round < 4 {
            ends.answer(id, b"");
            ends.pass();
            ends.poll(id).unwrap();
            continue;
        }
        ends.client.reset(id, Reason::CANCEL);
        ends.pass();
        ends.answer(id, b"");
        assert!(ends.server.output.is_empty() && ends.server.is_idle());
    }
}

/// At most as many calls as streams may have handlers after a reset. One more call is refused, and not passed on.
#[test]
fn handlers_that_outlive_their_streams_are_bounded() {
    const LIMIT: u32 = 5;
    let mut ends = Ends::new(Options::new().max_concurrent_streams(LIMIT));
    for _ in 0..5 {
        let id = ends.begin(b"");
        ends.pass();
        assert_eq!(ends.requests().len(), 1);
        ends.answer(id, b"");
        ends.pass();
        ends.poll(id).unwrap();
    }
    let mut running = Vec::new();
    for _ in 0..10 * LIMIT {
        let id = ends.begin(b"");
        ends.pass();
        running.extend(ends.requests());
        ends.client.reset(id, Reason::CANCEL);
        ends.client.drop_reader(id);
        ends.pass();
    }
    assert_eq!(running.len(), 2 * LIMIT as usize);
    for (id, _) in running {
        ends.server.drop_sender(id, Reason::INTERNAL_ERROR);
    }
    assert!(ends.server.is_idle());
}

#[test]
fn memory_for_many_requests_is_given_back() {
    let mut requests = Requests::default();
    let mut ends = Ends::new(Options::new());
    for _ in 0..90 {
        ends.begin(&[7; 1000]);
    }
    ends.pass();
    ends.server.take_direct(&mut requests);
    assert_eq!((requests.list.len(), requests.messages.len()), (90, 90_000));
    requests.clear();
    let capacity = (requests.list.capacity(), requests.messages.capacity());
    assert!(capacity.0 <= 32 && capacity.1 <= 2048, "{capacity:?}");
}

#[test]
fn memory_for_a_message_is_given_back() {
    let mut ends = Ends::new(Options::new());
    // The headers of the first ones are not known yet.
    for _ in 0..3 {
        let id = ends.begin(&[7; 4000]);
        ends.pass();
        ends.requests();
        ends.answer(id, &[7; 4000]);
        ends.pass();
        assert_eq!(ends.poll(id), Some(vec![7; 4000]));
        for end in [&ends.client, &ends.server] {
            assert!(end.direct.small_message.capacity() <= 1024);
        }
    }
}

/// An error in a peer's window of a stream does not cause a second error on a stream that does not exist.
#[test]
fn the_window_of_a_request_that_was_sent_is_counted() {
    let mut ends = Ends::new(Options::new());
    for _ in 0..5 {
        let id = ends.begin(&[7; 1000]);
        let mut input = Vec::new();
        let window = ends.client.stream(id).map_or(0, |stream| stream.send_window);
        frame::write_window_update(&mut input, id, frame::MAX_WINDOW - window as u32);
        ends.client.receive(&mut BytesMut::from(&input[..])).unwrap();
        assert!(ends.client.stream(id).is_some_and(|stream| stream.failed.is_none()));
        let expected = i64::from(ends.server.receiving.initial) - 1005;
        assert_eq!(window, expected);
        ends.pass();
        ends.requests();
        ends.answer(id, b"");
        ends.pass();
        ends.poll(id).unwrap();
    }
}
