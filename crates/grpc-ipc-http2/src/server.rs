//! The server side of a connection.

use std::collections::VecDeque;
use std::error;
use std::fmt;
use std::future::poll_fn;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::uri::PathAndQuery;
use http::{Request, Response, Version};
use http_body::Body;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep};
use tower_service::Service;

use crate::body::{RecvBody, RecvStream};
use crate::connection::direct::{Request as DirectRequest, Requests, Source};
use crate::connection::{Admission, Role, room_for_one};
use crate::deadline::{Deadlines, Timeouts, after, timeout_of};
use crate::direct::{self, InTurn, Reply};
use crate::driver::Driver;
use crate::message::RequestHead;
use crate::panics;
use crate::pump::{Beginning, Pump};
use crate::record::{Departure, Record};
use crate::shared::{SendStream, Shared, State, ToAnswer};
use crate::spin::Awake;
use crate::sync::spawn;
use crate::{Error, Options, Reason};

/// A connection that serves requests: a future that runs it, and completes when the connection is over.
///
/// The server enforces a request's deadline (`grpc-timeout`): when it passes, the handler is dropped, and the call ends
/// with gRPC's `DEADLINE_EXCEEDED`. A handler is also dropped when the client resets its stream or disconnects. If a
/// handler panics, its call ends with gRPC's `UNKNOWN`. A request that is not gRPC is reset with `INTERNAL_ERROR`, as
/// it is if the handler returns an error. Other calls continue.
///
/// # Panics
/// When created or polled outside of a tokio runtime.
#[must_use = "futures do nothing unless polled"]
pub struct Connection<IO, S> {
    driver: Driver<IO>,
    service: S,
    poll_in_place: bool,
    handler_timeout: Option<Duration>,
    /// The requests of one turn that are to be answered, or those that wait for the client to take responses.
    requests: VecDeque<(u32, Waiting)>,
    /// The service for direct calls, and its requests of one turn.
    direct: Option<Direct>,
    /// The time limit for a client that takes no responses.
    stalled: Option<Stalled>,
}

/// A request that waits.
#[expect(clippy::large_enum_variant, reason = "nearly all waiting requests are general ones")]
enum Waiting {
    General(Request<RecvBody>),
    /// If there is no message here, it is on the stream.
    Direct(Arc<direct::Head>, Option<Box<[u8]>>),
    WithStream(Arc<direct::Head>, RecvBody),
}

/// The input of a direct call.
enum Input<'a> {
    Message(&'a [u8]),
    /// Its stream has a large message.
    Gathered,
    Stream(Box<RecvBody>),
}

/// The service for direct calls.
struct Direct {
    /// It is lent to the connection while that receives.
    service: Option<Box<dyn direct::Service>>,
    requests: Requests,
}

impl Direct {
    fn new(service: Box<dyn direct::Service>) -> Self {
        Self { service: Some(service), requests: Requests::default() }
    }
}

/// Calls the handler of a request, and returns whether too much is kept for the client to call another.
fn call_direct(
    service: &mut Option<Box<dyn direct::Service>>,
    shared: &Arc<Shared>,
    id: u32,
    head: &mut Arc<direct::Head>,
    input: Input<'_>,
    handler_timeout: Option<Duration>,
    waker: Option<&Waker>,
) -> bool {
    let Some(service) = service else { return false };
    let (input, timeout) = match input {
        Input::Message(message) => (Ok(direct::Message::Slice(message)), head.timeout()),
        Input::Gathered => {
            let gathered = shared.with(|state| state.connection.take_gathered(id));
            let Some((message, deadline)) = gathered else { return false };
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            (Ok(direct::Message::Bytes(message)), left)
        }
        Input::Stream(body) => (Err(body), head.timeout()),
    };
    let mut turn = InTurn::new(handler_timeout);
    let reply = Reply::in_turn(shared, id, timeout, &mut turn, waker);
    let call = || match input {
        Ok(message) => service.call(head, message, reply),
        Err(body) => service.call_with_stream(head, *body, reply),
    };
    let caught = catch_unwind(AssertUnwindSafe(call));
    if let Err(panic) = caught {
        panics::log(head.path(), &*panic);
        // Unless the handler continues in its own task, or has answered.
        if turn.panicked {
            shared.with(|state| {
                state.connection.end_panicked(id, head.path());
                state.connection.drop_sender(id, Reason::INTERNAL_ERROR);
            });
        }
    }
    turn.overfull
}

