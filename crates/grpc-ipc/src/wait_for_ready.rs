use tonic::Request;

/// Whether a call waits until its channel has a connection. It is stored in the extensions of the request;
/// [`RequestExt::set_wait_for_ready`] puts it there.
///
/// With `true`, a call waits for a server that is missing, starting or restarting, until the call's deadline, or
/// forever if it has none. All calls of a channel share the attempts to connect, with pauses between them. A failure
/// that does not pass by itself ([`ConnectError::is_transient`](crate::ConnectError::is_transient)) ends the call at
/// once.
///
/// With `false`, a call fails with [`Unavailable`](tonic::Code::Unavailable) when an attempt to connect fails.
///
/// It overrides [`ConnectOptions::wait_for_ready`](crate::ConnectOptions::wait_for_ready). See gRPC's
/// [wait-for-ready](https://github.com/grpc/grpc/blob/master/doc/wait-for-ready.md).
///
/// With either value, a call is not retried if it may have reached the server before the connection broke. It fails
/// with `Unavailable`.
///
/// ```
/// use grpc_ipc::{RequestExt as _, WaitForReady};
///
/// let mut request = tonic::Request::new(());
/// request.set_wait_for_ready(true);
/// assert_eq!(request.extensions().get(), Some(&WaitForReady(true)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitForReady(
    /// Whether the call waits.
    pub bool,
);

/// Settings for a single call on a [`Channel`](crate::Channel), in addition to tonic's.
pub trait RequestExt {
    /// Sets whether the call waits until its channel has a connection ([`WaitForReady`]).
    ///
    /// Default: [`ConnectOptions::wait_for_ready`](crate::ConnectOptions::wait_for_ready).
    fn set_wait_for_ready(&mut self, wait: bool);
}

impl<T> RequestExt for Request<T> {
    fn set_wait_for_ready(&mut self, wait: bool) {
        self.extensions_mut().insert(WaitForReady(wait));
    }
}
