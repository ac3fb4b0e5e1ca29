//! Connections whose ends are the engine, or a raw peer that sends whatever a test needs.

use std::future::poll_fn;
use std::panic::Location;
use std::task::Poll;
use std::time::Duration;

use grpc_ipc_conformance::Watchdog;
use grpc_ipc_http2::direct::{Answer, Begun, Message, Metadata, Method, UnaryCall};
use grpc_ipc_http2::{Error, Options, client, server};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::BodyExt as _;
use tokio::io::duplex;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;

use super::service::{Seen, TestService};
use crate::util::frame::{Frame, data, headers};
use crate::util::raw::RawPeer;

/// How much either end can write before it has to wait, in octets.
const BUFFER: usize = 4 << 20;

/// Runs a test on this thread. When nothing else can run, the clock advances to the next timer.
#[track_caller]
pub(super) fn run(test: impl AsyncFnOnce()) {
    let _watchdog = Watchdog::start(&Location::caller().to_string(), Duration::from_secs(120));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(test());
}

/// A server under test.
pub(super) struct Served {
    pub(super) peer: RawPeer,
    pub(super) handle: server::Handle,
    pub(super) service: TestService,
    pub(super) seen: UnboundedReceiver<Seen>,
    pub(super) connection: JoinHandle<Result<(), Error>>,
}

#[track_caller]
pub(super) fn server(test: impl AsyncFnOnce(Served)) {
    server_with(Options::new(), &[], test);
}

#[track_caller]
pub(super) fn server_with(options: Options, settings: &[(u16, u32)], test: impl AsyncFnOnce(Served)) {
    run(async || {
        let (ours, theirs) = duplex(BUFFER);
        let (service, seen) = TestService::new();
        let connection = server::Connection::new(theirs, service.clone(), options);
        let connection = connection.direct(Box::new(service.clone()));
        let handle = connection.handle();
        let connection = tokio::spawn(connection);
        let mut peer = RawPeer::new(ours);
        peer.greet_server(settings).await;
        test(Served { peer, handle, service, seen, connection }).await;
    });
}

impl Served {
    /// The next call that a service saw was direct.
    pub(super) async fn expect_direct(&mut self) -> Vec<u8> {
        match self.seen.recv().await {
            Some(Seen::Direct(_, message)) => message,
            other => panic!("instead of a direct call: {other:?}"),
        }
    }

    /// The same, after other direct calls.
    pub(super) async fn expect_direct_after(&mut self, others: usize) -> Vec<u8> {
        for _ in 0..others {
            self.expect_direct().await;
        }
        self.expect_direct().await
    }

    /// The next call that a service saw took the general path. Returns its body.
    pub(super) async fn expect_general(&mut self) -> Result<(Vec<u8>, Option<HeaderMap>), String> {
        match self.seen.recv().await {
            Some(Seen::General(body)) => body,
            other => panic!("instead of a general call: {other:?}"),
        }
    }

    /// The connection continues, and takes direct calls.
    pub(super) async fn still_serves(&mut self, stream: u32) {
        let calls = self.handle.direct_calls();
        self.peer.send_all(&call(stream, &super::service::ECHO, b"still")).await;
        let response = self.peer.expect_response(stream).await;
        assert_eq!(response.body, message(b"still"));
        assert_eq!(self.handle.direct_calls(), calls + 1);
    }
}

/// A message with its prefix.
pub(super) fn message(message: &[u8]) -> Vec<u8> {
    [&[0], &(message.len() as u32).to_be_bytes()[..], message].concat()
}

/// The fields of a request.
pub(super) fn request(method: &Method) -> [(&'static str, &'static str); 6] {
    [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "localhost"),
        (":path", method.path()),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ]
}

/// HEADERS of a request.
pub(super) fn head(stream: u32, method: &Method) -> Frame {
    headers(stream, &request(method))
}

/// The same with additional fields.
pub(super) fn head_with(stream: u32, method: &Method, more: &[(&str, &str)]) -> Frame {
    headers(stream, request(method).iter().chain(more))
}

/// A whole request.
pub(super) fn call(stream: u32, method: &Method, payload: &[u8]) -> [Frame; 2] {
    [head(stream, method), data(stream, message(payload)).end_stream()]
}

/// A client under test.
#[track_caller]
pub(super) fn client(test: impl AsyncFnOnce(RawPeer, Client)) {
    client_with(Options::new(), &[], test);
}

#[track_caller]
pub(super) fn client_with(
    options: Options,
    settings: &[(u16, u32)],
    test: impl AsyncFnOnce(RawPeer, Client),
) {
    run(async || {
        let (ours, theirs) = duplex(BUFFER);
        let (send, connection) = client::handshake(theirs, &options);
        tokio::spawn(connection);
        let mut peer = RawPeer::new(ours);
        peer.greet_client(settings).await;
        test(peer, Client(send)).await;
    });
}

/// Both ends under test.
#[track_caller]
pub(super) fn both(test: impl AsyncFnOnce(Client, server::Handle, UnboundedReceiver<Seen>)) {
    both_with(&Options::new(), &Options::new(), test);
}

