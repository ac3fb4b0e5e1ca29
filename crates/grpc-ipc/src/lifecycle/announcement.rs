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

    /// How long running calls may take after the server was asked to leave. Then the server ends them. Less than 100 ms
    /// counts as 100 ms, so that the server can answer. Default: 10 seconds.
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
            stage: watch::Sender::new(Stage::Serving),
        })
    }
}

/// The announcement of a server, and how far it has left.
pub(crate) struct Announced {
    pub(super) description: messages::Description,
    pub(super) allow_leave: bool,
    pub(super) drain: Duration,
    pub(super) stage: watch::Sender<Stage>,
}

/// How far a server has left.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Serving,
    /// It was asked to leave.
    Asked,
    /// Its addresses are given up.
    Away,
}

impl Announced {
    /// Asks the server to leave, and waits until it has given up its addresses.
    pub(super) async fn ask_to_leave(&self) {
        self.reach(Stage::Asked);
        self.reached(Stage::Away).await;
    }

    /// Tells those who asked that the server has given up its addresses.
    pub(crate) fn addresses_given_up(&self) {
        self.reach(Stage::Away);
    }

    pub(super) async fn reached(&self, stage: Stage) {
        // `self` holds the sender.
        _ = self.stage.subscribe().wait_for(|reached| *reached >= stage).await;
    }

    fn reach(&self, stage: Stage) {
        self.stage.send_if_modified(|reached| {
            let is_new = *reached < stage;
            *reached = stage.max(*reached);
            is_new
        });
    }
}

impl fmt::Debug for Announced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.description.fmt(f)
    }
}
