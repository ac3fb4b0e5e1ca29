//! Calls over any service, by tonic's client.

use std::task::{Context, Poll};

use futures_core::Stream;
use http::uri::PathAndQuery;
use prost::Message;
use tonic::body::Body;
use tonic::client::{Grpc, GrpcService};
use tonic::codegen::StdError;
use tonic::{GrpcMethod, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower_service::Service;

use super::metadata::strip_result;
use super::options::ClientOptions;
use super::{Bytes, Method};

/// A service that is lent, so that it need not be cloned.
pub(super) struct Lent<'a, T>(&'a mut T);

impl<T> Service<http::Request<Body>> for Lent<'_, T>
where
    T: GrpcService<Body>,
{
    type Response = http::Response<T::ResponseBody>;
    type Error = T::Error;
    type Future = T::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), T::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> T::Future {
        self.0.call(request)
    }
}

macro_rules! calls {
    ($($(#[$attribute:meta])* fn $name:ident<$send:ident: ($($bound:tt)+)>($of:ty) -> $response:ty;)+) => {$(
        $(#[$attribute])*
        pub(super) async fn $name<T, $send, R>(
            options: &ClientOptions,
            inner: &mut T,
            method: &'static Method,
            request: Request<$send>,
        ) -> Result<Response<$response>, Status>
        where
            T: GrpcService<Body>,
            T::Error: Into<StdError>,
            T::ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
            <T::ResponseBody as http_body::Body>::Error: Into<StdError> + Send,
            $send: $($bound)+,
            R: Message + Default + 'static,
        {
            let mut grpc = options.grpc(Lent(inner));
            let (request, path) = prepare(&mut grpc, method, request).await?;
            strip_result(grpc.$name(request, path, ProstCodec::<$of, R>::default()).await)
        }
    )+};
}

calls! {
    fn unary<M: (Message + 'static)>(M) -> R;
    fn server_streaming<M: (Message + 'static)>(M) -> Streaming<R>;
    fn client_streaming<S: (Stream<Item: Message + 'static> + Send + 'static)>(S::Item) -> R;
    fn streaming<S: (Stream<Item: Message + 'static> + Send + 'static)>(S::Item) -> Streaming<R>;
}

/// Waits until the service is ready, and says in the request what is called, as code does that tonic has generated.
async fn prepare<T, M>(
    grpc: &mut Grpc<T>,
    method: &'static Method,
    mut request: Request<M>,
) -> Result<(Request<M>, PathAndQuery), Status>
where
    T: GrpcService<Body>,
    T::Error: Into<StdError>,
{
    grpc.ready()
        .await
        .map_err(|error| Status::unknown(format!("Service was not ready: {}", error.into())))?;
    request.extensions_mut().insert(grpc_method(method));
    Ok((request, PathAndQuery::from_static(method.path())))
}

/// The method as tonic tells it to layers and interceptors.
pub(super) fn grpc_method(method: &'static Method) -> GrpcMethod<'static> {
    let path = method.path();
    let (service, name) = path.strip_prefix('/').and_then(|path| path.split_once('/')).unwrap_or((path, ""));
    GrpcMethod::new(service, name)
}
