use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use futures_util::StreamExt as _;
use grpc_ipc_core::Address;
use tokio::time::{sleep, timeout};

use crate::direct::DirectMethods;
use crate::hooks::Hooks;
use crate::lifecycle::{End, Ending, leave};
use crate::limits::Limits;
use crate::listeners::Listeners;
use crate::served::{Offered, Served};
use crate::service_manager::{Notice, ServiceManager};
use crate::services::Services;
use crate::{Http2Options, ServeError, ServerStats, sync};

/// A [`Server`](crate::Server) that listens on all of its addresses.
#[must_use = "a server does nothing until it serves"]
pub struct BoundServer {
    pub(crate) services: Services,
    pub(crate) direct: Arc<DirectMethods>,
    pub(crate) limits: Limits,
    pub(crate) hooks: Hooks,
    pub(crate) stats: ServerStats,
    pub(crate) ending: Ending,
    pub(crate) listeners: Listeners,
    pub(crate) http2: Http2Options,
    pub(crate) notify_systemd: bool,
}

impl BoundServer {
    /// The resolved addresses: the path that `local:NAME` stands for, and the port chosen for `http://HOST:0`. Those of
    /// [`Server::listener`](crate::Server::listener) precede those of [`Server::listen`](crate::Server::listen).
    pub fn local_addresses(&self) -> &[Address] {
        self.listeners.local_addresses()
    }

    /// The server's counters. They keep counting while it serves.
    pub fn stats(&self) -> ServerStats {
        self.stats.clone()
    }

    /// Counts the requests that take the general path instead of going directly to a generated server's methods.
    #[doc(hidden)]
    pub fn general_calls(&self) -> Arc<AtomicU64> {
        Arc::clone(self.stats.general_counter())
    }

    /// Serves until the process ends. It returns earlier in these cases:
    ///
    /// - The program gave the server all of its connections
    ///   ([`ListenOptions::from_incoming`](crate::ListenOptions::from_incoming)), and all of them have ended.
    /// - Another process has taken over all addresses
    ///   ([`ListenOptions::restartable`](crate::ListenOptions::restartable)), and the calls have ended.
    ///
    /// # Errors
    /// [`ServeError::NoRuntime`] outside of a tokio runtime. A later failure ends only the connection that it concerns.
    ///
    /// # Cancel safety
    /// Dropping the future releases the addresses and ends every connection.
    pub async fn serve(self) -> Result<(), ServeError> {
        self.serve_until(pending()).await
    }

    /// Serves until `signal` completes. Then the server releases the addresses at once, refuses new calls, and lets
    /// running calls finish for at most `drain`. Then it ends the remaining calls; their clients see
    /// [`Unavailable`](tonic::Code::Unavailable) or [`Cancelled`](tonic::Code::Cancelled). When this returns `Ok`,
    /// every handler has been dropped. A client without a call delays the return by at most a second, even if its
    /// process is stopped.
    ///
    /// # Errors
    /// - [`ServeError::NoRuntime`] outside of a tokio runtime
    /// - [`ServeError::StillRunning`] if handlers still run a second after the server tried to drop them, because they
    ///   block their threads
    ///
    /// # Cancel safety
    /// Dropping the future releases the addresses and ends every connection.
    pub async fn serve_with_shutdown(
        self,
        signal: impl Future<Output = ()>,
        drain: Duration,
    ) -> Result<(), ServeError> {
        let signal = async {
            signal.await;
            drain
        };
        self.serve_until_or(signal, Some(drain)).await
    }

    /// [`serve_with_shutdown`](Self::serve_with_shutdown), with a signal that returns the length of the drain.
    pub(crate) async fn serve_until(self, signal: impl Future<Output = Duration>) -> Result<(), ServeError> {
        self.serve_until_or(signal, None).await
    }

    /// The same, with the drain to use when another process takes over the addresses.
    async fn serve_until_or(
        self,
        signal: impl Future<Output = Duration>,
        handed_over_drain: Option<Duration>,
    ) -> Result<(), ServeError> {
        if !sync::in_runtime() {
            return Err(ServeError::NoRuntime);
        }
        let Self { services, direct, limits, hooks, stats, ending, mut listeners, http2, notify_systemd } =
            self;
        let mut offered = Offered { services, direct, limits, hooks, http2 };
        let handed_over = listeners.handed_over();
        let announced = ending.announced.clone();
        let ending = ending.wait(stats.clone());
        let ending = async {
            tokio::select! {
                end = ending => end,
                () = handed_over => End::HandedOver(handed_over_drain),
            }
        };
        let mut connections = Served::new(stats);
        let over = listeners.over();
        tokio::pin!(signal, over, ending);
        let mut is_over = false;
        let mut manager = ServiceManager::new(notify_systemd);
        manager.tell(Notice::Ready);
        let drain = loop {
            if is_over && connections.is_empty() {
                break Duration::ZERO;
            }
            tokio::select! {
                drain = &mut signal => break drain,
                Some(accepted) = listeners.connections().next() => drop(connections.serve(accepted, &offered)),
                () = connections.ended() => {}
                () = &mut over, if !is_over => is_over = true,
                () = manager.ping() => {}
                end = &mut ending => {
                    manager.tell(Notice::Stopping);
                    let limit = async {
                        match end {
                            End::Asked(drain) => sleep(drain.max(ANSWER)).await,
                            End::HandedOver(Some(drain)) => sleep(drain).await,
                            End::Idle | End::HandedOver(None) => pending().await,
                        }
                    };
                    let drain = async {
                        tokio::select! {
                            drain = &mut signal => Some(drain),
                            () = leave(&mut listeners, &mut connections, &mut offered, announced.as_deref()) => None,
                            () = limit => Some(Duration::ZERO),
                        }
                    };
                    match manager.ping_until(drain).await {
                        Some(drain) => break drain,
                        None => return Ok(()),
                    }
                }
            }
        };
        drop(listeners);
        if let Some(announced) = &announced {
            announced.addresses_given_up();
        }
        manager.tell(Notice::Stopping);
        connections.go_away();
        if manager.ping_until(timeout(drain, connections.all_ended())).await.is_err() {
            connections.close();
            if timeout(AFTER_CUT, connections.all_ended()).await.is_err() {
                let handlers = connections.running();
                if handlers > 0 {
                    return Err(ServeError::StillRunning { handlers });
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for BoundServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundServer")
            .field("local_addresses", &self.local_addresses())
            .finish_non_exhaustive()
    }
}

/// How long the answer to the call that asked the server to leave may take.
const ANSWER: Duration = Duration::from_millis(100);

/// How long closed connections may take to end, and their handlers to be dropped.
const AFTER_CUT: Duration = Duration::from_secs(1);
