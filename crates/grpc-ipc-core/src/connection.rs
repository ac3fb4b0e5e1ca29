use tokio::io::{AsyncRead, AsyncWrite};

use crate::Peer;

/// A reliable, ordered stream of bytes to one peer, in both directions.
///
/// - What is written is read in the same order, byte for byte.
/// - What was flushed is on its way: the other end reads it without anything more being done with this one. What was
///   only written may wait for that, or for a read.
/// - What was written before `shutdown` is read before the end of the stream.
/// - A read that is pending at `shutdown` ends at the latest when the other end closes. Until then it goes on, unless
///   `shutdown` has closed both directions.
/// - What was written before the connection is dropped is read before the end of the stream.
/// - A write to a peer that does not read stays pending once a bounded amount is on its way.
///
/// Half-close is not promised: after `shutdown` a connection may be closed in both directions, as a Windows named pipe
/// is.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// Who is at the other end. It stays the same for the life of the connection.
    fn peer(&self) -> &Peer;

    /// Whether a read that is tried again finds what has come, although the runtime has not yet told of it. Then a thread that
    /// waits awake for an answer need not let the runtime look. By default it is not so.
    fn reads_at_once(&self) -> bool {
        false
    }
}

impl<C: Connection + ?Sized> Connection for Box<C> {
    fn peer(&self) -> &Peer {
        (**self).peer()
    }

    fn reads_at_once(&self) -> bool {
        (**self).reads_at_once()
    }
}
