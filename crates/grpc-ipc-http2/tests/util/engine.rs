//! The engine under test. Only this file depends on it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use grpc_ipc_http2::direct::{self, Head, Message, Reply};
use grpc_ipc_http2::{Reason, client, server};
use http::{HeaderMap, HeaderName, Request, Response};
use tokio::io::DuplexStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tower_service::Service;

use super::service::{TestBody, TestService};
use super::unary::{WAY, is_direct};

pub(crate) use grpc_ipc_http2::{Error, Options, RecvBody};

/// Whether an error has the code that its section names. An engine may also use a generic one (RFC 9113, 5.4).
pub(crate) const TELLS_ERRORS_APART: bool = true;

/// Serves a connection until it ends. The other end sees whether that was an error. Shuts down gracefully when told to.
pub(crate) fn serve(
    io: DuplexStream,
    service: TestService,
    options: Options,
    directly: bool,
    shut_down: oneshot::Receiver<()>,
) -> JoinHandle<()> {
    let direct = directly.then(|| Box::new(service.clone()));
    let mut connection = server::Connection::new(io, service, options);
    if let Some(direct) = direct {
        connection = connection.direct(direct);
    }
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

impl direct::Service for TestService {
    fn route(&self, path: &str) -> Option<u32> {
        is_direct(path).then_some(0)
    }

    fn call(&mut self, head: &mut Arc<Head>, message: Message<'_>, reply: Reply<'_>) {
        let mut request = Request::post(head.path()).body(()).unwrap();
        *request.headers_mut() = head.metadata().clone();
        let message = Bytes::copy_from_slice(message.as_slice());
        match self.clone().answer_unary(request.into_parts().0, message) {
            Ok(answer) => {
                let way = HeaderMap::from_iter([(HeaderName::from_static(WAY.0), WAY.1.parse().unwrap())]);
                reply.message(Some(&way), answer.len(), |out: &mut Vec<u8>| out.extend_from_slice(&answer));
            }
            Err(never) => reply.later(never, |(), reply| drop(reply)),
        }
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

/// The code of the RST_STREAM or GOAWAY behind an error.
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
