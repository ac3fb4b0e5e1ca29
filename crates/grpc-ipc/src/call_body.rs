use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;

use crate::deadline::Deadline;
use crate::status::status_from_body;

/// The body of a response: it ends with the status that gRPC has for it when the deadline passes first, and when the
/// connection breaks.
pub(crate) struct CallBody {
    body: Body,
    deadline: Option<Deadline>,
}

impl CallBody {
    pub(crate) fn around(body: Body, deadline: Option<Deadline>) -> Body {
        if body.is_end_stream() { body } else { Body::new(Self { body, deadline }) }
    }
}

impl http_body::Body for CallBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.deadline.as_mut().is_some_and(|deadline| deadline.poll_passed(cx).is_ready()) {
            // Dropped, so that the stream is reset.
            self.body = Body::empty();
            return Poll::Ready(Some(Err(Deadline::exceeded())));
        }
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        frame.map(|frame| frame.map(|frame| frame.map_err(status_from_body)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
