//! The services of every peer, as plain tonic services that do not depend on the transport.

mod bench;
mod greeter;
mod interop;
mod reflection;
mod wire;

use grpc_ipc::Server;
use grpc_ipc_proto::{
    bench::bench_server::BenchServer,
    greet::greeter_server::GreeterServer,
    testing::test_service_server::{TestService, TestServiceServer},
    tonic_generated,
};
use tonic::{
    codec::CompressionEncoding,
    service::{LayerExt, Routes},
};
use tonic_health::{
    pb::health_server::{Health, HealthServer},
    server::health_reporter,
};
use tower::layer::layer_fn;

pub(crate) use bench::{AWAITED, ECHOED, awaited};

/// Options of the services.
#[derive(Clone, Copy, Default)]
pub(crate) struct Options {
    /// `Echo` sends metadata back.
    pub(crate) echo_metadata: bool,
    /// Whether `ipc.bench.Bench` runs behind code from tonic's generator.
    pub(crate) tonics_code: bool,
    /// Whether `grpc.testing.TestService` is served without a wrapper, so that its calls are direct.
    pub(crate) direct: bool,
    /// The largest message that `grpc.testing.TestService` accepts, if it is not the stack's.
    pub(crate) max_message_size: Option<usize>,
}

/// For tonic's own server: `greet.Greeter`, `ipc.bench.Bench` and `grpc.testing.TestService`, with compressed requests
/// accepted, and health and reflection. `grpc.testing.UnimplementedService` is absent on purpose: a case calls it.
pub(crate) async fn routes(options: Options) -> Routes {
    let routes = Routes::new(greeter()).add_service(health().await);
    let routes = routes.add_service(reflection::v1()).add_service(reflection::v1alpha());
    let routes = routes.add_service(layer_fn(wire::around).named_layer(interop(options)));
    if options.tonics_code {
        routes.add_service(tonics_bench(options))
    } else {
        routes.add_service(bench(options))
    }
}

/// The same, on our server.
pub(crate) async fn add_to(server: Server, options: Options) -> Server {
    let server = server.add_service(greeter()).add_service(health().await);
    let server = server.add_service(reflection::v1()).add_service(reflection::v1alpha());
    let server = if options.direct {
        server.add_service(limited(TestServiceServer::new(interop::Interop), options))
    } else {
        server.add_service(layer_fn(wire::around).named_layer(interop(options)))
    };
    if options.tonics_code {
        server.add_service(tonics_bench(options))
    } else {
        server.add_service(bench(options))
    }
}

async fn health() -> HealthServer<impl Health> {
    let (reporter, server) = health_reporter();
    reporter.set_serving::<TestServiceServer<interop::Interop>>().await;
    server
}

fn greeter() -> GreeterServer<greeter::Greeter> {
    GreeterServer::new(greeter::Greeter)
        .accept_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(usize::MAX)
}

fn bench(options: Options) -> BenchServer<bench::Bench> {
    BenchServer::new(bench::Bench { echo_metadata: options.echo_metadata })
        .accept_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(usize::MAX)
}

fn tonics_bench(options: Options) -> tonic_generated::bench::bench_server::BenchServer<bench::Bench> {
    tonic_generated::bench::bench_server::BenchServer::new(bench::Bench {
        echo_metadata: options.echo_metadata,
    })
    .accept_compressed(CompressionEncoding::Gzip)
    .max_decoding_message_size(usize::MAX)
}

fn interop(options: Options) -> TestServiceServer<interop::Interop> {
    let server = TestServiceServer::new(interop::Interop)
        .accept_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Gzip);
    limited(server, options)
}

fn limited<T: TestService>(server: TestServiceServer<T>, options: Options) -> TestServiceServer<T> {
    match options.max_message_size {
        Some(size) => server.max_decoding_message_size(size),
        None => server,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::{StreamExt, TryStreamExt, stream};
    use grpc_ipc_proto::{
        bench::{Chunk, Transfer, bench_client::BenchClient},
        testing::{
            EchoStatus, ResponseParameters, SimpleRequest, StreamingOutputCallRequest,
            test_service_client::TestServiceClient,
        },
    };
    use tonic::{Code, Request, metadata::MetadataValue};

    use super::*;

    #[tokio::test]
    async fn bench_downloads_uploads_and_exchanges() {
        let mut client = BenchClient::new(routes(Options::default()).await);
        let chunk = |size: usize| Chunk { payload: Bytes::from(vec![0; size]) };

        let chunks = client.download(Transfer { count: 3, size: 5 }).await.unwrap().into_inner();
        assert_eq!(chunks.try_collect::<Vec<_>>().await.unwrap(), vec![chunk(5); 3]);

        let total = client.upload(stream::iter([1, 2, 3]).map(chunk)).await.unwrap().into_inner();
        assert_eq!((total.count, total.bytes), (3, 6));

        let chunks = client.exchange(stream::iter([3, 1, 2]).map(chunk)).await.unwrap().into_inner();
        assert_eq!(chunks.try_collect::<Vec<_>>().await.unwrap(), [3, 1, 2].map(chunk));
    }

    /// No case covers `HalfDuplexCall`.
    #[tokio::test]
    async fn a_half_duplex_call_answers_in_order() {
        let ask = |size| StreamingOutputCallRequest {
            response_parameters: vec![ResponseParameters { size, ..Default::default() }],
            ..Default::default()
        };
        let requests = stream::iter([3, 1, 2]).map(ask);
        let responses = TestServiceClient::new(routes(Options::default()).await)
            .half_duplex_call(requests)
            .await
            .unwrap()
            .into_inner();
        let sizes = responses.map_ok(|response| response.payload.unwrap().body.len());
        assert_eq!(sizes.try_collect::<Vec<_>>().await.unwrap(), [3, 1, 2]);
    }

    /// The cases check the metadata of successful calls only.
    #[tokio::test]
    async fn a_failed_call_has_its_metadata_echoed() {
        let status = EchoStatus { code: Code::Aborted as i32, message: String::new() };
        let mut request = Request::new(SimpleRequest { response_status: Some(status), ..Default::default() });
        request.metadata_mut().insert("x-grpc-test-echo-initial", MetadataValue::from_static("initial"));
        request
            .metadata_mut()
            .insert_bin("x-grpc-test-echo-trailing-bin", MetadataValue::from_bytes(b"last"));
        let status =
            TestServiceClient::new(routes(Options::default()).await).unary_call(request).await.unwrap_err();
        assert_eq!(status.code(), Code::Aborted);
        assert_eq!(status.metadata().get("x-grpc-test-echo-initial").unwrap(), "initial");
        assert_eq!(status.metadata().get_bin("x-grpc-test-echo-trailing-bin").unwrap(), &b"last"[..]);
    }
}
