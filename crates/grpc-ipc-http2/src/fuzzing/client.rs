use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{HeaderMap, HeaderName, Request};
use http_body::Body as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::echo::{Pieces, collect};
use super::script::Script;
use super::server::{options, run};
use super::wire::Peer;
use crate::client::{SendRequest, handshake};
use crate::connection::Role;
use crate::direct::{self, Answered, Batch, Begun, BegunStream, Ending, Method, timeout_of};

/// A client whose server follows a script. The client must not panic, must keep its [invariants], and must end every
/// call, at the latest with the connection.
///
/// [invariants]: crate::connection::Connection::check_invariants
pub fn client(input: &[u8]) {
    for streams in [false, true] {
        drive(input, streams);
    }
}

/// Returns how many of its calls were answered directly. `streams` says whether calls with several messages are made
/// directly.
pub(super) fn drive(input: &[u8], streams: bool) -> u64 {
    run(async {
        let mut script = Script::new(input);
        let options = options(&mut script);
        let (mut peer, hello) = Peer::of(Role::Client, &mut script);
        let (here, there) = tokio::io::duplex(script.pick(&[1 << 16, 1 << 14, 1000, 100]));
        let (mut read, mut write) = tokio::io::split(there);
        let (send, connection) = handshake(here, &options);
        let connection = tokio::spawn(connection);
        let direct = send.clone();
        let mut calls = JoinSet::new();
        let held = Arc::new(());
        let streams = streams.then_some(&held);
        let patience = Duration::from_millis(100);
        call(&send, &mut calls, &mut script, streams);
        let mut sent = timeout(patience, write.write_all(&hello)).await.is_ok();
        while !script.is_over() && sent {
            match script.below(8) {
                0 => sleep(script.pick(&[1, 100, 1000, 11_000].map(Duration::from_millis))).await,
                1 => {
                    let mut some = vec![0; 1 << script.below(17)];
                    _ = timeout(patience, read.read(&mut some)).await;
                }
                // More calls show nothing new and take long, because the invariants of all calls are checked at each
                // step.
                2..=3 if calls.len() < 64 => call(&send, &mut calls, &mut script, streams),
                _ => {
                    let bytes = peer.next(&mut script);
                    sent = timeout(patience, write.write_all(&bytes)).await.is_ok();
                }
            }
        }
        let answered = direct.direct_calls();
        drop((send, direct));
        let reads = tokio::spawn(async move { tokio::io::copy(&mut read, &mut tokio::io::sink()).await });
        sleep(patience).await;
        _ = timeout(patience, write.shutdown()).await;
        let ended = timeout(Duration::from_secs(60), connection).await;
        let ended = ended.expect("the connection ends with its server");
        _ = ended.expect("the connection does not panic");
        while let Some(call) = timeout(Duration::from_secs(60), calls.join_next())
            .await
            .expect("a call ends with its connection")
        {
            call.expect("a call does not panic");
        }
        _ = timeout(patience, reads).await;
        let dropped = async {
            while Arc::strong_count(&held) > 1 {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(60), dropped).await.expect("messages are dropped with their call");
        answered
    })
}

static ECHO: Method = Method::new("/echo");

/// Makes a call with one message, directly if possible.
async fn call_directly(send: SendRequest, request: Request<Pieces>) {
    let (headers, length) = (request.headers(), request.body().length);
    let mut metadata = HeaderMap::new();
    metadata.extend(headers.get("grpc-timeout").map(|value| (GRPC_TIMEOUT, value.clone())));
    let timeout = timeout_of(&metadata);
    let encode = |out: &mut Vec<u8>| out.resize(out.len() + length, b'p');
    let begun = poll_fn(|cx| Poll::Ready(send.begin(&ECHO, &metadata, timeout, length, encode, cx))).await;
    match begun {
        Begun::Call(mut call) => {
            let answer = poll_fn(|cx| call.poll(cx, |message, _| message.as_slice().len())).await;
            if let Ok(direct::Answer::Response(response)) = answer {
                _ = collect(&mut response.into_body()).await;
            }
        }
        Begun::Elsewhere => {
            let Ok(response) = send.send(request).await else { return };
            _ = collect(&mut response.into_body()).await;
        }
        Begun::Failed(_) => {}
    }
}

/// The messages of a direct call.
struct Messages {
    pieces: Pieces,
    _held: Arc<()>,
}

impl direct::Messages for Messages {
    fn poll(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<Option<Ending>> {
        while !batch.has_enough() {
            match ready!(Pin::new(&mut self.pieces).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    let data = frame.into_data().unwrap_or_default();
                    batch.message(data.len(), |out: &mut Vec<u8>| out.extend_from_slice(&data));
                }
                Some(Err(never)) => match never {},
                None => return Poll::Ready(Some(Ending::Done)),
            }
        }
        Poll::Ready(None)
    }
}

/// Makes a call with several messages, directly if possible.
async fn stream_directly(send: SendRequest, request: Request<Pieces>, held: Arc<()>) {
    let (head, pieces) = request.into_parts();
    let mut metadata = HeaderMap::new();
    metadata.extend(head.headers.get("grpc-timeout").map(|value| (GRPC_TIMEOUT, value.clone())));
    let timeout = timeout_of(&metadata);
    let answer = if pieces.left.is_multiple_of(2) { Answered::WithMessage } else { Answered::WithStream };
    let mut messages = Some(Messages { pieces, _held: held });
    let begun = poll_fn(|cx| {
        let messages = messages.take().expect("it is ready at once");
        Poll::Ready(send.begin_stream(answer, &ECHO, &metadata, timeout, messages, cx))
    });
    let response = match begun.await {
        BegunStream::Call(mut call, again) => {
            let answer = poll_fn(|cx| call.poll(cx, |message, _| message.as_slice().len())).await;
            match (answer, again) {
                (Ok(direct::Answer::Response(response)), _) => Ok(*response),
                (Err(error), Some(again)) if error.is_unprocessed() => {
                    send.send(Request::post("/echo").body(again).expect("a request")).await
                }
                _ => return,
            }
        }
        BegunStream::Elsewhere(body) => {
            send.send(Request::post("/echo").body(body).expect("a request")).await
        }
        BegunStream::Failed(_) => return,
    };
    if let Ok(response) = response {
        _ = collect(&mut response.into_body()).await;
    }
}

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// Makes a call in a new task. With `held`, a call with several messages is made directly, and its messages hold a
/// clone.
fn call(send: &SendRequest, calls: &mut JoinSet<()>, script: &mut Script<'_>, held: Option<&Arc<()>>) {
    let wait = script.flag().then(|| Box::pin(sleep(Duration::from_millis(1))));
    let length = script.pick(&[0, 1, 1000, 20_000, 100_000]);
    let body = Pieces { left: script.below(4), length, ends: !script.rarely(4), wait };
    let mut request = Request::post("/echo").header("te", "trailers");
    if script.rarely(4) {
        request = request.header("grpc-timeout", script.pick(&["1n", "1m", "1S"]));
    }
    let (reads, patience) = (script.pick(&[true, true, false]), script.pick(&[1_000_000, 1, 1_000]));
    let request = request.body(body).expect("a request");
    if request.body().is_unary() {
        let call = call_directly(send.clone(), request);
        calls.spawn(async move {
            _ = timeout(Duration::from_millis(patience), call).await;
        });
        return;
    }
    if let Some(held) = held {
        let call = stream_directly(send.clone(), request, Arc::clone(held));
        calls.spawn(async move {
            _ = timeout(Duration::from_millis(patience), call).await;
        });
        return;
    }
    let response = send.send(request);
    calls.spawn(async move {
        let call = async {
            let Ok(response) = response.await else { return };
            if reads {
                _ = collect(&mut response.into_body()).await;
            }
        };
        // A call that is abandoned.
        _ = timeout(Duration::from_millis(patience), call).await;
    });
}
