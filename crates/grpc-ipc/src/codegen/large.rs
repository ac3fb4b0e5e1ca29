//! Large messages of streams, which tonic need not copy.
//!
//! tonic's `Streaming` joins the pieces of a body in a buffer of its own, and decodes messages from there. The engine
//! has already joined a large message. So the body passes tonic an empty message in its place, and the decoder, which
//! tonic calls next, takes the message itself.

use std::marker::PhantomData;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf as _, Bytes};
use prost::Message;
use tonic::Status;
use tonic::codec::{DecodeBuf, Decoder};

const PREFIX: usize = 5;
/// A shorter message may share a buffer with others, and would keep it allocated.
const MIN_LARGE: usize = 32 * 1024;

/// Where the body of a stream leaves a message for the decoder. There is never more than one, because tonic reads on
/// only after it has decoded the previous message.
#[derive(Clone, Debug)]
pub(crate) struct Aside {
    message: Arc<Mutex<Bytes>>,
    limit: usize,
}

impl Aside {
    pub(super) fn new(limit: usize) -> Self {
        Self { message: Arc::default(), limit }
    }

    /// The largest message that is decoded.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Returns the bytes to pass to tonic instead of a piece of the body that begins with a message.
    pub(crate) fn take(&self, piece: Bytes) -> Bytes {
        let Some((&[0, a, b, c, d], message)) = piece.split_first_chunk::<PREFIX>() else { return piece };
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if message.len() != length || !(MIN_LARGE..=self.limit).contains(&length) {
            return piece;
        }
        *self.message() = piece.slice(PREFIX..);
        Bytes::from_static(&[0; PREFIX])
    }

    fn message(&self) -> std::sync::MutexGuard<'_, Bytes> {
        self.message.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Decodes the messages of a stream, including those left [`Aside`].
#[derive(Debug)]
pub(super) struct MessageDecoder<M> {
    aside: Aside,
    message: PhantomData<fn() -> M>,
}

impl<M> MessageDecoder<M> {
    pub(super) fn new(aside: Aside) -> Self {
        Self { aside, message: PhantomData }
    }
}

impl<M: Message + Default> Decoder for MessageDecoder<M> {
    type Item = M;
    type Error = Status;

    fn decode(&mut self, buf: &mut DecodeBuf<'_>) -> Result<Option<M>, Status> {
        let decoded = if buf.has_remaining() {
            M::decode(buf)
        } else {
            // Empty if tonic was given an empty message.
            M::decode(mem::take(&mut *self.aside.message()))
        };
        decoded.map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use bytes::BytesMut;
    use futures_util::FutureExt as _;
    use http_body::{Body, Frame};
    use tonic::{Code, Streaming};

    use super::*;

    /// The pieces of a body, as [`CallBody`](crate::call_body::CallBody) passes them on.
    struct Pieces(std::vec::IntoIter<Bytes>, Aside);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let piece = self.0.next().map(|piece| self.1.take(piece));
            Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
        }
    }

    /// A message with its prefix. The bytes are the only field of its type.
    fn message(payload: &[u8]) -> Bytes {
        let mut encoded = BytesMut::from(&[0; PREFIX][..]);
        Bytes::copy_from_slice(payload).encode(&mut encoded).unwrap();
        let length = (encoded.len() - PREFIX) as u32;
        encoded[1..PREFIX].copy_from_slice(&length.to_be_bytes());
        encoded.freeze()
    }

    fn streaming(pieces: Vec<Bytes>, limit: usize) -> Streaming<Bytes> {
        let aside = Aside::new(limit);
        let body = Pieces(pieces.into_iter(), aside.clone());
        Streaming::new_request(MessageDecoder::new(aside), body, None, Some(limit))
    }

    fn next(streaming: &mut Streaming<Bytes>) -> Result<Option<Bytes>, Status> {
        streaming.message().now_or_never().unwrap()
    }

    #[test]
    fn large_messages_are_not_copied() {
        let large = message(&[7; 100_000]);
        let mut streaming = streaming(vec![large.clone()], 1 << 20);
        let decoded = next(&mut streaming).unwrap().unwrap();
        assert_eq!(decoded.as_ptr_range().end, large.as_ptr_range().end);
        assert!(next(&mut streaming).unwrap().is_none());
    }

    #[test]
    fn messages_stay_in_order() {
        let payloads: [&[u8]; 8] =
            [b"", &[1; 100_000], b"", &[2; 40_000], &[3; 40_000], b"small", &[4; 1000], &[5; 50_000]];
        let all = payloads.map(message);
        let in_two = all[1].clone().split_off(20_000);
        let together = [&all[5][..], &all[6]].concat().into();
        let pieces = vec![
            all[0].clone(),
            all[1].slice(..20_000),
            in_two,
            all[2].clone(),
            all[3].clone(),
            all[4].clone(),
            together,
            all[7].clone(),
        ];
        let mut streaming = streaming(pieces, 1 << 20);
        for payload in payloads {
            assert!(next(&mut streaming).unwrap().unwrap() == payload);
        }
        assert!(next(&mut streaming).unwrap().is_none());
    }

    #[test]
    fn a_large_message_that_is_none_of_its_type_fails() {
        let mut wrong = BytesMut::from(&message(&[7; 100_000])[..]);
        wrong[PREFIX] = 0xff;
        let status = next(&mut streaming(vec![wrong.freeze()], 1 << 20)).unwrap_err();
        assert_eq!(status.code(), Code::Internal);
    }
}
