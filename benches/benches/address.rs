//! Compares parsing an address with parsing the URI of a TCP endpoint.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use grpc_ipc::Address;
use tonic::codegen::http::Uri;

fn address(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    for text in ["unix:/run/user/1000/greeter.sock", "local:greeter", "http://127.0.0.1:50051"] {
        group.bench_function(text, |bencher| bencher.iter(|| black_box(text).parse::<Address>()));
    }
    group.bench_function("http::Uri of http://127.0.0.1:50051", |bencher| {
        bencher.iter(|| black_box("http://127.0.0.1:50051").parse::<Uri>());
    });
    group.finish();
}

criterion_group!(benches, address);
criterion_main!(benches);
