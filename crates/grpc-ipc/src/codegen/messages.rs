//! Messages of direct calls, with the limits and errors that tonic has.

use grpc_ipc_http2::direct;
use prost::Message;
use tonic::Status;

/// A message that has come.
///
/// # Errors
/// It is larger than `limit`, or not one of its type.
pub(super) fn decode<M: Message + Default>(message: direct::Message<'_>, limit: usize) -> Result<M, Status> {
    let length = message.as_slice().len();
    if length > limit {
        return Err(Status::out_of_range(format!(
            "Error, decoded message length too large: found {length} bytes, the limit is: {limit} bytes"
        )));
    }
    let decoded = match message {
        direct::Message::Slice(slice) => M::decode(slice),
        direct::Message::Bytes(bytes) => M::decode(bytes),
    };
    decoded.map_err(|error| Status::internal(error.to_string()))
}

/// The length of a message that is to be sent.
///
/// # Errors
/// It is larger than `limit`, or than a message can be.
pub(super) fn encoded_len(message: &impl Message, limit: usize) -> Result<usize, Status> {
    let length = message.encoded_len();
    if length > limit {
        return Err(Status::out_of_range(format!(
            "Error, encoded message length too large: found {length} bytes, the limit is: {limit} bytes"
        )));
    }
    if length > u32::MAX as usize {
        return Err(Status::resource_exhausted(format!(
            "Cannot return body with more than 4GB of data but got {length} bytes"
        )));
    }
    Ok(length)
}
