use prost::Message;
use tonic::codec::CompressionEncoding;
use tonic::{Request, Response, Status};

use super::{Client, Method};
use crate::blocking::{Cancellation, Channel, Messages, Streaming, call, streaming};

/// The state of a generated blocking client.
#[derive(Clone, Debug)]
pub struct BlockingClient {
    inner: Client<crate::Channel>,
}

impl BlockingClient {
    /// Creates a client on a channel.
    pub fn new(channel: Channel) -> Self {
        Self { inner: Client::new(channel.channel().clone()) }
    }

    /// Compresses requests with `encoding`. Default: no compression.
    #[must_use]
    pub fn send_compressed(self, encoding: CompressionEncoding) -> Self {
        Self { inner: self.inner.send_compressed(encoding) }
    }

    /// Accepts responses compressed with `encoding`. Default: no compressed responses.
    #[must_use]
    pub fn accept_compressed(self, encoding: CompressionEncoding) -> Self {
        Self { inner: self.inner.accept_compressed(encoding) }
    }

    /// Limits the size of a decoded message, in bytes. Default: 4 MiB.
    #[must_use]
    pub fn max_decoding_message_size(self, limit: usize) -> Self {
        Self { inner: self.inner.max_decoding_message_size(limit) }
    }

    /// Limits the size of an encoded message, in bytes. Default: `usize::MAX`.
    #[must_use]
    pub fn max_encoding_message_size(self, limit: usize) -> Self {
        Self { inner: self.inner.max_encoding_message_size(limit) }
    }

    /// Makes a unary call.
    ///
    /// # Errors
    /// The status of the call.
    pub fn unary<M, R>(
        &mut self,
        method: &'static Method,
        mut request: Request<M>,
    ) -> Result<Response<R>, Status>
    where
        M: Message + 'static,
        R: Message + Default + 'static,
    {
        let cancellation = cancellation(&mut request);
        call(self.inner.unary(method, request), cancellation.as_ref())
    }

    /// Sends one message, and receives a stream.
    ///
    /// # Errors
    /// The status of the call.
    pub fn server_streaming<M, R>(
        &mut self,
        method: &'static Method,
        mut request: Request<M>,
    ) -> Result<Response<Streaming<R>>, Status>
    where
        M: Message + 'static,
        R: Message + Default + 'static,
    {
        let cancellation = cancellation(&mut request);
        let response = call(self.inner.server_streaming(method, request), cancellation.as_ref())?;
        Ok(streaming(response, cancellation))
    }

    /// Sends a stream of messages, and receives one message.
    ///
    /// # Errors
    /// The status of the call.
    pub fn client_streaming<M, R>(
        &mut self,
        method: &'static Method,
        messages: Messages<M>,
    ) -> Result<Response<R>, Status>
    where
        M: Message + Send + 'static,
        R: Message + Default + 'static,
    {
        let (request, cancellation) = messages.into_request()?;
        call(self.inner.client_streaming(method, request), cancellation.as_ref())
    }

    /// Sends a stream of messages, and receives a stream.
    ///
    /// # Errors
    /// The status of the call.
    pub fn streaming<M, R>(
        &mut self,
        method: &'static Method,
        messages: Messages<M>,
    ) -> Result<Response<Streaming<R>>, Status>
    where
        M: Message + Send + 'static,
        R: Message + Default + 'static,
    {
        let (request, cancellation) = messages.into_request()?;
        let response = call(self.inner.streaming(method, request), cancellation.as_ref())?;
        Ok(streaming(response, cancellation))
    }
}

fn cancellation<M>(request: &mut Request<M>) -> Option<Cancellation> {
    if request.extensions().is_empty() {
        return None;
    }
    request.extensions_mut().remove()
}
