use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use super::messages;

/// Describes a server to its clients: the argument of [`Server::announce`](crate::Server::announce).
#[derive(Clone, Debug)]
#[must_use = "an announcement does nothing until a server makes it"]
pub struct Announcement {
    name: String,
    version: String,
    allow_leave: bool,
    drain: Duration,
}

impl Announcement {
    /// Announces the program's name and version.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self { name: name.into(), version: version.into(), allow_leave: true, drain: Duration::from_secs(10) }
    }

    /// Whether clients of the same user, and of the system (root, SYSTEM), may ask the server to leave. Default: `true`.
    pub fn allow_leave(self, allow: bool) -> Self {
        Self { allow_leave: allow, ..self }
    }

    /// How long running calls may take after the server was asked to leave. Then the server ends them. Default: 10
    /// seconds.
    pub fn drain(self, drain: Duration) -> Self {
        Self { drain, ..self }
    }

    pub(super) fn announced(self) -> Arc<Announced> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let description = messages::Description {
            name: self.name,
            version: self.version,
            pid: std::process::id(),
            started_ms: now.as_millis().try_into().unwrap_or(i64::MAX),
        };
        Arc::new(Announced {
            description,
            allow_leave: self.allow_leave,
            drain: self.drain,
            leaving: watch::Sender::new(false),
        })
    }
}

/// The announcement of a server, and whether it was asked to leave.
pub(crate) struct Announced {
    pub(super) description: messages::Description,
    pub(super) allow_leave: bool,
    pub(super) drain: Duration,
    pub(super) leaving: watch::Sender<bool>,
}

impl fmt::Debug for Announced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.description.fmt(f)
    }
}
