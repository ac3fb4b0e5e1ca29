//! Messages of direct calls.

use bytes::{Buf, Bytes};
use grpc_ipc_http2::direct;
use prost::Message;
use tonic::Status;

use crate::messages::too_large;

/// Decodes a received message.
///
/// # Errors
/// If it is larger than `limit`, or invalid.
pub(super) fn decode<M: Message + Default>(message: direct::Message<'_>, limit: usize) -> Result<M, Status> {
    let length = message.as_slice().len();
    if length > limit {
        return Err(too_large(length, limit));
    }
    let decoded = match message {
        direct::Message::Slice(slice) => M::decode(Slice(slice)),
        direct::Message::Bytes(bytes) => M::decode(bytes),
    };
    decoded.map_err(|error| Status::internal(error.to_string()))
}

/// A message to send.
pub(super) struct Encoded<'a, M>(pub(super) &'a M);

impl<M: Message> direct::EncodeMessage for Encoded<'_, M> {
    fn encode(self, out: &mut Vec<u8>) {
        self.0.encode_raw(out);
    }

    fn encode_parts(self, out: &mut direct::Parts) {
        self.0.encode_raw(out);
    }
}

/// The length of a message to send.
///
/// # Errors
/// If it is larger than `limit`, or than any message can be.
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

/// A message in borrowed memory. Its fields of type [`Bytes`] are copied.
struct Slice<'a>(&'a [u8]);

impl Buf for Slice<'_> {
    fn remaining(&self) -> usize {
        self.0.len()
    }

    fn chunk(&self) -> &[u8] {
        self.0
    }

    fn advance(&mut self, count: usize) {
        self.0 = &self.0[count..];
    }

    fn copy_to_bytes(&mut self, length: usize) -> Bytes {
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        match length {
            0 => Bytes::new(),
            1..=32 => Inline::<32>::copy(bytes),
            33..=64 => Inline::<64>::copy(bytes),
            65..=128 => Inline::<128>::copy(bytes),
            129..=256 => Inline::<256>::copy(bytes),
            _ => Bytes::copy_from_slice(bytes),
        }
    }
}

/// A few bytes beside their reference count. Otherwise [`Bytes`] would allocate one at each clone, which encoding
/// causes as well.
struct Inline<const N: usize> {
    length: usize,
    bytes: [u8; N],
}

impl<const N: usize> Inline<N> {
    fn copy(from: &[u8]) -> Bytes {
        let mut bytes = [0; N];
        bytes[..from.len()].copy_from_slice(from);
        Bytes::from_owner(Self { length: from.len(), bytes })
    }
}

impl<const N: usize> AsRef<[u8]> for Inline<N> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_every_length_are_copied() {
        let all: Vec<u8> = (0..=u8::MAX).cycle().take(600).collect();
        for length in 0..300 {
            let mut slice = Slice(&all);
            slice.advance(7);
            assert_eq!(slice.copy_to_bytes(length), all[7..7 + length]);
            assert_eq!(slice.chunk(), &all[7 + length..]);
        }
    }
}
