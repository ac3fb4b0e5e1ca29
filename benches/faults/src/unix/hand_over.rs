//! A server is replaced by the next one while clients call it. No call fails.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use grpc_ipc::Channel;
use tonic::Request;

use super::child::Child;
use super::ledger::generated::ledger_client::LedgerClient;
use super::ledger::generated::{Entry, Pause};
use super::ledger::read_journal;
use super::proc::has_ended;
use super::report::Report;
use super::{DEADLINE, Result, Scale};

const CLIENTS: u32 = 8;

pub(crate) async fn run(scale: Scale, report: &mut Report) -> Result {
    let directory = tempfile::tempdir()?;
    let address = format!("unix:{}/s.sock", directory.path().display());
    let path = directory.path().join("journal");
    let journal = path.to_str().ok_or("the directory is not Unicode")?;
    let start = || -> Result<Child> {
        let mut server = Child::start(&["role-server", &address, "--restartable", "--journal", journal])?;
        server.line()?;
        Ok(server)
    };
    let mut server = start()?;
    let mut servers = BTreeSet::new();
    // Another client makes sure that each server is called before it is replaced.
    let mut another = LedgerClient::new(Channel::lazy(address.as_str())?);
    servers.insert(another.wait(Pause::default()).await?.into_inner().pid);
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> =
        (0..CLIENTS).map(|client| tokio::spawn(call(address.clone(), client, stop.clone()))).collect();

    let hand_overs = scale.of(100, 10);
    let mut stayed = 0;
    for _ in 0..hand_overs {
        let next = start()?;
        let begun = tokio::time::Instant::now();
        // The old server ends with its calls.
        while !has_ended(server.id()) && begun.elapsed() < DEADLINE {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        stayed += usize::from(!has_ended(server.id()));
        servers.insert(another.wait(Pause::default()).await?.into_inner().pid);
        server = next;
    }
    stop.store(true, Ordering::Relaxed);
    let (mut answered, mut failed) = (0, Vec::new());
    for client in clients {
        let called = client.await??;
        answered += called.answered;
        failed.extend(called.failed);
        servers.extend(called.servers);
    }
    let written = read_journal(&path)?;
    report.count("hand-overs", hand_overs);
    report.expect("old servers that did not end", stayed, 0);
    report.count("plain calls answered", answered);
    report.expect("plain calls that failed", failed.len(), 0);
    if let Some(first) = failed.first() {
        report.fail(first);
    }
    report.expect("calls in the journal", written.len(), answered);
    report.expect("calls in it twice", written.values().filter(|count| **count > 1).count(), 0);
    report.expect("servers that answered", servers.len(), hand_overs + 1);
    Ok(())
}

#[derive(Default)]
struct Called {
    answered: usize,
    failed: Vec<String>,
    /// The processes that answered.
    servers: BTreeSet<u32>,
}

async fn call(address: String, client: u32, stop: Arc<AtomicBool>) -> Result<Called> {
    let mut ledger = LedgerClient::new(Channel::lazy(address.as_str())?);
    let mut called = Called::default();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let mut request = Request::new(Entry { client, number });
        request.set_timeout(DEADLINE);
        match ledger.append(request).await {
            Ok(appended) => {
                called.answered += 1;
                called.servers.insert(appended.into_inner().pid);
            }
            Err(status) => called.failed.push(status.to_string()),
        }
    }
    Ok(called)
}
