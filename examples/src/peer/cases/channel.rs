use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use tonic::{body::Body, codegen::StdError};
use tower::{Service, ServiceExt, util::BoxCloneService};

use crate::compression;

/// The channel that the cases call: any transport, type-erased, with data that tonic does not expose.
pub(crate) type Channel = BoxCloneService<Request<Body>, Response<Body>, StdError>;

/// The traits of every channel.
pub(crate) trait Transport
where
    Self: Service<Request<Body>, Response = Response<Self::Received>> + Clone + Send + 'static,
    Self: Service<Request<Body>, Error: Into<StdError>, Future: Send + 'static>,
{
    type Received: http_body::Body<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static;
}

impl<T, B> Transport for T
where
    T: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    T: Service<Request<Body>, Error: Into<StdError>, Future: Send + 'static>,
    B: http_body::Body<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static,
{
    type Received = B;
}

/// Hides the type of a channel, so that generated code does not make direct calls on it.
pub(crate) fn erased(transport: impl Transport) -> Channel {
    transport.map_response(|response| response.map(Body::new)).map_err(Into::into).boxed_clone()
}

/// The metadata with which a response began, in its extensions. tonic merges the initial and the trailing metadata of
/// unary responses.
#[derive(Clone, Default)]
pub(super) struct InitialMetadata(pub(super) HeaderMap);

/// Leaves [`InitialMetadata`] and [`CompressedFlags`](compression::CompressedFlags) in the extensions of every
/// response, and sends the messages of a request as the flags in its extensions say.
pub(super) fn observed(transport: impl Transport) -> Channel {
    transport
        .map_request(|request: Request<Body>| {
            let (parts, body) = request.into_parts();
            let body = compression::apply(&parts.extensions, body);
            Request::from_parts(parts, body)
        })
        .map_response(|response: Response<_>| {
            let (mut parts, body) = response.into_parts();
            let body = compression::record(&mut parts.extensions, Body::new(body));
            parts.extensions.insert(InitialMetadata(parts.headers.clone()));
            Response::from_parts(parts, body)
        })
        .map_err(Into::into)
        .boxed_clone()
}
