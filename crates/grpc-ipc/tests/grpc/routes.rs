//! Requests that match no service, and are passed to `Server::routes`.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use grpc_ipc::Server;
use tonic::service::Routes;
use tower_service::Service;

use crate::util::frame::headers;
use crate::util::{ECHO, server_with};

#[derive(Clone)]
struct Metrics;

impl<B> Service<http::Request<B>> for Metrics {
    type Response = http::Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<B>) -> Self::Future {
        ready(Ok(http::Response::new("many".to_owned())))
    }
}

/// Routes of axum receive every request that matches no service, whether it is gRPC or not.
#[test]
fn routes_get_what_is_not_of_grpc() {
    let router = Routes::default().into_axum_router().route_service("/metrics", Metrics);
    let build = |server: Server| server.routes(Routes::from(router.clone()));
    server_with(build, async |mut peer, _| {
        let get =
            |path| [(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", "localhost")];
        peer.send(headers(1, &get("/metrics")).end_stream()).await;
        let response = peer.expect_response(1).await;
        assert_eq!((response.field(":status"), &response.body[..]), ("200", &b"many"[..]));
        peer.send(headers(3, &get(ECHO)).end_stream()).await;
        assert_eq!(peer.expect_message(3).await.field(":status"), "405");
    });
}
