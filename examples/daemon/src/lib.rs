//! The common code of the daemon and the command line: the generated code, and the address.

pub mod notes {
    grpc_ipc::include_proto!("notes");
}

/// The daemon's address: a socket in the user's runtime directory, or a named pipe on Windows.
pub const ADDRESS: &str = "local:notes-daemon";
