//! A client that calls steadily while something else happens to the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use grpc_ipc::Channel;
use tokio::task::JoinHandle;
use tonic::Request;

use super::Result;
use super::ledger::generated::Range;
use super::ledger::generated::ledger_client::LedgerClient;
use super::report::{Report, median_and_worst};

/// The longest time that one of its calls may take, also on a machine with two busy cores.
const IN_TIME: Duration = Duration::from_secs(5);
/// The pause between two of its calls.
const PAUSE: Duration = Duration::from_millis(2);

/// A client on a connection of its own.
pub(crate) struct Bystander {
    stop: Arc<AtomicBool>,
    calls: JoinHandle<(usize, Vec<Duration>)>,
}

impl Bystander {
    pub(crate) async fn start(address: &str) -> Result<Self> {
        let client = LedgerClient::new(Channel::connect(address).await?);
        let stop = Arc::new(AtomicBool::new(false));
        let calls = tokio::spawn(call_until(client, stop.clone()));
        Ok(Self { stop, calls })
    }

    /// Stops calling, after at least one call. Fails if a call has failed.
    pub(crate) async fn report(self, report: &mut Report) -> Result {
        self.stop.store(true, Ordering::Relaxed);
        let (made, mut times) = self.calls.await?;
        report.expect("  calls of another client that were answered in time", times.len(), made);
        report.count("  median / longest", median_and_worst(&mut times));
        Ok(())
    }
}

/// Returns the number of calls, and the times of those that were answered.
async fn call_until(mut client: LedgerClient<Channel>, stop: Arc<AtomicBool>) -> (usize, Vec<Duration>) {
    let (mut made, mut times) = (0, Vec::new());
    loop {
        let mut request = Request::new(Range { length: 100 });
        request.set_timeout(IN_TIME);
        let begun = Instant::now();
        made += 1;
        if client.read(request).await.is_ok() {
            times.push(begun.elapsed());
        }
        if stop.load(Ordering::Relaxed) {
            return (made, times);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
