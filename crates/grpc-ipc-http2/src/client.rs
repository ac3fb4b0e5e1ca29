//! The client side of a connection.

use std::error;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, Version, request};
use http_body::Body;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use crate::body::{RecvBody, RecvStream};
use crate::connection::Role;
use crate::deadline::{Deadline, timeout_of};
use crate::driver::Driver;
use crate::encode::{LOCALHOST, Start};
use crate::message::ResponseHead;
use crate::pump::{Beginning, Pump};
use crate::record::{Departure, Record};
use crate::shared::{SendStream, Shared, State};
use crate::spin::Awake;
use crate::sync::spawn;
use crate::{Error, Options, Reason};

/// Creates the two parts of the client side over `io`: one makes calls, the other is a future that runs the connection.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn handshake<IO>(io: IO, options: &Options) -> (SendRequest, Connection<IO>)
where
    IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let driver = Driver::new(io, Role::Client, options);
    let shared = Arc::clone(&driver.shared);
    shared.with(|state| state.callers = Some(1));
    (SendRequest { shared }, Connection { driver })
}

/// Runs a connection: a future that completes when the connection is over. It also ends when nobody can make calls any
/// more. Spawn it.
///
/// # Panics
/// When it is polled outside of a tokio runtime.
#[must_use = "futures do nothing unless polled"]
pub struct Connection<IO> {
    driver: Driver<IO>,
}

impl<IO> Connection<IO> {
    /// A record of the connection, which outlives it.
    #[must_use]
    pub fn record(&self) -> Record {
        Record::new(&self.driver.shared)
    }
}

impl<IO> Future for Connection<IO>
where
    IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let driver = &mut self.driver;
        let mut runs = false;
        loop {
            let next = driver.with(|turn, state| {
                if !std::mem::replace(&mut runs, true) {
                    state.driver_runs(cx);
                    if state.is_unused() {
                        state.connection.go_away(Departure::WentAway);
                    }
                }
                // Usually the first round reads everything, and the second finds nothing more.
                for _ in 0..2 {
                    // First, in case callers left something to write.
                    if !state.connection.output.is_empty()
                        && let Poll::Ready(result) = turn.poll_send(state, cx)
                    {
                        return Next::Over(result);
                    }
                    let received = turn.poll_receive(state, cx);
                    let is_long = received.is_ready() && state.quantum.ends_reading();
                    if let Poll::Ready(false) = received
                        && !is_long
                    {
                        continue;
                    }
                    if let Poll::Ready(result) = turn.poll_send(state, cx) {
                        return Next::Over(result);
                    }
                    if received.is_ready() {
                        turn.expire(state);
                        return if is_long { Next::StayAwake(Awake::Yielding) } else { Next::Later };
                    }
                    if !turn.is_time_for_something(state, cx) {
                        return turn.stays_awake(state).map_or(Next::Wait, Next::StayAwake);
                    }
                }
                Next::GoOn
            });
            match next {
                Next::GoOn => {}
                Next::Later => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Next::StayAwake(awake) => ready!(awake.poll(cx)),
                Next::Wait => return Poll::Pending,
                Next::Over(result) => return Poll::Ready(result),
            }
        }
    }
}

/// The next step of a connection's task, taken without the lock.
enum Next {
    /// There may be more to do, after waking the tasks whose data has come.
    GoOn,
    /// There is more to do in the next turn.
    Later,
    /// There may soon be something to read.
    StayAwake(Awake),
    Wait,
    Over(Result<(), Error>),
}

impl<IO> fmt::Debug for Connection<IO> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

/// Makes calls on a connection. Cloning is cheap. The connection ends when the last clone is dropped and its calls are
/// over.
pub struct SendRequest {
    shared: Arc<Shared>,
}

