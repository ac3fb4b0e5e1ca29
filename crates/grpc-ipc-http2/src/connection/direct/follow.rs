//! Large messages of streams.
//!
//! A stream of messages is received on the general path, as the pieces of a body. To decode a message, its pieces have
//! to be joined, so a large message is gathered into one piece, like that of a unary call.

use super::gather::Gathered;
use super::progress::Call;
use super::{Connection, PREFIX};
use crate::connection::wake_reader;
use crate::heap::expect_messages_of;

/// Shorter messages are not gathered.
const MIN_LARGE: u64 = 32 * 1024;

/// Tracks where the messages of a body begin.
#[derive(Debug, Default)]
pub(super) struct Follow {
    /// How many bytes have come of a prefix that is split between two pieces.
    begun: usize,
    /// The received part of the length in the prefix.
    length: u32,
    /// How much of a message has not come yet.
    left: u64,
}

/// How to handle the next piece of a body, or its beginning.
pub(crate) enum Piece {
    /// This many bytes were taken, as part of a gathered message.
    Gathered(usize),
    /// This many bytes are ordinary data.
    Other(usize),
}

impl Follow {
    /// Follows a piece up to the next large, uncompressed message. If the piece begins with one, returns its length
    /// with the prefix.
    fn next(&mut self, piece: &[u8]) -> Result<u64, usize> {
        let mut at = 0;
        while let Some(byte) = piece.get(at) {
            let rest = &piece[at..];
            if self.left > 0 {
                let length = self.left.min(rest.len() as u64);
                self.left -= length;
                at += length as usize;
            } else if let ([0, a, b, c, d, ..], 0) = (rest, self.begun) {
                let length = u64::from(u32::from_be_bytes([*a, *b, *c, *d]));
                if length >= MIN_LARGE {
                    return if at > 0 { Err(at) } else { Ok(PREFIX as u64 + length) };
                }
                self.left = length;
                at += PREFIX;
            } else {
                // The flag in front is shifted out.
                self.length = self.length << 8 | u32::from(*byte);
                self.begun = (self.begun + 1) % PREFIX;
                if self.begun == 0 {
                    self.left = self.length.into();
                }
                at += 1;
            }
        }
        Err(at)
    }

    /// Gathers the message at the beginning of a piece, if it is large. All of it must be able to come without further
    /// action of this end: `coming` bytes can.
    fn begin(&mut self, piece: &[u8], coming: u64) -> Result<Gathered, usize> {
        let length = self.next(piece)?;
        if length <= coming {
            // More messages of this size may follow before the body ends.
            expect_messages_of(length as usize);
            return Ok(Gathered::of(length as usize));
        }
        self.left = length;
        self.next(piece).and(Err(piece.len()))
    }
}

impl Call {
    /// Follows the messages of a new body.
    pub(crate) fn follow(&mut self) {
        self.follow = Some(Follow::default());
    }

    /// Stops following, because the body does not consist of messages.
    pub(crate) fn follow_no_more(&mut self) {
        self.follow = None;
    }

    /// Takes the next piece of a body if it belongs to a gathered message.
    #[inline]
    pub(crate) fn take_piece(&mut self, piece: &[u8], coming: u64) -> Piece {
        let Self { follow, gathered, .. } = self;
        if gathered.left() == 0 {
            let Some(follow) = follow else { return Piece::Other(piece.len()) };
            match follow.begin(piece, coming) {
                Ok(begun) => *gathered = begun,
                Err(length) => return Piece::Other(length),
            }
        }
        let length = gathered.left().min(piece.len());
        gathered.push(&piece[..length]);
        Piece::Gathered(length)
    }
}

impl Connection {
    /// A part of a gathered message has come. Its reader gets the message once it is complete.
    pub(in crate::connection) fn gathered_part(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(id)
            && stream.direct.follow.is_some()
            && stream.direct.gathered.is_complete()
        {
            stream.data.push(stream.direct.gathered.take());
            wake_reader(stream, &mut self.wakers, &mut self.woken);
        }
    }

