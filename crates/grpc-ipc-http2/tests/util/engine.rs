//! The engine under test: everything that the tests know of it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use grpc_ipc_http2::{Reason, client, server};
use http::{Request, Response};
use tokio::io::DuplexStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tower_service::Service;

use super::service::{TestBody, TestService};

pub(crate) use grpc_ipc_http2::{Error, Options, RecvBody};

/// Whether an error has the code that its section names. An engine may as well use a generic one (RFC 9113, 5.4).
pub(crate) const TELLS_ERRORS_APART: bool = true;

/// Serves a connection until it ends; whether by an error is for the other end to see. It shuts down gracefully when told
/// to.
pub(crate) fn serve(
    io: DuplexStream,
    service: TestService,
    options: Options,
    shut_down: oneshot::Receiver<()>,
) -> JoinHandle<()> {
    let connection = server::Connection::new(io, service, options);
    let handle = connection.handle();
    tokio::spawn(async move {
        if shut_down.await.is_ok() {
            handle.graceful_shutdown();
        }
    });
    tokio::spawn(async move { _ = connection.await })
}

impl Service<Request<RecvBody>> for TestService {
    type Response = Response<TestBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<TestBody>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RecvBody>) -> Self::Future {
        let answer = self.clone().answer(request);
        Box::pin(async { Ok(answer.await) })
    }
}

#[derive(Clone)]
pub(crate) struct Client(client::SendRequest);

pub(crate) async fn connect(io: DuplexStream, options: Options) -> (Client, JoinHandle<()>) {
    let (client, connection) = client::handshake(io, &options);
    (Client(client), tokio::spawn(async move { _ = connection.await }))
}

impl Client {
    pub(crate) async fn send(&self, request: Request<TestBody>) -> Result<Response<RecvBody>, Error> {
        self.0.send(request).await
    }
}

/// The code of the RST_STREAM or GOAWAY that is behind an error.
pub(crate) fn code_of(error: &Error) -> Option<u32> {
    match error {
        Error::Reset { reason, .. } | Error::GoAway { reason, .. } => Some(reason.code()),
        Error::Malformed(_) => Some(Reason::PROTOCOL_ERROR.code()),
        Error::TooLarge => Some(Reason::ENHANCE_YOUR_CALM.code()),
        _ => None,
    }
}

/// Whether the request is known not to have been processed, so that it can be sent again (RFC 9113, 8.7).
pub(crate) fn is_unprocessed(error: &Error) -> bool {
    error.is_unprocessed()
}