impl SendRequest {
    /// Sends a request. The response is an error if the connection cannot accept the request.
    pub fn send<B>(&self, request: Request<B>) -> ResponseFuture<B>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn error::Error + Send + Sync>>,
    {
        ResponseFuture { connection: self.clone(), call: Call::new(request) }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Whether the connection accepts calls, either now or after others have ended.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.shared.with(|state| state.connection.accepts_calls())
    }

    /// Whether a call can be made now, within the server's limit on concurrent streams.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.shared.with(|state| state.connection.has_room())
    }

    /// Why the connection failed, or why the server accepts no more calls, if it said so.
    #[must_use]
    pub fn failure(&self) -> Option<Error> {
        self.shared.with(|state| state.connection.failure().cloned())
    }

    /// The interval of the connection's keepalive pings ([`Options::keepalive`]), if it sends any.
    #[must_use]
    pub fn keepalive(&self) -> Option<Duration> {
        self.shared.with(|state| state.connection.options.keepalive)
    }

    /// Whether the server has sent its first HTTP/2 frame.
    #[must_use]
    pub fn is_established(&self) -> bool {
        self.shared.with(|state| state.connection.is_established())
    }

    /// Waits until the server has sent its first HTTP/2 frame. The connection may have ended since.
    ///
    /// # Errors
    /// The reason why the handshake failed.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn established(&self) -> Result<(), Error> {
        let mut place: Option<Place> = None;
        poll_fn(|cx| {
            let waits = self.shared.with(|state| match &state.connection.failed {
                _ if state.connection.is_established() => Ok(None),
                Some(error) => Err(error.clone()),
                None => Ok(Some(state.connection.wait_for_room(cx.waker()))),
            });
            place = None;
            match waits {
                Ok(Some(ticket)) => {
                    place = Some(Place { shared: Arc::clone(&self.shared), ticket });
                    Poll::Pending
                }
                Ok(None) => Poll::Ready(Ok(())),
                Err(error) => Poll::Ready(Err(error)),
            }
        })
        .await
    }

    /// The number of calls made on the connection so far, if none of them is active.
    #[must_use]
    pub fn calls_if_idle(&self) -> Option<u32> {
        self.shared.with(|state| state.connection.calls_if_idle())
    }

    /// Waits until the connection accepts no more calls, because it failed or one of its ends is closing it. The future
    /// does not keep the connection open.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub fn gone(&self) -> impl Future<Output = ()> + Send + use<> {
        let shared = Arc::clone(&self.shared);
        poll_fn(move |cx| shared.with(|state| state.connection.poll_gone(cx)))
    }

    /// Wakes every call that waits for a stream of this connection, because another connection may be available for it.
    pub fn wake_waiting(&self) {
        self.shared.with(|state| state.connection.wake_all_waiting());
    }
}

impl Clone for SendRequest {
    fn clone(&self) -> Self {
        self.shared.with(|state| state.callers = state.callers.map(|callers| callers + 1));
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl Drop for SendRequest {
    fn drop(&mut self) {
        self.shared.with(|state| {
            state.callers = state.callers.map(|callers| callers - 1);
            if state.is_unused() {
                state.wake_driver();
            }
        });
    }
}

impl fmt::Debug for SendRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendRequest").finish_non_exhaustive()
    }
}

/// The response to a request. Dropping it before it is ready cancels the call.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<B> {
    connection: SendRequest,
    call: Call<B>,
}

impl<B> Future for ResponseFuture<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn error::Error + Send + Sync>>,
{
    type Output = Result<Response<RecvBody>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.call.poll_on(&this.connection, cx)
    }
}

/// A call that is made on one connection, and retried on another if the first has not processed it.
pub struct Call<B> {
    head: request::Parts,
    body: CallBody<B>,
    /// Its places in the queues for a stream, one per connection.
    places: Vec<Place>,
    /// The stream on which it is active.
    stream: Option<RecvStream>,
    deadline: Option<Deadline>,
}

enum CallBody<B> {
    /// The body has not been polled yet.
    Fresh(B),
    /// The whole body is here, and can be sent again.
    Whole(Beginning),
    /// The body has been polled, and nothing is sent yet.
    Begun(Beginning, B),
    /// The request has been sent, or is being sent.
    Sent,
}

