use tokio::time::Instant;

use crate::{Address, ConnectError, Connection};

/// A client's end of a transport: makes connections to one address. Any number of connections can be made at a time.
pub trait Connector: Send + Sync + 'static {
    /// What this client and a server exchange bytes over.
    type Connection: Connection;

    /// Connects once. The connector's [`AccessPolicy`](crate::AccessPolicy) has let in the server that answered; a
    /// server that it refuses is sent nothing.
    ///
    /// A server that is there but busy is waited for until `deadline`; one try is made even when that has passed.
    /// Whether there is a server is told at once: a connector does not wait for one to be started. The policy is waited
    /// for until `deadline`, too.
    ///
    /// # Errors
    /// [`ConnectError::NotFound`] or [`ConnectError::Refused`] without a server, [`ConnectError::TimedOut`] at the
    /// deadline, [`ConnectError::Untrusted`] for a server that the policy refuses, [`ConnectError::InvalidOption`] for a name in the
    /// policy that nobody has, and what else the system says.
    ///
    /// # Cancel safety
    /// Dropping the future closes what it had opened.
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

    /// Where this connects to.
    fn address(&self) -> &Address;
}
