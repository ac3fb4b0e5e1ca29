use std::time::Duration;

use grpc_ipc_core::{Address, Backoff, BoxConnection, BoxConnector, ConnectError, Connector};
use tokio::time::{Instant, sleep};

use super::error::LaunchError;
use super::program::Program;
use super::version::{Found, Requirement};
use crate::backend::start::StartPlace;
use crate::connections::deadline_after;

/// A connector that starts the server if none is running.
#[derive(Clone)]
pub(super) struct LaunchConnector {
    pub(super) inner: BoxConnector,
    pub(super) program: Program,
    pub(super) requirement: Option<Requirement>,
    /// How long a running server may take.
    pub(super) connect_timeout: Duration,
}

/// How long another server, which was faster than the started one, may take to listen once it has bound its address.
const OTHER_SERVER: Duration = Duration::from_millis(200);

impl LaunchConnector {
    /// The longest time that a start may take: another client's start, then its own, and twice that if a server has to
    /// leave.
    pub(super) fn longest(&self) -> Duration {
        self.program.timeout.saturating_mul(4)
    }

    /// Returns a connection to a server of the right version, or `None` if no server is running. A server of another
    /// version is an error unless the launcher replaces it.
    async fn find(&self) -> Result<Option<Seen>, LaunchError> {
        let connection = match self.inner.connect(deadline_after(self.connect_timeout)).await {
            Ok(connection) => connection,
            Err(ConnectError::NotFound { .. } | ConnectError::Refused { .. }) => return Ok(None),
            Err(error) => return Err(LaunchError::Connect(error)),
        };
        let Some(requirement) = &self.requirement else { return Ok(Some(Seen::Right(connection))) };
        match requirement.check(&self.inner, self.connect_timeout).await? {
            Found::Right => Ok(Some(Seen::Right(connection))),
            Found::Gone => Ok(None),
            Found::Other(found) if requirement.replace => {
                Ok(Some(Seen::ToReplace(requirement.clone(), found)))
            }
            Found::Other(found) => Err(requirement.mismatch(found)),
        }
    }

    async fn find_or_start(&self) -> Result<BoxConnection, LaunchError> {
        if let Some(Seen::Right(connection)) = self.find().await? {
            return Ok(connection);
        }
        let place = StartPlace::new(self.inner.address()).map_err(LaunchError::Lock)?;
        let (began, mut backoff) = (Instant::now(), Backoff::connect());
        loop {
            if let Some(lock) = place.try_lock().await.map_err(LaunchError::Lock)? {
                // Other clients wait for it, too, so it continues if this client gives up.
                let this = self.clone();
                let starting = tokio::spawn(async move {
                    // Held until others can find the server.
                    let _lock = lock;
                    this.start(&place).await
                });
                return match starting.await {
                    Ok(connected) => connected,
                    Err(error) => Err(LaunchError::Connect(ConnectError::Io {
                        address: self.inner.address().clone(),
                        action: "start the server",
                        source: error.into(),
                    })),
                };
            }
            if began.elapsed() >= self.program.timeout.saturating_mul(2) {
                return Err(LaunchError::Waiting { waited: began.elapsed() });
            }
            backoff.wait().await;
            if let Some(Seen::Right(connection)) = self.find().await? {
                return Ok(connection);
            }
        }
    }

    /// Starts the server. The caller holds the lock.
    async fn start(&self, place: &StartPlace) -> Result<BoxConnection, LaunchError> {
        // Another client may have started it before this one got the lock.
        match self.find().await? {
            Some(Seen::Right(connection)) => return Ok(connection),
            Some(Seen::ToReplace(requirement, found)) => self.replace(&requirement, found).await?,
            None => {}
        }
        let mut started = self.program.start(place).await?;
        let (began, mut backoff) = (Instant::now(), Backoff::connect());
        loop {
            if let Some(connection) = self.find_started().await? {
                return Ok(connection);
            }
            if let Some(error) = started.ended() {
                return self.find_other().await?.ok_or(error);
            }
            if began.elapsed() >= self.program.timeout {
                return Err(started.give_up(self.program.timeout));
            }
            backoff.wait().await;
        }
    }

    /// Returns a connection to the server that this client has started.
    async fn find_started(&self) -> Result<Option<BoxConnection>, LaunchError> {
        match self.find().await? {
            Some(Seen::Right(connection)) => Ok(Some(connection)),
            // The new server has the same fault as the one that it replaced.
            Some(Seen::ToReplace(requirement, found)) => Err(requirement.mismatch(found)),
            None => Ok(None),
        }
    }

    /// The program may have ended because another server, started without this lock, was faster.
    async fn find_other(&self) -> Result<Option<BoxConnection>, LaunchError> {
        let began = Instant::now();
        loop {
            let found = self.find_started().await?;
            if found.is_some() || began.elapsed() >= OTHER_SERVER {
                return Ok(found);
            }
            sleep(OTHER_SERVER / 10).await;
        }
    }

    /// Asks a server to leave, and waits until no server is at the address.
    async fn replace(&self, requirement: &Requirement, found: crate::Description) -> Result<(), LaunchError> {
        requirement.ask_to_leave(&self.inner, &found, self.connect_timeout).await?;
        let (began, mut backoff) = (Instant::now(), Backoff::connect());
        loop {
            match self.inner.connect(deadline_after(self.connect_timeout)).await {
                Err(ConnectError::NotFound { .. } | ConnectError::Refused { .. }) => return Ok(()),
                _ if began.elapsed() >= self.program.timeout => {
                    return Err(requirement.does_not_leave(found, None));
                }
                _ => backoff.wait().await,
            }
        }
    }
}

/// A running server.
enum Seen {
    Right(BoxConnection),
    ToReplace(Requirement, crate::Description),
}

impl Connector for LaunchConnector {
    type Connection = BoxConnection;

    async fn connect(&self, _: Instant) -> Result<BoxConnection, ConnectError> {
        self.find_or_start().await.map_err(|error| match error {
            LaunchError::Connect(error) => error,
            error => {
                ConnectError::NotStarted { address: self.inner.address().clone(), source: Box::new(error) }
            }
        })
    }

    async fn appears(&self) {
        self.inner.appears().await;
    }

    fn address(&self) -> &Address {
        self.inner.address()
    }
}
