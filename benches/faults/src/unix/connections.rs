//! Many connections at once: the cost of each for the server, idle and after a call, compared with tonic's server.

use std::path::Path;
use std::time::{Duration, Instant};

use grpc_ipc::Channel;

use super::child::Child;
use super::ledger::generated::Range;
use super::ledger::generated::ledger_client::LedgerClient;
use super::ledger::raise_descriptor_limit;
use super::proc::{descriptors, private_memory};
use super::report::Report;
use super::{DEADLINE, Result, Scale};

/// The size of the answers, in bytes.
const ANSWER: u32 = 40_000;

pub(crate) async fn run(scale: Scale, report: &mut Report) -> Result {
    // This process and the server need a few other descriptors.
    let allowed = raise_descriptor_limit()?.saturating_sub(100);
    let count = scale.of(10_000, 200).min(usize::try_from(allowed)?);
    report.count("connections", count);
    let directory = tempfile::tempdir()?;
    let mut costs = Vec::new();
    for (server, option) in [("grpc-ipc", None), ("tonic", Some("--tonic"))] {
        let cost = measure(directory.path(), option, count).await?;
        report.count(&format!("{server}: descriptors a connection"), format!("{:.2}", cost.descriptors));
        report.count(&format!("{server}: memory a connection, idle"), format!("{:.0} B", cost.idle));
        report.count(
            &format!("{server}: memory a connection, after {ANSWER} bytes"),
            format!("{:.0} B", cost.after),
        );
        report.expect(&format!("{server}: calls answered"), cost.answered, count);
        report.expect(&format!("{server}: descriptors left when all are closed"), cost.left, 0);
        costs.push(cost);
    }
    if let [own, tonic] = costs.as_slice() {
        report.require(own.descriptors < 1.05, "grpc-ipc: one descriptor a connection");
        report.require(own.idle < tonic.idle && own.after < tonic.after, "grpc-ipc: less memory than tonic");
    }
    Ok(())
}

/// The cost of one connection.
struct Cost {
    descriptors: f64,
    idle: f64,
    after: f64,
    answered: usize,
    /// Descriptors that the server keeps after its clients have disconnected.
    left: usize,
}

async fn measure(directory: &Path, option: Option<&str>, count: usize) -> Result<Cost> {
    let address = format!("unix:{}/{}.sock", directory.display(), option.unwrap_or("own"));
    let mut server = Child::start(&[&["role-server", address.as_str()], option.as_slice()].concat())?;
    server.line()?;
    // The setup of the first connection and the first call does not count.
    let first = LedgerClient::new(Channel::connect(address.as_str()).await?);
    first.clone().read(Range { length: ANSWER }).await?;
    let (memory, open) = (private_memory(server.id())?, descriptors(server.id())?);
    let a_connection = |memory_now: u64| (memory_now as f64 - memory as f64) / count as f64;

    let mut clients = Vec::with_capacity(count);
    for _ in 0..count {
        clients.push(LedgerClient::new(Channel::connect(address.as_str()).await?));
    }
    // A client is connected before the server accepts.
    let begun = Instant::now();
    while descriptors(server.id())? < open + count && begun.elapsed() < DEADLINE {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let idle = a_connection(private_memory(server.id())?);
    let opened = descriptors(server.id())? - open;
    let mut answered = 0;
    for client in &mut clients {
        let answer = client.read(Range { length: ANSWER }).await?;
        answered += usize::from(answer.into_inner().bytes.len() == ANSWER as usize);
    }
    let after = a_connection(private_memory(server.id())?);
    drop(clients);
    // A call on the remaining connection is answered after the others have ended, or shortly before.
    let mut left = usize::MAX;
    for _ in 0..1000 {
        first.clone().read(Range { length: 1 }).await?;
        left = descriptors(server.id())?.saturating_sub(open);
        if left == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(Cost { descriptors: opened as f64 / count as f64, idle, after, answered, left })
}
