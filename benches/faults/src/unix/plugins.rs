//! Plug-ins over socketpairs: the host calls each plug-in, each plug-in calls the host, and all of them end when the
//! host is killed.

use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child as StdChild, Command, Stdio};
use std::time::Instant;

use clap::Args;
use grpc_ipc::unix::LocalStream;
use grpc_ipc::{Channel, Server};
use rustix::process::Signal;
use tonic::{Request, Response, Status, Streaming};

use super::child::Child;
use super::ledger::generated::ledger_client::LedgerClient;
use super::ledger::generated::ledger_server::{Ledger, LedgerServer};
use super::ledger::generated::{Appended, Bytes, Entry, Pause, Range};
use super::ledger::{Answer, Book, FollowStream};
use super::proc::has_ended;
use super::report::Report;
use super::{DEADLINE, Result, Scale};

/// How many plug-ins a host starts.
const PLUGINS: usize = 20;

/// A host that starts plug-ins and calls them.
#[derive(Args)]
pub(crate) struct HostOptions {
    calls: usize,
}

pub(crate) async fn run(scale: Scale, report: &mut Report) -> Result {
    let calls = scale.of(1000, 20);
    let mut host = Child::start(&["role-host", &calls.to_string()])?;
    let pids = host.line()?;
    let pids: Vec<u32> = pids.split(' ').map(str::parse).collect::<std::result::Result<_, _>>()?;
    report.expect("plug-ins", pids.len(), PLUGINS);
    // The plug-in answers each call of the host with a call of its own.
    report.expect("calls answered, both ways", host.line()?.parse()?, 2 * calls * PLUGINS);
    report.expect(
        "plug-ins that have ended before the host",
        pids.iter().filter(|pid| has_ended(**pid)).count(),
        0,
    );
    host.signal(Signal::KILL)?;
    let killed = Instant::now();
    let mut left = PLUGINS;
    while left > 0 && killed.elapsed() < DEADLINE {
        left = pids.iter().filter(|pid| !has_ended(**pid)).count();
        tokio::task::yield_now().await;
    }
    report.expect("plug-ins left when the host was killed", left, 0);
    report.count("the last has ended after", format!("{:.1?}", killed.elapsed()));
    Ok(())
}

/// Starts the plug-ins, prints their pids, calls them, and prints the number of answered calls. Then waits to be
/// killed.
pub(crate) fn host(options: &HostOptions) -> Result {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let _runtime = runtime.enter();
    let plugins = (0..PLUGINS).map(|_| Plugin::start()).collect::<Result<Vec<_>>>()?;
    let pids: Vec<_> = plugins.iter().map(|plugin| plugin.process.id().to_string()).collect();
    println!("{}", pids.join(" "));
    let mut answered = 0;
    let tasks: Vec<_> = plugins
        .iter()
        .map(|plugin| {
            let (mut client, calls) = (plugin.client.clone(), options.calls);
            let pid = plugin.process.id();
            runtime.spawn(async move {
                let mut answered = 0;
                for _ in 0..calls {
                    let mut request = Request::new(Range { length: 1 });
                    request.set_timeout(DEADLINE);
                    // The answer has the pid that the plug-in received from the host.
                    let answer = client.read(request).await?.into_inner().bytes;
                    answered +=
                        2 * usize::from(answer == format!("{pid} {}", std::process::id()).into_bytes());
                }
                Ok::<_, Status>(answered)
            })
        })
        .collect();
    for task in tasks {
        answered += runtime.block_on(task)??;
    }
    println!("{answered}");
    loop {
        std::thread::park();
    }
}

struct Plugin {
    process: StdChild,
    client: LedgerClient<Channel>,
}

impl Plugin {
    fn start() -> Result<Self> {
        let (calls, their_calls) = UnixStream::pair()?;
        let (callbacks, their_callbacks) = UnixStream::pair()?;
        let process = Command::new(std::env::current_exe()?)
            .arg("role-plugin")
            .stdin(Stdio::from(OwnedFd::from(their_calls)))
            .stdout(Stdio::from(OwnedFd::from(their_callbacks)))
            .spawn()?;
        let host = Server::builder().add_service(LedgerServer::new(Book::default()));
        tokio::spawn(host.serve_connection(LocalStream::try_from(callbacks)?));
        let channel = Channel::from_connection(LocalStream::try_from(calls)?);
        Ok(Self { process, client: LedgerClient::new(channel) })
    }
}

/// Serves on standard input, and calls the host over standard output, until the host has ended.
pub(crate) fn plugin() -> Result {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let calls = LocalStream::try_from(std::io::stdin().as_fd().try_clone_to_owned()?)?;
        let host = LocalStream::try_from(std::io::stdout().as_fd().try_clone_to_owned()?)?;
        let service = Asking { host: LedgerClient::new(Channel::from_connection(host)) };
        Ok(Server::builder().add_service(LedgerServer::new(service)).serve_connection(calls).await?)
    })
}

/// The service of a plug-in.
struct Asking {
    host: LedgerClient<Channel>,
}

#[tonic::async_trait]
impl Ledger for Asking {
    async fn append(&self, _: Request<Entry>) -> Answer<Appended> {
        Err(Status::unimplemented("plug-ins write nothing"))
    }

    async fn read(&self, _: Request<Range>) -> Answer<Bytes> {
        let host = self.host.clone().append(Entry::default()).await?.into_inner().pid;
        Ok(Response::new(Bytes { bytes: format!("{} {host}", std::process::id()).into_bytes() }))
    }

    async fn wait(&self, _: Request<Pause>) -> Answer<Appended> {
        Err(Status::unimplemented("plug-ins do not serve this method"))
    }

    type FollowStream = FollowStream;

    async fn follow(&self, _: Request<Range>) -> Answer<FollowStream> {
        Err(Status::unimplemented("plug-ins send nothing"))
    }

    async fn upload(&self, _: Request<Streaming<Bytes>>) -> Answer<Appended> {
        Err(Status::unimplemented("plug-ins take nothing"))
    }
}
