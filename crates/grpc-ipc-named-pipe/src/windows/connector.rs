use std::io;
use std::time::Duration;

use grpc_ipc_core::{Address, Backoff, ConnectError, Connector, PeerStream};
use grpc_ipc_win32::{Identity, SystemNames};
use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeClient};
use tokio::time::{Instant, timeout_at};
use windows_sys::Win32::Foundation::ERROR_PIPE_BUSY;
use windows_sys::Win32::Storage::FileSystem::{SECURITY_ANONYMOUS, SECURITY_IDENTIFICATION};

use super::endpoint::Names;
use super::stream::PipeStream;
use super::{ConnectOptions, ImpersonationLevel, LocalStream, identify, sys};

/// Connects to a named pipe. Created by [`ConnectOptions::connector`].
///
/// If a listener is dropped while it still has connections, Windows reports its pipe as one whose instances are all in
/// use, the same as for a busy server, and there is no way to find out more without a connection. So connecting waits
/// until the last of the connections ends, and the name with it, or until the deadline.
#[derive(Clone, Debug)]
pub struct LocalConnector {
    options: ConnectOptions,
    address: Address,
}

impl LocalConnector {
    pub(super) fn new(options: ConnectOptions, address: Address) -> Self {
        Self { options, address }
    }
}

impl Connector for LocalConnector {
    type Connection = LocalStream;

    async fn connect(&self, deadline: Instant) -> Result<LocalStream, ConnectError> {
        let failed = |error| ConnectError::from_io(&self.address, "open the pipe", error);
        let own = Identity::own().map_err(failed)?;
        let names = Names::new(&self.address, own.sid())
            .map_err(|reason| ConnectError::Unsupported { address: self.address.clone(), reason })?;
        let access = self.options.access.look_up_names(SystemNames).await;
        let access = access.map_err(|error| ConnectError::unknown_name(&self.address, error))?;
        let paths = names.to_connect();
        let mut client = ClientOptions::new();
        client.security_qos_flags(match self.options.impersonation {
            ImpersonationLevel::Anonymous => SECURITY_ANONYMOUS,
            ImpersonationLevel::Identification => SECURITY_IDENTIFICATION,
        });
        let mut backoff = Backoff::connect();
        loop {
            match open(&client, &paths) {
                Ok(pipe) if !sys::is_pipe(&pipe) => {
                    let error = io::Error::new(io::ErrorKind::InvalidData, "the address is not a pipe");
                    return Err(failed(error));
                }
                Ok(pipe) => {
                    let peer = identify::server_of(&pipe, &own);
                    // A server that is ending may close the pipe at any moment.
                    if peer.user().is_none() && sys::is_closed(&pipe) {
                        return Err(closed(&self.address));
                    }
                    let stream = PeerStream::new(PipeStream::client(pipe), peer);
                    return access.trust(stream, &self.address, deadline).await;
                }
                // All instances have clients. WaitNamedPipe would report a free one, but block the thread.
                Err(error) if is_busy(&error) => timeout_at(deadline, backoff.wait())
                    .await
                    .map_err(|_| ConnectError::TimedOut { address: self.address.clone() })?,
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// Checks every 20 ms whether the pipe exists, because Windows does not report the creation of pipes.
    /// `WaitNamedPipe` fails at once for a name without a pipe.
    async fn appears(&self) {
        let names = Identity::own().ok().and_then(|own| Names::new(&self.address, own.sid()).ok());
        let paths = names.map(|names| names.to_connect()).unwrap_or_default();
        loop {
            tokio::time::sleep(LOOK).await;
            if paths.iter().any(|path| sys::pipe_exists(path)) {
                return;
            }
        }
    }

    fn address(&self) -> &Address {
        &self.address
    }
}

/// How long a new pipe may go unnoticed by a waiting client.
const LOOK: Duration = Duration::from_millis(20);

/// Opens the first pipe that exists.
fn open(client: &ClientOptions, paths: &[String]) -> io::Result<NamedPipeClient> {
    let mut opened = Err(io::ErrorKind::NotFound.into());
    for path in paths {
        opened = client.open(path);
        if !opened.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            break;
        }
    }
    opened
}

fn closed(address: &Address) -> ConnectError {
    ConnectError::Closed { address: address.clone(), source: io::ErrorKind::ConnectionReset.into() }
}

fn is_busy(error: &io::Error) -> bool {
    error.raw_os_error() == Some(ERROR_PIPE_BUSY as i32)
}
