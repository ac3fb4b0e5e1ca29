use futures_core::Stream;
use http::Uri;
use prost::Message;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codec::CompressionEncoding;
use tonic::codegen::StdError;
use tonic::service::Interceptor;
use tonic::{Request, Response, Status, Streaming};

use super::general;
use super::options::ClientOptions;
use super::{Bytes, Method};
use crate::Intercepted;

/// What a generated client holds: the service that it calls, and how.
#[derive(Clone, Debug)]
pub struct Client<T> {
    inner: T,
    options: ClientOptions,
}

impl<T> Client<T> {
    /// A client over a [`Channel`](crate::Channel) or another service.
    pub fn new(inner: T) -> Self {
        Self::with_origin(inner, Uri::default())
    }

    /// Like [`new`](Self::new), with the scheme, authority and beginning of the path that requests name.
    pub fn with_origin(inner: T, origin: Uri) -> Self {
        Self { inner, options: ClientOptions { origin, ..ClientOptions::default() } }
    }

    /// Compresses requests. Default: they are not.
    #[must_use]
    pub fn send_compressed(mut self, encoding: CompressionEncoding) -> Self {
        self.options.send = Some(encoding);
        self
    }

    /// Accepts responses that are compressed. Default: none is.
    #[must_use]
    pub fn accept_compressed(mut self, encoding: CompressionEncoding) -> Self {
        self.options.accept.push(encoding);
        self
    }

    /// The largest message that is decoded, in bytes. Default: 4 MiB.
    #[must_use]
    pub fn max_decoding_message_size(mut self, limit: usize) -> Self {
        self.options.max_decoding_message_size = Some(limit);
        self
    }

    /// The largest message that is encoded, in bytes. Default: `usize::MAX`.
    #[must_use]
    pub fn max_encoding_message_size(mut self, limit: usize) -> Self {
        self.options.max_encoding_message_size = Some(limit);
        self
    }
}

impl<T: 'static, F: Interceptor> Client<Intercepted<T, F>> {
    /// Like [`new`](Client::new), with an interceptor that sees and may change each request's metadata.
    pub fn with_interceptor(inner: T, interceptor: F) -> Self {
        Self::new(Intercepted::new(inner, interceptor))
    }
}

impl<T> Client<T>
where
    T: GrpcService<Body> + 'static,
    T::Error: Into<StdError>,
    T::ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
    <T::ResponseBody as http_body::Body>::Error: Into<StdError> + Send,
{
    /// Sends one message, and gets one.
    pub fn unary<M, R>(
        &mut self,
        method: &'static Method,
        request: Request<M>,
    ) -> impl Future<Output = Result<Response<R>, Status>>
    where
        M: Message + 'static,
        R: Message + Default + 'static,
    {
        general::unary(&self.options, &mut self.inner, method, request)
    }

    /// Sends one message, and gets a stream of them.
    pub fn server_streaming<M, R>(
        &mut self,
        method: &'static Method,
        request: Request<M>,
    ) -> impl Future<Output = Result<Response<Streaming<R>>, Status>>
    where
        M: Message + 'static,
        R: Message + Default + 'static,
    {
        general::server_streaming(&self.options, &mut self.inner, method, request)
    }

    /// Sends a stream of messages, and gets one.
    pub fn client_streaming<S, R>(
        &mut self,
        method: &'static Method,
        request: Request<S>,
    ) -> impl Future<Output = Result<Response<R>, Status>>
    where
        S: Stream<Item: Message + 'static> + Send + 'static,
        R: Message + Default + 'static,
    {
        general::client_streaming(&self.options, &mut self.inner, method, request)
    }

    /// Sends a stream of messages, and gets one, too.
    pub fn streaming<S, R>(
        &mut self,
        method: &'static Method,
        request: Request<S>,
    ) -> impl Future<Output = Result<Response<Streaming<R>>, Status>>
    where
        S: Stream<Item: Message + 'static> + Send + 'static,
        R: Message + Default + 'static,
    {
        general::streaming(&self.options, &mut self.inner, method, request)
    }
}
