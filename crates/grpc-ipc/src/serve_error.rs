use grpc_ipc_core::BindError;

/// Why a server cannot serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// It was told no address.
    #[error("the server has no address: call Server::listen or Server::listener")]
    NoListener,
    /// It cannot listen on one of its addresses; it has let go of the others.
    #[error(transparent)]
    Bind(#[from] BindError),
}
