use tokio::io::{AsyncRead, AsyncWrite};

use crate::Peer;

/// A reliable, ordered stream of bytes to one peer, in both directions.
///
/// - Bytes are read in the order in which they were written, without loss.
/// - Flushed bytes are on their way: the peer can read them even if this end does nothing more. Bytes that were written
///   but not flushed may wait for a flush or a read.
/// - The peer reads everything written before `shutdown`, and then the end of the stream.
/// - A read that is pending at `shutdown` continues until the other end closes, unless `shutdown` has closed both
///   directions.
/// - The peer reads everything written before the connection is dropped, and then the end of the stream.
/// - A write to a peer that does not read stays pending once a bounded amount is on its way.
///
/// Half-close is not guaranteed: `shutdown` may close both directions, as it does on a Windows named pipe.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// The peer at the other end. It stays the same for the life of the connection.
    fn peer(&self) -> &Peer;

    /// Whether a repeated read finds bytes that have arrived before the runtime has reported them. A thread that polls
    /// for an answer then need not let the runtime check. Default: `false`.
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
