//! One unary call after the other, over grpc-ipc and over tonic's own transport on the same socket. Both ends are in
//! this process, so the difference is the cost of the layers above the socket.

use criterion::{Criterion, criterion_group, criterion_main};
use grpc_ipc::{BoundServer, Channel, EndpointConnector, Incoming, Server};
use grpc_ipc_proto::greet::greeter_client::GreeterClient;
use grpc_ipc_proto::greet::greeter_server::{Greeter, GreeterServer};
use grpc_ipc_proto::greet::{HelloReply, HelloRequest};
use tokio::runtime::Runtime;
use tonic::client::GrpcService;
use tonic::transport::Endpoint;
use tonic::{Request, Response, Status};

struct MyGreeter;

#[tonic::async_trait]
impl Greeter for MyGreeter {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        Ok(Response::new(HelloReply { message: request.into_inner().name }))
    }
}

fn unary(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let directory = tempfile::tempdir().expect("a directory");
    let address = |name: &str| format!("unix:{}", directory.path().join(name).display());
    let mut group = criterion.benchmark_group("unary");

    let ours = address("grpc-ipc");
    let server = Server::builder().add_service(GreeterServer::new(MyGreeter)).listen(&ours);
    runtime.spawn(runtime.block_on(server.bind()).map(BoundServer::serve).expect("a server"));
    let channel = runtime.block_on(Channel::connect(&ours)).expect("a channel");
    group.bench_function("grpc-ipc", |bencher| bencher.to_async(&runtime).iter(|| call(channel.clone())));

    let tonics = address("tonic");
    let incoming = runtime.block_on(Incoming::bind(&tonics)).expect("a listener");
    let server = tonic::transport::Server::builder().add_service(GreeterServer::new(MyGreeter));
    runtime.spawn(server.serve_with_incoming(incoming));
    let connector = EndpointConnector::new(&tonics).expect("a connector");
    let endpoint = Endpoint::from_static("http://localhost");
    let channel = runtime.block_on(endpoint.connect_with_connector(connector)).expect("a channel");
    group.bench_function("tonic", |bencher| bencher.to_async(&runtime).iter(|| call(channel.clone())));
    group.finish();
}

async fn call<T>(channel: T) -> String
where
    T: GrpcService<tonic::body::Body> + 'static,
    T::Error: Into<tonic::codegen::StdError>,
    T::ResponseBody: tonic::codegen::Body<Data = tonic::codegen::Bytes> + Send + 'static,
    <T::ResponseBody as tonic::codegen::Body>::Error: Into<tonic::codegen::StdError> + Send,
{
    let request = HelloRequest { name: "world".to_owned() };
    GreeterClient::new(channel).say_hello(request).await.expect("a reply").into_inner().message
}

criterion_group!(benches, unary);
criterion_main!(benches);
