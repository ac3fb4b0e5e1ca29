use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use grpc_ipc_core::AccessPolicy;
use grpc_ipc_http2::server::Handle;
use tokio::task;

/// Counters of a server, returned by [`BoundServer::stats`](crate::BoundServer::stats) and
/// [`ServerHandle::stats`](crate::ServerHandle::stats). Cloning is cheap, and a clone stays valid after the server has
/// ended.
///
/// Counting costs nothing extra, because connections count their calls anyway. Reading the number of calls locks each
/// connection for a moment.
#[derive(Clone, Default)]
pub struct ServerStats {
    counters: Arc<Counters>,
}

#[derive(Default)]
struct Counters {
    accepted: AtomicU64,
    /// Connections over the limit of their user.
    too_many: AtomicU64,
    /// Each policy, with the number of refusals before it was added here.
    policies: Mutex<Vec<(AccessPolicy, u64)>>,
    connections: Mutex<Connections>,
    general_calls: Arc<AtomicU64>,
}

#[derive(Default)]
struct Connections {
    open: HashMap<task::Id, Handle>,
    /// Calls of the connections that have ended.
    calls: u64,
}

impl ServerStats {
    /// How many connections are open now.
    pub fn open_connections(&self) -> usize {
        self.connections().open.len()
    }

    /// How many connections the server has served, including those that have ended.
    pub fn accepted_connections(&self) -> u64 {
        self.counters.accepted.load(Ordering::Relaxed)
    }

    /// How many connections the server has refused, because of an [`AccessPolicy`] or
    /// [`max_connections_per_user`](crate::Server::max_connections_per_user). If several servers share a policy, each
    /// of them counts all of its refusals. Refusals by listeners of your own
    /// ([`Server::listener`](crate::Server::listener)) are not included; use [`AccessPolicy::refused`] of their
    /// policies.
    pub fn refused_connections(&self) -> u64 {
        let refused = |(policy, before): &(AccessPolicy, u64)| policy.refused().saturating_sub(*before);
        let by_policy: u64 = lock(&self.counters.policies).iter().map(refused).sum();
        by_policy + self.counters.too_many.load(Ordering::Relaxed)
    }

    /// How many calls clients have begun, including those that have ended or were refused. The count comes from the ids
    /// of the HTTP/2 streams.
    pub fn calls_started(&self) -> u64 {
        let connections = self.connections();
        connections.calls + connections.open.values().map(Handle::calls_started).sum::<u64>()
    }

    /// How many calls are running: the handler, or the body of the response, has not ended.
    pub fn calls_running(&self) -> usize {
        self.connections().open.values().map(Handle::running).sum()
    }

    /// How many calls took the general path, through layers and tonic's service, instead of going directly to a
    /// generated server's methods. They cost about three times as much.
    pub fn general_calls(&self) -> u64 {
        self.counters.general_calls.load(Ordering::Relaxed)
    }

    /// The counter behind [`general_calls`](Self::general_calls).
    pub(crate) fn general_counter(&self) -> &Arc<AtomicU64> {
        &self.counters.general_calls
    }

    /// Counts the refusals of `policy` from now on.
    pub(crate) fn refuses_by(&self, policy: &AccessPolicy) {
        let mut policies = lock(&self.counters.policies);
        if !policies.iter().any(|(other, _)| other.counts_with(policy)) {
            policies.push((policy.clone(), policy.refused()));
        }
    }

    pub(crate) fn too_many(&self) {
        self.counters.too_many.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn opened(&self, id: task::Id, connection: Handle) {
        self.counters.accepted.fetch_add(1, Ordering::Relaxed);
        self.connections().open.insert(id, connection);
    }

    pub(crate) fn ended(&self, id: task::Id) {
        let mut connections = self.connections();
        if let Some(connection) = connections.open.remove(&id) {
            connections.calls += connection.calls_started();
        }
    }

    /// The server has been dropped, and with it all of its connections.
    pub(crate) fn all_ended(&self) {
        let mut connections = self.connections();
        let ended: u64 = connections.open.drain().map(|(_, connection)| connection.calls_started()).sum();
        connections.calls += ended;
    }

    pub(crate) fn for_each(&self, connection: impl FnMut(&Handle)) {
        self.connections().open.values().for_each(connection);
    }

    fn connections(&self) -> MutexGuard<'_, Connections> {
        lock(&self.counters.connections)
    }
}

/// The locks cannot be poisoned: nothing panics while one is held.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for ServerStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerStats")
            .field("open_connections", &self.open_connections())
            .field("accepted_connections", &self.accepted_connections())
            .field("refused_connections", &self.refused_connections())
            .field("calls_started", &self.calls_started())
            .field("calls_running", &self.calls_running())
            .finish_non_exhaustive()
    }
}
