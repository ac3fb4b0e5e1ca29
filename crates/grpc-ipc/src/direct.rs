//! The services of a server that are called directly.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::Context;

use grpc_ipc_core::Peer;
use grpc_ipc_http2::direct::{Head, Message, Reply, Service};
use tonic::Extensions;

use crate::MethodPath;
use crate::codegen::{Call, DirectCall, DirectService, Served, Slot};

/// The unary methods of generated servers.
#[derive(Default)]
pub(crate) struct DirectMethods {
    services: Vec<Box<dyn DirectService>>,
    methods: Vec<Method>,
    /// Where a method is in `methods`.
    paths: HashMap<&'static str, u32>,
}

struct Method {
    /// Where its service is in `services`.
    service: usize,
    /// Its number in the service.
    number: usize,
    served: Served,
}

impl DirectMethods {
    pub(crate) fn add(&mut self, service: Box<dyn DirectService>) {
        // What is compressed goes the general way.
        if service.options().compresses() {
            return;
        }
        for (number, served) in service.methods().iter().enumerate().filter(|(_, served)| served.is_unary()) {
            if let Ok(place) = u32::try_from(self.methods.len()) {
                self.paths.insert(served.path(), place);
                self.methods.push(Method { service: self.services.len(), number, served: *served });
            }
        }
        self.services.push(service);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.methods.is_empty()
    }
}

/// The same, for the calls of one peer.
pub(crate) struct PeerMethods {
    methods: Arc<DirectMethods>,
    peer: Peer,
    slot: Slot,
    /// The extensions of requests, by the place of the method, once there was one.
    extensions: Vec<Option<Extensions>>,
}

impl PeerMethods {
    pub(crate) fn new(methods: Arc<DirectMethods>, peer: Peer) -> Self {
        Self { methods, peer, slot: Slot::default(), extensions: Vec::new() }
    }
}

impl Service for PeerMethods {
    fn route(&self, path: &str) -> Option<u32> {
        self.methods.paths.get(path).copied()
    }

    fn call(&mut self, head: &Arc<Head>, message: Message<'_>, cx: &mut Context<'_>, reply: Reply<'_>) {
        let place = head.route() as usize;
        let Some(method) = self.methods.methods.get(place) else { return };
        if self.extensions.len() <= place {
            self.extensions.resize(place + 1, None);
        }
        // To copy a map costs less than to fill one.
        let extensions = self.extensions[place].get_or_insert_with(|| {
            let mut extensions = Extensions::new();
            extensions.insert(self.peer.clone());
            extensions.insert(MethodPath::of_method(method.served.path()));
            extensions
        });
        let call = Call::direct(DirectCall {
            head,
            message,
            extensions,
            waker: cx.waker(),
            reply,
            slot: &mut self.slot,
            intercepted: None,
        });
        // It is answered, or a task will do that.
        _ = self.methods.services[method.service].call(method.number, call);
    }
}
