//! The services that `ctr` calls. They keep everything in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use containerd_client::events::NamespaceCreate;
use containerd_client::to_any;
use grpc_ipc::tonic::{Request, Response, Status, Streaming, async_trait};
use tokio::sync::mpsc::{Sender, channel};
use tokio_stream::wrappers::ReceiverStream;

use content::content_server::Content;
use events::events_server::Events;
use introspection::introspection_server::Introspection;
use leases::leases_server::Leases;
use namespaces::namespaces_server::Namespaces;
use version::version_server::Version;

/// The modules with generated code.
macro_rules! generated {
    ($($module:ident $package:literal)*) => {
        $(pub(crate) mod $module {
            #![allow(unreachable_pub, clippy::allow_attributes, reason = "generated")]
            grpc_ipc::tonic::include_proto!($package);
        })*
    };
}
generated! {
    content "containerd.services.content.v1"
    events "containerd.services.events.v1"
    introspection "containerd.services.introspection.v1"
    leases "containerd.services.leases.v1"
    namespaces "containerd.services.namespaces.v1"
    version "containerd.services.version.v1"
}

type Subscriber = Sender<Result<events::Envelope, Status>>;

#[derive(Clone, Default)]
pub(crate) struct Store(Arc<Mutex<Stored>>);

#[derive(Default)]
struct Stored {
    namespaces: BTreeMap<String, namespaces::Namespace>,
    leases: BTreeMap<String, leases::Lease>,
    content: BTreeMap<String, Vec<u8>>,
    subscribers: Vec<Subscriber>,
}

impl Store {
    /// The subscribers to events so far.
    pub(crate) fn subscribers(&self) -> Vec<Subscriber> {
        self.0.lock().unwrap().subscribers.clone()
    }

    /// The uploaded content with this digest.
    pub(crate) fn content(&self, digest: &str) -> Option<Vec<u8>> {
        self.0.lock().unwrap().content.get(digest).cloned()
    }
}

/// The event that a namespace was created, in that namespace.
pub(crate) fn event(name: &str) -> events::Envelope {
    let payload = to_any(&NamespaceCreate { name: name.to_owned(), ..Default::default() });
    events::Envelope {
        timestamp: None,
        namespace: name.to_owned(),
        topic: "/namespaces/create".to_owned(),
        event: Some(payload),
    }
}

#[async_trait]
impl Version for Store {
    async fn version(&self, _: Request<()>) -> Result<Response<version::VersionResponse>, Status> {
        let version = version::VersionResponse { version: "1.2.3".to_owned(), revision: "ours".to_owned() };
        Ok(Response::new(version))
    }
}

#[async_trait]
impl Introspection for Store {
    async fn server(&self, _: Request<()>) -> Result<Response<introspection::ServerResponse>, Status> {
        Ok(Response::new(introspection::ServerResponse { uuid: "generated".to_owned() }))
    }
}

#[async_trait]
impl Namespaces for Store {
    async fn get(
        &self,
        request: Request<namespaces::GetRequest>,
    ) -> Result<Response<namespaces::GetResponse>, Status> {
        let name = request.into_inner().name;
        let namespace = self.0.lock().unwrap().namespaces.get(&name).cloned();
        let namespace =
            namespace.ok_or_else(|| Status::not_found(format!("namespace {name:?}: not found")))?;
        Ok(Response::new(namespaces::GetResponse { namespace: Some(namespace) }))
    }

    async fn list(
        &self,
        _: Request<namespaces::ListRequest>,
    ) -> Result<Response<namespaces::ListResponse>, Status> {
        let namespaces = self.0.lock().unwrap().namespaces.values().cloned().collect();
        Ok(Response::new(namespaces::ListResponse { namespaces }))
    }

    async fn create(
        &self,
        request: Request<namespaces::CreateRequest>,
    ) -> Result<Response<namespaces::CreateResponse>, Status> {
        let namespace = request.into_inner().namespace.unwrap_or_default();
        let mut stored = self.0.lock().unwrap();
        if stored.namespaces.contains_key(&namespace.name) {
            return Err(Status::already_exists(format!("namespace {:?}: already exists", namespace.name)));
        }
        stored.namespaces.insert(namespace.name.clone(), namespace.clone());
        Ok(Response::new(namespaces::CreateResponse { namespace: Some(namespace) }))
    }

