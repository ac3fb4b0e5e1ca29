//! Messages whose types are known at run time only, for tonic.

use grpc_ipc::tonic::Status;
use grpc_ipc::tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use prost_reflect::prost::Message as _;
use prost_reflect::{DynamicMessage, MessageDescriptor, MethodDescriptor};

/// Encodes a method's requests, and decodes its responses.
pub(crate) struct DynamicCodec(MethodDescriptor);

impl DynamicCodec {
    pub(crate) fn new(method: MethodDescriptor) -> Self {
        Self(method)
    }
}

impl Codec for DynamicCodec {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = DynamicEncoder;
    type Decoder = DynamicDecoder;

    fn encoder(&mut self) -> DynamicEncoder {
        DynamicEncoder
    }

    fn decoder(&mut self) -> DynamicDecoder {
        DynamicDecoder(self.0.output())
    }
}

pub(crate) struct DynamicEncoder;

impl Encoder for DynamicEncoder {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, message: DynamicMessage, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        message.encode(buffer).map_err(|error| Status::internal(format!("cannot encode a request: {error}")))
    }
}

pub(crate) struct DynamicDecoder(MessageDescriptor);

impl Decoder for DynamicDecoder {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let message = DynamicMessage::decode(self.0.clone(), buffer);
        message.map(Some).map_err(|error| {
            Status::internal(format!(
                "the response is not a {} ({error}); the schema probably differs from the server's",
                self.0.full_name()
            ))
        })
    }
}
