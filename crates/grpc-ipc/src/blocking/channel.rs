use std::fmt;

use grpc_ipc_core::{ConnectError, Peer};

use super::engine;
use crate::{ConnectOptions, LaunchError, Launcher};

/// A connection to a server for blocking clients, made again when it breaks. Cloning is cheap, and clones share their
/// connections. Everything else is as of the asynchronous [`Channel`](crate::Channel).
#[derive(Clone)]
pub struct Channel {
    inner: crate::Channel,
}

impl Channel {
    /// Connects now, to an address or with [`ConnectOptions`], and waits until the server has begun with HTTP/2.
    ///
    /// # Errors
    /// As of the asynchronous [`Channel::connect`](crate::Channel::connect), and [`ConnectError::Unsupported`] inside an
    /// asynchronous task.
    pub fn connect(options: impl Into<ConnectOptions>) -> Result<Self, ConnectError> {
        let options = options.into();
        let address = options.address.clone()?;
        let connected = engine::block_on(crate::Channel::connect(options));
        let inner = connected.map_err(|error| error.into_connect_error(address))??;
        Ok(Self { inner })
    }

    /// Connects at the first call.
    ///
    /// # Errors
    /// As of the asynchronous [`Channel::lazy`](crate::Channel::lazy).
    pub fn lazy(options: impl Into<ConnectOptions>) -> Result<Self, ConnectError> {
        Ok(Self { inner: crate::Channel::lazy(options)? })
    }

    /// Connects, and starts the server's program first if nobody is there.
    ///
    /// # Errors
    /// As of [`Launcher::connect`], and [`ConnectError::Unsupported`] inside an asynchronous task.
    pub fn launch(launcher: Launcher) -> Result<Self, LaunchError> {
        let address = launcher.address().map_err(LaunchError::Connect)?;
        let connected = engine::block_on(launcher.connect());
        let inner = connected.map_err(|error| LaunchError::Connect(error.into_connect_error(address)))??;
        Ok(Self { inner })
    }

    /// Calls over a channel that the program has already, such as one with a connector of its own. Connections that
    /// blocking calls make run on the thread of the blocking channels; others go on where they were made.
    pub fn from_channel(channel: crate::Channel) -> Self {
        Self { inner: channel }
    }

    /// The asynchronous channel, with the same connections.
    pub fn channel(&self) -> &crate::Channel {
        &self.inner
    }

    /// The server that was connected to last, if there was one.
    pub fn peer(&self) -> Option<Peer> {
        self.inner.peer()
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Channel").field(&self.inner).finish()
    }
}