/// The body of a request whose handler is called.
fn body(shared: &Arc<Shared>, id: u32) -> RecvBody {
    match shared.with(|state| state.connection.take_all(id)) {
        Some((data, trailers)) => RecvBody::whole(data, trailers),
        None => RecvBody::stream(RecvStream::new(shared, id, None)),
    }
}

/// How long something has waited for a client that takes no data, and how much the client had taken before.
struct Stalled {
    sleep: Pin<Box<Sleep>>,
    sent: u64,
}

/// The capacity for requests that is kept when there are none.
const KEEP_REQUESTS: usize = 32;
/// A client that takes nothing for this long is not waited for.
const STALLED: Duration = Duration::from_secs(5);

/// Ends a [`Connection`], and observes its handlers even after it has ended.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl Handle {
    /// Shuts the connection down gracefully. It accepts no more requests once the client knows, and ends when the
    /// active ones are answered. A connection on which the client has not started HTTP/2 ends at once.
    pub fn graceful_shutdown(&self) {
        self.shared.with(|state| {
            state.connection.go_away(Departure::WentAway);
            state.wake_driver();
        });
    }

    /// Ends the connection at once, and drops its handlers.
    pub fn close(&self) {
        self.shared.with(|state| {
            state.close();
            state.wake_driver();
        });
    }

    /// The number of calls whose handler, or body of a response, still exists.
    #[must_use]
    pub fn running(&self) -> usize {
        self.shared.with(|state| state.connection.running())
    }

    /// Whether the connection has failed, or is closing and has no calls left.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.shared.with(|state| state.connection.is_over())
    }

    /// The number of calls that the client has begun, from the ids of their streams.
    #[must_use]
    pub fn calls_started(&self) -> u64 {
        self.shared.with(|state| state.connection.peers_calls())
    }

    /// The number of requests passed to the [`direct::Service`] of the connection.
    #[doc(hidden)]
    #[must_use]
    pub fn direct_calls(&self) -> u64 {
        self.shared.with(|state| state.connection.direct.calls)
    }

    /// Waits until all handlers, and the bodies of their responses, are dropped. After the connection has ended, that
    /// happens as soon as each has been polled, unless one blocks its thread.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn finished(&self) {
        poll_fn(|cx| self.shared.with(|state| state.connection.poll_finished(cx))).await;
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A running call of the service.
enum Handler<S: Service<Request<RecvBody>>> {
    Called(S::Future),
    /// The service was not ready for it.
    WhenReady(BoxFuture<Result<S::Response, S::Error>>),
}

impl<S> Handler<S>
where
    S: Service<Request<RecvBody>, Future: Unpin>,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<S::Response, S::Error>> {
        match self {
            Self::Called(future) => Pin::new(future).poll(cx),
            Self::WhenReady(future) => future.as_mut().poll(cx),
        }
    }
}

