//! Clients that have stopped to read or write, next to one that calls steadily.

use std::time::{Duration, Instant};

use grpc_ipc::Channel;
use tonic::Request;

use super::child::Child;
use super::ledger::generated::ledger_client::LedgerClient;
use super::ledger::generated::{Bytes, Range};
use super::proc::private_memory;
use super::report::{Report, median_and_worst};
use super::{DEADLINE, Result, Scale};

/// The size of a chunk of the streams, in bytes.
const CHUNK: u32 = 16 * 1024;

pub(crate) async fn run(scale: Scale, report: &mut Report) -> Result {
    let directory = tempfile::tempdir()?;
    let address = format!("unix:{}/s.sock", directory.path().display());
    let mut server = Child::start(&["role-server", &address])?;
    server.line()?;
    let calls = scale.of(20_000, 500);
    // All of them share one connection with the steady client, so only the engine separates them.
    let client = LedgerClient::new(Channel::connect(address.as_str()).await?);
    let (answered, mut alone) = steady(client.clone(), calls).await;
    report.expect("calls answered alone", answered, calls);
    report.count("median / longest alone", median_and_worst(&mut alone));

    let memory = private_memory(server.id())?;
    let count = scale.of(100, 20);
    let mut unread = Vec::new();
    for _ in 0..count {
        unread.push(client.clone().follow(Range { length: CHUNK }).await?.into_inner());
    }
    let mut unwritten = Vec::new();
    for _ in 0..count {
        let mut client = client.clone();
        let chunks = std::iter::repeat_with(|| Bytes { bytes: vec![0; CHUNK as usize] });
        unwritten.push(tokio::spawn(async move { client.upload(tokio_stream::iter(chunks)).await }));
    }
    let (answered, mut beside) = steady(client.clone(), calls).await;
    report.count("streams that nobody reads", 2 * count);
    report.expect("calls answered beside them on the same connection", answered, calls);
    report.count("median / longest beside them", median_and_worst(&mut beside));
    let grown = private_memory(server.id())?.saturating_sub(memory);
    report.count("memory of the server that they hold", format!("{} kB", grown / 1024));
    report.require(unwritten.iter().all(|upload| !upload.is_finished()), "the streams are still open");
    unwritten.iter().for_each(tokio::task::JoinHandle::abort);
    drop(unread);
    let (answered, _) = steady(client, calls / 10).await;
    report.expect("calls answered after them", answered, calls / 10);
    Ok(())
}

/// Makes calls one after the other. Returns the number of answers, and the time of each.
async fn steady(mut client: LedgerClient<Channel>, calls: usize) -> (usize, Vec<Duration>) {
    let mut times = Vec::with_capacity(calls);
    for _ in 0..calls {
        let mut request = Request::new(Range { length: 100 });
        request.set_timeout(DEADLINE);
        let begun = Instant::now();
        if client.read(request).await.is_ok() {
            times.push(begun.elapsed());
        }
    }
    (times.len(), times)
}
