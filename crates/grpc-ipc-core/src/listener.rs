use crate::{Address, Connection};

/// A server's end of a transport: where connections come from.
///
/// The [`AccessPolicy`](crate::AccessPolicy) that a listener was made with has let in every connection it hands out; it
/// closes one that the policy refuses before a byte of it is read, and goes on. A client about which the policy takes its
/// time to decide holds up no other. An [`Acceptor`](crate::Acceptor) does all of this for a transport.
///
/// Dropping a listener closes the address: connecting fails from then on, and the address can be listened on again.
/// Connections that were handed out live on.
pub trait Listener: Send + 'static {
    /// What a client and this server exchange bytes over.
    type Connection: Connection;

    /// Waits for the next client.
    ///
    /// This never ends and never spins. A client that connects and goes away at once ends nothing. When the system is
    /// short of something (file descriptors, memory) the listener waits and tries again, with growing pauses of at most
    /// a second.
    ///
    /// # Cancel safety
    /// Dropping the future before it is ready loses no connection.
    fn accept(&mut self) -> impl Future<Output = Self::Connection> + Send;

    /// Gives up the address, as dropping the listener does, and returns one of the clients that had already connected,
    /// or `None` if there are no more. A server that ends calls it until it returns `None`, and then drops the
    /// listener. It no longer calls [`accept`](Self::accept).
    ///
    /// The default returns `None` at once, so clients that have not been accepted see their connections closed.
    ///
    /// # Cancel safety
    /// Dropping the future before it is ready loses no connection.
    fn accept_last(&mut self) -> impl Future<Output = Option<Self::Connection>> + Send {
        async { None }
    }

    /// Where a client can connect: the address as it came out in the end, such as the path behind `local:NAME`.
    fn local_address(&self) -> &Address;
}
