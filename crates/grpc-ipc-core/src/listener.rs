use crate::{Address, Connection};

/// The server side of a transport: accepts connections.
///
/// The listener's [`AccessPolicy`](crate::AccessPolicy) has accepted every connection that it returns. A listener
/// closes a refused connection before it reads a byte, and continues. While the policy takes time to decide about a
/// client, other clients are not held up. An [`Acceptor`](crate::Acceptor) does all of this for a transport.
///
/// Dropping a listener closes the address: from then on, connecting fails, and another listener can use the address.
/// Connections that were returned stay open.
pub trait Listener: Send + 'static {
    /// The connection between a client and this server.
    type Connection: Connection;

    /// Waits for the next client.
    ///
    /// A listener never fails and never spins. A client that connects and disconnects at once does not end it. When the
    /// system lacks a resource (file descriptors, memory), the listener pauses and tries again; the pauses grow up to
    /// one second.
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

    /// The address that clients can connect to: the resolved one, such as the path behind `local:NAME`.
    fn local_address(&self) -> &Address;
}
