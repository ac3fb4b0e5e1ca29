//! Clients that make and give up many calls on one connection: ours, grpc-go's and C-core's. The connection continues,
//! and the calls of another client are answered in time.

use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use clap::Args;
use grpc_ipc::{Channel, ConnectOptions};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tonic::{Code, Request, Status};

use super::bystander::Bystander;
use super::child::Child;
use super::ledger::generated::Pause;
use super::ledger::generated::ledger_client::LedgerClient;
use super::report::Report;
use super::{Result, Scale};

/// The pause of a call that nobody waits for, in milliseconds.
const FOREVER: u32 = 3_600_000;

/// A client on one connection.
#[derive(Args)]
pub(crate) struct BusyOptions {
    address: String,
}

pub(crate) async fn run(scale: Scale, report: &mut Report) -> Result {
    let directory = tempfile::tempdir()?;
    let address = format!("unix:{}/s.sock", directory.path().display());
    let mut server = Child::start(&["role-server", &address])?;
    server.line()?;
    burst(scale, report, "ours", &address, Child::start(&["role-busy", &address])?).await?;
    match go(directory.path())? {
        Ok(program) => {
            let client = Child::spawn(Command::new(program).arg(&address))?;
            burst(scale, report, "grpc-go", &address, client).await?;
        }
        Err(why) => report.skip(why),
    }
    match python() {
        Ok(mut command) => {
            let client = Child::spawn(command.arg(&address))?;
            burst(scale, report, "C-core", &address, client).await?;
        }
        Err(why) => report.skip(why),
    }
    Ok(())
}

/// The client makes many calls in each of three ways, while another client calls steadily.
async fn burst(scale: Scale, report: &mut Report, name: &str, address: &str, mut client: Child) -> Result {
    if client.line()? != "connected" {
        return Err(format!("{name} is not connected").into());
    }
    let (deadlines, cancels, calls) = (3000, scale.of(120_000, 2000), 5000);
    let bursts = [
        (deadlines, format!("deadlines {deadlines}"), "calls at once end at their deadlines"),
        (cancels, format!("cancels 2000 {cancels}"), "calls are cancelled, 2000 a second"),
        (calls, format!("calls {calls}"), "calls at once are answered"),
    ];
    for (expected, command, what) in bursts {
        let bystander = Bystander::start(address).await?;
        client.tell(&command)?;
        let line;
        (client, line) = tokio::task::spawn_blocking(move || {
            let line = client.line();
            (client, line)
        })
        .await?;
        let line = line?;
        let as_it_should = line == format!("{expected} and open");
        report.require(as_it_should, &format!("{name}: {expected} {what}"));
        if !as_it_should {
            report.fail(&line);
        }
        bystander.report(report).await?;
    }
    Ok(())
}

/// The client in Go, which is built for this, or the reason why it is not.
fn go(directory: &Path) -> Result<std::result::Result<PathBuf, &'static str>> {
    let packages = "/usr/share/gocode";
    if !Path::new(packages).join("src/google.golang.org/grpc").exists()
        || Command::new("go").arg("version").output().is_err()
    {
        return Ok(Err("Go, or grpc-go as Debian has it, is missing; run `cargo xtask setup`"));
    }
    let program = directory.join("busy");
    let mut build = Command::new("go");
    build.args(["build", "-o"]).arg(&program).arg(client("busy.go"));
    match build.env("GO111MODULE", "off").env("GOPATH", packages).status()?.success() {
        true => Ok(Ok(program)),
        false => Err("the client in Go cannot be built".into()),
    }
}

/// The client in Python, or the reason why it cannot run.
fn python() -> std::result::Result<Command, &'static str> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers/python/bin/python");
    if !python.exists() {
        return Err("target/peers/python/bin/python is missing; run `cargo xtask setup`");
    }
    let mut command = Command::new(python);
    command.arg(client("busy.py"));
    Ok(command)
}

fn client(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(file)
}

/// Our own client: `clients/busy.py` says what it does.
pub(crate) fn client_of_ours(options: &BusyOptions) -> Result {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let client = runtime.block_on(async {
        let channel =
            Channel::connect(ConnectOptions::new(options.address.as_str()).max_connections(1)).await?;
        let client = LedgerClient::new(channel);
        client.clone().wait(Pause { milliseconds: 0 }).await?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(client)
    })?;
    let held = runtime.spawn(wait(client.clone(), FOREVER, None));
    println!("connected");
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<_> = line.split(' ').collect();
        let number = |index: usize| words.get(index).map_or(Ok(0), |word| word.parse());
        let (first, second) = (number(1)?, number(2)?);
        let count = runtime.block_on(async {
            match words[0] {
                "deadlines" => deadlines(&client, first).await,
                "cancels" => cancels(&client, first, second).await,
                _ => calls(&client, first).await,
            }
        })?;
        println!("{count} and {}", if held.is_finished() { "the open call has ended" } else { "open" });
    }
    Ok(())
}

async fn wait(
    mut client: LedgerClient<Channel>,
    milliseconds: u32,
    timeout: Option<Duration>,
) -> std::result::Result<(), Status> {
    let mut request = Request::new(Pause { milliseconds });
    if let Some(timeout) = timeout {
        request.set_timeout(timeout);
    }
    client.wait(request).await.map(drop)
}

async fn deadlines(client: &LedgerClient<Channel>, count: usize) -> Result<usize> {
    let timeout = Some(Duration::from_millis(20));
    let mut calls: JoinSet<_> = (0..count).map(|_| wait(client.clone(), FOREVER, timeout)).collect();
    let mut ended = 0;
    while let Some(call) = calls.join_next().await {
        ended += usize::from(call?.is_err_and(|status| status.code() == Code::DeadlineExceeded));
    }
    Ok(ended)
}

async fn cancels(client: &LedgerClient<Channel>, per_second: usize, count: usize) -> Result<usize> {
    let mut tick = interval(Duration::from_millis(10));
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut begun, mut cancelled, mut earlier) = (0, 0, JoinSet::new());
    while begun < count {
        tick.tick().await;
        let now = (per_second / 100).min(count - begun);
        let calls = (0..now).map(|_| wait(client.clone(), FOREVER, None)).collect();
        cancelled += cancel(std::mem::replace(&mut earlier, calls)).await;
        begun += now;
    }
    tick.tick().await;
    Ok(cancelled + cancel(earlier).await)
}

/// Cancels calls. Returns how many had not ended by then.
async fn cancel(mut calls: JoinSet<std::result::Result<(), Status>>) -> usize {
    calls.abort_all();
    let mut cancelled = 0;
    while let Some(call) = calls.join_next().await {
        cancelled += usize::from(call.is_err_and(|error| error.is_cancelled()));
    }
    cancelled
}

async fn calls(client: &LedgerClient<Channel>, count: usize) -> Result<usize> {
    let mut calls: JoinSet<_> = (0..count).map(|_| wait(client.clone(), 500, None)).collect();
    let mut answered = 0;
    while let Some(call) = calls.join_next().await {
        answered += usize::from(call?.is_ok());
    }
    Ok(answered)
}
