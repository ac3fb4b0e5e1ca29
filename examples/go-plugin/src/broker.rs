//! The broker: further connections between a host and its plug-in, in both directions. A service that one end passes to
//! the other has a connection of its own, under a number that the request contains.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, bail};
use grpc_ipc::tonic::{Request, Response, Status, Streaming, async_trait};
use grpc_ipc::{Channel, ConnectOptions, ListenOptions, Server};
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_stream::{Stream, StreamExt as _};

use crate::proto::ConnInfo;
use crate::proto::grpc_broker_client::GrpcBrokerClient;
use crate::proto::grpc_broker_server::GrpcBroker;
use crate::tls::Tls;

/// How long [`Broker::dial`] waits for an offer, as long as in Go.
const WAIT: Duration = Duration::from_secs(5);

/// The broker of one end. Clones share it.
#[derive(Clone)]
pub struct Broker(Arc<State>);

struct State {
    /// The directory of this end's sockets.
    directory: TempDir,
    tls: Option<Tls>,
    next: AtomicU32,
    offers: mpsc::UnboundedSender<ConnInfo>,
    /// This end's offers, until the stream takes them.
    to_send: Mutex<Option<mpsc::UnboundedReceiver<ConnInfo>>>,
    /// The other end's offers that nobody has dialed, by number.
    offered: watch::Sender<HashMap<u32, ConnInfo>>,
}

impl Broker {
    /// A broker that creates sockets in this directory.
    pub fn new(directory: TempDir, tls: Option<Tls>) -> Self {
        let (offers, to_send) = mpsc::unbounded_channel();
        Self(Arc::new(State {
            directory,
            tls,
            next: AtomicU32::new(1),
            offers,
            to_send: Mutex::new(Some(to_send)),
            offered: watch::Sender::default(),
        }))
    }

    /// Serves on a new connection, until the broker is dropped. Returns its number, for a request.
    pub async fn offer(&self, server: Server) -> anyhow::Result<u32> {
        let state = &*self.0;
        let id = state.next.fetch_add(1, Ordering::Relaxed);
        let path = state.directory.path().join(id.to_string());
        let address = path.to_str().context("a path that is not Unicode")?.to_owned();
        let mut options = ListenOptions::new(format!("unix:{address}"));
        if let Some(tls) = &state.tls {
            options = options.tls(tls.server());
        }
        let server = server.listen(options).bind().await?;
        let mut changes = state.offered.subscribe();
        let dropped = async move { while changes.changed().await.is_ok() {} };
        tokio::spawn(server.serve_with_shutdown(dropped, Duration::ZERO));
        state.offers.send(ConnInfo { service_id: id, network: "unix".to_owned(), address })?;
        Ok(id)
    }

    /// Connects to the service that the other end offers under this number.
    pub async fn dial(&self, id: u32) -> anyhow::Result<Channel> {
        let mut offered = self.0.offered.subscribe();
        let offer = offered.wait_for(|offered| offered.contains_key(&id));
        drop(tokio::time::timeout(WAIT, offer).await.context("the other end did not offer this number")??);
        let mut info = None;
        self.0.offered.send_modify(|offered| info = offered.remove(&id));
        let info = info.context("another call has dialed this number")?;
        if info.network != "unix" {
            bail!("the other end listens on {} {}, and not on a Unix socket", info.network, info.address);
        }
        let mut options = ConnectOptions::new(format!("unix:{}", info.address));
        if let Some(tls) = &self.0.tls {
            options = options.tls(tls.client());
        }
        Ok(Channel::connect(options).await?)
    }

    /// The host's side: opens the stream, and returns. A task makes the call, because a server in Go sends no headers
    /// before its first offer.
    pub fn start(&self, channel: Channel) {
        let Some(offers) = self.offers() else { return };
        let offered = self.0.offered.clone();
        tokio::spawn(async move {
            let mut client = GrpcBrokerClient::new(channel);
            let mut infos = client.start_stream(offers).await?.into_inner();
            while let Some(info) = infos.message().await? {
                add(&offered, info);
            }
            Ok::<_, Status>(())
        });
    }

    fn offers(&self) -> Option<UnboundedReceiverStream<ConnInfo>> {
        self.0.to_send.lock().unwrap().take().map(UnboundedReceiverStream::new)
    }
}

fn add(offered: &watch::Sender<HashMap<u32, ConnInfo>>, info: ConnInfo) {
    offered.send_modify(|offered| {
        offered.insert(info.service_id, info);
    });
}

/// The plug-in's side.
#[async_trait]
impl GrpcBroker for Broker {
    type StartStreamStream = std::pin::Pin<Box<dyn Stream<Item = Result<ConnInfo, Status>> + Send>>;

    async fn start_stream(
        &self,
        request: Request<Streaming<ConnInfo>>,
    ) -> Result<Response<Self::StartStreamStream>, Status> {
        let offers = self.offers().ok_or_else(|| Status::already_exists("the stream is open"))?;
        let mut infos = request.into_inner();
        let offered = self.0.offered.clone();
        tokio::spawn(async move {
            while let Ok(Some(info)) = infos.message().await {
                add(&offered, info);
            }
        });
        Ok(Response::new(Box::pin(offers.map(Ok))))
    }
}
