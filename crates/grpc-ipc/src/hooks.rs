use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use grpc_ipc_core::Peer;

use crate::observer::Observers;

/// The program's functions that a server calls for each connection.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    pub(crate) observers: Observers,
    pub(crate) tag: Option<Arc<dyn Fn(Peer) -> Peer + Send + Sync>>,
}

impl Hooks {
    /// The peer with the program's tag. If the hook panics, the peer has no tag.
    pub(crate) fn tagged(&self, peer: Peer) -> Peer {
        let Some(tag) = &self.tag else { return peer };
        catch_unwind(AssertUnwindSafe(|| tag(peer.clone()))).unwrap_or(peer)
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").field("observers", &self.observers).finish_non_exhaustive()
    }
}
