use std::io;

use grpc_ipc_core::{AccessPolicy, BindError, NameError, Peer};

/// Why a server cannot serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// No address or listener was configured.
    #[error("the server has no address: call Server::listen or Server::listener")]
    NoListener,
    /// The access policy refuses the only connection that the program gave the server.
    #[error(
        "the access policy refuses the connection of {peer}: it allows {policy}; set ListenOptions::access, or tell the \
         server who the peer is (PeerStream)"
    )]
    Refused {
        /// The peer at the other end.
        peer: Peer,
        /// The access policy.
        policy: AccessPolicy,
    },
    /// Two services have the same name.
    #[error("the service {0} was added twice; add it once, because only one of the two would be called")]
    DuplicateService(&'static str),
    /// An [`Authorize`](crate::Authorize) has a rule for a service or a method that the server does not have. Such a
    /// rule would never apply, and another one would decide about the intended method.
    #[error("Authorize has a rule for {name}, which the server does not have{}", meant(similar))]
    UnknownMethod {
        /// The service or the method, as written in the rule.
        name: String,
        /// The most similar names that the server has, the best match first.
        similar: Vec<&'static str>,
    },
    /// An [`Authorize`](crate::Authorize) names a user or a group that does not exist, or that cannot be looked up.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The server cannot listen on one of its addresses. It has released the others.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The server was bound or served outside of a tokio runtime.
    #[error(
        "there is no tokio runtime here; call this inside one, or use Server::spawn, which brings its own"
    )]
    NoRuntime,
    /// [`Server::spawn_on`](crate::Server::spawn_on) was called on the only thread of its runtime, where it would block
    /// itself.
    #[error(
        "Server::spawn_on was called on the only thread of the runtime; use Server::bind and tokio::spawn there"
    )]
    InsideRuntime,
    /// The runtime of [`Server::spawn_on`](crate::Server::spawn_on) has been shut down.
    #[error("the tokio runtime of the server has been shut down")]
    RuntimeEnded,
    /// [`Server::spawn`](crate::Server::spawn) cannot start a thread, or a runtime on it.
    #[error("cannot start a thread with a runtime for the server")]
    Thread(#[source] io::Error),
    /// A handler blocks the server's thread, so [`ServerHandle::shutdown`](crate::ServerHandle::shutdown) has stopped
    /// waiting for that thread.
    #[error(
        "a handler blocks the server's thread, which is left running; move work that blocks into tokio::task::spawn_blocking"
    )]
    Blocked,
    /// Handlers still run after [`BoundServer::serve_with_shutdown`](crate::BoundServer::serve_with_shutdown) has ended
    /// all connections, because they block their threads.
    #[error(
        "{handlers} handlers still run because they block their threads; move work that blocks into tokio::task::spawn_blocking"
    )]
    StillRunning {
        /// The number of handlers.
        handlers: usize,
    },
}

/// Suggests what the name was meant to be.
fn meant(similar: &[&str]) -> String {
    match similar {
        [] => String::new(),
        _ => format!("; did you mean {}?", similar.join(" or ")),
    }
}
