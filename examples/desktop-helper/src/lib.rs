//! What the program and its helper share: the generated code.

pub mod converter {
    grpc_ipc::tonic::include_proto!("converter");
}
