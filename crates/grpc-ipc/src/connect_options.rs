use std::io;
use std::time::Duration;

use grpc_ipc_core::{AccessPolicy, Address, AddressError, BoxConnector, ConnectError, IntoAddress};
use http::{HeaderValue, Uri};

use crate::Http2Options;
use crate::backend::{self, PlatformConnectOptions};
use crate::connections::ConnectionsOptions;
use crate::default_timeout::DefaultTimeout;
use crate::from_connection::GivenConnection;

/// Where a client connects, and which server it trusts there. A string or an [`Address`] converts into options with the
/// defaults.
///
/// Platform-specific options are in the traits [`unix::ConnectOptionsExt`] and [`windows::ConnectOptionsExt`].
///
/// [`unix::ConnectOptionsExt`]: https://docs.rs/grpc-ipc/latest/x86_64-unknown-linux-gnu/grpc_ipc/unix/trait.ConnectOptionsExt.html
/// [`windows::ConnectOptionsExt`]: https://docs.rs/grpc-ipc/latest/x86_64-pc-windows-gnu/grpc_ipc/windows/trait.ConnectOptionsExt.html
#[derive(Clone, Debug)]
#[must_use = "options do nothing until a channel connects with them"]
pub struct ConnectOptions {
    pub(crate) address: Result<Address, AddressError>,
    pub(crate) access: Option<AccessPolicy>,
    pub(crate) given: Option<GivenConnection>,
    pub(crate) connector: Option<BoxConnector>,
    pub(crate) user_agent: Option<String>,
    pub(crate) origin: Option<Uri>,
    pub(crate) connections: ConnectionsOptions,
    pub(crate) wait: Option<Duration>,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<crate::tls::ClientTls>,
    pub(crate) platform: PlatformConnectOptions,
}

impl ConnectOptions {
    /// Connects to `address`. If the address is invalid, connecting fails.
    pub fn new(address: impl IntoAddress) -> Self {
        Self {
            address: address.into_address(),
            access: None,
            given: None,
            connector: None,
            user_agent: None,
            origin: None,
            connections: ConnectionsOptions::default(),
            wait: None,
            #[cfg(feature = "tls")]
            tls: None,
            platform: PlatformConnectOptions::default(),
        }
    }

    /// Which servers the client accepts. The client checks the server before it sends a byte.
    ///
    /// Default: [`AccessPolicy::same_user_or_system`]. Over TCP, any server: nothing is known about a server there, so
    /// any policy that depends on its identity refuses it.
    pub fn access(self, access: AccessPolicy) -> Self {
        Self { access: Some(access), ..self }
    }

