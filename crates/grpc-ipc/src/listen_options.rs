use std::ffi::{OsStr, OsString};

use grpc_ipc_core::{AccessPolicy, Address, AddressError, IntoAddress};

use crate::backend::PlatformListenOptions;
use crate::from_incoming::GivenConnections;

/// Where a server listens, and whom it lets in there. A string or an [`Address`] alone converts into one with the
/// defaults.
///
/// ```
/// use grpc_ipc::{AccessPolicy, ListenOptions, UserId};
///
/// let web_server = AccessPolicy::default().or(AccessPolicy::users([UserId::Uid(33)]));
/// let options = ListenOptions::new("unix:/run/greeter.sock").access(web_server);
/// ```
///
/// Options of one platform are in a trait of its own: `unix::ListenOptionsExt`, `windows::ListenOptionsExt`.
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
    /// Listens on `address`. A wrong address is reported when the server binds.
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

    /// Who may connect. Over TCP nothing is known of a peer, so every policy that asks who it is refuses it.
    ///
    /// Default: [`AccessPolicy::same_user_or_system`]; over TCP anyone who reaches the port.
    pub fn access(self, access: AccessPolicy) -> Self {
        Self { access: Some(access), ..self }
    }

    /// How many connections wait to be accepted before further clients have to wait or are refused. For sockets and TCP it is
    /// the backlog of [listen(2)](https://man7.org/linux/man-pages/man2/listen.2.html), which the system may lower
    /// (`net.core.somaxconn`). For named pipes it is the number of instances that wait for a client, at least 2.
    ///
    /// Default: 1024 for sockets and TCP, 16 for named pipes.
    pub fn backlog(self, connections: u32) -> Self {
        Self { backlog: Some(connections), ..self }
    }

    /// Whether this server takes over the address of the server that listens there, if that is restartable as well, and later
    /// leaves it to the next one in the same way. So a new version of a program can be started while the old one runs, and no
    /// call fails:
    ///
    /// - If nobody listens there, the server binds the address.
    /// - Otherwise it gets the listening socket of the old server, when it binds. The old server goes on until the new one
    ///   begins to serve. If the new one ends before that, nothing has happened.
    /// - Then the old server accepts nobody any more. It finishes the calls that it has, for at most as long as the drain of
    ///   [`serve_with_shutdown`](crate::BoundServer::serve_with_shutdown), or without a limit in
    ///   [`serve`](crate::BoundServer::serve) and [`spawn`](crate::Server::spawn), and its `serve` returns. Clients make their
    ///   next calls to the new one, and so do those who have waited to be accepted.
    ///
    /// Both servers must run as the same user, or the new one as root. A server with several addresses goes on until all of
    /// them are taken over. What the options say of the socket's file (mode, owner) is in force from the first server on.
    /// The servers find each other by a second socket beside the first, `PATH.handover`; it takes 9 bytes of the longest path.
    ///
    /// This is for Unix domain sockets (`unix:`, `unix-abstract:`, and `local:` on Unix); other addresses, and sockets that
    /// the program or systemd has opened, ignore it: systemd keeps those open while a service restarts.
    ///
    /// Default: `false`, an address that is served is in use.
    pub fn restartable(self, restartable: bool) -> Self {
        Self { restartable, ..self }
    }

    /// Has clients speak TLS, once the access policy has let them in. Default: nobody does.
    #[cfg(feature = "tls")]
    pub fn tls(self, tls: crate::tls::ServerTls) -> Self {
        Self { tls: Some(tls), ..self }
    }
}

// Not for every `IntoAddress`: sockets become options, too.
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
