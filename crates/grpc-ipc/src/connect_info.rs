//! The extensions of a request, which describe its connection.

use grpc_ipc_core::Peer;
use http::Extensions;

/// Puts the peer into the extensions of a request. With tonic's transport, its `Request::remote_addr` then returns the
/// address of a TCP peer as well.
pub(crate) fn tell(extensions: &mut Extensions, peer: &Peer) {
    extensions.insert(peer.clone());
    #[cfg(feature = "tonic-transport")]
    if let Some(address) = peer.remote_addr() {
        let info = tonic::transport::server::TcpConnectInfo { local_addr: None, remote_addr: Some(address) };
        extensions.insert(info);
    }
}
