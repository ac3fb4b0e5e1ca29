//! The common code of the host and its plug-ins: the generated code.

pub mod plugin {
    grpc_ipc::include_proto!("plugin");
}