#[track_caller]
pub(super) fn both_with(
    client: &Options,
    server: &Options,
    test: impl AsyncFnOnce(Client, server::Handle, UnboundedReceiver<Seen>),
) {
    run(async || {
        let (here, there) = duplex(BUFFER);
        let (service, seen) = TestService::new();
        let connection = server::Connection::new(there, service.clone(), server.clone());
        let connection = connection.direct(Box::new(service));
        let handle = connection.handle();
        tokio::spawn(connection);
        let (send, connection) = client::handshake(here, client);
        tokio::spawn(connection);
        send.established().await.unwrap();
        test(Client(send), handle, seen).await;
    });
}

#[derive(Clone)]
pub(super) struct Client(pub(super) client::SendRequest);

/// The answer to a call.
#[derive(Debug)]
pub(super) enum Answered {
    /// With a message and metadata.
    Direct(Vec<u8>, HeaderMap),
    /// On the general path: with the whole body, or the reason why it failed.
    General { head: http::Response<()>, body: Result<Vec<u8>, Error>, trailers: Option<HeaderMap> },
}

impl Answered {
    #[track_caller]
    pub(super) fn direct(self) -> Vec<u8> {
        match self {
            Self::Direct(message, _) => message,
            general => panic!("instead of a direct answer: {general:?}"),
        }
    }

    /// The message, with its prefix.
    #[track_caller]
    pub(super) fn general(self) -> Vec<u8> {
        match self {
            Self::General { body, .. } => body.unwrap(),
            direct => panic!("instead of a general answer: {direct:?}"),
        }
    }

    /// The message, whichever path it took.
    #[track_caller]
    pub(super) fn message(self) -> Vec<u8> {
        match self {
            Self::Direct(message, _) => message,
            Self::General { body, .. } => body.unwrap()[5..].to_vec(),
        }
    }
}

/// Fields as metadata.
pub(super) fn fields(fields: &[(&str, &str)]) -> HeaderMap {
    let field = |(name, value): &(&str, &str)| -> (HeaderName, HeaderValue) {
        (name.parse().unwrap(), value.parse().unwrap())
    };
    let mut metadata = HeaderMap::new();
    for (name, value) in fields.iter().map(field) {
        metadata.append(name, value);
    }
    metadata
}

impl Client {
    /// Begins a call. The task that begins it does not poll it.
    pub(super) async fn begin(
        &self,
        method: &'static Method,
        metadata: &HeaderMap,
        timeout: Option<Duration>,
        message: &[u8],
    ) -> Begun {
        let encode = |out: &mut Vec<u8>| out.extend_from_slice(message);
        let mut encode = Some(encode);
        poll_fn(|cx| {
            let encode = encode.take().unwrap();
            Poll::Ready(self.0.begin(method, metadata, timeout, message.len(), encode, cx))
        })
        .await
    }

    pub(super) async fn call(&self, method: &'static Method, message: &[u8]) -> Result<Answered, Error> {
        self.call_with(method, &HeaderMap::new(), None, message).await
    }

    pub(super) async fn call_with(
        &self,
        method: &'static Method,
        metadata: &HeaderMap,
        timeout: Option<Duration>,
        message: &[u8],
    ) -> Result<Answered, Error> {
        match self.begin(method, metadata, timeout, message).await {
            Begun::Call(call) => answer(call).await,
            Begun::Failed(error) => Err(error),
            Begun::Elsewhere => panic!("the call has to go elsewhere"),
        }
    }

    /// Runs a call in a new task. It has begun when this returns.
    pub(super) async fn spawn(
        &self,
        method: &'static Method,
        message: &[u8],
    ) -> JoinHandle<Result<Answered, Error>> {
        let Begun::Call(call) = self.begin(method, &HeaderMap::new(), None, message).await else {
            panic!("the call has to go elsewhere");
        };
        tokio::spawn(answer(call))
    }
}

/// The whole answer to a call.
pub(super) async fn answer(mut call: UnaryCall) -> Result<Answered, Error> {
    let read = |message: Message<'_>, metadata: Metadata<'_>| {
        Answered::Direct(message.as_slice().to_vec(), metadata.with_trailers().unwrap_or_default())
    };
    let response = match poll_fn(|cx| call.poll(cx, read)).await? {
        Answer::Message(answered) => return Ok(answered),
        Answer::Response(response) => *response,
    };
    let (head, mut body) = response.into_parts();
    let (mut all, mut trailers, mut failed) = (Vec::new(), None, None);
    while let Some(frame) = body.frame().await {
        match frame.map(http_body::Frame::into_data) {
            Ok(Ok(data)) => all.extend_from_slice(&data),
            Ok(Err(frame)) => trailers = frame.into_trailers().ok(),
            Err(error) => failed = Some(error),
        }
    }
    let body = failed.map_or(Ok(all), Err);
    Ok(Answered::General { head: http::Response::from_parts(head, ()), body, trailers })
}