    /// The stream has ended. Its reader gets the received part of a message.
    pub(in crate::connection) fn gathered_no_more(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(id)
            && stream.direct.follow.is_some()
            && !stream.direct.gathered.is_empty()
        {
            stream.data.push(stream.direct.gathered.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Waker;

    use bytes::{Bytes, BytesMut};
    use http::{HeaderMap, HeaderValue, StatusCode};

    use super::*;
    use crate::connection::direct::{Answered, Requests};
    use crate::connection::{Connection, Role};
    use crate::direct::{Head, Message, Method, Reply, Service};
    use crate::frame;
    use crate::{Options, Reason};

    static UPLOAD: Method = Method::new("/test.Test/Upload");

    struct Upload;

    impl Service for Upload {
        fn route(&self, _: &str) -> Option<u32> {
            Some(0)
        }

        fn takes_stream(&self, _: u32) -> bool {
            true
        }

        fn call(&mut self, _: &mut Arc<Head>, _: Message<'_>, _: Reply<'_>) {}
    }

    /// A connection that receives a body.
    struct Receiver {
        connection: Connection,
        id: u32,
        input: BytesMut,
        pieces: Vec<Bytes>,
    }

    fn pass(from: &mut Connection, to: &mut Connection) {
        let bytes = from.output.contiguous().unwrap_or_default().to_vec();
        from.output.advance(bytes.len());
        to.receive(&mut BytesMut::from(&bytes[..])).unwrap();
    }

    /// Both ends of a connection with an active call.
    fn ends(options: Options) -> (Connection, Connection, u32) {
        let mut client = Connection::new(Role::Client, options.clone());
        let mut server = Connection::new(Role::Server, options);
        server.direct.is_used = true;
        server.direct.service = Some(Box::new(Upload));
        pass(&mut client, &mut server);
        pass(&mut server, &mut client);
        let answer = Answered::WithStream;
        let id = client.begin_stream(&UPLOAD, &HeaderMap::new(), answer, Waker::noop()).unwrap();
        pass(&mut client, &mut server);
        server.take_direct(&mut Requests::default());
        (client, server, id)
    }

    impl Receiver {
        fn server(options: Options) -> Self {
            let (_, connection, id) = ends(options);
            Self { connection, id, input: BytesMut::new(), pieces: Vec::new() }
        }

        /// A client whose server has answered with this content type.
        fn client(content_type: &'static str) -> Self {
            let (mut connection, mut server, id) = ends(Options::new());
            let headers = [(http::header::CONTENT_TYPE, HeaderValue::from_static(content_type))];
            server.send_response(id, StatusCode::OK, &headers.into_iter().collect(), false);
            pass(&mut server, &mut connection);
            Self { connection, id, input: BytesMut::new(), pieces: Vec::new() }
        }

        /// Receives bytes from the peer, as the task of a connection does.
        fn read(&mut self, mut octets: &[u8]) {
            while !octets.is_empty() {
                let into_message =
                    if self.input.is_empty() { self.connection.room_for_message() } else { None };
                let length = match into_message {
                    Some((message, room)) => {
                        let length = room.min(octets.len());
                        message.extend_from_slice(&octets[..length]);
                        self.connection.message_was_read(length, &mut self.input);
                        length
                    }
                    None => {
                        self.input.extend_from_slice(octets);
                        octets.len()
                    }
                };
                octets = &octets[length..];
                self.connection.receive(&mut self.input).unwrap();
                self.connection.check_invariants();
            }
        }

        /// The frames of a body.
        fn frames(&self, body: &[u8], at_most: usize) -> Vec<u8> {
            let mut octets = Vec::new();
            for piece in body.chunks(at_most) {
                frame::write_data_head(&mut octets, self.id, piece.len() as u32, false);
                octets.extend_from_slice(piece);
            }
            octets
        }

        /// Takes the available data.
        fn take(&mut self) {
            while let Some(piece) = self.connection.take_data(self.id) {
                self.pieces.push(piece);
                self.connection.check_invariants();
            }
        }

        fn body(&self) -> Vec<u8> {
            self.pieces.concat()
        }
    }

    fn message(length: usize) -> Vec<u8> {
        let mut message = vec![0];
        message.extend((length as u32).to_be_bytes());
        message.extend((0..length as u32).map(|at| (at.wrapping_mul(0x9e37_79b9) >> 24) as u8));
        message
    }

    #[test]
    fn large_messages_are_one_piece_however_they_come() {
        const SIZES: [usize; 11] =
            [0, 5, 100, 40_000, 33_000, 200, 32_768, 32_767, 300_000, 1, MIN_LARGE as usize];
        let messages = SIZES.map(message);
        let body = messages.concat();
        let mut large: Vec<_> = messages.iter().map(Vec::as_slice).collect();
        large.retain(|message| message.len() >= PREFIX + MIN_LARGE as usize);
        for at_most in [1000, 16_384, 65_536] {
            for read in [4096, 36_544, 131_072, usize::MAX] {
                let mut receiver = Receiver::server(Options::new().initial_stream_window(1 << 20));
                for octets in receiver.frames(&body, at_most).chunks(read) {
                    receiver.read(octets);
                    receiver.take();
                }
                assert!(receiver.body() == body, "{at_most} a frame, {read} at once");
                let mut pieces: Vec<_> = receiver.pieces.iter().map(|piece| &piece[..]).collect();
                pieces.retain(|piece| large.contains(piece));
                assert!(pieces == large, "{at_most} a frame, {read} at once");
            }
        }
    }

    #[test]
    fn prefixes_in_pieces_are_followed() {
        let messages = [3, 40_000, 7, 0, 50_000].map(message);
        let body = messages.concat();
        for read in 1..20 {
            let mut receiver = Receiver::server(Options::new());
            for octets in receiver.frames(&body, 11).chunks(read) {
                receiver.read(octets);
            }
            receiver.take();
            assert!(receiver.body() == body, "{read} at once");
        }
    }

    /// The reader makes room for the rest by reading.
    #[test]
    fn a_message_that_does_not_fit_into_the_window_comes_in_parts() {
        let mut receiver = Receiver::server(Options::new().initial_stream_window(50_000));
        let body = [message(40_000), message(60_000), message(40_000)].concat();
        for piece in body.chunks(9_000) {
            let octets = receiver.frames(piece, 9_000);
            receiver.read(&octets);
            receiver.take();
            // All unread data belongs to the first message, or to the last one.
            let at = receiver.body().len();
            assert!(at >= 100_010 || at == 0 || at >= 40_005, "{at}");
        }
        assert!(receiver.body() == body);
        assert!(receiver.pieces.iter().all(|piece| piece.len() < 60_000));
    }

    #[test]
    fn what_has_come_of_a_message_is_there_at_the_end() {
        let body = message(100_000);
        for end in 0..3 {
            let mut receiver = Receiver::server(Options::new());
            let octets = receiver.frames(&body[..70_000], 16_384);
            receiver.read(&octets);
            receiver.take();
            assert!(receiver.pieces.is_empty(), "it is gathered");
            let mut octets = Vec::new();
            match end {
                0 => frame::write_data_head(&mut octets, receiver.id, 0, true),
                // An index into the static table.
                1 => frame::write_headers(&mut octets, receiver.id, &[0x90], true, 1 << 14),
                _ => frame::write_reset(&mut octets, receiver.id, Reason::CANCEL),
            }
            receiver.read(&octets);
            receiver.take();
            assert!(receiver.body() == body[..70_000], "{end}");
        }
    }

    #[test]
    fn a_reader_that_goes_leaves_nothing() {
        let mut receiver = Receiver::server(Options::new());
        let octets = receiver.frames(&message(100_000), 65_536);
        let (first, rest) = octets.split_at(70_000);
        receiver.read(first);
        receiver.connection.drop_reader(receiver.id);
        receiver.connection.check_invariants();
        receiver.read(rest);
        assert_eq!(receiver.connection.receiving.unread, 0);
    }

    #[test]
    fn only_messages_of_grpc_are_gathered() {
        let whole = message(100_000);
        let mut compressed = whole.clone();
        compressed[0] = 1;
        let cases = [
            (Receiver::server(Options::new()), &compressed),
            (Receiver::client("application/grpc"), &compressed),
            (Receiver::client("text/html"), &whole),
        ];
        for (mut receiver, body) in cases {
            let octets = receiver.frames(&body[..50_000], 16_384);
            receiver.read(&octets);
            receiver.take();
            assert!(receiver.body() == body[..50_000]);
        }
        let mut receiver = Receiver::client("application/grpc");
        let octets = receiver.frames(&whole, 16_384);
        receiver.read(&octets);
        receiver.take();
        assert_eq!(receiver.pieces.len(), 1);
    }
}
