//! A client and a server of this crate, over a stream in memory.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use grpc_ipc_conformance::run;
use grpc_ipc_http2::{Error, Options, RecvBody, client, server};
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full, StreamBody};
use tower_service::Service;

type BoxBody = Pin<Box<dyn Body<Data = Bytes, Error = Error> + Send>>;

/// Echoes the body of the request as it comes, and sends trailers.
#[derive(Clone)]
struct Echo;

impl Service<Request<RecvBody>> for Echo {
    type Response = Response<BoxBody>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<BoxBody>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RecvBody>) -> Self::Future {
        let path = request.uri().path().to_owned();
        let trailers = async move {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", "0".parse().unwrap());
            trailers.insert("path", path.parse().unwrap());
            Some(Ok(trailers))
        };
        std::future::ready(Ok(Response::new(Box::pin(request.into_body().with_trailers(trailers)))))
    }
}

fn connect(client: &Options, server: &Options) -> client::SendRequest {
    let (here, there) = tokio::io::duplex(10_000);
    tokio::spawn(server::Connection::new(there, Echo, server.clone()));
    let (send, connection) = client::handshake(here, client);
    tokio::spawn(connection);
    send
}

fn request(path: &str, body: Bytes) -> Request<Full<Bytes>> {
    Request::post(path).header("te", "trailers").body(Full::new(body)).unwrap()
}

#[test]
fn a_body_of_any_size_comes_back() {
    run("a_body_of_any_size_comes_back", || async {
        let small = Options::new().initial_stream_window(0);
        for (here, there) in
            [(Options::new(), Options::new()), (small.clone(), Options::new()), (Options::new(), small)]
        {
            let send = connect(&here, &there);
            for size in [0, 1, 1000, 1024, 16_384, 65_535, 65_536, 1 << 20, 5 << 20] {
                let body = Bytes::from_iter((0..size).map(|index| (index % 251) as u8));
                let response = send.send(request("/echo", body.clone())).await.unwrap();
                let collected = response.into_body().collect().await.unwrap();
                assert_eq!(collected.trailers().unwrap()["path"], "/echo", "{size}");
                assert!(collected.to_bytes() == body, "{size}");
            }
        }
    });
}

/// Unread downloads and uploads, beside a call that is answered.
#[test]
fn a_thousand_stalled_streams_hold_up_no_other() {
    run("a_thousand_stalled_streams_hold_up_no_other", || async {
        let send = connect(&Options::new(), &Options::new().max_concurrent_streams(1100));
        send.established().await.unwrap();
        let body = Bytes::from(vec![7; 1 << 20]);
        let mut stalled = Vec::new();
        for _ in 0..1000 {
            // This end does not read the echo, so the other end cannot read the upload.
            stalled.push(send.send(request("/stalled", body.clone())).await.unwrap());
        }
        for size in [0, 100, 1 << 20, 5 << 20] {
            let response = send.send(request("/echo", Bytes::from(vec![1; size]))).await.unwrap();
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes().len(), size);
        }
        // A reader still gets everything.
        for response in stalled {
            assert!(response.into_body().collect().await.unwrap().to_bytes() == body);
        }
    });
}

#[test]
fn many_calls_at_a_time_do_not_mix() {
    run("many_calls_at_a_time_do_not_mix", || async {
        let send = connect(&Options::new(), &Options::new().max_concurrent_streams(10));
        // Calls made before the server's limit is known are refused beyond it.
        send.established().await.unwrap();
        let mut calls = tokio::task::JoinSet::new();
        for call in 0..500_usize {
            let send = send.clone();
            calls.spawn(async move {
                let body = Bytes::from(vec![call as u8; call * 100]);
                let response = send.send(request(&format!("/{call}"), body.clone())).await.unwrap();
                let collected = response.into_body().collect().await.unwrap();
                assert_eq!(collected.trailers().unwrap()["path"], format!("/{call}"));
                assert!(collected.to_bytes() == body);
            });
        }
        while let Some(call) = calls.join_next().await {
            call.unwrap();
        }
    });
}

#[test]
fn both_directions_stream_at_once() {
    run("both_directions_stream_at_once", || async {
        let send = connect(&Options::new(), &Options::new());
        let (sender, receiver) = tokio::sync::mpsc::channel::<Bytes>(1);
        let frames = futures_util::stream::unfold(receiver, async |mut receiver| {
            let data = receiver.recv().await?;
            Some((Ok::<_, Infallible>(Frame::data(data)), receiver))
        });
        let response = send.send(Request::post("/").body(StreamBody::new(Box::pin(frames))).unwrap());
        let mut body = response.await.unwrap().into_body();
        for round in 0..100_u8 {
            sender.send(Bytes::from(vec![round; 10])).await.unwrap();
            let frame = body.frame().await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), vec![round; 10]);
        }
        drop(sender);
        assert!(body.frame().await.unwrap().unwrap().is_trailers());
        assert!(body.frame().await.is_none());
    });
}
