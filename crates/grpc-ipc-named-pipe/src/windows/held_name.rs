use std::future::pending;
use std::io;
use std::time::Duration;

use grpc_ipc_core::{Address, BindError};
use grpc_ipc_win32::{Descriptor, Identity};
use tokio::time::{Instant, sleep, timeout};

use super::client_process::Moment;
use super::hand_over::{Found, HandOver, is_own_pipe};
use super::instances::{Connected, Instances};
use super::{ListenOptions, endpoint, first_instance, sys};

/// How long to wait before the missing instances are created, while others wait for clients.
const FILL_AGAIN: Duration = Duration::from_secs(1);
/// How long the runtime may take to notice the client of an instance that this server could not occupy.
const LAST_MOMENT: Duration = Duration::from_millis(20);

/// How long a server waits to follow one that does not wait for its successor yet, or is about to end.
const FOLLOW_LIMIT: Duration = Duration::from_secs(2);
/// The same if a third server is about to follow that one: it has bound, and does not accept yet.
const BUSY_LIMIT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

/// The name of a pipe. A server holds it alone, or shares it with another one during a hand-over.
pub(super) struct HeldName {
    address: Address,
    own: Identity,
    instances: Instances,
    stage: Stage,
    /// `None` if the server is not restartable.
    hand_over: Option<HandOver>,
}

/// The stages of a server, from first to last. A server that follows no other one is never `Following`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It has no instance, and follows no server.
    Unbound,
    /// It has no instance yet. The previous server has them.
    Following,
    /// It creates an instance for each client.
    Serving,
    /// It creates no more instances.
    Leaving,
}

impl HeldName {
    /// Takes the name and creates all instances, or finds a server to follow and leaves it the name for now.
    pub(super) async fn take(
        address: &Address,
        name: &str,
        own: &Identity,
        descriptor: Descriptor,
        listen: &ListenOptions,
    ) -> Result<Self, BindError> {
        let mut held = Self {
            address: address.clone(),
            own: own.clone(),
            instances: Instances::new(endpoint::path(name), descriptor, listen),
            stage: Stage::Unbound,
            hand_over: listen.restartable.then(|| HandOver::new(name)),
        };
        held.bind().await?;
        Ok(held)
    }

    /// The pipe's security descriptor, once this server has had an instance.
    pub(super) fn security_descriptor(&self) -> Option<&str> {
        self.instances.security_descriptor()
    }

    /// Waits until another process has taken over the pipe.
    pub(super) fn handed_over(&self) -> impl Future<Output = ()> + Send + use<> {
        let handed_over = self.hand_over.as_ref().map(HandOver::handed_over);
        async move {
            match handed_over {
                Some(handed_over) => handed_over.await,
                None => pending().await,
            }
        }
    }