    async fn delete(&self, request: Request<namespaces::DeleteRequest>) -> Result<Response<()>, Status> {
        let name = request.into_inner().name;
        let deleted = self.0.lock().unwrap().namespaces.remove(&name);
        deleted
            .map(|_| Response::new(()))
            .ok_or_else(|| Status::not_found(format!("namespace {name:?}: not found")))
    }
}

#[async_trait]
impl Leases for Store {
    async fn create(
        &self,
        request: Request<leases::CreateRequest>,
    ) -> Result<Response<leases::CreateResponse>, Status> {
        let leases::CreateRequest { id, labels } = request.into_inner();
        let lease = leases::Lease { id: id.clone(), created_at: None, labels };
        self.0.lock().unwrap().leases.insert(id, lease.clone());
        Ok(Response::new(leases::CreateResponse { lease: Some(lease) }))
    }

    async fn delete(&self, request: Request<leases::DeleteRequest>) -> Result<Response<()>, Status> {
        let id = request.into_inner().id;
        let deleted = self.0.lock().unwrap().leases.remove(&id);
        deleted
            .map(|_| Response::new(()))
            .ok_or_else(|| Status::not_found(format!("lease {id:?}: not found")))
    }

    async fn list(&self, _: Request<leases::ListRequest>) -> Result<Response<leases::ListResponse>, Status> {
        let leases = self.0.lock().unwrap().leases.values().cloned().collect();
        Ok(Response::new(leases::ListResponse { leases }))
    }
}

#[async_trait]
impl Events for Store {
    type SubscribeStream = ReceiverStream<Result<events::Envelope, Status>>;

    async fn subscribe(
        &self,
        _: Request<events::SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let (sender, receiver) = channel(1);
        self.0.lock().unwrap().subscribers.push(sender);
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

#[async_trait]
impl Content for Store {
    type ReadStream = tokio_stream::Iter<std::vec::IntoIter<Result<content::ReadResponse, Status>>>;
    type WriteStream = ReceiverStream<Result<content::WriteResponse, Status>>;

    async fn info(
        &self,
        request: Request<content::InfoRequest>,
    ) -> Result<Response<content::InfoResponse>, Status> {
        let digest = request.into_inner().digest;
        let stored = self.content(&digest).ok_or_else(|| Status::not_found("no such content: not found"))?;
        let info = content::Info { digest, size: stored.len() as i64 };
        Ok(Response::new(content::InfoResponse { info: Some(info) }))
    }

    async fn read(
        &self,
        request: Request<content::ReadRequest>,
    ) -> Result<Response<Self::ReadStream>, Status> {
        let content::ReadRequest { digest, offset, size } = request.into_inner();
        let stored = self.content(&digest).ok_or_else(|| Status::not_found("no such content: not found"))?;
        let rest = &stored[offset as usize..];
        let wanted = if size > 0 { &rest[..rest.len().min(size as usize)] } else { rest };
        let piece = |data: &[u8]| Ok(content::ReadResponse { offset, data: data.to_vec() });
        // In pieces that do not fit into a frame.
        let pieces: Vec<_> = wanted.chunks(100_000).map(piece).collect();
        Ok(Response::new(tokio_stream::iter(pieces)))
    }

    async fn write(
        &self,
        request: Request<Streaming<content::WriteRequest>>,
    ) -> Result<Response<Self::WriteStream>, Status> {
        let mut requests = request.into_inner();
        let (responses, receiver) = channel(1);
        let store = self.clone();
        tokio::spawn(async move {
            let mut written = Vec::new();
            while let Ok(Some(request)) = requests.message().await {
                assert!(request.data.is_empty() || request.offset as usize == written.len());
                written.extend(&request.data);
                let (action, offset) = (request.action, written.len() as i64);
                let digest = request.expected;
                if action == i32::from(content::Action::Commit) {
                    store.0.lock().unwrap().content.insert(digest.clone(), std::mem::take(&mut written));
                }
                let response = content::WriteResponse { action, offset, digest };
                if responses.send(Ok(response)).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}