impl<B> Call<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn error::Error + Send + Sync>>,
{
    /// Creates a call. Its deadline (`grpc-timeout`) starts now.
    ///
    /// # Panics
    /// Outside of a tokio runtime, if it has a deadline.
    pub fn new(request: Request<B>) -> Self {
        let (head, body) = request.into_parts();
        let deadline = timeout_of(&head.headers).map(Deadline::after);
        Self { head, body: CallBody::Fresh(body), places: Vec::new(), stream: None, deadline }
    }

    /// Whether the call can be polled on another connection after an [error that allows that](Error::is_unprocessed):
    /// its whole body was available when it began.
    #[must_use]
    pub fn can_be_sent_again(&self) -> bool {
        !matches!(self.body, CallBody::Sent)
    }

    /// Whether the call is active on a connection. Until then, it may be polled on any.
    #[must_use]
    pub fn is_begun(&self) -> bool {
        self.stream.is_some()
    }

    /// Makes the call on `connection`, or continues it there. Use the same connection until it is ready.
    ///
    /// # Errors
    /// The reason why there is no response.
    pub fn poll_on(
        &mut self,
        connection: &SendRequest,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<RecvBody>, Error>> {
        let Some(stream) = &mut self.stream else {
            if self.deadline.as_ref().is_some_and(Deadline::has_passed) {
                return Poll::Ready(Err(Error::DeadlineExceeded));
            }
            return self.poll_begin(connection, cx);
        };
        let result = ready!(stream.poll_response(cx));
        let stream = self.stream.take();
        Poll::Ready(match (result?, stream) {
            ((head, Some((data, trailers))), _) => Ok(response(head, RecvBody::whole(data, trailers))),
            ((head, None), Some(stream)) => Ok(response(head, RecvBody::stream(stream))),
            ((_, None), None) => Err(Error::Closed),
        })
    }

    /// Ready when the deadline of the call has passed.
    pub fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.deadline.as_mut().map_or(Poll::Pending, |deadline| deadline.poll_passed(cx))
    }

    /// Ready when it is worth polling the call on `connection`. Otherwise the task is woken when that may have changed,
    /// even if it waits for room on other connections at the same time.
    pub fn poll_room(&mut self, connection: &SendRequest, cx: &mut Context<'_>) -> Poll<()> {
        let ticket = connection.shared.with(|state| {
            let connection = &mut state.connection;
            let waits = connection.accepts_calls() && !connection.has_room();
            waits.then(|| connection.wait_for_room(cx.waker()))
        });
        match ticket {
            Some(ticket) => {
                self.wait(connection, ticket);
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    }

    fn wait(&mut self, connection: &SendRequest, ticket: u64) {
        self.leave(connection);
        self.places.push(Place { shared: Arc::clone(&connection.shared), ticket });
    }

    fn leave(&mut self, connection: &SendRequest) {
        self.places.retain(|place| !Arc::ptr_eq(&place.shared, &connection.shared));
    }

    fn poll_begin(
        &mut self,
        connection: &SendRequest,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<RecvBody>, Error>> {
        if let CallBody::Fresh(body) = &mut self.body {
            let beginning = match Beginning::of(body, cx) {
                Ok(beginning) => beginning,
                Err(error) => {
                    self.body = CallBody::Sent;
                    return Poll::Ready(Err(Error::Body(error.into().into())));
                }
            };
            self.body = match std::mem::replace(&mut self.body, CallBody::Sent) {
                CallBody::Fresh(body) if !beginning.ended => CallBody::Begun(beginning, body),
                _ => CallBody::Whole(beginning),
            };
        }
        let beginning = match &self.body {
            CallBody::Whole(beginning) | CallBody::Begun(beginning, _) => beginning,
            CallBody::Fresh(_) | CallBody::Sent => return Poll::Ready(Err(Error::Closed)),
        };
        let deadline = self.deadline.as_ref().map(|deadline| deadline.at);
        let begun = connection.shared.with(|state| begin(state, &self.head, beginning, deadline, cx));
        let id = match begun {
            Begun::Stream(id) => {
                self.places.clear();
                if let Some(deadline) = &mut self.deadline {
                    deadline.stop_waiting();
                }
                id
            }
            Begun::Waits(ticket) => {
                self.wait(connection, ticket);
                return self.poll_deadline(cx).map(|()| Err(Error::DeadlineExceeded));
            }
            Begun::Failed(error) => return Poll::Ready(Err(error)),
        };
        self.stream = Some(RecvStream::new(&connection.shared, id, Some(Reason::CANCEL)));
        if let CallBody::Begun(..) = &self.body
            && let CallBody::Begun(_, body) = std::mem::replace(&mut self.body, CallBody::Sent)
        {
            let shared = Arc::clone(&connection.shared);
            let stream = SendStream { shared, id, when_dropped: Reason::CANCEL };
            spawn(RequestBody { pump: Pump::new(body), stream });
        }
        Poll::Pending
    }
}

impl<B> fmt::Debug for Call<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("head", &self.head).finish_non_exhaustive()
    }
}

/// The place of a call in the queue for a stream.
struct Place {
    shared: Arc<Shared>,
    ticket: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.with(|state| state.connection.stop_waiting(self.ticket));
    }
}

