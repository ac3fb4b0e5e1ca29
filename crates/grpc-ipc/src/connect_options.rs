use std::io;
use std::time::Duration;

use grpc_ipc_core::{AccessPolicy, Address, AddressError, ConnectError, IntoAddress};
use http::{HeaderValue, Uri};

use crate::Http2Options;
use crate::backend::PlatformConnectOptions;
use crate::connections::ConnectionsOptions;
use crate::default_timeout::DefaultTimeout;
use crate::from_connection::GivenConnection;
use crate::from_connector::OwnConnector;

/// Where a client connects, and whom it trusts there. A string or an [`Address`] alone converts into one with the
/// defaults.
#[derive(Clone, Debug)]
#[must_use = "options do nothing until a channel connects with them"]
pub struct ConnectOptions {
    pub(crate) address: Result<Address, AddressError>,
    pub(crate) access: Option<AccessPolicy>,
    pub(crate) given: Option<GivenConnection>,
    pub(crate) connector: Option<OwnConnector>,
    pub(crate) user_agent: Option<String>,
    pub(crate) origin: Option<Uri>,
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

    /// The deadline of calls that have none ([`Request::set_timeout`](tonic::Request::set_timeout)); when it has passed, a call
    /// ends with [`DeadlineExceeded`](tonic::Code::DeadlineExceeded), also while it waits for a connection, or in the middle of
    /// a stream of responses. The server is told. Default: none.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.connections.timeout = Some(DefaultTimeout::new(timeout));
        self
    }

    /// The program that makes the calls, such as `my-app/1.2`. It goes before the name of this library in the `user-agent` of
    /// each call, as [gRPC has it](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#user-agents). Default: the
    /// name of this library alone, `grpc-rust-ipc/VERSION`.
    pub fn user_agent(self, program: impl Into<String>) -> Self {
        Self { user_agent: Some(program.into()), ..self }
    }

    /// The authority of this URI is the `:authority` of each call, for a server or a proxy that looks at it; the rest of the
    /// URI has no effect. A client with an origin of its own (`with_origin`) sends that. Default: `localhost`.
    pub fn origin(self, origin: Uri) -> Self {
        Self { origin: Some(origin), ..self }
    }

    /// How many calls may be under way at a time, at least 1. More wait for their turn, until their deadline. A call is under
    /// way until its status is there: with a stream of responses, that is when the stream is at its end or dropped. Default:
    /// no limit but that of the server.
    pub fn concurrency_limit(mut self, calls: usize) -> Self {
        self.connections.concurrency_limit = Some(calls);
        self
    }

    /// How long a connection beyond the first may be without a call, or up to twice as long, until it is closed. The first
    /// stays for as long as the channel. Default: 5 minutes.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.connections.idle_timeout = timeout;
        self
    }

    /// How many connections there may be at a time, at least 1. One more is made when the server allows no more calls
    /// on those that there are; it is closed after [`idle_timeout`](Self::idle_timeout). Default: 8.
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

    /// With what is sent in each call.
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
