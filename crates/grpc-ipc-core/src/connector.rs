use tokio::time::Instant;

use crate::{Address, ConnectError, Connection};

/// The client side of a transport: makes connections to one address. Several connections can be made at the same time.
pub trait Connector: Send + Sync + 'static {
    /// The connection between this client and a server.
    type Connection: Connection;

    /// Connects once. The connector's [`AccessPolicy`](crate::AccessPolicy) has accepted the server by then; nothing is
    /// sent to a server that it refuses.
    ///
    /// A connector waits until `deadline` for a busy server and for the policy's decision. It makes one attempt even if
    /// `deadline` has passed. If there is no server, it fails at once: a connector does not wait for a server to start.
    ///
    /// # Errors
    /// [`ConnectError::NotFound`] or [`ConnectError::Refused`] without a server, [`ConnectError::TimedOut`] at the
    /// deadline, [`ConnectError::Untrusted`] for a server that the policy refuses, [`ConnectError::InvalidOption`] for
    /// a name in the policy that does not exist, and others for errors of the system.
    ///
    /// # Cancel safety
    /// Dropping the future closes everything that it opened.
    fn connect(
        &self,
        deadline: Instant,
    ) -> impl Future<Output = Result<Self::Connection, ConnectError>> + Send;

    /// Waits until the server may have appeared, so that another attempt is worth making.
    ///
    /// Poll the future once *before* an attempt, which starts the watch, and wait for it if the attempt fails. Then a
    /// server that appears in between is not missed. The future may complete too early; callers then request another
    /// one, and limit the rate of their attempts.
    ///
    /// Default: never completes, for transports that cannot watch. Callers also try from time to time.
    ///
    /// # Cancel safety
    /// Dropping the future ends the watch.
    fn appears(&self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }

    /// The address to connect to.
    fn address(&self) -> &Address;
}