impl<IO, S, B> Connection<IO, S>
where
    IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: Service<Request<RecvBody>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + Unpin + 'static,
    S::Error: Into<Box<dyn error::Error + Send + Sync>>,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn error::Error + Send + Sync>>,
{
    /// Serves the client at the other end of `io`.
    pub fn new(io: IO, service: S, options: Options) -> Self {
        let driver = Driver::new(io, Role::Server, &options);
        Self {
            driver,
            service,
            poll_in_place: options.poll_in_place,
            handler_timeout: options.handler_timeout,
            requests: VecDeque::new(),
            direct: None,
            stalled: None,
        }
    }

    /// Sets a service for direct calls. All other requests go to the service that the connection was created with.
    pub fn direct(mut self, service: Box<dyn direct::Service>) -> Self {
        self.driver.shared.with(|state| state.connection.direct.is_used = true);
        self.direct = Some(Direct::new(service));
        self
    }

    /// A record of the connection, which outlives it.
    pub fn record(&self) -> Record {
        Record::new(&self.driver.shared)
    }

    /// A handle that ends the connection while its future runs elsewhere.
    pub fn handle(&self) -> Handle {
        Handle { shared: Arc::clone(&self.driver.shared) }
    }

    /// Passes the received requests to the service. `overfull` says whether too much is kept for the client to call
    /// another handler, or other requests already wait for that.
    fn serve(&mut self, mut overfull: bool, cx: &mut Context<'_>) {
        if self.direct.as_ref().is_some_and(|direct| !direct.requests.is_empty()) {
            self.serve_direct(&mut overfull, cx);
        }
        while let Some((id, request)) = self.requests.pop_front() {
            let admission = match overfull {
                true => self.driver.shared.with(|state| state.connection.admit(id)),
                false => Admission::Call,
            };
            match admission {
                Admission::Call => match request {
                    Waiting::General(request) => overfull = self.call(id, request, cx),
                    Waiting::Direct(mut head, message) => {
                        let input = message.as_deref().map_or(Input::Gathered, Input::Message);
                        overfull = self.call_direct(id, &mut head, input, cx);
                    }
                    Waiting::WithStream(mut head, body) => {
                        overfull = self.call_direct(id, &mut head, Input::Stream(Box::new(body)), cx);
                    }
                },
                Admission::Over => self.driver.shared.with(|state| state.connection.drop_reader(id)),
                Admission::Wait => {
                    self.requests.push_front((id, request));
                    break;
                }
            }
        }
        if self.requests.capacity() > KEEP_REQUESTS {
            self.requests.shrink_to(KEEP_REQUESTS);
        }
    }

    fn accept(&mut self) -> bool {
        let Self { driver, requests, direct, .. } = self;
        driver.shared.with(|state| accept(state, &driver.shared, requests, direct))
    }

    /// Answers the direct requests of a turn, unless they have to wait.
    fn serve_direct(&mut self, overfull: &mut bool, cx: &mut Context<'_>) {
        let Self {
            direct: Some(Direct { service, requests: come }),
            requests,
            driver,
            poll_in_place,
            handler_timeout,
            ..
        } = self
        else {
            return;
        };
        let waker = poll_in_place.then(|| cx.waker());
        for DirectRequest { id, mut head, message } in come.list.drain(..) {
            let input = match message {
                Source::Read(range) => Input::Message(&come.messages[range]),
                Source::Gathered => Input::Gathered,
                Source::Stream => Input::Stream(Box::new(body(&driver.shared, id))),
            };
            if *overfull {
                let waiting = match input {
                    Input::Message(message) => Waiting::Direct(head, Some(message.into())),
                    Input::Gathered => Waiting::Direct(head, None),
                    Input::Stream(body) => Waiting::WithStream(head, *body),
                };
                requests.push_back((id, waiting));
            } else {
                *overfull =
                    call_direct(service, &driver.shared, id, &mut head, input, *handler_timeout, waker);
            }
        }
        come.clear();
    }

    /// Calls the handler of a request that has waited.
    fn call_direct(
        &mut self,
        id: u32,
        head: &mut Arc<direct::Head>,
        input: Input<'_>,
        cx: &mut Context<'_>,
    ) -> bool {
        let Self { direct, driver, poll_in_place, handler_timeout, .. } = self;
        let Some(Direct { service, .. }) = direct else { return false };
        let waker = poll_in_place.then(|| cx.waker());
        call_direct(service, &driver.shared, id, head, input, *handler_timeout, waker)
    }

    /// Continues waiting work if the client has taken responses, or refuses it if the client has taken nothing for
    /// long. Returns whether it did something.
    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(sent) = self.driver.turn.waits else {
            self.stalled = None;
            return false;
        };
        let stalled = self.stalled.get_or_insert_with(|| Stalled { sleep: Box::pin(sleep(STALLED)), sent });
        let goes_on = if stalled.sleep.as_mut().poll(cx).is_ready() {
            let takes_nothing = stalled.sent == sent;
            self.stalled = None;
            if takes_nothing {
                self.driver.with(|_, state| state.connection.client_is_stalled());
            }
            true
        } else {
            self.driver.with(|_, state| state.connection.takes_requests_again())
        };
        if goes_on {
            let overfull = self.accept();
            self.serve(overfull, cx);
        }
        goes_on
    }

    /// Calls the handler of a request, and returns whether too much is kept for the client to call another.
    fn call(&mut self, id: u32, request: Request<RecvBody>, cx: &mut Context<'_>) -> bool {
        let timeouts = Timeouts { call: timeout_of(request.headers()), answer: self.handler_timeout };
        let method = method_of(&request);
        let Self { service, poll_in_place, driver, .. } = self;
        let shared = &driver.shared;
        // A response is sent at once, and the rest is left here, because values that pass through `catch_unwind` are
        // copied twice.
        let mut rest = None;
        let progress =
            catch_unwind(AssertUnwindSafe(|| -> Result<bool, Box<dyn error::Error + Send + Sync>> {
                let mut handler = match service.poll_ready(cx) {
                    Poll::Ready(Ok(())) => Handler::<S>::Called(service.call(request)),
                    Poll::Ready(Err(error)) => return Err(error.into()),
                    Poll::Pending => {
                        // This instance of the service was polled to readiness, so it is the one to call.
                        let next = service.clone();
                        Handler::WhenReady(Box::pin(when_ready(mem::replace(service, next), request)))
                    }
                };
                if !*poll_in_place {
                    rest = Some(Rest::Handler(handler));
                    return Ok(false);
                }
                let (response, beginning, body) = match poll_response(&mut handler, true, cx) {
                    Poll::Pending => {
                        rest = Some(Rest::Handler(handler));
                        return Ok(false);
                    }
                    Poll::Ready(Ok(begun)) => begun,
                    Poll::Ready(Err(error)) => return Err(error),
                };
                let ended = beginning.ended;
                // The output is written when all requests of this turn are answered.
                let overfull = shared.with(|state| {
                    respond(&mut state.connection, id, &response, beginning);
                    if ended {
                        // If flow control blocks a response, it ends with the deadline.
                        if let Some(timeout) = timeouts.call
                            && state.connection.stream(id).is_some_and(|stream| !stream.is_send_over())
                        {
                            state.set_deadline(id, after(Instant::now(), timeout));
                        }
                        state.connection.drop_sender(id, Reason::INTERNAL_ERROR);
                    }
                    state.connection.is_overfull()
                });
                if !ended {
                    rest = Some(Rest::Body(Pump::new(body)));
                }
                Ok(overfull)
            }));
        match progress {
            Ok(Ok(overfull)) => {
                if let Some(rest) = rest {
                    self.spawn(id, timeouts, method, rest);
                }
                overfull
            }
            failed => {
                match &failed {
                    Ok(Err(error)) => tracing::debug!(error, "a handler has failed"),
                    Err(panic) => panics::log(method.as_ref().map_or("", PathAndQuery::path), &**panic),
                    Ok(Ok(_)) => {}
                }
                self.driver.shared.with(|state| {
                    if let (Err(_), Some(method)) = (&failed, &method) {
                        state.connection.end_panicked(id, method.path());
                    }
                    state.connection.drop_sender(id, Reason::INTERNAL_ERROR);
                });
                false
            }
        }
    }

    /// Continues a call in its own task.
    fn spawn(&self, id: u32, timeouts: Timeouts, method: Option<PathAndQuery>, rest: Rest<S, B>) {
        let shared = Arc::clone(&self.driver.shared);
        let sender = SendStream { shared, id, when_dropped: Reason::INTERNAL_ERROR };
        spawn(Call { sender, deadlines: timeouts.begin(), method, rest });
    }
}

