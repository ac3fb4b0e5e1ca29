//! The protocol of HashiCorp's go-plugin: a host starts a plug-in, reads one line from its standard output, and calls
//! it on the socket that the line names. `src/bin` has a plug-in for hosts in Go, and a host for plug-ins in Go.

pub mod broker;
pub mod handshake;
pub mod host;
pub mod tls;

/// go-plugin's own services.
pub mod proto {
    grpc_ipc::include_proto!("plugin");
}

/// The services of this plug-in and its host.
pub mod greeting {
    grpc_ipc::include_proto!("greeting");
}
