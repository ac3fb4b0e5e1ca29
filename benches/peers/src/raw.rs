//! The protocol of the peers without RPC: frames, each after its length. The server sends every frame back.

use std::io;

/// The length before a frame, in network byte order.
pub const HEAD: usize = 4;

/// The maximum size of a read.
pub const BUFFER: usize = 64 * 1024;

/// A frame with its length.
///
/// # Errors
///
/// If the payload is longer than the length before it can state.
pub fn frame(payload: &[u8]) -> crate::Result<Vec<u8>> {
    let mut frame = Vec::with_capacity(HEAD + payload.len());
    frame.extend(u32::try_from(payload.len())?.to_be_bytes());
    frame.extend(payload);
    Ok(frame)
}

/// The length of the whole frames at the start of `received`.
pub fn whole_frames(received: &[u8]) -> usize {
    let mut whole = 0;
    while let Some(head) = number(received, whole) {
        let frame = HEAD + head as usize;
        if head == 0 || whole + frame > received.len() {
            break;
        }
        whole += frame;
    }
    whole
}

/// A request for `count` messages of `size` bytes without lengths, after which the server of an upload answers with one
/// byte. It is sent as the length 0, followed by its three numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transfer {
    /// Whether the client sends the messages.
    pub is_upload: bool,
    /// The number of messages.
    pub count: u32,
    /// The size of a message, in bytes.
    pub size: u32,
}

impl Transfer {
    /// The size of a request.
    pub const LENGTH: usize = 4 * HEAD;

    /// The bytes of the request.
    pub fn encode(self) -> Vec<u8> {
        [0, self.is_upload.into(), self.count, self.size].map(u32::to_be_bytes).concat()
    }

    /// The request at the start of `received`, if there is a whole one.
    pub fn decode(received: &[u8]) -> Option<Self> {
        if number(received, 0)? != 0 {
            return None;
        }
        let [is_upload, count, size] = [1, 2, 3].map(|at| number(received, at * HEAD));
        Some(Self { is_upload: is_upload? != 0, count: count?, size: size? })
    }

    /// The number of bytes of all messages.
    pub fn bytes(self) -> u64 {
        u64::from(self.count) * u64::from(self.size)
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + HEAD)?.try_into().ok()?))
}

/// The error if the other end has closed the connection.
pub fn closed() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_and_transfers_are_told_apart() {
        let mut bytes = frame(b"abc").unwrap();
        bytes.extend(frame(b"d").unwrap());
        let whole = bytes.len();
        assert_eq!(Transfer::decode(&bytes), None);
        let transfer = Transfer { is_upload: true, count: 3, size: 70_000 };
        bytes.extend(transfer.encode());
        assert_eq!(whole_frames(&bytes), whole);
        assert_eq!(whole_frames(&bytes[..whole - 1]), HEAD + 3);
        assert_eq!(Transfer::decode(&bytes[whole..]), Some(transfer));
        assert_eq!(Transfer::decode(&bytes[whole..whole + Transfer::LENGTH - 1]), None);
    }
}
