use std::io;

use grpc_ipc_core::{Address, Backoff, ConnectError, Connector, PeerStream, UserId};
use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeClient};
use tokio::time::{Instant, timeout_at};
use windows_sys::Win32::Foundation::ERROR_PIPE_BUSY;
use windows_sys::Win32::Storage::FileSystem::{SECURITY_ANONYMOUS, SECURITY_IDENTIFICATION};

use super::stream::PipeStream;
use super::{ConnectOptions, ImpersonationLevel, LocalStream, endpoint, identify, sys};

/// Connects to a named pipe. [`ConnectOptions::connector`] makes one.
///
/// A pipe whose listener is gone, and that has connections left, looks to Windows as if it were busy: connecting to it
/// fails at the deadline, not at once.
#[derive(Clone, Debug)]
pub struct LocalConnector {
    options: ConnectOptions,
    address: Address,
}

impl LocalConnector {
    pub(super) fn new(options: ConnectOptions, address: Address) -> Self {
        Self { options, address }
    }

    /// The stream, if the server at its other end is trusted.
    fn admit(&self, pipe: NamedPipeClient, own: String) -> Result<LocalStream, ConnectError> {
        let peer = identify::server_of(&pipe, &own);
        self.options
            .access
            .check(&peer, Some(&UserId::Sid(own.into())))
            .map_err(|refused| ConnectError::untrusted(&self.address, refused))?;
        Ok(PeerStream::new(PipeStream::client(pipe), peer))
    }
}

impl Connector for LocalConnector {
    type Connection = LocalStream;

    async fn connect(&self, deadline: Instant) -> Result<LocalStream, ConnectError> {
        let failed = |error| ConnectError::from_io(&self.address, "open the pipe", error);
        let own = sys::own_user().map_err(failed)?;
        let name = endpoint::pipe_name(&self.address, &own)
            .map_err(|reason| ConnectError::Unsupported { address: self.address.clone(), reason })?;
        let path = endpoint::path(&name);
        let mut client = ClientOptions::new();
        client.security_qos_flags(match self.options.impersonation {
            ImpersonationLevel::Anonymous => SECURITY_ANONYMOUS,
            ImpersonationLevel::Identification => SECURITY_IDENTIFICATION,
        });
        let mut backoff = Backoff::connect();
        loop {
            match client.open(&path) {
                Ok(pipe) => return self.admit(pipe, own),
                // All instances have clients. WaitNamedPipe would tell when one has not, and block the thread.
                Err(error) if is_busy(&error) => timeout_at(deadline, backoff.wait())
                    .await
                    .map_err(|_| ConnectError::TimedOut { address: self.address.clone() })?,
                Err(error) => return Err(failed(error)),
            }
        }
    }

    fn address(&self) -> &Address {
        &self.address
    }
}

fn is_busy(error: &io::Error) -> bool {
    error.raw_os_error() == Some(ERROR_PIPE_BUSY as i32)
}