    /// Speaks TLS with the server, once the access policy has accepted the server. Default: no TLS.
    #[cfg(feature = "tls")]
    pub fn tls(self, tls: crate::tls::ClientTls) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// How long the server may take to accept a connection, complete the TLS handshake if there is one, and begin
    /// HTTP/2. After that, connecting fails with [`ConnectError::TimedOut`]. This happens if the server is stopped, or
    /// already has its maximum number of connections. It also limits [`Http2Options::handshake_timeout`]. Default: 5
    /// seconds.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connections.connect_timeout = timeout;
        self
    }

    /// How long [`Channel::connect`](crate::Channel::connect) waits for a server that is missing, starting or
    /// restarting, or that has not answered within [`connect_timeout`](Self::connect_timeout). The channel pauses
    /// between attempts, first for 10 ms and later for up to 1 s. On Linux, where the system reports that the server
    /// appears, the next attempt follows at once. An attempt that has begun is completed. An error that does not pass
    /// by itself ([`ConnectError::is_transient`](crate::ConnectError::is_transient)) ends the wait.
    ///
    /// Default: no wait. [`Channel::connect_unless`](crate::Channel::connect_unless) waits without a limit.
    pub fn wait(self, limit: Duration) -> Self {
        Self { wait: Some(limit), ..self }
    }

    /// Whether calls wait until there is a connection. A single call can override this
    /// ([`WaitForReady`](crate::WaitForReady)). Default: `false`; without a server, calls fail with
    /// [`Unavailable`](tonic::Code::Unavailable).
    pub fn wait_for_ready(mut self, wait: bool) -> Self {
        self.connections.wait_for_ready = wait;
        self
    }

    /// Sets a deadline for calls that have none of their own ([`Request::set_timeout`](tonic::Request::set_timeout)).
    /// When it passes, the call ends with [`DeadlineExceeded`](tonic::Code::DeadlineExceeded), even while it waits for
    /// a connection, or in the middle of a stream of responses. The server receives the deadline. Default: no deadline.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.connections.timeout = Some(DefaultTimeout::new(timeout));
        self
    }

    /// The name and version of the program that makes the calls, such as `my-app/1.2`. It precedes the name of this
    /// library in the `user-agent` of each call, as [gRPC
    /// specifies](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#user-agents). Default: only the name
    /// of this library, `grpc-rust-ipc/VERSION`.
    pub fn user_agent(self, program: impl Into<String>) -> Self {
        Self { user_agent: Some(program.into()), ..self }
    }

    /// The URI whose authority each call sends as `:authority`, for a server or a proxy that reads it. The rest of the
    /// URI has no effect. A client with an origin of its own (`with_origin`) sends that origin instead. Default:
    /// `localhost`.
    pub fn origin(self, origin: Uri) -> Self {
        Self { origin: Some(origin), ..self }
    }

    /// Limits how many calls may run at a time, at least 1. Further calls wait for their turn, until their deadline. A
    /// call runs until its status arrives; a streaming response counts until it ends or is dropped. Default: only the
    /// server's limit applies.
    pub fn concurrency_limit(mut self, calls: usize) -> Self {
        self.connections.concurrency_limit = Some(calls);
        self
    }

    /// How long a connection beyond the first stays open without a call. It may stay for up to twice as long. The first
    /// connection stays open as long as the channel. Default: 5 minutes.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.connections.idle_timeout = timeout;
        self
    }

    /// Limits the number of connections of the channel, at least 1. It opens another one when the existing ones reach
    /// the server's limit of concurrent calls, and closes it after [`idle_timeout`](Self::idle_timeout). Default: 8.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.connections.max_connections = connections.max(1);
        self
    }

    /// Notifies `observer` when a connection of the channel is made, cannot be made, or ends, with the reason. Each
    /// call adds an observer. Calls stay direct. Default: no observer.
    pub fn observe(mut self, observer: impl crate::Observer) -> Self {
        self.connections.observers.add(observer);
        self
    }

    /// Puts the user agent and the origin into the options of HTTP/2.
    pub(crate) fn named(mut self) -> Result<Self, ConnectError> {
        let invalid = |address: &Result<Address, AddressError>, option: String, error: &str| {
            let source = io::Error::new(io::ErrorKind::InvalidInput, error.to_owned());
            Ok::<_, ConnectError>(ConnectError::InvalidOption { address: address.clone()?, option, source })
        };
        let mut http2 = self.connections.http2;
        if let Some(program) = self.user_agent.take() {
            http2 = match HeaderValue::from_str(&program) {
                Ok(program) => http2.user_agent(&program),
                Err(error) => {
                    let option = format!("the user agent {program:?}");
                    return Err(invalid(&self.address, option, &error.to_string())?);
                }
            };
        }
        if let Some(origin) = self.origin.take() {
            http2 = match origin.authority() {
                Some(authority) => http2.authority(authority),
                None => {
                    let option = format!("the origin {origin:?}");
                    return Err(invalid(&self.address, option, "the URI has no authority")?);
                }
            };
        }
        self.connections.http2 = http2;
        Ok(self)
    }

    /// A connector for a program that does not speak gRPC on the connections itself, such as a proxy. The access policy
    /// checks the server of each connection. Options of calls and of HTTP/2 have no effect.
    ///
    /// # Errors
    /// - [`ConnectError::Address`] if the address is invalid
    /// - [`ConnectError::Unsupported`] if this platform does not have the address's transport
    pub fn into_connector(self) -> Result<BoxConnector, ConnectError> {
        backend::connector(self)
    }

    /// Sets the HTTP/2 options. Default: [`Http2Options::new`].
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
