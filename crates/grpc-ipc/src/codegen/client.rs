use std::any::Any;
use std::pin::Pin;

use futures_core::Stream;
use http::Uri;
use prost::Message;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codec::CompressionEncoding;
use tonic::codegen::StdError;
use tonic::service::Interceptor;
use tonic::{CancellationHandle, Request, Response, Status, Streaming};

use super::general::{self, grpc_method};
use super::metadata::strip;
use super::options::ClientOptions;
use super::streaming_client;
use super::unary_client::{Direct, Unary};
use super::{Bytes, Method};
use crate::{Channel, Intercepted};

/// The state of a generated client: the service that it calls, and its options.
#[derive(Clone, Debug)]
pub struct Client<T> {
    inner: T,
    pub(super) options: ClientOptions,
    /// Finds the channel and the interceptor in an [`Intercepted`].
    intercepted: Option<Reach<T>>,
}

/// Finds a channel and the interceptor before it.
type Reach<T> = for<'a> fn(&'a mut T) -> Option<(&'a Channel, &'a mut dyn Interceptor)>;

impl<T> Client<T> {
    /// Creates a client on a [`Channel`](crate::Channel) or another service.
    pub fn new(inner: T) -> Self {
        Self::with_origin(inner, Uri::default())
    }

    /// Like [`new`](Self::new), with the scheme, authority and path prefix for its requests.
    pub fn with_origin(inner: T, origin: Uri) -> Self {
        Self { inner, options: ClientOptions::with_origin(origin), intercepted: None }
    }

    /// Compresses requests with `encoding`. Default: no compression.
    #[must_use]
    pub fn send_compressed(mut self, encoding: CompressionEncoding) -> Self {
        self.options.send_compressed(encoding);
        self
    }

    /// Accepts responses compressed with `encoding`. Default: no compressed responses.
    #[must_use]
    pub fn accept_compressed(mut self, encoding: CompressionEncoding) -> Self {
        self.options.accept_compressed(encoding);
        self
    }

    /// Limits the size of a decoded message, in bytes. Default: 4 MiB.
    #[must_use]
    pub fn max_decoding_message_size(mut self, limit: usize) -> Self {
        self.options.max_decoding_message_size = Some(limit);
        self
    }

    /// Limits the size of an encoded message, in bytes. Default: `usize::MAX`.
    #[must_use]
    pub fn max_encoding_message_size(mut self, limit: usize) -> Self {
        self.options.max_encoding_message_size = Some(limit);
        self
    }
}

impl<T: 'static, F: Interceptor> Client<Intercepted<T, F>> {
    /// Like [`new`](Client::new), with an interceptor that sees each request's metadata and may change it.
    pub fn with_interceptor(inner: T, interceptor: F) -> Self {
        let intercepted: Reach<Intercepted<T, F>> =
            |Intercepted { inner, interceptor }| Some((channel(inner)?, interceptor));
        Self { intercepted: Some(intercepted), ..Self::new(Intercepted::new(inner, interceptor)) }
    }
}

/// The service as a channel, if it is one. The types are compared at compile time.
fn channel<T: 'static>(service: &T) -> Option<&Channel> {
    (service as &dyn Any).downcast_ref()
}

