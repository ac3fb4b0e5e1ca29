use std::time::Duration;

use grpc_ipc_core::{AccessPolicy, Address, AddressError, IntoAddress};

use crate::Http2Options;
use crate::backend::PlatformConnectOptions;
use crate::connections::ConnectionsOptions;
use crate::from_connection::GivenConnection;

/// Where a client connects, and whom it trusts there. A string or an [`Address`] alone converts into one with the
/// defaults.
#[derive(Clone, Debug)]
#[must_use = "options do nothing until a channel connects with them"]
pub struct ConnectOptions {
    pub(crate) address: Result<Address, AddressError>,
    pub(crate) access: Option<AccessPolicy>,
    pub(crate) given: Option<GivenConnection>,
    pub(crate) connections: ConnectionsOptions,
    pub(crate) wait: Option<Duration>,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<crate::tls::ClientTls>,
    pub(crate) platform: PlatformConnectOptions,
}

impl ConnectOptions {
    /// Connects to `address`. A wrong address is reported when the channel connects.
    pub fn new(address: impl IntoAddress) -> Self {
        Self {
            address: address.into_address(),
            access: None,
            given: None,
            connections: ConnectionsOptions::default(),
            wait: None,
            #[cfg(feature = "tls")]
            tls: None,
            platform: PlatformConnectOptions::default(),
        }
    }

    /// Who the server must be. Over TCP nothing is known of it, so every policy that asks who it is refuses it.
    ///
    /// Default: [`AccessPolicy::same_user_or_system`]; over TCP whoever answers.
    pub fn access(self, access: AccessPolicy) -> Self {
        Self { access: Some(access), ..self }
    }

    /// Speaks TLS with the server, once the access policy trusts it. Default: not.
    #[cfg(feature = "tls")]
    pub fn tls(self, tls: crate::tls::ClientTls) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// How long a server that is there may take until it has accepted a connection, completed the handshake of TLS, and
    /// begun with HTTP/2. One that is stopped, or has no room for more connections, takes longer. It is the limit for
    /// [`Http2Options::handshake_timeout`], too. Default: 5 seconds.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connections.connect_timeout = timeout;
        self
    }

    /// How long [`Channel::connect`](crate::Channel::connect) waits for a server that is not up yet: one that is missing,
    /// starting or restarting, or has not answered within [`connect_timeout`](Self::connect_timeout). It makes attempts
    /// with pauses of 10 ms, which grow to 1 s, and at once when the server appears, where the system tells of that (on
    /// Linux). An attempt that has begun is completed. What does not pass by itself
    /// ([`ConnectError::is_transient`](crate::ConnectError::is_transient)) is not waited for.
    ///
    /// Default: it does not wait; [`Channel::connect_unless`](crate::Channel::connect_unless) waits without a limit.
    pub fn wait(self, limit: Duration) -> Self {
        Self { wait: Some(limit), ..self }
    }

    /// Whether calls wait until there is a connection, if they do not say themselves
    /// ([`WaitForReady`](crate::WaitForReady)). Default: they do not, and fail with
    /// [`Unavailable`](tonic::Code::Unavailable) without a server.
    pub fn wait_for_ready(mut self, wait: bool) -> Self {
        self.connections.wait_for_ready = wait;
        self
    }

    /// How many connections there may be at a time, at least 1. One more is made when the server allows no more calls
    /// on those that there are; it stays for as long as the channel. Default: 8.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.connections.max_connections = connections.max(1);
        self
    }

    /// Tells `observer` of the connections of the channel: when one is made, could not be made, or has ended, and why. Call it
    /// again for one more. Calls stay direct. Default: there is none.
    pub fn observe(mut self, observer: impl crate::Observer) -> Self {
        self.connections.observers.add(observer);
        self
    }

    /// How HTTP/2 is spoken. Default: [`Http2Options::new`].
    pub fn http2(mut self, options: Http2Options) -> Self {
        self.connections.http2 = options;
        self
    }
}

impl<A: IntoAddress> From<A> for ConnectOptions {
    fn from(address: A) -> Self {
        Self::new(address)
    }
}
