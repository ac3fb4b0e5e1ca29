use std::ffi::{OsStr, OsString};

use grpc_ipc_core::{AccessPolicy, Address, AddressError, BindError, BoxListener, IntoAddress};

use crate::backend::{self, PlatformListenOptions};
use crate::from_incoming::GivenConnections;

/// Where a server listens, and which clients it accepts there. A string or an [`Address`] converts into options with
/// the defaults.
///
/// ```
/// use grpc_ipc::{AccessPolicy, ListenOptions, UserId};
///
/// let web_server = AccessPolicy::default().or(AccessPolicy::users([UserId::Uid(33)]));
/// let options = ListenOptions::new("unix:/run/greeter.sock").access(web_server);
/// ```
///
/// Platform-specific options are in the traits [`unix::ListenOptionsExt`] and [`windows::ListenOptionsExt`].
///
/// [`unix::ListenOptionsExt`]: https://docs.rs/grpc-ipc/latest/x86_64-unknown-linux-gnu/grpc_ipc/unix/trait.ListenOptionsExt.html
/// [`windows::ListenOptionsExt`]: https://docs.rs/grpc-ipc/latest/x86_64-pc-windows-gnu/grpc_ipc/windows/trait.ListenOptionsExt.html
#[derive(Clone, Debug)]
#[must_use = "options do nothing until a server listens with them"]
pub struct ListenOptions {
    pub(crate) address: Result<Address, AddressError>,
    pub(crate) access: Option<AccessPolicy>,
    pub(crate) given: Option<GivenConnections>,
    pub(crate) backlog: Option<u32>,
    pub(crate) restartable: bool,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<crate::tls::ServerTls>,
    pub(crate) platform: PlatformListenOptions,
}

impl ListenOptions {
    /// Listens on `address`. If the address is invalid, binding fails.
    pub fn new(address: impl IntoAddress) -> Self {
        Self {
            address: address.into_address(),
            access: None,
            given: None,
            backlog: None,
            restartable: false,
            #[cfg(feature = "tls")]
            tls: None,
            platform: PlatformListenOptions::default(),
        }
    }

    /// Which clients may connect. The server checks a client before it reads a byte from it.
    ///
    /// Default: [`AccessPolicy::same_user_or_system`]. Over TCP, anyone who reaches the port: nothing is known about a
    /// peer there, so any policy that depends on its identity refuses everyone.
    pub fn access(self, access: AccessPolicy) -> Self {
        Self { access: Some(access), ..self }
    }

    /// How many connections may wait to be accepted. Further clients wait, or are refused. For sockets and TCP, this is
    /// the backlog of [listen(2)](https://man7.org/linux/man-pages/man2/listen.2.html), which the system may lower
    /// (`net.core.somaxconn`). For named pipes, it is the number of instances that wait for a client, at least 2.
    ///
    /// Default: 1024 for sockets and TCP, 16 for named pipes.
    pub fn backlog(self, connections: u32) -> Self {
        Self { backlog: Some(connections), ..self }
    }

    /// Whether this server takes over the address from a running server that is restartable as well, and later hands it
    /// to the next one in the same way. A new version of a program can start while the old one runs, and no call fails:
    ///
    /// - If no server listens on the address, this one binds it.
    /// - Otherwise binding finds the old server, and receives its listening socket. The old server keeps serving until
    ///   the new one begins to serve. If the new one ends before that, nothing changes.
    /// - Then the old server accepts no more connections and finishes its calls. It waits for at most the drain of
    ///   [`serve_with_shutdown`](crate::BoundServer::serve_with_shutdown), or without a limit in
    ///   [`serve`](crate::BoundServer::serve) and [`spawn`](crate::Server::spawn); then its `serve` returns. The new
    ///   server gets the next calls, and the clients that were waiting to be accepted.
    ///
    /// Binding fails after 10 seconds with [`BindError::InUse`](crate::BindError::InUse) if the old server is already
    /// handing over to another server that is bound and does not serve yet.
    ///
    /// Both servers must run as the same user. A server with several addresses keeps serving until all of them are
    /// taken over. The first server's options for the socket's file (mode, owner) stay in force. The servers find each
    /// other by a second socket beside the first, `PATH.handover`, so the longest possible path is 9 bytes shorter.
    ///
    /// On Windows, the servers share the named pipe. When the new server begins to serve, it creates instances of the
    /// pipe, and the old one stops creating them. The pipe keeps the security descriptor of the first server, and the
    /// second pipe is `NAME.handover`. The new server holds nothing of the pipe before it serves. So if the old one ends
    /// between the new one's `bind` and `serve`, clients find no pipe for that time.
    ///
    /// This works for Unix domain sockets (`unix:`, `unix-abstract:`, and `local:` on Unix) and named pipes (`npipe:`, and
    /// `local:` on Windows). It has no effect on other addresses, or on sockets that the program or systemd opened.
    ///
    /// A systemd service should take its sockets from systemd instead (`systemd:NAME` at [`Address`](crate::Address)).
    /// systemd keeps them open while the service restarts, and clients wait meanwhile. A hand-over does not work in a
    /// systemd service: `systemctl restart` ends the old process before it starts the new one, and if the old process
    /// starts the new one itself, systemd ends both when the old one ends.
    ///
    /// Default: `false`. Binding an address that a server uses fails.
    pub fn restartable(self, restartable: bool) -> Self {
        Self { restartable, ..self }
    }

    /// Listens now, for a program that does not speak gRPC on the connections itself, such as a proxy. The listener
    /// yields the connections that the access policy accepts, as streams of bytes.
    ///
    /// # Errors
    /// [`BindError`], as [`Server::bind`](crate::Server::bind) returns.
    pub async fn into_listener(self) -> Result<BoxListener, BindError> {
        Ok(backend::listen(self).await?.listener)
    }

    /// Requires clients to speak TLS, once the access policy has accepted them. Default: no TLS.
    #[cfg(feature = "tls")]
    pub fn tls(self, tls: crate::tls::ServerTls) -> Self {
        Self { tls: Some(tls), ..self }
    }
}

// Not for every `IntoAddress`: sockets convert into options, too.
macro_rules! from_address {
    ($($address:ty),*) => {$(
        impl From<$address> for ListenOptions {
            fn from(address: $address) -> Self {
                Self::new(address)
            }
        }
    )*};
}

from_address!(Address, &Address, &str, String, &String, OsString, &OsStr);