enum Begun {
    Stream(u32),
    Waits(u64),
    Failed(Error),
}

/// Opens a stream, and sends the available part of the request.
fn begin(
    state: &mut State,
    head: &request::Parts,
    beginning: &Beginning,
    deadline: Option<Instant>,
    cx: &Context<'_>,
) -> Begun {
    let connection = &mut state.connection;
    if !connection.has_room() {
        if connection.accepts_calls() {
            return Begun::Waits(connection.wait_for_room(cx.waker()));
        }
        return Begun::Failed(Error::Unprocessed);
    }
    let alone = connection.output.is_empty() && connection.woken.callers == 0;
    let authority = connection.options.authority.clone();
    let start = Start::Request {
        method: &head.method,
        scheme: head.uri.scheme_str().unwrap_or(if connection.options.https { "https" } else { "http" }),
        authority: match head.uri.authority() {
            Some(authority) => authority.as_str(),
            None => authority.as_deref().unwrap_or(LOCALHOST),
        },
        path: head.uri.path_and_query().map_or("/", |path| path.as_str()),
    };
    // gRPC requests end with DATA even if they have no message, because some servers check for the end only there
    // (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests).
    let empty = beginning.is_empty_body() && head.method != Method::POST;
    let id = match connection.open(start, &head.headers, empty) {
        Ok(id) => id,
        Err(error) => return Begun::Failed(error),
    };
    // This comes first, because sending may fail at once.
    connection.wait_to_read(id, cx.waker());
    if !empty {
        beginning.clone().send(connection, id);
    }
    if beginning.ended {
        connection.drop_sender(id, Reason::CANCEL);
    }
    state.send(alone);
    if let Some(deadline) = deadline {
        state.set_deadline(id, deadline);
    }
    Begun::Stream(id)
}

pub(crate) fn response(head: ResponseHead, body: RecvBody) -> Response<RecvBody> {
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    *response.version_mut() = Version::HTTP_2;
    *response.headers_mut() = head.headers;
    response
}

/// Sends the rest of a request while its caller waits for the response, or reads it.
struct RequestBody<B> {
    pump: Pump<B>,
    stream: SendStream,
}

impl<B> Future for RequestBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn error::Error + Send + Sync>>,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if let Err(error) = ready!(this.pump.poll_send(&this.stream, cx)) {
            let error = Error::Body(error.into().into());
            this.stream.send(|connection, id| connection.reset_because(id, Reason::CANCEL, error));
        }
        Poll::Ready(())
    }
}
