//! A loop kills and restarts a server again and again, while clients write to its journal.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use grpc_ipc::{Channel, ConnectOptions, StatusExt as _};
use tonic::Request;

use super::child::Child;
use super::ledger::generated::Entry;
use super::ledger::generated::ledger_client::LedgerClient;
use super::ledger::read_journal;
use super::report::{Report, median_and_worst};
use super::{DEADLINE, Result, Scale};

const CLIENTS: u32 = 8;

/// How many calls a server has answered when it is killed, in turns: from before the first client has reconnected until
/// all of them call.
const ANSWERED: [u64; 5] = [0, 1, 8, 40, 200];

pub(crate) async fn run(scale: Scale, report: &mut Report) -> Result {
    let directory = tempfile::tempdir()?;
    let address = format!("unix:{}/s.sock", directory.path().display());
    let journal = directory.path().join("journal");
    let stop = Arc::new(AtomicBool::new(false));
    let answers = Answers::default();
    let mut clients = Vec::new();
    for client in 0..CLIENTS {
        let options = ConnectOptions::new(address.as_str()).wait_for_ready(true);
        clients.push(tokio::spawn(append(Channel::lazy(options)?, client, stop.clone(), answers.clone())));
    }

    let kills = scale.of(1000, 25);
    let restarts = {
        let (address, journal, answers) = (address.clone(), journal.clone(), answers.clone());
        tokio::task::spawn_blocking(move || restart(&address, &journal, kills, &answers, &stop)).await??
    };
    let mut written = Vec::new();
    for client in clients {
        written.push(client.await?);
    }

    let found = read_journal(&journal)?;
    let acknowledged: usize = written.iter().map(|client| client.acknowledged.len()).sum();
    let lost =
        |client: &Written| client.acknowledged.iter().filter(|entry| !found.contains_key(entry)).count();
    report.expect("servers killed", restarts.listening.len(), kills);
    report.expect("starts refused", restarts.refused, 0);
    report.count("calls acknowledged", acknowledged);
    report.expect("acknowledged calls that are not in the journal", written.iter().map(lost).sum(), 0);
    report.expect("entries written twice", found.values().filter(|count| **count > 1).count(), 0);
    report.count(
        "calls cut off by a kill, which say that they may have been processed",
        written.iter().map(|client| client.cut_off).sum::<usize>(),
    );
    let failed: Vec<_> = written.iter().flat_map(|client| &client.failed).collect();
    report.expect("calls that failed otherwise", failed.len(), 0);
    if let Some(first) = failed.first() {
        report.fail(first);
    }
    let answers = answers.lock();
    let first = |(pid, listening): &(u32, Instant)| {
        Some(answers.get(pid)?.first.saturating_duration_since(*listening))
    };
    let mut times: Vec<_> = restarts.listening.iter().filter_map(first).collect();
    report.count("servers that answered before they were killed", times.len());
    report.expect("servers that did not answer as many calls as they were to", restarts.silent, 0);
    report.count("from `listening` to the first answer: median / longest", median_and_worst(&mut times));
    Ok(())
}

/// What each process has answered.
#[derive(Clone, Default)]
struct Answers(Arc<(Mutex<HashMap<u32, Answered>>, Condvar)>);

struct Answered {
    first: Instant,
    calls: u64,
}

impl Answers {
    fn lock(&self) -> MutexGuard<'_, HashMap<u32, Answered>> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, pid: u32) {
        self.lock().entry(pid).or_insert_with(|| Answered { first: Instant::now(), calls: 0 }).calls += 1;
        self.0.1.notify_one();
    }

    /// Waits until a process has answered that many calls. Returns whether it has.
    fn wait(&self, pid: u32, calls: u64) -> bool {
        let too_few = |answers: &mut HashMap<u32, Answered>| {
            answers.get(&pid).map_or(0, |answered| answered.calls) < calls
        };
        let waited = self.0.1.wait_timeout_while(self.lock(), DEADLINE, too_few);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

/// A client's record of its entries.
#[derive(Default)]
struct Written {
    acknowledged: Vec<(u32, u64)>,
    cut_off: usize,
    /// Statuses that a kill does not explain.
    failed: Vec<String>,
}

async fn append(channel: Channel, client: u32, stop: Arc<AtomicBool>, answers: Answers) -> Written {
    let mut ledger = LedgerClient::new(channel);
    let mut written = Written::default();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let mut request = Request::new(Entry { client, number });
        request.set_timeout(DEADLINE);
        match ledger.append(request).await {
            Ok(appended) => {
                written.acknowledged.push((client, number));
                answers.add(appended.into_inner().pid);
            }
            // The journal may have it or not; this client does not retry it.
            Err(status) if status.code() == tonic::Code::Unavailable && status.may_have_been_processed() => {
                written.cut_off += 1;
            }
            Err(status) => written.failed.push(status.to_string()),
        }
    }
    written
}

struct Restarts {
    /// When each server reported that it listens.
    listening: Vec<(u32, Instant)>,
    refused: usize,
    /// Servers that were killed because their answers did not come.
    silent: usize,
}

/// Starts and kills a server `kills` times, then starts one that stays until the clients have seen `stop`.
fn restart(
    address: &str,
    journal: &Path,
    kills: usize,
    answers: &Answers,
    stop: &AtomicBool,
) -> Result<Restarts> {
    let mut restarts = Restarts { listening: Vec::new(), refused: 0, silent: 0 };
    let journal = journal.to_str().ok_or("the directory is not Unicode")?;
    let start = || Child::start(&["role-server", address, "--journal", journal]);
    for kill in 0..kills {
        let mut server = start()?;
        match server.line() {
            Ok(_) => {
                restarts.listening.push((server.id(), Instant::now()));
                let calls = ANSWERED[kill % ANSWERED.len()];
                restarts.silent += usize::from(!answers.wait(server.id(), calls));
            }
            Err(error) => {
                println!("  refused: {error}");
                restarts.refused += 1;
            }
        }
    }
    let mut server = start()?;
    server.line()?;
    stop.store(true, Ordering::Relaxed);
    // Running calls are answered; a waiting client has a deadline.
    std::thread::sleep(Duration::from_secs(1));
    Ok(restarts)
}
