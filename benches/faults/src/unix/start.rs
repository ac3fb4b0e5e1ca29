//! Clients that start their server: many at once, and one whose call coincides with the end of an idle server.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use clap::Args;
use grpc_ipc::{Channel, Launcher};
use tonic::Request;

use super::child::Child;
use super::ledger::generated::Entry;
use super::ledger::generated::ledger_client::LedgerClient;
use super::ledger::read_journal;
use super::proc::has_ended;
use super::report::Report;
use super::{DEADLINE, Result, Scale};

/// The number of clients that want the same server.
const CLIENTS: usize = 8;

/// The time without a call after which a server ends.
const IDLE: Duration = Duration::from_millis(40);

/// A client that starts the server if there is none, calls it once, and prints the pid that answered.
#[derive(Args)]
pub(crate) struct LaunchOptions {
    directory: String,
}

pub(crate) fn launch(options: &LaunchOptions) -> Result {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let channel = launcher(Path::new(&options.directory), &[])?.connect().await?;
        println!("{}", append(&channel, 0).await?);
        Ok(())
    })
}

/// The launcher of the server in `directory`.
fn launcher(directory: &Path, options: &[&str]) -> Result<Launcher> {
    let own = std::env::current_exe()?;
    let address = format!("unix:{}/s.sock", directory.display());
    let journal = directory.join("journal");
    let options: Vec<_> = options.iter().map(|option| (*option).to_owned()).collect();
    let server = address.clone();
    Ok(Launcher::new(address, move || {
        let mut command = Command::new(&own);
        command.args(["role-server", &server, "--journal"]).arg(&journal).args(&options);
        command
    }))
}

/// Makes a call, and returns the process that answered.
async fn append(channel: &Channel, number: u64) -> Result<u32> {
    let mut request = Request::new(Entry { client: 0, number });
    request.set_timeout(DEADLINE);
    Ok(LedgerClient::new(channel.clone()).append(request).await?.into_inner().pid)
}

/// Clients that race to start one server.
pub(crate) async fn run(scale: Scale, report: &mut Report) -> Result {
    let (mut answered, mut several, mut left) = (0, 0, 0);
    let races = scale.of(200, 5);
    for _ in 0..races {
        let directory = tempfile::tempdir()?;
        let path = directory.path().display().to_string();
        let clients: Vec<_> = (0..CLIENTS).map(|_| Child::start(&["role-launch", &path])).collect();
        let mut pids = BTreeSet::new();
        for client in clients {
            match client?.line() {
                Ok(pid) => {
                    answered += 1;
                    pids.insert(pid.parse::<u32>()?);
                }
                Err(error) => report.fail(&error.to_string()),
            }
        }
        several += usize::from(pids.len() > 1);
        // The server describes itself, and leaves when asked.
        let channel = Channel::connect(format!("unix:{path}/s.sock").as_str()).await?;
        let server = channel.describe().await?.pid;
        several += usize::from(!pids.contains(&server));
        channel.ask_to_leave(None).await?;
        left += usize::from(!ends(server).await);
    }
    report.count("races", races);
    report.expect("clients answered", answered, CLIENTS * races);
    report.expect("races that started more than one process", several, 0);
    report.expect("servers that did not leave when they were asked", left, 0);
    Ok(())
}

/// A call that coincides with the end of an idle server.
pub(crate) async fn idle(scale: Scale, report: &mut Report) -> Result {
    let directory = tempfile::tempdir()?;
    let idle = IDLE.as_millis().to_string();
    let launcher = || launcher(directory.path(), &["--idle", &idle]);
    let calls = scale.of(200, 20);
    let (mut servers, mut failed) = (BTreeSet::new(), 0);
    let kept = launcher()?.lazy()?;
    for number in 0..calls as u64 {
        // On a connection that the idle server has asked to give up, and on a new one.
        let channel = if number % 2 == 0 { kept.clone() } else { launcher()?.lazy()? };
        match append(&channel, number).await {
            Ok(pid) => drop(servers.insert(pid)),
            Err(error) => {
                failed += 1;
                report.fail(&error.to_string());
            }
        }
        // A little less or more than the server waits. The server checks eight times in that time.
        tokio::time::sleep(IDLE + IDLE * (number % 9) as u32 / 16).await;
    }
    let written = read_journal(&directory.path().join("journal"))?;
    report.expect("calls answered", calls - failed, calls);
    report.expect("calls in the journal", written.len(), calls);
    report.expect("calls in it twice", written.values().filter(|count| **count > 1).count(), 0);
    report.count("servers that were started for them", servers.len());
    report.require(servers.len() > calls / 10, "calls have met the end of a server");
    let mut left = 0;
    for server in servers {
        left += usize::from(!ends(server).await);
    }
    report.expect("servers left when nobody calls", left, 0);
    _ = fs::remove_file(directory.path().join("journal"));
    Ok(())
}

/// Whether a process ends.
async fn ends(pid: u32) -> bool {
    let ended = async {
        while !has_ended(pid) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(DEADLINE, ended).await.is_ok()
}
