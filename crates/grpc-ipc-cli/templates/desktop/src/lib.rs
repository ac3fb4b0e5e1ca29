//! The common code of the program and its helper: the generated code.

pub mod converter {
    grpc_ipc::include_proto!("converter");
}
