use std::io;

use grpc_ipc_core::{AccessPolicy, BindError, NameError, Peer};

/// Why a server cannot serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// It was told no address.
    #[error("the server has no address: call Server::listen or Server::listener")]
    NoListener,
    /// The access policy does not let in the one connection that the server was to serve.
    #[error(
        "the access policy refuses the connection: it lets in {policy}, and the peer is {peer}; set \
         ListenOptions::access, or say who the peer is (PeerStream)"
    )]
    Refused {
        /// Who is at the other end.
        peer: Peer,
        /// The access policy.
        policy: AccessPolicy,
    },
    /// Two of its services have the same name.
    #[error("the service {0} was added twice; one of them would never be called")]
    DuplicateService(&'static str),
    /// An [`Authorize`](crate::Authorize) of it has a rule for a service or a method that no service has. Such a rule would
    /// never be asked, and another one would decide about the method that it was meant for.
    #[error("Authorize has a rule for {name}, which the server does not have{}", meant(similar))]
    UnknownMethod {
        /// The service or the method, as the rule has it.
        name: String,
        /// Those of the server that are most like it, the best first.
        similar: Vec<&'static str>,
    },
    /// An [`Authorize`](crate::Authorize) of it has the name of a user or a group that does not exist, or that cannot be
    /// looked up.
    #[error(transparent)]
    Name(#[from] NameError),
    /// It cannot listen on one of its addresses; it has let go of the others.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A server binds and serves inside a tokio runtime; here there is none.
    #[error(
        "there is no tokio runtime here; call this inside of one, or use Server::spawn, which brings its own"
    )]
    NoRuntime,
    /// [`Server::spawn_on`](crate::Server::spawn_on) was called by the one thread of the runtime that it was given, and
    /// would wait for itself.
    #[error(
        "Server::spawn_on was called inside the runtime, which has no other thread; use Server::bind and tokio::spawn there"
    )]
    InsideRuntime,
    /// The runtime of [`Server::spawn_on`](crate::Server::spawn_on) has been shut down.
    #[error("the tokio runtime of the server has been shut down")]
    RuntimeEnded,
    /// [`Server::spawn`](crate::Server::spawn) cannot start a thread, or a runtime on it.
    #[error("cannot start a thread with a runtime for the server")]
    Thread(#[source] io::Error),
    /// [`ServerHandle::shutdown`](crate::ServerHandle::shutdown) has left the server's thread behind, because a handler
    /// blocks it.
    #[error(
        "a handler blocks the server's thread, which is left behind; work that blocks belongs in tokio::task::spawn_blocking"
    )]
    Blocked,
    /// [`BoundServer::serve_with_shutdown`](crate::BoundServer::serve_with_shutdown) has ended all connections, and these
    /// handlers have not ended: they block their threads.
    #[error(
        "handlers still run because they block their threads ({handlers} of them); move work that blocks into tokio::task::spawn_blocking"
    )]
    StillRunning {
        /// How many.
        handlers: usize,
    },
}

/// What a name was perhaps meant to be.
fn meant(similar: &[&str]) -> String {
    match similar {
        [] => String::new(),
        _ => format!("; did you mean {}?", similar.join(" or ")),
    }
}
