use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use clap::Args;
use generated::ledger_server::{Ledger, LedgerServer};
use generated::{Appended, Bytes, Entry, Pause, Range};
use grpc_ipc::unix::ListenOptionsExt as _;
use grpc_ipc::{AccessPolicy, Announcement, GroupId, Http2Options, Incoming, ListenOptions, Server};
use rustix::process::{Resource, Rlimit, setrlimit};
use tokio_stream::StreamExt as _;
use tonic::{Request, Response, Status, Streaming};

use super::Result;

#[expect(
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    unreachable_pub,
    reason = "generated code"
)]
pub(crate) mod generated {
    tonic::include_proto!("faults");
}

/// The server of the scenarios.
#[derive(Args)]
pub(crate) struct ServerOptions {
    #[arg(required = true)]
    addresses: Vec<String>,
    /// The file that entries are written to
    #[arg(long)]
    journal: Option<PathBuf>,
    /// Serve with tonic's own server
    #[arg(long)]
    tonic: bool,
    /// The interval of keepalive, in milliseconds
    #[arg(long)]
    keepalive: Option<u64>,
    /// The number of a group whose members may connect as well
    #[arg(long)]
    group: Option<u32>,
    /// Take over from the previous server, and hand over to the next one
    #[arg(long)]
    restartable: bool,
    /// End after this time without a call, in milliseconds
    #[arg(long)]
    idle: Option<u64>,
    /// The process's limit of descriptors
    #[arg(long)]
    descriptors: Option<u64>,
}

/// Serves until it is killed. Prints `listening` first.
pub(crate) fn serve(options: ServerOptions) -> Result {
    if let Some(limit) = options.descriptors {
        setrlimit(Resource::Nofile, Rlimit { current: Some(limit), maximum: Some(limit) })?;
    } else {
        raise_descriptor_limit()?;
    }
    let journal = options.journal.map(|path| OpenOptions::new().append(true).create(true).open(path));
    let service = LedgerServer::new(Book { journal: journal.transpose()? });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        if options.tonic {
            let incoming = Incoming::bind(options.addresses[0].as_str()).await?;
            println!("listening");
            let server = tonic::transport::Server::builder().add_service(service);
            return Ok(server.serve_with_incoming(incoming).await?);
        }
        let mut http2 = Http2Options::new();
        if let Some(interval) = options.keepalive.map(Duration::from_millis) {
            http2 = http2.keepalive(interval).keepalive_timeout(interval);
        }
        let announcement = Announcement::new("ledger", env!("CARGO_PKG_VERSION"));
        let mut server = Server::builder().add_service(service).announce(announcement).http2(http2);
        if let Some(idle) = options.idle {
            server = server.exit_when_idle(Duration::from_millis(idle));
        }
        for address in options.addresses {
            let mut listen = ListenOptions::new(address.as_str()).restartable(options.restartable);
            if let Some(group) = options.group {
                let members = AccessPolicy::groups([GroupId::Gid(group)]);
                listen = listen.access(AccessPolicy::default().or(members)).mode(0o666);
            }
            server = server.listen(listen);
        }
        let server = server.bind().await?;
        println!("listening");
        Ok(server.serve().await?)
    })
}

/// How often each entry is in the journal.
pub(crate) fn read_journal(journal: &Path) -> Result<BTreeMap<(u32, u64), usize>> {
    let mut found = BTreeMap::new();
    for line in fs::read_to_string(journal)?.lines() {
        let (client, number) = line.split_once(' ').ok_or_else(|| format!("half a line: {line:?}"))?;
        *found.entry((client.parse()?, number.parse()?)).or_default() += 1;
    }
    Ok(found)
}

/// Raises this process's limit of descriptors to the maximum, and returns it.
pub(crate) fn raise_descriptor_limit() -> Result<u64> {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    Ok(limit.maximum.unwrap_or(u64::MAX))
}

/// The service.
#[derive(Default)]
pub(crate) struct Book {
    journal: Option<File>,
}

pub(crate) type FollowStream =
    Pin<Box<dyn tokio_stream::Stream<Item = std::result::Result<Bytes, Status>> + Send + 'static>>;

pub(crate) type Answer<T> = std::result::Result<Response<T>, Status>;

fn appended() -> Appended {
    Appended { pid: std::process::id() }
}

#[tonic::async_trait]
impl Ledger for Book {
    async fn append(&self, request: Request<Entry>) -> Answer<Appended> {
        let Entry { client, number } = request.into_inner();
        if let Some(mut journal) = self.journal.as_ref() {
            // One write to a file opened for appending is complete or absent. Data that the system has taken survives
            // SIGKILL.
            let write = journal.write_all(format!("{client} {number}\n").as_bytes());
            write.map_err(|error: io::Error| Status::internal(error.to_string()))?;
        }
        Ok(Response::new(appended()))
    }

    async fn read(&self, request: Request<Range>) -> Answer<Bytes> {
        Ok(Response::new(Bytes { bytes: vec![0; request.into_inner().length as usize] }))
    }

    async fn wait(&self, request: Request<Pause>) -> Answer<Appended> {
        tokio::time::sleep(Duration::from_millis(request.into_inner().milliseconds.into())).await;
        Ok(Response::new(appended()))
    }

    type FollowStream = FollowStream;

    async fn follow(&self, request: Request<Range>) -> Answer<FollowStream> {
        let chunk = Bytes { bytes: vec![0; request.into_inner().length as usize] };
        Ok(Response::new(Box::pin(tokio_stream::iter(std::iter::repeat(Ok(chunk))))))
    }

    async fn upload(&self, request: Request<Streaming<Bytes>>) -> Answer<Appended> {
        let mut chunks = request.into_inner();
        // A stalling server reads only the first chunk.
        chunks.next().await.transpose()?;
        std::future::pending().await
    }
}
