//! Compares a blocking client's unary call of 100 bytes with a round trip of as many bytes between two threads over a
//! socket of the standard library. The round trip is the lower bound: one system call to write and one to read at each
//! end.

use criterion::{Criterion, criterion_group, criterion_main};

#[cfg(unix)]
fn blocking(criterion: &mut Criterion) {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;
    use std::thread;
    use std::time::Duration;

    use grpc_ipc::Server;
    use grpc_ipc_proto::greet::HelloRequest;
    use grpc_ipc_proto::greet::greeter_blocking_client::GreeterBlockingClient;
    use grpc_ipc_proto::greet::greeter_server::GreeterServer;

    /// The approximate size of a call of 100 bytes on the wire.
    const BYTES: usize = 140;

    let mut group = criterion.benchmark_group("blocking");
    let (mut near, mut far) = UnixStream::pair().expect("a socket pair");
    let echo = thread::spawn(move || {
        let mut bytes = [0; BYTES];
        while far.read_exact(&mut bytes).is_ok() && far.write_all(&bytes).is_ok() {}
    });
    group.bench_function("socket", |bencher| {
        let mut bytes = [7; BYTES];
        bencher.iter(|| {
            near.write_all(&bytes).expect("it is taken");
            near.read_exact(&mut bytes).expect("it comes back");
        });
    });
    drop(near);
    echo.join().expect("the echo ends");

    let directory = tempfile::tempdir().expect("a directory");
    let address = format!("unix:{}", directory.path().join("s").display());
    let server = Server::builder().add_service(GreeterServer::new(MyGreeter)).listen(&address);
    let server = server.spawn().expect("a server");
    let mut client = GreeterBlockingClient::connect(&address).expect("a client");
    let name = "x".repeat(98);
    group.bench_function("grpc-ipc", |bencher| {
        bencher.iter(|| client.say_hello(HelloRequest { name: name.clone() }).expect("a reply"));
    });
    group.finish();
    drop(client);
    server.shutdown(Duration::from_secs(5)).expect("it ends");
}

#[cfg(not(unix))]
fn blocking(_: &mut Criterion) {}

#[cfg(unix)]
struct MyGreeter;

#[cfg(unix)]
#[tonic::async_trait]
impl grpc_ipc_proto::greet::greeter_server::Greeter for MyGreeter {
    async fn say_hello(
        &self,
        request: tonic::Request<grpc_ipc_proto::greet::HelloRequest>,
    ) -> Result<tonic::Response<grpc_ipc_proto::greet::HelloReply>, tonic::Status> {
        let message = request.into_inner().name;
        Ok(tonic::Response::new(grpc_ipc_proto::greet::HelloReply { message }))
    }
}

criterion_group!(benches, blocking);
criterion_main!(benches);
