use http::Uri;
use prost::Message;
use tonic::codec::{CompressionEncoding, EnabledCompressionEncodings};
use tonic::{client, server};
use tonic_prost::ProstCodec;

use super::limits::Limiting;

/// tonic's default limit for decoding.
const DECODING_LIMIT: usize = 4 * 1024 * 1024;

/// How a generated server decodes requests and encodes responses.
#[derive(Clone, Debug, Default)]
pub struct ServerOptions {
    accept: EnabledCompressionEncodings,
    send: EnabledCompressionEncodings,
    max_decoding_message_size: Option<usize>,
    max_encoding_message_size: Option<usize>,
}

impl ServerOptions {
    /// Accepts requests compressed with `encoding`. Default: no compressed requests.
    pub fn accept_compressed(&mut self, encoding: CompressionEncoding) {
        self.accept.enable(encoding);
    }

    /// Compresses responses with `encoding`, for clients that accept it. Default: no compression.
    pub fn send_compressed(&mut self, encoding: CompressionEncoding) {
        self.send.enable(encoding);
    }

    /// Limits the size of a decoded message, in bytes. Default: 4 MiB.
    pub fn max_decoding_message_size(&mut self, limit: usize) {
        self.max_decoding_message_size = Some(limit);
    }

    /// Limits the size of an encoded message, in bytes. Default: `usize::MAX`.
    pub fn max_encoding_message_size(&mut self, limit: usize) {
        self.max_encoding_message_size = Some(limit);
    }

    /// Whether responses may be compressed, which only the general path does.
    pub(crate) fn compresses(&self) -> bool {
        !self.send.is_empty()
    }

    /// The largest message that is decoded.
    pub(super) fn decoding_limit(&self) -> usize {
        self.max_decoding_message_size.unwrap_or(DECODING_LIMIT)
    }

    /// The largest message that is encoded.
    pub(super) fn encoding_limit(&self) -> usize {
        self.max_encoding_message_size.unwrap_or(usize::MAX)
    }

    /// tonic's server with the same options. Its requests have to be [`Limited`](super::limits::Limited).
    pub(super) fn grpc<M, R>(&self) -> server::Grpc<ProstCodec<R, M>>
    where
        M: Message + Default + 'static,
        R: Message + 'static,
    {
        server::Grpc::new(ProstCodec::default())
            .apply_compression_config(self.accept, self.send)
            .apply_max_message_size_config(self.max_decoding_message_size, self.max_encoding_message_size)
    }
}

/// How a generated client encodes requests and decodes responses.
#[derive(Clone, Debug, Default)]
pub(super) struct ClientOptions {
    origin: Option<Uri>,
    send: Option<CompressionEncoding>,
    accept: Vec<CompressionEncoding>,
    pub(super) max_decoding_message_size: Option<usize>,
    pub(super) max_encoding_message_size: Option<usize>,
}

impl ClientOptions {
    pub(super) fn with_origin(origin: Uri) -> Self {
        Self { origin: Some(origin).filter(|origin| *origin != Uri::default()), ..Self::default() }
    }

    pub(super) fn send_compressed(&mut self, encoding: CompressionEncoding) {
        self.send = Some(encoding);
    }

    pub(super) fn accept_compressed(&mut self, encoding: CompressionEncoding) {
        self.accept.push(encoding);
    }

    /// Whether calls need tonic's client, which alone supports an origin and compression.
    pub(super) fn need_tonic(&self) -> bool {
        self.origin.is_some() || self.send.is_some() || !self.accept.is_empty()
    }

    /// The largest message that is decoded.
    pub(super) fn decoding_limit(&self) -> usize {
        self.max_decoding_message_size.unwrap_or(DECODING_LIMIT)
    }

    /// The largest message that is encoded.
    pub(super) fn encoding_limit(&self) -> usize {
        self.max_encoding_message_size.unwrap_or(usize::MAX)
    }

    /// tonic's client with the same options.
    pub(super) fn grpc<T>(&self, inner: T) -> client::Grpc<Limiting<T>> {
        let inner = Limiting { inner, limit: self.decoding_limit() };
        let mut grpc = client::Grpc::with_origin(inner, self.origin.clone().unwrap_or_default());
        if let Some(encoding) = self.send {
            grpc = grpc.send_compressed(encoding);
        }
        for encoding in &self.accept {
            grpc = grpc.accept_compressed(*encoding);
        }
        if let Some(limit) = self.max_decoding_message_size {
            grpc = grpc.max_decoding_message_size(limit);
        }
        if let Some(limit) = self.max_encoding_message_size {
            grpc = grpc.max_encoding_message_size(limit);
        }
        grpc
    }
}
