//! The two services of a server: one for direct calls, and one for all others.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use grpc_ipc_http2::RecvBody;
use grpc_ipc_http2::direct::{Head, Message, Method, Reply, Service};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::BodyExt as _;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use crate::util::service::TestBody;

/// Answers with the message and the metadata of the request.
pub(super) static ECHO: Method = Method::new("/test.Test/Echo");
/// The same, when the test says so; see [`Seen::Waits`].
pub(super) static LATER: Method = Method::new("/test.Test/Later");
/// Answers with status 5.
pub(super) static FAIL: Method = Method::new("/test.Test/Fail");
/// Panics.
pub(super) static PANIC: Method = Method::new("/test.Test/Panic");
/// Drops the reply.
pub(super) static SILENT: Method = Method::new("/test.Test/Silent");
/// Announces a length of 3, and encodes more: the message of the request.
pub(super) static WRONG: Method = Method::new("/test.Test/Wrong");
/// Panics after a part of the message is encoded.
pub(super) static PANIC_ENCODING: Method = Method::new("/test.Test/PanicEncoding");
/// Answers with the number of bytes given in the request.
pub(super) static SIZE: Method = Method::new("/test.Test/Size");
/// The same as [`SIZE`], when the test says so.
pub(super) static LATER_SIZE: Method = Method::new("/test.Test/LaterSize");
/// Panics in its own task.
pub(super) static LATER_PANIC: Method = Method::new("/test.Test/LaterPanic");
/// Unknown to the direct service.
pub(super) static OTHER: Method = Method::new("/test.Test/Other");

const METHODS: [&Method; 10] =
    [&ECHO, &LATER, &FAIL, &PANIC, &SILENT, &WRONG, &PANIC_ENCODING, &SIZE, &LATER_SIZE, &LATER_PANIC];

/// An event in a service.
#[derive(Debug)]
pub(super) enum Seen {
    /// A direct call.
    Direct(Arc<Head>, Vec<u8>),
    /// A call on the general path, and the received part of its body, with trailers.
    General(Result<(Vec<u8>, Option<HeaderMap>), String>),
    /// A handler that waits until it is told to answer.
    Waits(oneshot::Sender<()>),
    /// That handler was dropped.
    Dropped,
}

#[derive(Clone)]
pub(super) struct TestService {
    seen: UnboundedSender<Seen>,
    /// The paths that were looked up.
    pub(super) routed: Arc<Mutex<Vec<String>>>,
    /// How many bytes of [`LATER_SIZE`] were encoded.
    pub(super) encoded: Arc<AtomicUsize>,
}

impl TestService {
    pub(super) fn new() -> (Self, UnboundedReceiver<Seen>) {
        let (seen, receiver) = unbounded_channel();
        (Self { seen, routed: Arc::default(), encoded: Arc::default() }, receiver)
    }

    /// The event that a handler waits for.
    fn wait(&self) -> impl Future<Output = ()> + Send + 'static {
        let (sender, told) = oneshot::channel();
        self.tell(Seen::Waits(sender));
        let dropped = TellDropped(self.clone());
        async move {
            let _dropped = dropped;
            if told.await.is_err() {
                pending::<()>().await;
            }
        }
    }

    fn tell(&self, seen: Seen) {
        // If the test does not check, it has dropped the receiver.
        _ = self.seen.send(seen);
    }
}

struct TellDropped(TestService);

impl Drop for TellDropped {
    fn drop(&mut self) {
        self.0.tell(Seen::Dropped);
    }
}

fn size(message: &[u8]) -> usize {
    std::str::from_utf8(message).unwrap().parse().unwrap()
}

fn answer(message: &[u8], metadata: &HeaderMap, reply: Reply<'_>) {
    let mut metadata = metadata.clone();
    metadata.remove("grpc-timeout");
    let metadata = (!metadata.is_empty()).then_some(&metadata);
    reply.message(metadata, message.len(), |out: &mut Vec<u8>| out.extend_from_slice(message));
}

impl Service for TestService {
    fn route(&self, path: &str) -> Option<u32> {
        self.routed.lock().unwrap().push(path.into());
        METHODS.iter().position(|method| method.path() == path).map(|route| route as u32)
    }

    fn call(&mut self, head: &mut Arc<Head>, message: Message<'_>, reply: Reply<'_>) {
        let message = message.as_slice().to_vec();
        self.tell(Seen::Direct(Arc::clone(head), message.clone()));
        assert_eq!(METHODS[head.route() as usize].path(), head.path());
        match head.path() {
            path if path == LATER.path() => {
                let waits = self.wait();
                let handler = async move {
                    waits.await;
                    message
                };
                reply.later(handler, |message, reply| answer(&message, &HeaderMap::new(), reply));
            }
            path if path == LATER_SIZE.path() => {
                let size = size(&message);
                let encoded = Arc::clone(&self.encoded);
                reply.later(self.wait(), move |(), reply| {
                    reply.message(None, size, |out: &mut Vec<u8>| {
                        encoded.fetch_add(size, Relaxed);
                        out.resize(out.len() + size, b'x');
                    });
                });
            }
            path if path == LATER_PANIC.path() => {
                let reply = reply.of_method(LATER_PANIC.path());
                let waits = self.wait();
                let handler = async move {
                    waits.await;
                    panic!("a handler panics");
                };
                reply.later(handler, |(), reply| drop(reply));
            }
            path if path == FAIL.path() => {
                let mut headers = HeaderMap::new();
                headers.insert("content-type", HeaderValue::from_static("application/grpc"));
                headers.insert("grpc-status", HeaderValue::from_static("5"));
                reply.trailers_only(&headers);
            }
            path if path == PANIC.path() => panic!("a handler panics"),
            path if path == SILENT.path() => drop(reply),
            path if path == WRONG.path() => {
                reply.message(None, 3, |out: &mut Vec<u8>| out.extend_from_slice(&message));
            }
            path if path == PANIC_ENCODING.path() => {
                reply.message(None, message.len(), |out: &mut Vec<u8>| {
                    out.extend_from_slice(&message);
                    panic!("an encoder panics");
                });
            }
            path if path == SIZE.path() => {
                let size = size(&message);
                reply.message(None, size, |out: &mut Vec<u8>| out.resize(out.len() + size, b'x'));
            }
            _ => answer(&message, head.metadata(), reply),
        }
    }
}

/// Answers like the other service to [`ECHO`], and says so in the field `x-way`.
impl tower_service::Service<Request<RecvBody>> for TestService {
    type Response = Response<TestBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<TestBody>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RecvBody>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            let mut body = request.into_body();
            let (mut all, mut trailers, mut error) = (Vec::new(), None, None);
            while let Some(frame) = body.frame().await {
                match frame.map(http_body::Frame::into_data) {
                    Ok(Ok(data)) => all.extend_from_slice(&data),
                    Ok(Err(frame)) => trailers = frame.into_trailers().ok(),
                    Err(failed) => error = Some(format!("{failed:?}")),
                }
            }
            let whole = error.map_or(Ok((all.clone(), trailers)), Err);
            service.tell(Seen::General(whole));
            let body = TestBody::from(all).trailers([("grpc-status", "0")]);
            let response = Response::builder().header("content-type", "application/grpc");
            Ok(response.header("x-way", "general").body(body).unwrap())
        })
    }
}
