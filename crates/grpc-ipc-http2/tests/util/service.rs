//! The service behind the server under test, and bodies for it and for the client under test.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt::Debug;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, request};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The path of the requests that [`RawPeer::still_serves`](super::raw::RawPeer::still_serves) sends.
pub(crate) const STILL_SERVES: &str = "/still-serves";

/// An event in the service.
#[derive(Debug)]
pub(crate) enum Event {
    Request(request::Parts),
    /// The whole body and the trailers, or the reason why the body failed.
    Body(Result<(Bytes, Option<HeaderMap>), String>),
    /// The future of a request to `/wait` or `/unread` was dropped.
    Dropped,
}

/// Answers by path:
/// - `/echo`: with the body and the trailers of the request, once it has all of them;
/// - `/large`: with 200 000 octets, at once;
/// - `/trailers`: with `hello` and a trailer;
/// - `/status`: with a status with a long message, without a body;
/// - `/status-in-trailers`: with the same after `hello`;
/// - `/connection-specific`: with fields that HTTP/2 does not allow;
/// - `/wait`: never, but reads the body;
/// - `/unread`: never, and does not read the body;
/// - `/detached`: never; the body is read in a task that outlives the call;
/// - else: with `hello`, once it has the whole body.
#[derive(Clone)]
pub(crate) struct TestService(UnboundedSender<Event>);

impl TestService {
    pub(crate) fn new() -> (Self, UnboundedReceiver<Event>) {
        let (sender, receiver) = unbounded_channel();
        (Self(sender), receiver)
    }

    pub(crate) async fn answer<B>(self, request: Request<B>) -> Response<TestBody>
    where
        B: Body<Data = Bytes, Error: Debug> + Send + Unpin + 'static,
    {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        self.tell(Event::Request(parts));
        match path.as_str() {
            "/large" => return Response::new(TestBody::from(vec![b'x'; LARGE])),
            "/unread" => {
                let _dropped = TellDropped(self.clone());
                let _unread = body;
                std::future::pending::<()>().await;
            }
            "/wait" => {
                let _dropped = TellDropped(self.clone());
                self.read(body).await;
                std::future::pending::<()>().await;
            }
            "/detached" => {
                tokio::spawn(async move { self.read(body).await });
                std::future::pending::<()>().await;
            }
            "/connection-specific" => {
                let response = Response::builder().header("connection", "close");
                return response
                    .header("transfer-encoding", "chunked")
                    .body(TestBody::from("hello"))
                    .unwrap();
            }
            "/trailers" => return Response::new(TestBody::from("hello").trailers([("x-trailer", "yes")])),
            "/status" => {
                let mut response = Response::new(TestBody::default());
                *response.headers_mut() = LONG_STATUS.map(field).into_iter().collect();
                return response;
            }
            "/status-in-trailers" => return Response::new(TestBody::from("hello").trailers(LONG_STATUS)),
            "/echo" => {
                let (body, trailers) = self.read(body).await.unwrap_or_default();
                return Response::new(TestBody::new([body], trailers));
            }
            _ => _ = self.read(body).await,
        }
        Response::new(TestBody::from("hello"))
    }

    /// Answers a unary call like [`answer`](Self::answer), with a message instead of a body, or with a future that is
    /// never ready.
    pub(crate) fn answer_unary(
        self,
        parts: request::Parts,
        message: Bytes,
    ) -> Result<Bytes, impl Future<Output = ()> + Send + 'static> {
        let path = parts.uri.path().to_owned();
        self.tell(Event::Request(parts));
        if ["/wait", "/unread"].contains(&path.as_str()) {
            if path == "/wait" {
                self.tell(Event::Body(Ok((message, None))));
            }
            let dropped = TellDropped(self);
            return Err(async move {
                let _dropped = dropped;
                std::future::pending::<()>().await;
            });
        }
        if path == "/large" {
            // With the message's prefix, it has the same length.
            return Ok(vec![b'x'; LARGE - 5].into());
        }
        self.tell(Event::Body(Ok((message.clone(), None))));
        Ok(if path == "/echo" { message } else { Bytes::from_static(b"hello") })
    }

    async fn read<B>(&self, body: B) -> Option<(Bytes, Option<HeaderMap>)>
    where
        B: Body<Data = Bytes, Error: Debug> + Unpin,
    {
        let read = read(body).await.map_err(|error| format!("{error:?}"));
        self.tell(Event::Body(read.clone()));
        read.ok()
    }

    fn tell(&self, event: Event) {
        // If the test does not check, it has dropped the receiver.
        _ = self.0.send(event);
    }
}

/// Reads a whole body. Trailers end it: a caller that has them does not ask for a later failure.
async fn read<B>(mut body: B) -> Result<(Bytes, Option<HeaderMap>), B::Error>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        match frame?.into_data() {
            Ok(data) => all.extend_from_slice(&data),
            Err(frame) => return Ok((all.freeze(), frame.into_trailers().ok())),
        }
    }
    Ok((all.freeze(), None))
}

struct TellDropped(TestService);

impl Drop for TellDropped {
    fn drop(&mut self) {
        self.0.tell(Event::Dropped);
    }
}

/// The length of the body of `/large`, in octets: more than the initial windows of a connection.
pub(crate) const LARGE: usize = 200_000;

/// A failed call, with more metadata than some clients accept.
pub(crate) const LONG_STATUS: [(&str, &str); 3] = [
    ("grpc-status", "5"),
    (
        "grpc-message",
        "there is no such thing %E2%82%AC here, and none there, and nowhere else that one could think of",
    ),
    (
        "x-more",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    ),
];

fn field((name, value): (&str, &str)) -> (HeaderName, HeaderValue) {
    (name.parse().unwrap(), value.parse().unwrap())
}

/// A body that consists of given frames.
#[derive(Default)]
pub(crate) struct TestBody(VecDeque<Frame<Bytes>>);

impl TestBody {
    pub(crate) fn new(data: impl IntoIterator<Item = Bytes>, trailers: Option<HeaderMap>) -> Self {
        let frames = data.into_iter().filter(|data| !data.is_empty()).map(Frame::data);
        Self(frames.chain(trailers.map(Frame::trailers)).collect())
    }

    pub(crate) fn trailers<const N: usize>(mut self, fields: [(&'static str, &str); N]) -> Self {
        self.0.push_back(Frame::trailers(HeaderMap::from_iter(fields.map(field))));
        self
    }
}

impl<T: Into<Bytes>> From<T> for TestBody {
    fn from(data: T) -> Self {
        Self::new([data.into()], None)
    }
}

impl Body for TestBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }
}