/// Takes the received requests, and returns whether too much is kept for the client to call another handler, or other
/// requests already wait for that.
fn accept(
    state: &mut State,
    shared: &Arc<Shared>,
    requests: &mut VecDeque<(u32, Waiting)>,
    direct: &mut Option<Direct>,
) -> bool {
    let waited = !requests.is_empty();
    if let Some(direct) = direct {
        state.connection.take_direct(&mut direct.requests);
    }
    while let Some((id, head)) = state.connection.accept() {
        let body = match state.connection.take_all(id) {
            Some((data, trailers)) => RecvBody::whole(data, trailers),
            None => RecvBody::stream(RecvStream::new(shared, id, None)),
        };
        room_for_one(requests);
        requests.push_back((id, Waiting::General(request(head, body))));
    }
    waited || state.connection.is_overfull()
}

/// The response of a handler, with the available part of its body and the rest.
type Begun<B> = (Response<()>, Beginning, B);

/// A body without room is not polled.
fn poll_response<S, B>(
    handler: &mut Handler<S>,
    room: bool,
    cx: &mut Context<'_>,
) -> Poll<Result<Begun<B>, Box<dyn error::Error + Send + Sync>>>
where
    S: Service<Request<RecvBody>, Response = Response<B>, Future: Unpin>,
    S::Error: Into<Box<dyn error::Error + Send + Sync>>,
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn error::Error + Send + Sync>>,
{
    let (parts, mut body) = ready!(handler.poll(cx)).map_err(Into::into)?.into_parts();
    let beginning = match room {
        true => Beginning::of(&mut body, cx).map_err(Into::into)?,
        false => Beginning::none_of(&body),
    };
    Poll::Ready(Ok((Response::from_parts(parts, ()), beginning, body)))
}

