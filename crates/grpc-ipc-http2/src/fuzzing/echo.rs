//! A service with a variety of answers.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response, request};
use http_body::{Body, Frame};
use tokio::time::sleep;
use tower_service::Service;

use crate::direct::PROTOCOLS_OWN;
use crate::{Error, RecvBody};

/// How a request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// With the request's data as it comes, and trailers.
    Echo,
    /// With the request's data, once all of it is here.
    Collect,
    /// At once, without a body. The body of the request is not read.
    Head,
    /// With this many bytes, at once.
    Big(usize),
    /// Without a body, after this time.
    Late(Duration),
}

impl Answer {
    /// Chooses the answer by the path.
    #[must_use]
    pub fn to(path: &str) -> Self {
        match path {
            "/collect" => Self::Collect,
            "/head" => Self::Head,
            "/big" => Self::Big(30_000),
            "/late" => Self::Late(Duration::from_secs(1)),
            _ => Self::Echo,
        }
    }
}

/// A handler's view of a request, as the value of a response header.
#[must_use]
pub fn summary(head: &request::Parts) -> HeaderValue {
    let mut seen = format!("{} {}", head.method, head.uri.path_and_query().map_or("", |path| path.as_str()));
    seen.push_str(&fields(&head.headers));
    value(&seen)
}

/// The same, for the metadata alone, which is all that a direct call has.
#[must_use]
pub fn metadata(headers: &HeaderMap) -> HeaderValue {
    let mut metadata = headers.clone();
    for own in PROTOCOLS_OWN {
        metadata.remove(own);
    }
    value(&fields(&metadata))
}

/// The fields, in the order of their names.
fn fields(headers: &HeaderMap) -> String {
    let mut fields: Vec<_> =
        headers.iter().map(|(name, value)| format!(" {name}={}", value.as_bytes().escape_ascii())).collect();
    // The sort is stable, so the values of one name keep their order.
    fields.sort_by(|one, other| one.split('=').next().cmp(&other.split('=').next()));
    fields.concat()
}

/// The trailers of a response to a request with these trailers.
#[must_use]
pub fn trailers(of: Option<&HeaderMap>) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-trailers", value(&of.map(fields).unwrap_or_default()));
    trailers
}

fn value(text: &str) -> HeaderValue {
    let escaped = text.trim().escape_default().to_string();
    HeaderValue::from_str(&escaped).unwrap_or_else(|_| HeaderValue::from_static("?"))
}

#[derive(Clone)]
pub(super) struct Echo;

impl Service<Request<RecvBody>> for Echo {
    type Response = Response<Reply>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Reply>, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RecvBody>) -> Self::Future {
        Box::pin(async {
            let (head, mut body) = request.into_parts();
            let reply = match Answer::to(head.uri.path()) {
                Answer::Echo => Reply::Echo(body),
                Answer::Collect => {
                    let (data, trailers) = collect(&mut body).await?;
                    Reply::Bytes(Some(data), trailers)
                }
                Answer::Head => Reply::Over,
                Answer::Big(length) => Reply::Bytes(Some(Bytes::from(vec![b'b'; length])), None),
                Answer::Late(time) => {
                    sleep(time).await;
                    Reply::Over
                }
            };
            let mut response = Response::new(reply);
            response.headers_mut().insert("x-request", summary(&head));
            response.headers_mut().insert("x-metadata", metadata(&head.headers));
            Ok(response)
        })
    }
}

pub(super) async fn collect(body: &mut RecvBody) -> Result<(Bytes, Option<HeaderMap>), Error> {
    let (mut data, mut trailers) = (BytesMut::new(), None);
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await {
        match frame?.into_data() {
            Ok(piece) => data.extend_from_slice(&piece),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    Ok((data.freeze(), trailers))
}

/// The body of a response.
pub(super) enum Reply {
    Echo(RecvBody),
    Bytes(Option<Bytes>, Option<HeaderMap>),
    Over,
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let last = |of: Option<&HeaderMap>| Some(Ok(Frame::trailers(trailers(of))));
        let frame = match &mut *self {
            Self::Over => return Poll::Ready(None),
            Self::Bytes(data, of) => match data.take() {
                Some(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                None => last(of.as_ref()),
            },
            Self::Echo(body) => match ready!(Pin::new(body).poll_frame(cx)) {
                Some(Ok(frame)) if frame.is_data() => return Poll::Ready(Some(Ok(frame))),
                Some(Ok(frame)) => last(frame.trailers_ref()),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => last(None),
            },
        };
        *self = Self::Over;
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Over)
    }
}

/// The body of a request: some pieces, and then an end or none.
pub(super) struct Pieces {
    pub(super) left: usize,
    pub(super) length: usize,
    pub(super) ends: bool,
    /// The pause between two pieces. If set, no piece is available at once.
    pub(super) wait: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Pieces {
    /// Whether this is one message that is available at once.
    pub(super) fn is_unary(&self) -> bool {
        self.left == 1 && self.ends && self.wait.is_none()
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        if let Some(wait) = &mut this.wait {
            ready!(wait.as_mut().poll(cx));
            wait.as_mut().reset(tokio::time::Instant::now() + Duration::from_millis(1));
        }
        let Some(left) = this.left.checked_sub(1) else {
            return if this.ends { Poll::Ready(None) } else { Poll::Pending };
        };
        this.left = left;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![b'p'; this.length])))))
    }
}
