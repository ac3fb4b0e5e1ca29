//! The services that the examples, the interoperability tests and the benchmarks serve and call, generated from the
//! `.proto` files of this package: one module per protobuf package.

#![forbid(unsafe_code)]
#![expect(missing_docs, reason = "messages are documented in the .proto files, if at all")]
#![expect(
    clippy::missing_errors_doc,
    reason = "a client that tonic generates fails with the status of its call"
)]
#![expect(
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "the generators allow what their code may trigger, and give no reasons"
)]

/// The descriptors of all services and messages, for reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("services");

/// `greet.Greeter`, the service of the .NET gRPC template.
pub mod greet {
    tonic::include_proto!("greet");
}

/// `ipc.bench.Bench`, the calls of the benchmarks.
pub mod bench {
    tonic::include_proto!("ipc.bench");
}

/// `grpc.testing.TestService`, the service of gRPC's interoperability tests.
pub mod testing {
    tonic::include_proto!("grpc.testing");
}

/// The same services and messages, with clients and servers of tonic's own generator: for comparison, and to test that
/// such code keeps working.
pub mod tonic_generated {
    /// `greet.Greeter`
    pub mod greet {
        tonic::include_proto!("tonic/greet");
    }

    /// `ipc.bench.Bench`
    pub mod bench {
        tonic::include_proto!("tonic/ipc.bench");
    }

    /// `grpc.testing.TestService`
    pub mod testing {
        tonic::include_proto!("tonic/grpc.testing");
    }
}