async fn when_ready<S, R>(mut service: S, request: R) -> Result<S::Response, S::Error>
where
    S: Service<R>,
{
    poll_fn(|cx| service.poll_ready(cx)).await?;
    service.call(request).await
}

fn request(head: RequestHead, body: RecvBody) -> Request<RecvBody> {
    let RequestHead { method, uri, authority, headers, content_length: _ } = head;
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.version_mut() = Version::HTTP_2;
    *request.headers_mut() = headers;
    if let Some(authority) = authority {
        request.extensions_mut().insert(authority);
    }
    request
}

/// The path of a gRPC request. Others would not understand a status.
fn method_of(request: &Request<RecvBody>) -> Option<PathAndQuery> {
    let content_type = request.headers().iter().find(|(name, _)| **name == CONTENT_TYPE)?.1;
    match content_type.as_bytes().starts_with(b"application/grpc") {
        true => request.uri().path_and_query().cloned(),
        false => None,
    }
}

fn respond(
    connection: &mut crate::connection::Connection,
    id: u32,
    response: &Response<()>,
    beginning: Beginning,
) {
    let empty = beginning.is_empty_body();
    connection.send_response(id, response.status(), response.headers(), empty);
    if !empty {
        beginning.send(connection, id);
    }
}

impl<IO, S, B> Future for Connection<IO, S>
where
    Self: Unpin,
    IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: Service<Request<RecvBody>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + Unpin + 'static,
    S::Error: Into<Box<dyn error::Error + Send + Sync>>,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn error::Error + Send + Sync>>,
{
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let this = &mut *self;
        let mut runs = false;
        // Received data is read first, so that the pending output of the calls' tasks is written together with the
        // answers.
        let mut at = At::Receive;
        let mut received = Poll::Pending;
        let mut to_send = true;
        loop {
            let Self { driver: Driver { shared, wakers, turn, .. }, requests, direct, stalled, .. } = this;
            let next = shared.with_all(wakers, |state| {
                if !mem::replace(&mut runs, true) {
                    state.driver_runs(cx);
                }
                loop {
                    at = match at {
                        At::Receive => {
                            // The service decides which requests it takes.
                            let service = direct.as_mut().and_then(|direct| direct.service.take());
                            state.connection.direct.service = service;
                            received = turn.poll_receive(state, cx);
                            if let Some(direct) = direct {
                                direct.service = state.connection.direct.service.take();
                            }
                            at = At::Send;
                            if received.is_ready() {
                                to_send = true;
                                turn.served = true;
                                let overfull = accept(state, shared, requests, direct);
                                return Next::Serve { overfull };
                            }
                            At::Send
                        }
                        At::Send => {
                            if to_send && let Poll::Ready(result) = turn.poll_send(state, cx) {
                                return Next::Over(result);
                            }
                            if turn.waits.is_some() || stalled.is_some() {
                                return Next::PollWaiting;
                            }
                            At::End
                        }
                        At::End => {
                            to_send = match received {
                                Poll::Ready(_) if state.quantum.ends_reading() => {
                                    turn.expire(state);
                                    return Next::StayAwake(Awake::Yielding);
                                }
                                Poll::Ready(false) => false,
                                Poll::Ready(true) => {
                                    turn.expire(state);
                                    return Next::Later;
                                }
                                Poll::Pending if turn.is_time_for_something(state, cx) => true,
                                Poll::Pending => {
                                    return turn.stays_awake(state).map_or(Next::Wait, Next::StayAwake);
                                }
                            };
                            At::Receive
                        }
                    };
                }
            });
            match next {
                Next::Serve { overfull } => this.serve(overfull, cx),
                Next::PollWaiting => {
                    to_send = this.poll_waiting(cx);
                    at = if to_send { At::Receive } else { At::End };
                }
                Next::Later => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Next::StayAwake(awake) => {
                    ready!(awake.poll(cx));
                    at = At::Receive;
                }
                Next::Wait => return Poll::Pending,
                Next::Over(result) => return Poll::Ready(result),
            }
        }
    }
}