    /// The next instance that has a client. Its replacement exists by then, unless it could not be created. After
    /// another process has taken over the pipe, instances are not replaced, and when each has had a client, this never
    /// completes.
    ///
    /// # Errors
    /// A client could not connect, or the system refuses to create further instances for clients.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> io::Result<Connected> {
        loop {
            match self.stage {
                Stage::Unbound => self.bind().await.map_err(io::Error::other)?,
                Stage::Following => self.take_over().await?,
                Stage::Serving => {
                    if let Some(connected) = self.next_while_serving().await? {
                        return Ok(connected);
                    }
                }
                Stage::Leaving => match self.next_that_is_left().await {
                    Some(connected) => return Ok(connected),
                    None => pending().await,
                },
            }
        }
    }

    /// Gives up the name at once, and returns one of the instances that have a client; `None` when each has had one.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub(super) async fn last(&mut self) -> Option<Connected> {
        self.leave();
        if self.instances.can_be_connected_to() {
            // For example, the descriptor does not allow this user to connect. A client that connects after this moment
            // sees its connection closed.
            return timeout(LAST_MOMENT, self.next_that_is_left()).await.ok()?;
        }
        self.next_that_is_left().await
    }

    /// Creates the first instance, and then the others, or finds a server to follow.
    async fn bind(&mut self) -> Result<(), BindError> {
        let Self { address, own, instances, hand_over, .. } = self;
        let start = Instant::now();
        while let Some(hand_over) = hand_over {
            let limit = match hand_over.follow(own).await {
                Found::Server => {
                    instances.before = hand_over.process_before();
                    self.stage = Stage::Following;
                    return Ok(());
                }
                Found::Busy => BUSY_LIMIT,
                Found::Nobody if !sys::pipe_exists(&instances.template.path) => break,
                Found::Nobody => FOLLOW_LIMIT,
            };
            if start.elapsed() >= limit {
                let in_use = || BindError::InUse { address: address.clone(), by: None };
                return Err(
                    first_instance::in_use(address, &instances.template.path, own).unwrap_or_else(in_use)
                );
            }
            sleep(PAUSE).await;
        }
        let free = Moment::now();
        let first = first_instance::create(address, own, &instances.template).await?;
        instances.add_first(first, free);
        self.stage = Stage::Serving;
        let failed = |error| BindError::from_io(address, "create an instance of the pipe", error);
        instances.fill().map_err(failed)?;
        match hand_over {
            Some(hand_over) => hand_over.offer(own).map_err(failed),
            None => Ok(()),
        }
    }

    /// Takes over the pipe of the server that this one follows, or finds that it has ended.
    ///
    /// # Cancel safety
    /// If the future is dropped, the next call continues where it stopped.
    async fn take_over(&mut self) -> io::Result<()> {
        let Self { own, instances, hand_over, .. } = self;
        let Some(hand_over) = hand_over else { return Ok(()) };
        if instances.is_empty() {
            if hand_over.has_ended_before() {
                // The name may be free by now, or belong to another server.
                self.stage = Stage::Unbound;
                return Ok(());
            }
            let free = Moment::now();
            let instance = instances.template.create()?;
            if !is_own_pipe(&instance, own) {
                let reason = "the pipe now belongs to another user";
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
            }
            instances.add_first(instance, free);
        }
        // One instance is enough for now.
        _ = instances.fill();
        while !hand_over.tell().await {
            // It ended just before the instances were created. Another server may have taken the name first.
            match hand_over.follow(own).await {
                Found::Server => instances.before = hand_over.process_before(),
                Found::Busy => sleep(PAUSE).await,
                Found::Nobody => break,
            }
        }
        hand_over.offer(own)?;
        self.stage = Stage::Serving;
        Ok(())
    }

    /// Returns `None` if another process has taken over the pipe.
    async fn next_while_serving(&mut self) -> io::Result<Option<Connected>> {
        let handed_over = self.handed_over();
        tokio::pin!(handed_over);
        loop {
            let short = self.instances.fill().err();
            if let (Some(error), true) = (short, self.instances.is_empty()) {
                return Err(error);
            }
            tokio::select! {
                biased;
                () = &mut handed_over => {
                    self.leave();
                    return Ok(None);
                }
                Some(connected) = self.instances.next() => {
                    // Before this one is returned or dropped, so that the name is never without an instance.
                    _ = self.instances.add();
                    let connected = connected?;
                    if !self.instances.is_occupied(&connected.pipe) {
                        return Ok(Some(connected));
                    }
                }
                () = sleep(FILL_AGAIN), if self.instances.is_missing() => {}
            }
        }
    }

    /// The next client of the remaining instances; `None` when each has had one.
    async fn next_that_is_left(&mut self) -> Option<Connected> {
        while let Some(connected) = self.instances.next().await {
            if let Ok(connected) = connected
                && !self.instances.is_occupied(&connected.pipe)
            {
                return Some(connected);
            }
        }
        None
    }

    /// Gives up the name: creates no more instances, and lets nobody connect to those that wait.
    fn leave(&mut self) {
        self.stage = Stage::Leaving;
        self.instances.occupy();
    }
}
