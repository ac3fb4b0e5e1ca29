//! The services that the examples, the interoperability tests and the benchmarks serve and call, generated from
//! the `.proto` files of this package: a module a protobuf package.

#![forbid(unsafe_code)]
#![expect(
    missing_docs,
    reason = "messages are documented in the .proto files, where they are documented at all"
)]
#![expect(clippy::missing_errors_doc, reason = "a generated client fails with the status of its call")]
#![expect(
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "the generators allow what their code may trigger, and give no reasons"
)]

/// `greet.Greeter`, the service of the .NET gRPC template.
pub mod greet {
    tonic::include_proto!("greet");
}

/// `ipc.bench.Bench`, the calls that are measured.
pub mod bench {
    tonic::include_proto!("ipc.bench");
}

/// `grpc.testing.TestService`, the service of gRPC's interoperability tests.
pub mod testing {
    tonic::include_proto!("grpc.testing");
}

/// What tonic's generator writes of the same files, to be measured beside the rest.
pub mod tonic_generated {
    /// `ipc.bench.Bench`.
    pub mod bench {
        tonic::include_proto!("ipc.bench");
    }
}