/// The progress of a connection's task in its turn.
#[derive(Clone, Copy)]
enum At {
    Receive,
    Send,
    End,
}

/// The next step of a connection's task, taken without the lock.
enum Next {
    /// Wakes the tasks whose data has come, and calls the handlers of requests.
    Serve {
        overfull: bool,
    },
    /// Handles work that waits for the client to take responses.
    PollWaiting,
    /// There is more to do in the next turn.
    Later,
    /// There may soon be something to read.
    StayAwake(Awake),
    Wait,
    Over(Result<(), Error>),
}

impl<IO, S> Drop for Connection<IO, S> {
    /// Requests that still wait will not get a handler, so nobody may wait for one.
    fn drop(&mut self) {
        let requests = mem::take(&mut self.requests);
        if !requests.is_empty() {
            self.driver.shared.with(|state| {
                for (id, request) in &requests {
                    state.connection.drop_sender(*id, Reason::CANCEL);
                    if let Waiting::Direct(_, None) = request {
                        state.connection.drop_reader(*id);
                    }
                }
            });
        }
    }
}

impl<IO, S> fmt::Debug for Connection<IO, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

/// A call that is not answered at once, in its own task.
struct Call<S: Service<Request<RecvBody>>, B> {
    // Dropped before the sender, whose drop marks the handler as gone.
    rest: Rest<S, B>,
    sender: SendStream,
    /// Present until the connection enforces them.
    deadlines: Option<Deadlines>,
    /// The path of a gRPC call.
    method: Option<PathAndQuery>,
}

enum Rest<S: Service<Request<RecvBody>>, B> {
    Handler(Handler<S>),
    Body(Pump<B>),
}

impl<S, B> Future for Call<S, B>
where
    S: Service<Request<RecvBody>, Response = Response<B>, Future: Unpin>,
    S::Error: Into<Box<dyn error::Error + Send + Sync>>,
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn error::Error + Send + Sync>>,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        catch_unwind(AssertUnwindSafe(|| this.poll_answer(cx))).unwrap_or_else(|panic| {
            let method = this.method.as_ref().map(PathAndQuery::path);
            panics::log(method.unwrap_or_default(), &*panic);
            if let Some(method) = method {
                this.sender.send(|connection, id| connection.end_panicked(id, method));
            }
            Poll::Ready(())
        })
    }
}

impl<S, B> Call<S, B>
where
    S: Service<Request<RecvBody>, Response = Response<B>, Future: Unpin>,
    S::Error: Into<Box<dyn error::Error + Send + Sync>>,
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn error::Error + Send + Sync>>,
{
    #[inline]
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let this = self;
        let Some(ToAnswer { has_room, is_late }) = this.sender.to_answer(cx) else { return Poll::Ready(()) };
        // Before the deadline is checked: an answer that is ready in time counts, even if this runs late.
        if let Rest::Handler(handler) = &mut this.rest {
            match poll_response(handler, has_room, cx) {
                Poll::Pending => {}
                Poll::Ready(Err(error)) => {
                    tracing::debug!(error, "a handler has failed");
                    return Poll::Ready(());
                }
                Poll::Ready(Ok((response, beginning, body))) => {
                    let ended = beginning.ended;
                    this.sender.send(|connection, id| respond(connection, id, &response, beginning));
                    if ended {
                        if let Some(deadlines) = this.deadlines.take() {
                            this.sender.set_deadlines(deadlines);
                        }
                        return Poll::Ready(());
                    }
                    this.rest = Rest::Body(Pump::new(body));
                }
            }
        }
        if is_late {
            this.sender.send(|connection, id| connection.end_late(id));
            return Poll::Ready(());
        }
        if let Some(deadlines) = this.deadlines.take() {
            this.sender.set_deadlines(deadlines);
        }
        let Rest::Body(pump) = &mut this.rest else { return Poll::Pending };
        if let Err(error) = ready!(pump.poll_send(&this.sender, cx)) {
            tracing::debug!(error = error.into(), "the body of a response has failed");
        }
        Poll::Ready(())
    }
}
