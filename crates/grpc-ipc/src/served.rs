use std::future::pending;
use std::sync::Arc;

use grpc_ipc_core::Connection as _;
use grpc_ipc_http2::server::{self, Handle};
use tokio::task::JoinSet;
use tracing::Instrument as _;

use crate::direct::{DirectMethods, PeerMethods};
use crate::hooks::Hooks;
use crate::limits::{LimitedServices, Limits};
use crate::listeners::Accepted;
use crate::observer::Observed;
use crate::peer_service::PeerService;
use crate::services::Services;
use crate::{Http2Options, ServerStats};

/// Everything that the server needs to serve a connection.
pub(crate) struct Offered {
    pub(crate) services: Services,
    pub(crate) direct: Arc<DirectMethods>,
    pub(crate) limits: Limits,
    pub(crate) hooks: Hooks,
    pub(crate) http2: Http2Options,
}

/// The connections of a server. Each runs in a task of its own, which ends when its handlers have ended. Dropping this
/// ends the connections.
pub(crate) struct Served {
    tasks: JoinSet<()>,
    stats: ServerStats,
}

impl Served {
    pub(crate) fn new(stats: ServerStats) -> Self {
        Self { tasks: JoinSet::new(), stats }
    }

    pub(crate) fn serve(&mut self, accepted: Accepted, offered: &Offered) -> Handle {
        let Accepted { connection, place, address } = accepted;
        let peer = offered.hooks.tagged(connection.peer().clone());
        let services = LimitedServices::new(offered.services.clone(), offered.limits);
        let general_calls = Arc::clone(self.stats.general_counter());
        let service = PeerService::new(services, general_calls, peer.clone());
        let to_observe = peer.clone();
        let http2 = offered.http2.clone().reads_at_once(connection.reads_at_once());
        let mut connection = server::Connection::new(connection, service, http2);
        if !offered.direct.is_empty() {
            let methods = Arc::clone(&offered.direct);
            connection = connection.direct(Box::new(PeerMethods::new(methods, peer)));
        }
        let handle = connection.handle();
        let handlers = handle.clone();
        let record = connection.record();
        let observed = Observed::new(offered.hooks.observers.clone(), to_observe, address, record);
        let span = observed.span();
        let serving = async move {
            // It outlives the connection, even if the task is aborted.
            let observed = observed;
            observed.connected();
            // The connection's record has the reason of its end.
            _ = connection.await;
            drop(observed);
            handlers.finished().await;
            drop(place);
        };
        let task = self.tasks.spawn(serving.instrument(span));
        self.stats.opened(task.id(), handle.clone());
        handle
    }

    pub(crate) fn handles(&self) -> Vec<Handle> {
        let mut handles = Vec::new();
        self.stats.for_each(|handle| handles.push(handle.clone()));
        handles
    }

    /// Waits until another connection has ended. Never completes while there are none.
    pub(crate) async fn ended(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(ended) => {
                let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
                self.stats.ended(id);
            }
            None => pending().await,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    pub(crate) fn go_away(&self) {
        self.stats.for_each(Handle::graceful_shutdown);
    }

    pub(crate) fn close(&self) {
        self.stats.for_each(Handle::close);
    }

    /// How many handlers have not been dropped yet.
    pub(crate) fn running(&self) -> usize {
        self.stats.calls_running()
    }

    pub(crate) async fn all_ended(&mut self) {
        while !self.tasks.is_empty() {
            self.ended().await;
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stats.all_ended();
    }
}
