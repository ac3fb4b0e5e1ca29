//! What the host and its plug-ins share: the generated code.

pub mod plugin {
    grpc_ipc::tonic::include_proto!("plugin");
}
