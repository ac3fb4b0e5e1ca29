//! The transports, and an address of each that nothing else uses.

use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use super::peers::{Peer, Pipe, Tcp};
use crate::Result;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Transport {
    Uds,
    Abstract,
    Pipe,
    Tcp,
}

impl Transport {
    pub(crate) const ALL: [Self; 4] = [Self::Uds, Self::Abstract, Self::Pipe, Self::Tcp];

    /// The name in options and in the JSON.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Uds => "uds",
            Self::Abstract => "abstract",
            Self::Pipe => "pipe",
            Self::Tcp => "tcp",
        }
    }

    /// The name in the tables.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Uds => "sockets",
            Self::Abstract => "abstract sockets",
            Self::Pipe => "pipes",
            Self::Tcp => "TCP",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|transport| transport.name() == name)
    }

    /// Whether this machine has it. Pipes are those of Windows, or of Wine.
    pub(super) fn is_here(self) -> bool {
        match self {
            Self::Uds => !cfg!(windows),
            Self::Abstract => cfg!(target_os = "linux"),
            Self::Pipe => cfg!(any(windows, target_os = "linux")),
            Self::Tcp => true,
        }
    }
}

/// Where a server listens.
pub(super) struct Place {
    transport: Transport,
    /// The path, the name or the port.
    at: String,
}

impl Place {
    /// A place that nothing else uses. The socket's file goes into `directory`. A TCP server chooses its port, if it can.
    pub(super) fn new(transport: Transport, server: &Peer, directory: &Path) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);

        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let at = match transport {
            Transport::Uds => {
                directory.join(number.to_string()).to_str().ok_or("a path that is not Unicode")?.to_owned()
            }
            Transport::Abstract | Transport::Pipe => format!("interop-{}-{number}", std::process::id()),
            Transport::Tcp if server.tcp == Tcp::Url => {
                TcpListener::bind("127.0.0.1:0")?.local_addr()?.port().to_string()
            }
            Transport::Tcp => "0".to_owned(),
        };
        Ok(Self { transport, at })
    }

    /// The address as `peer` writes it.
    pub(super) fn address(&self, peer: &Peer) -> String {
        let at = &self.at;
        match (self.transport, peer.tcp, peer.pipe) {
            (Transport::Uds, ..) => format!("unix:{at}"),
            (Transport::Abstract, ..) => format!("unix-abstract:{at}"),
            (Transport::Tcp, Tcp::Url, _) => format!("http://127.0.0.1:{at}"),
            (Transport::Tcp, Tcp::HostAndPort, _) => format!("tcp:127.0.0.1:{at}"),
            (Transport::Pipe, _, Pipe::AsPath) => format!(r"unix:\\.\pipe\{at}"),
            (Transport::Pipe, ..) => format!("npipe:{at}"),
        }
    }

    /// Learns the port from the line that the server printed.
    pub(super) fn listening(&mut self, line: &str) -> Result {
        if self.transport == Transport::Tcp {
            let (_, port) = line.trim_end().rsplit_once(':').ok_or_else(|| format!("no port in {line:?}"))?;
            let port: u16 = port.parse().map_err(|error| format!("{line:?}: {error}"))?;
            self.at = port.to_string();
        }
        Ok(())
    }
}
