//! What the daemon and the command line share: the generated code, and the address.

pub mod notes {
    grpc_ipc::tonic::include_proto!("notes");
}

/// Where the daemon listens: a socket in the user's runtime directory, on Windows a named pipe.
pub const ADDRESS: &str = "local:notes";
