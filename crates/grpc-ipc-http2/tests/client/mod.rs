//! A server breaks the rules; the client is under test.

mod flow_control;
mod frames;
mod goaway;
mod messages;
mod preface;
mod push_promise;
mod requests;
mod settings;
mod stream_states;

use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use tokio::task::JoinHandle;

use crate::util::engine::{Client, Error, RecvBody, code_of};
use crate::util::frame::{data, headers, kind};
use crate::util::raw::RawPeer;
use crate::util::service::TestBody;

/// The fields of a response.
const OK: [(&str, &str); 1] = [(":status", "200")];

/// A complete response.
#[derive(Debug)]
struct Answer {
    head: Response<()>,
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
}

type Call = JoinHandle<Result<Answer, Error>>;

/// Sends a GET request, and reads the whole response.
fn get(client: &Client) -> Call {
    call(client, Request::get("http://localhost/").body(TestBody::default()).unwrap())
}

/// Sends a POST request with a body, and reads the whole response.
fn post(client: &Client, body: impl Into<TestBody>) -> Call {
    call(client, Request::post("http://localhost/").body(body.into()).unwrap())
}

fn call(client: &Client, request: Request<TestBody>) -> Call {
    let client = client.clone();
    tokio::spawn(async move {
        let response = client.send(request).await?;
        let (parts, body) = response.into_parts();
        let body = read(body).await?;
        Ok(Answer { head: Response::from_parts(parts, ()), body: body.0, trailers: body.1 })
    })
}

/// Reads a whole body. Trailers end it: a caller that has them does not ask for a later failure.
async fn read(mut body: RecvBody) -> Result<(Vec<u8>, Option<HeaderMap>), Error> {
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame?.into_data() {
            Ok(data) => all.extend(data),
            Err(frame) => return Ok((all, frame.into_trailers().ok())),
        }
    }
    Ok((all, None))
}

/// The HEADERS of the client's next request.
async fn expect_request(peer: &mut RawPeer, stream: u32) {
    let frame = peer.expect("a request", |frame| frame.kind == kind::HEADERS).await;
    assert_eq!(frame.stream, stream);
}

/// The client continues to work: a PING is answered, and a new call gets a response.
async fn still_calls(peer: &mut RawPeer, client: &Client) {
    peer.still_answers().await;
    let call = get(client);
    let stream = peer.expect("a request", |frame| frame.kind == kind::HEADERS).await.stream;
    peer.send_all(&[headers(stream, &OK), data(stream, "still").end_stream()]).await;
    assert_eq!(call.await.unwrap().unwrap().body, b"still");
}

/// The call ends with the error that the peer was sent, or has sent.
async fn failed_with(call: Call, code: u32) {
    let error = failed(call).await;
    assert_eq!(code_of(&error), Some(code), "{error:?}");
}

async fn failed(call: Call) -> Error {
    call.await.unwrap().expect_err("the call does not fail")
}
