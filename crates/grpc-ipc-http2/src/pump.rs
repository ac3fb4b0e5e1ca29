use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Body;

use crate::connection::Connection;
use crate::shared::SendStream;

/// What a body gives without waiting: often all of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beginning {
    first: Option<Bytes>,
    more: Vec<Bytes>,
    trailers: Option<HeaderMap>,
    pub(crate) ended: bool,
}

/// No more is taken ahead.
const MAX_BEGINNING: usize = 64 * 1024;

impl Beginning {
    pub(crate) fn of<B>(body: &mut B, cx: &mut Context<'_>) -> Result<Self, B::Error>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let mut beginning = Self::default();
        let mut length = 0;
        while !beginning.ended && length <= MAX_BEGINNING {
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

    /// Nothing of a body, for which there is no room.
    pub(crate) fn none_of<B: Body>(body: &B) -> Self {
        Self { ended: body.is_end_stream(), ..Self::default() }
    }

    fn push(&mut self, data: Bytes) {
        match self.first {
            None => self.first = Some(data),
            Some(_) => self.more.push(data),
        }
    }

    /// It is all of a body, and there is nothing in it.
    pub(crate) fn is_empty_body(&self) -> bool {
        self.ended && self.first.is_none() && self.trailers.is_none()
    }

    pub(crate) fn send(self, connection: &mut Connection, id: u32) {
        let Self { first, more, trailers, ended } = self;
        let mut left = usize::from(first.is_some()) + more.len();
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

/// A body that has been sent as far as possible; the rest is sent as it comes, and as the peer takes it.
pub(crate) struct Pump<B> {
    body: B,
}

impl<B: Body<Data = Bytes> + Unpin> Pump<B> {
    pub(crate) fn new(body: B) -> Self {
        Self { body }
    }

    /// Ready when the body is sent, the stream is over, or the body has failed.
    pub(crate) fn poll_send(
        &mut self,
        stream: &SendStream,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), B::Error>> {
        loop {
            let Some(drained) = stream.poll_drained(cx) else { return Poll::Ready(Ok(())) };
            ready!(drained);
            let beginning = Beginning::of(&mut self.body, cx)?;
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
