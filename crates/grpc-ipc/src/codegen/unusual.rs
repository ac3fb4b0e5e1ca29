//! Responses to direct calls other than a message with the status OK, interpreted as by tonic.

use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use grpc_ipc_http2::RecvBody;
use http::uri::PathAndQuery;
use prost::Message;
use std::future::{Ready, ready};
use tonic::body::Body;
use tonic::metadata::MetadataMap;
use tonic::{Code, Extensions, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower_service::Service;

use super::large::{Aside, MessageDecoder};
use super::metadata::{strip, strip_result};
use super::options::ClientOptions;
use crate::call_body::CallBody;
use crate::fields::STATUS;
use crate::response::response_of_grpc;

const ENCODING: &str = "grpc-encoding";

/// A response of this kind.
pub(super) enum Read<R> {
    /// An error from its headers.
    Status(Status),
    /// The result of its body.
    Later(BoxFuture<'static, Result<Response<R>, Status>>),
}

pub(super) fn read<R: Message + Default + 'static>(
    response: http::Response<RecvBody>,
    options: &ClientOptions,
) -> Read<R> {
    match response_of_grpc(response) {
        Ok(response) => read_grpc(response, options),
        Err(status) => Read::Status(status),
    }
}

pub(super) fn read_grpc<R: Message + Default + 'static>(
    response: http::Response<CallBody>,
    options: &ClientOptions,
) -> Read<R> {
    let response = match without_error(response) {
        Ok(response) => response,
        Err(status) => return Read::Status(status),
    };
    let mut client = options.grpc(Responded(Some(response)));
    Read::Later(Box::pin(async move {
        let path = PathAndQuery::from_static("/");
        strip_result(client.unary(Request::new(()), path, ProstCodec::<(), R>::default()).await)
    }))
}

/// The messages of a response, as tonic reads them.
pub(super) async fn stream_of<R: Message + Default + 'static>(
    response: http::Response<CallBody>,
    options: &ClientOptions,
) -> Result<Response<Streaming<R>>, Status> {
    let response = without_error(response)?;
    if response.headers().contains_key(ENCODING) {
        let mut client = options.grpc(Responded(Some(response)));
        let path = PathAndQuery::from_static("/");
        let codec = ProstCodec::<(), R>::default();
        return strip_result(client.server_streaming(Request::new(()), path, codec).await);
    }
    let (head, body) = response.into_parts();
    let limit = options.decoding_limit();
    let aside = Aside::new(limit);
    let decoder = MessageDecoder::<R>::new(aside.clone());
    let messages = if head.headers.contains_key(STATUS) {
        // The headers have the status already.
        Streaming::new_empty(decoder, body)
    } else {
        Streaming::new_response(decoder, body.leaving(aside), head.status, None, Some(limit))
    };
    let mut metadata = MetadataMap::from_headers(head.headers);
    strip(&mut metadata);
    Ok(Response::from_parts(metadata, messages, Extensions::new()))
}

/// A response without an error in its headers.
fn without_error(response: http::Response<CallBody>) -> Result<http::Response<CallBody>, Status> {
    // tonic checks the encoding first.
    let is_encoded = response.headers().contains_key(ENCODING);
    if !is_encoded
        && let Some(mut status) = Status::from_header_map(response.headers())
        && status.code() != Code::Ok
    {
        strip(status.metadata_mut());
        return Err(status);
    }
    Ok(response)
}

/// A service that returns an existing response.
struct Responded(Option<http::Response<CallBody>>);

impl Service<http::Request<Body>> for Responded {
    type Response = http::Response<CallBody>;
    type Error = Status;
    type Future = Ready<Result<Self::Response, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<Body>) -> Self::Future {
        ready(self.0.take().ok_or_else(|| Status::internal("tonic has called twice")))
    }
}
