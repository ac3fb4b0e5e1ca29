use std::io;

use grpc_ipc_core::BindError;

/// Why a server cannot serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// It was told no address.
    #[error("the server has no address: call Server::listen or Server::listener")]
    NoListener,
    /// Two of its services have the same name.
    #[error("the service {0} was added twice; one of them would never be called")]
    DuplicateService(&'static str),
    /// It cannot listen on one of its addresses; it has let go of the others.
    #[error(transparent)]
    Bind(#[from] BindError),
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
