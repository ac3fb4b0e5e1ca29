use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use grpc_ipc_http2::RecvBody;
use http_body::{Body, Frame, SizeHint};
use tonic::Status;

use crate::status::status_from_http2;

/// The body of a message that comes from the other end. It fails with the status that gRPC has for what went wrong.
#[derive(Debug, Default)]
pub struct CallBody(RecvBody);

impl CallBody {
    pub(crate) fn new(body: RecvBody) -> Self {
        Self(body)
    }
}

impl Body for CallBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = Pin::new(&mut self.0).poll_frame(cx);
        frame.map(|frame| frame.map(|frame| frame.map_err(|error| status_from_http2(&error))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
