use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Body;

use crate::connection::Connection;
use crate::shared::SendStream;

/// The part of a body that is available without waiting: often all of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beginning {
    first: Option<Bytes>,
    more: Vec<Bytes>,
    trailers: Option<HeaderMap>,
    pub(crate) ended: bool,
}

/// No more is taken in advance.
const MAX_BEGINNING: usize = 64 * 1024;

impl Beginning {
    /// Takes the beginning of a new body. A body of a single message is taken to its end, however long it is, so that
    /// the end is sent together with the message.
    pub(crate) fn of<B>(body: &mut B, cx: &mut Context<'_>) -> Result<Self, B::Error>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        Self::take(body, 2, cx)
    }

    /// Takes this many frames, or more if they are small.
    fn take<B>(body: &mut B, frames: usize, cx: &mut Context<'_>) -> Result<Self, B::Error>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let mut beginning = Self::default();
        let mut length = 0;
        while !beginning.ended && (length <= MAX_BEGINNING || beginning.count() < frames) {
            if body.is_end_stream() {
                beginning.ended = true;
                break;
            }
            let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) else { break };
            let Some(frame) = frame.transpose()? else {
                beginning.ended = true;
                break;
            };
            match frame.into_data() {
                Ok(data) => {
                    length += data.len();
                    beginning.push(data);
                }
                Err(frame) => {
                    beginning.trailers = frame.into_trailers().ok();
                    beginning.ended = true;
                }
            }
        }
        Ok(beginning)
    }

    /// Takes nothing of a body, because there is no room.
    pub(crate) fn none_of<B: Body>(body: &B) -> Self {
        Self { ended: body.is_end_stream(), ..Self::default() }
    }

    fn count(&self) -> usize {
        usize::from(self.first.is_some()) + self.more.len()
    }

    fn push(&mut self, data: Bytes) {
        match self.first {
            None => self.first = Some(data),
            Some(_) => self.more.push(data),
        }
    }

    /// Whether this is a whole body without data.
    pub(crate) fn is_empty_body(&self) -> bool {
        self.ended && self.first.is_none() && self.trailers.is_none()
    }

    pub(crate) fn send(self, connection: &mut Connection, id: u32) {
        let mut left = self.count();
        let Self { first, more, trailers, ended } = self;
        let end_with_data = ended && trailers.is_none();
        if end_with_data && left == 0 {
            connection.send_end(id, None);
        }
        for data in first.into_iter().chain(more) {
            left -= 1;
            connection.send_data(id, data, end_with_data && left == 0);
        }
        if trailers.is_some() {
            connection.send_end(id, trailers);
        }
    }
}

/// A body whose beginning has been sent. The rest is sent as it becomes available and the peer takes it.
pub(crate) struct Pump<B> {
    body: B,
}

impl<B: Body<Data = Bytes> + Unpin> Pump<B> {
    pub(crate) fn new(body: B) -> Self {
        Self { body }
    }

    /// Ready when the body is sent, the stream has ended, or the body has failed.
    pub(crate) fn poll_send(
        &mut self,
        stream: &SendStream,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), B::Error>> {
        loop {
            // A body that was taken to its end is not polled again. It is sent once it is drained.
            let Some(drained) = stream.poll_drained(cx) else { return Poll::Ready(Ok(())) };
            ready!(drained);
            let beginning = Beginning::take(&mut self.body, 1, cx)?;
            if beginning.ended {
                stream.send(|connection, id| beginning.send(connection, id));
                return Poll::Ready(Ok(()));
            }
            if beginning.first.is_none() {
                return Poll::Pending;
            }
            stream.send(|connection, id| beginning.send(connection, id));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::task::Waker;

    use futures_util::stream;
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;

    fn body(messages: usize, length: usize) -> impl Body<Data = Bytes, Error = Infallible> + Unpin {
        let data = (0..messages).map(move |_| Frame::data(Bytes::from(vec![0; length])));
        let frames = data.chain([Frame::trailers(HeaderMap::new())]);
        StreamBody::new(stream::iter(frames.map(Ok::<_, Infallible>)))
    }

    #[test]
    fn a_body_of_one_message_is_taken_to_its_end() {
        let mut cx = Context::from_waker(Waker::noop());
        for length in [100, MAX_BEGINNING, MAX_BEGINNING + 1, 1 << 20] {
            let beginning = Beginning::of(&mut body(1, length), &mut cx).unwrap();
            assert!(beginning.ended && beginning.trailers.is_some(), "{length}");
        }
    }

    #[test]
    fn of_a_body_of_large_messages_few_are_taken() {
        let mut cx = Context::from_waker(Waker::noop());
        let beginning = Beginning::of(&mut body(10, 1 << 20), &mut cx).unwrap();
        assert!(!beginning.ended);
        assert_eq!(beginning.count(), 2);
        let beginning = Beginning::take(&mut body(10, 1 << 20), 1, &mut cx).unwrap();
        assert_eq!(beginning.count(), 1);
    }
}
