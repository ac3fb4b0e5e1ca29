//! The parts of the interoperability tests that tonic's handlers cannot do: trailing metadata with a successful
//! response, and the compression of single messages.

use std::convert::Infallible;

use http::{HeaderMap, HeaderName, Request, Response};
use http_body_util::BodyExt;
use tonic::{Status, body::Body};
use tower::{Service, ServiceExt, service_fn};

use crate::compression;

const INITIAL: HeaderName = HeaderName::from_static("x-grpc-test-echo-initial");
const TRAILING: HeaderName = HeaderName::from_static("x-grpc-test-echo-trailing-bin");

/// Wraps a tonic service.
pub(super) fn around<S>(
    service: S,
) -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone + Send,
{
    service_fn(move |request: Request<Body>| {
        let mut service = service.clone();
        async move {
            let (mut parts, body) = request.into_parts();
            let body = compression::record(&mut parts.extensions, body);
            let (initial, trailing) = (only(&parts.headers, INITIAL), only(&parts.headers, TRAILING));

            let response = service.ready().await?.call(Request::from_parts(parts, body)).await?;

            let (mut parts, body) = response.into_parts();
            let mut body = compression::apply(&parts.extensions, body);
            parts.headers.extend(initial);
            if parts.headers.contains_key(Status::GRPC_STATUS) {
                // A call that ends before its first message has no trailers except these headers.
                parts.headers.extend(trailing);
            } else if !trailing.is_empty() {
                body = Body::new(body.with_trailers(async { Some(Ok(trailing)) }));
            }
            Ok(Response::from_parts(parts, body))
        }
    })
}

/// The values that `name` has in `headers`.
fn only(headers: &HeaderMap, name: HeaderName) -> HeaderMap {
    headers.get_all(&name).iter().map(|value| (name.clone(), value.clone())).collect()
}
