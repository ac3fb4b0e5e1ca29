use std::io;

use grpc_ipc_core::{AccessPolicy, Address, ConnectError, Connector, PeerStream};
use grpc_ipc_win32::SystemNames;
use tokio::time::{Instant, timeout_at};

use super::LocalStream;
use super::endpoint::{Endpoint, NoEndpoint, anchored};
use super::listener::into_tokio;
use super::peer::peer_of;
use crate::ConnectOptions;

/// Connects to an AF_UNIX socket. Created by [`ConnectOptions::connector`](crate::ConnectOptions::connector).
#[derive(Clone, Debug)]
pub struct LocalConnector {
    address: Address,
    /// The address, with a relative path resolved when the connector was created.
    anchored: Address,
    access: AccessPolicy,
}

impl LocalConnector {
    pub(crate) fn new(address: Address, options: ConnectOptions) -> Self {
        Self { anchored: anchored(&address), address, access: options.access }
    }
}

impl Connector for LocalConnector {
    type Connection = LocalStream;

    async fn connect(&self, deadline: Instant) -> Result<LocalStream, ConnectError> {
        let failed = |error| ConnectError::from_io(&self.address, "connect", error);
        let Endpoint { socket, name, .. } =
            Endpoint::new(&self.anchored).map_err(|why| no_endpoint(&self.address, why))?;
        let access = self.access.look_up_names(SystemNames).await;
        let access = access.map_err(|error| ConnectError::unknown_name(&self.address, error))?;
        match socket.connect(&name) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(failed(error)),
            _ => {}
        }
        let stream = into_tokio(socket).map_err(failed)?;
        // The socket becomes writable when it is connected, or when connecting has failed.
        timeout_at(deadline, stream.writable())
            .await
            .map_err(|_| ConnectError::TimedOut { address: self.address.clone() })?
            .map_err(failed)?;
        if let Some(error) = stream.take_error().map_err(failed)? {
            return Err(failed(error));
        }
        let peer = peer_of(&stream);
        access.trust(PeerStream::new(stream, peer), &self.address, deadline).await
    }

    fn address(&self) -> &Address {
        &self.address
    }
}

fn no_endpoint(address: &Address, why: NoEndpoint) -> ConnectError {
    let address = address.clone();
    match why {
        NoEndpoint::Unsupported(reason) => ConnectError::Unsupported { address, reason },
        NoEndpoint::TooLong { length, limit } => ConnectError::TooLong { address, length, limit },
        NoEndpoint::Io(source) => ConnectError::from_io(&address, "create a socket", source),
    }
}
