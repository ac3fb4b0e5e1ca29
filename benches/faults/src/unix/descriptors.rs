//! A server without a free descriptor: connected clients notice nothing, the server waits without using the processor,
//! and accepts clients again later.

use std::time::{Duration, Instant};

use grpc_ipc::{Channel, ConnectOptions};
use tokio::task::JoinSet;

use super::child::Child;
use super::ledger::generated::Range;
use super::ledger::generated::ledger_client::LedgerClient;
use super::proc::{cpu_time, descriptors};
use super::report::Report;
use super::{Result, Scale};

/// The server's limit of descriptors.
const LIMIT: usize = 64;

pub(crate) async fn run(scale: Scale, report: &mut Report) -> Result {
    let directory = tempfile::tempdir()?;
    let address = format!("unix:{}/s.sock", directory.path().display());
    let limit = LIMIT.to_string();
    let mut server = Child::start(&["role-server", &address, "--descriptors", &limit])?;
    server.line()?;
    let mut steady = LedgerClient::new(Channel::connect(address.as_str()).await?);

    let mut connecting = JoinSet::new();
    for _ in 0..2 * LIMIT {
        let options = ConnectOptions::new(address.as_str()).connect_timeout(Duration::from_secs(120));
        connecting.spawn(Channel::connect(options));
    }
    let mut connected = Vec::new();
    while descriptors(server.id())? < LIMIT {
        if let Some(channel) = connecting.join_next().await {
            connected.push(channel??);
        }
    }
    report.count("clients that connect at once", connecting.len() + connected.len());
    report.count("descriptors that the server may have", LIMIT);
    let seconds = scale.of(10, 2);
    let (before, begun) = (cpu_time(server.id())?, Instant::now());
    let mut answered = 0;
    for _ in 0..seconds * 10 {
        steady.read(Range { length: 1 }).await?;
        answered += 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let share = (cpu_time(server.id())? - before).as_secs_f64() / begun.elapsed().as_secs_f64();
    report.expect("calls answered on a connection meanwhile", answered, seconds * 10);
    report.count("share of a core that the server used meanwhile", format!("{:.2} %", share * 100.0));
    report.require(share < 0.05, "the server waits without work");

    drop(connected);
    let mut served = 0;
    while let Some(channel) = connecting.join_next().await {
        LedgerClient::new(channel??).read(Range { length: 1 }).await?;
        served += 1;
    }
    report.count("clients served once others had left", served);
    report.require(served > 0, "it goes on by itself");
    Ok(())
}