impl<T: 'static> Client<T> {
    /// Whether a call can be direct.
    fn is_direct<M>(&mut self, request: &Request<M>) -> bool {
        let extensions = request.extensions();
        !self.options.need_tonic()
            && self.channel().is_some()
            && (extensions.is_empty() || extensions.get::<CancellationHandle>().is_none())
    }

    /// The channel for direct calls.
    pub(super) fn channel(&mut self) -> Option<&Channel> {
        match self.intercepted {
            None => channel(&self.inner),
            Some(reach) => reach(&mut self.inner).map(|(channel, _)| channel),
        }
    }

    /// Whether an interceptor sees the requests of direct calls.
    pub(super) fn is_intercepted(&self) -> bool {
        self.intercepted.is_some()
    }

    /// The request of a direct call after the interceptor, if there is one.
    pub(super) fn intercept<M>(
        &mut self,
        method: &'static Method,
        mut request: Request<M>,
    ) -> Result<Request<M>, Status> {
        let Some((_, interceptor)) = self.intercepted.and_then(|reach| reach(&mut self.inner)) else {
            return Ok(request);
        };
        request.extensions_mut().insert(grpc_method(method));
        let (metadata, extensions, message) = request.into_parts();
        match interceptor.call(Request::from_parts(metadata, extensions, ())) {
            Ok(request) => {
                let (metadata, extensions, ()) = request.into_parts();
                Ok(Request::from_parts(metadata, extensions, message))
            }
            // As if a server had sent it.
            Err(status) => {
                let headers = status.into_http::<()>().into_parts().0.headers;
                let mut status = Status::from_header_map(&headers).unwrap_or_else(|| Status::unknown(""));
                strip(status.metadata_mut());
                Err(status)
            }
        }
    }
}

impl<T> Client<T>
where
    T: GrpcService<Body> + 'static,
    T::Error: Into<StdError>,
    T::ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
    <T::ResponseBody as http_body::Body>::Error: Into<StdError> + Send,
{
    /// Makes a unary call.
    #[inline]
    pub fn unary<M, R>(
        &mut self,
        method: &'static Method,
        request: Request<M>,
    ) -> impl Future<Output = Result<Response<R>, Status>>
    where
        M: Message + 'static,
        R: Message + Default + 'static,
    {
        if self.is_direct(&request) {
            Unary::Direct(Direct::new(self, method, request))
        } else {
            Unary::General(self.general_unary(method, request))
        }
    }

    /// Not inlined, to keep the direct path small.
    #[inline(never)]
    fn general_unary<M, R>(
        &mut self,
        method: &'static Method,
        request: Request<M>,
    ) -> Pin<Box<impl Future<Output = Result<Response<R>, Status>>>>
    where
        M: Message + 'static,
        R: Message + Default + 'static,
    {
        Box::pin(general::unary(&self.options, &mut self.inner, method, request))
    }

    /// Sends one message, and receives a stream.
    ///
    /// # Errors
    /// The status of the call.
    pub async fn server_streaming<M, R>(
        &mut self,
        method: &'static Method,
        request: Request<M>,
    ) -> Result<Response<Streaming<R>>, Status>
    where
        M: Message + 'static,
        R: Message + Default + 'static,
    {
        if self.is_direct(&request) {
            streaming_client::server_streaming(self, method, request).await
        } else {
            // Boxed, because tonic's futures are large.
            Box::pin(general::server_streaming(&self.options, &mut self.inner, method, request)).await
        }
    }

    /// Sends a stream of messages, and receives one message.
    ///
    /// # Errors
    /// The status of the call.
    pub async fn client_streaming<S, R>(
        &mut self,
        method: &'static Method,
        request: Request<S>,
    ) -> Result<Response<R>, Status>
    where
        S: Stream<Item: Message + 'static> + Send + 'static,
        R: Message + Default + 'static,
    {
        if self.is_direct(&request) {
            streaming_client::client_streaming(self, method, request).await
        } else {
            // Boxed, because tonic's futures are large.
            Box::pin(general::client_streaming(&self.options, &mut self.inner, method, request)).await
        }
    }

    /// Sends a stream of messages, and receives a stream.
    ///
    /// # Errors
    /// The status of the call.
    pub async fn streaming<S, R>(
        &mut self,
        method: &'static Method,
        request: Request<S>,
    ) -> Result<Response<Streaming<R>>, Status>
    where
        S: Stream<Item: Message + 'static> + Send + 'static,
        R: Message + Default + 'static,
    {
        if self.is_direct(&request) {
            streaming_client::streaming(self, method, request).await
        } else {
            // Boxed, because tonic's futures are large.
            Box::pin(general::streaming(&self.options, &mut self.inner, method, request)).await
        }
    }
}
