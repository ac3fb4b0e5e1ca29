use std::fmt;

use grpc_ipc_core::{ConnectError, Peer};

use super::engine;
use crate::{ConnectOptions, LaunchError, Launcher};

/// A connection to a server for blocking clients. If it breaks, the next call opens another one. Cloning is cheap, and
/// clones share their connections. Otherwise it behaves like the asynchronous [`Channel`](crate::Channel).
#[derive(Clone)]
pub struct Channel {
    inner: crate::Channel,
}

impl Channel {
    /// Connects to a server, and waits until the server has accepted this client. Takes an address or
    /// [`ConnectOptions`].
    ///
    /// # Errors
    /// Those of the asynchronous [`Channel::connect`](crate::Channel::connect), and [`ConnectError::Unsupported`]
    /// inside an asynchronous task.
    pub fn connect(options: impl Into<ConnectOptions>) -> Result<Self, ConnectError> {
        let options = options.into();
        let address = options.address.clone()?;
        let connected = engine::block_on(crate::Channel::connect(options));
        let inner = connected.map_err(|error| error.into_connect_error(address))??;
        Ok(Self { inner })
    }

    /// Makes a channel that connects at the first call.
    ///
    /// # Errors
    /// Those of the asynchronous [`Channel::lazy`](crate::Channel::lazy).
    pub fn lazy(options: impl Into<ConnectOptions>) -> Result<Self, ConnectError> {
        Ok(Self { inner: crate::Channel::lazy(options)? })
    }

    /// Connects, and first starts the server's program if no server is running.
    ///
    /// # Errors
    /// Those of [`Launcher::connect`], and [`ConnectError::Unsupported`] inside an asynchronous task.
    pub fn launch(launcher: Launcher) -> Result<Self, LaunchError> {
        let address = launcher.address().map_err(LaunchError::Connect)?;
        let connected = engine::block_on(launcher.connect());
        let inner = connected.map_err(|error| LaunchError::Connect(error.into_connect_error(address)))??;
        Ok(Self { inner })
    }

    /// Makes blocking calls over an existing channel, such as one with a connector of your own. Connections that
    /// blocking calls open run on the thread of the blocking channels. Other connections stay on the runtime that
    /// opened them.
    pub fn from_channel(channel: crate::Channel) -> Self {
        Self { inner: channel }
    }

    /// The asynchronous channel, with the same connections.
    pub fn channel(&self) -> &crate::Channel {
        &self.inner
    }

    /// The server of the latest connection, if there has been one.
    pub fn peer(&self) -> Option<Peer> {
        self.inner.peer()
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Channel").field(&self.inner).finish()
    }
}
