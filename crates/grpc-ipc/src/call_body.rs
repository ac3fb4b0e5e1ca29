use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use grpc_ipc_http2::RecvBody;
use http::{HeaderMap, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tonic::{Code, Status};

use crate::call_limit::Permit;
use crate::codegen::Aside;
use crate::fields::{STATUS, mend, separate, set_status};
use crate::messages::{Fault, Messages, too_large};
use crate::response::without_status;
use crate::status::{status_from_http2, status_of_request};

/// The body of a message from the other end. If it fails, the error is the gRPC status.
///
/// A gRPC body ends with trailers. The trailers of a request are empty unless the client sends some. The trailers of a
/// response contain a status; this body adds one if the server sent none, or ended inside a message. A request that is
/// cancelled, or answered before its end, fails with [`Aborted`](Code::Aborted), because tonic treats
/// [`Cancelled`](Code::Cancelled) as the end of a request.
#[derive(Debug, Default)]
pub struct CallBody {
    body: RecvBody,
    kind: Kind,
    /// The destination of large messages.
    aside: Option<Aside>,
    /// The call's permit from its channel.
    permit: Permit,
}

#[derive(Debug, Default)]
enum Kind {
    /// Not a gRPC body, or at its end.
    #[default]
    Any,
    Request(Messages),
    Response(Messages, IfMissing),
    /// The next message is too large.
    Failed(Status),
}

/// The meaning of a response that ends without a status.
#[derive(Clone, Copy, Debug)]
pub(crate) enum IfMissing {
    /// Its headers have reported success.
    Ok,
    /// The status is derived from this HTTP status.
    Failed(StatusCode),
}

impl CallBody {
    /// A body that is not gRPC.
    pub(crate) fn any(body: RecvBody) -> Self {
        Self { body, kind: Kind::Any, aside: None, permit: None }
    }

    pub(crate) fn request(body: RecvBody) -> Self {
        Self { body, kind: Kind::Request(Messages::default()), aside: None, permit: None }
    }

    pub(crate) fn response(body: RecvBody, if_missing: IfMissing) -> Self {
        Self { body, kind: Kind::Response(Messages::default(), if_missing), aside: None, permit: None }
    }

    /// The call is running until the body ends or is dropped.
    pub(crate) fn holding(self, permit: Permit) -> Self {
        Self { permit, ..self }
    }

    /// Leaves large messages aside for a decoder.
    pub(crate) fn leaving(self, aside: Aside) -> Self {
        Self { aside: Some(aside), ..self }
    }

    /// Ends the body with `status`, and also the stream if it has not ended.
    fn fail(&mut self, status: Status) -> Option<Result<Frame<Bytes>, Status>> {
        *self = Self::default();
        Some(Err(status))
    }

    fn data(&mut self, data: Bytes) -> Option<Result<Frame<Bytes>, Status>> {
        let messages = match &mut self.kind {
            Kind::Any | Kind::Failed(_) => return Some(Ok(Frame::data(data))),
            Kind::Request(messages) | Kind::Response(messages, _) => messages,
        };
        let limit = self.aside.as_ref().map_or(usize::MAX, Aside::limit);
        let data = match &self.aside {
            Some(aside) if !messages.is_inside() => aside.take(data),
            _ => data,
        };
        match messages.take(&data, limit) {
            Ok(()) => Some(Ok(Frame::data(data))),
            Err(Fault::TooLarge { length, before }) => {
                self.kind = Kind::Failed(too_large(length, limit));
                Some(Ok(Frame::data(data.slice(..before))))
            }
            Err(Fault::Flag(flag)) => self.fail(Status::internal(format!(
                "not a gRPC message: its compressed-flag is {flag}, but must be 0 or 1"
            ))),
        }
    }

    fn end(&mut self, trailers: Option<HeaderMap>) -> Option<Result<Frame<Bytes>, Status>> {
        self.permit = None;
        let mut fields = trailers.unwrap_or_default();
        match std::mem::take(&mut self.kind) {
            Kind::Any if fields.is_empty() => return None,
            Kind::Any => {}
            Kind::Failed(status) => return self.fail(status),
            Kind::Request(messages) if messages.is_inside() => {
                return self.fail(Status::internal("the request ended inside a message"));
            }
            Kind::Request(_) => separate(&mut fields),
            Kind::Response(messages, if_missing) => {
                match (mend(&mut fields), if_missing) {
                    (true, _) => {}
                    (false, IfMissing::Ok) => set_status(&mut fields, Code::Ok, ""),
                    (false, IfMissing::Failed(status)) => {
                        let missing = without_status(status);
                        set_status(&mut fields, missing.code(), missing.message());
                    }
                }
                if messages.is_inside() && fields.get(STATUS).is_some_and(|status| status == "0") {
                    set_status(&mut fields, Code::Internal, "the response ended inside a message");
                }
            }
        }
        Some(Ok(Frame::trailers(fields)))
    }
}

impl Body for CallBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Kind::Failed(_) = self.kind {
            return Poll::Ready(self.end(None));
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx)).transpose();
        Poll::Ready(match frame.map(|frame| frame.map(Frame::into_data)) {
            Ok(Some(Ok(data))) => self.data(data),
            Ok(Some(Err(frame))) => self.end(frame.into_trailers().ok()),
            Ok(None) => self.end(None),
            Err(error) => {
                let status = match self.kind {
                    Kind::Request(_) => status_of_request(&error),
                    Kind::Any | Kind::Response(..) | Kind::Failed(_) => status_from_http2(&error),
                };
                self.fail(status)
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        let over = self.body.is_end_stream();
        over && match &self.kind {
            Kind::Any => true,
            Kind::Request(messages) => !messages.is_inside(),
            Kind::Response(..) | Kind::Failed(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
