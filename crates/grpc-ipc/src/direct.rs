//! The services of a server whose methods are called directly.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::FutureExt as _;
use grpc_ipc_core::{AccessPolicy, Peer};
use grpc_ipc_http2::RecvBody;
use grpc_ipc_http2::direct::{Head, Message, Reply, Service};
use tonic::{Extensions, Status};

use crate::authorize::{Authorize, refusal};
use crate::codegen::{Call, DirectCall, DirectService, Input, Served, Slot};
use crate::{MethodPath, connect_info};

/// The methods of generated servers.
#[derive(Default)]
pub(crate) struct DirectMethods {
    services: Vec<Box<dyn DirectService>>,
    methods: Vec<Method>,
    /// The index of each method in `methods`.
    paths: HashMap<&'static str, u32>,
}

struct Method {
    /// The index of its service in `services`.
    service: usize,
    /// Its number in the service.
    number: usize,
    served: Served,
    /// These decide who may call it, in this order.
    policies: Vec<AccessPolicy>,
}

impl DirectMethods {
    pub(crate) fn add(&mut self, service: Box<dyn DirectService>) {
        // Compressed messages take the general path.
        if service.options().compresses() {
            return;
        }
        for (number, served) in service.methods().iter().enumerate() {
            if let Ok(place) = u32::try_from(self.methods.len()) {
                self.paths.insert(served.path(), place);
                let policies = Vec::new();
                self.methods.push(Method { service: self.services.len(), number, served: *served, policies });
            }
        }
        self.services.push(service);
    }

    /// Adds `authorize` to the checks of each call, after those added earlier. Methods with a check that has to wait
    /// take the general path.
    pub(crate) fn authorize(&mut self, authorize: &Authorize) {
        for method in &mut self.methods {
            let path = method.served.path();
            let policy = authorize.policy(&MethodPath::of_method(path));
            if policy.is_immediate() {
                method.policies.push(policy.clone());
            } else {
                self.paths.remove(path);
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }
}

/// The methods, for the calls of one peer.
pub(crate) struct PeerMethods {
    methods: Arc<DirectMethods>,
    peer: Peer,
    slot: Slot,
    /// By the index of the method, once it has been called.
    called: Vec<Option<Called>>,
}

/// A method that the peer has called.
#[derive(Clone)]
struct Called {
    /// The extensions of each request.
    extensions: Extensions,
    /// Whether the peer may always call it.
    is_allowed: bool,
}

impl PeerMethods {
    pub(crate) fn new(methods: Arc<DirectMethods>, peer: Peer) -> Self {
        Self { methods, peer, slot: Slot::default(), called: Vec::new() }
    }
}

impl Method {
    /// Whether the peer may call the method, and if so, whether that is permanent.
    fn check(&self, peer: &Peer) -> Result<bool, Status> {
        let mut is_constant = true;
        for policy in &self.policies {
            is_constant &= policy.is_constant();
            match policy.check(peer).now_or_never() {
                Some(Ok(())) => {}
                Some(Err(refused)) => {
                    return Err(refusal(&refused, &MethodPath::of_method(self.served.path())));
                }
                None => return Err(Status::internal("a policy without asynchronous rules is not ready")),
            }
        }
        Ok(is_constant)
    }
}

impl Service for PeerMethods {
    fn route(&self, path: &str) -> Option<u32> {
        self.methods.paths.get(path).copied()
    }

    fn takes_stream(&self, route: u32) -> bool {
        self.methods.methods.get(route as usize).is_some_and(|method| method.served.takes_stream())
    }

    fn call(&mut self, head: &mut Arc<Head>, message: Message<'_>, reply: Reply<'_>) {
        self.call_with(head, Input::Message(message), reply);
    }

    fn call_with_stream(&mut self, head: &mut Arc<Head>, body: RecvBody, reply: Reply<'_>) {
        self.call_with(head, Input::Stream(Box::new(body)), reply);
    }
}

impl PeerMethods {
    #[inline]
    fn call_with(&mut self, head: &mut Arc<Head>, input: Input<'_>, reply: Reply<'_>) {
        let place = head.route() as usize;
        let Some(method) = self.methods.methods.get(place) else { return };
        if self.called.len() <= place {
            self.called.resize(place + 1, None);
        }
        // Copying a map costs less than filling one.
        let called = self.called[place].get_or_insert_with(|| {
            let mut extensions = Extensions::new();
            connect_info::tell(&mut extensions, &self.peer);
            extensions.insert(MethodPath::of_method(method.served.path()));
            Called { extensions, is_allowed: method.policies.is_empty() }
        });
        let call = DirectCall {
            head,
            input,
            extensions: &called.extensions,
            reply: reply.of_method(method.served.path()),
            slot: &mut self.slot,
            intercepted: None,
        };
        if !called.is_allowed {
            match method.check(&self.peer) {
                Ok(is_allowed) => called.is_allowed = is_allowed,
                Err(status) => return call.refuse(&status),
            }
        }
        // It has been answered, or a task will answer it.
        _ = self.methods.services[method.service].call(method.number, Call::direct(call));
    }
}
