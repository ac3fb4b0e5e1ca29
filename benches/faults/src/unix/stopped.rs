//! SIGSTOP of the server and of a client. With keepalive, the other end notices; without, it waits. After SIGCONT, both
//! continue.

use std::io::BufRead as _;
use std::time::{Duration, Instant};

use clap::Args;
use grpc_ipc::{Channel, ConnectOptions, Http2Options};
use rustix::process::Signal;
use tonic::{Code, Request, Status};

use super::child::Child;
use super::ledger::generated::Range;
use super::ledger::generated::ledger_client::LedgerClient;
use super::proc::descriptors;
use super::report::Report;
use super::{DEADLINE, Result, Scale};

/// The keepalive interval, and the limit for the answer to a PING.
const KEEPALIVE: Duration = Duration::from_millis(500);

/// A client that calls once for each line of its standard input.
#[derive(Args)]
pub(crate) struct ClientOptions {
    address: String,
}

/// Prints `answered` or the status after each call.
pub(crate) fn client(options: &ClientOptions) -> Result {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut client = runtime.block_on(async {
        Ok::<_, grpc_ipc::ConnectError>(LedgerClient::new(Channel::connect(options.address.as_str()).await?))
    })?;
    println!("connected");
    for line in std::io::stdin().lock().lines() {
        line?;
        match runtime.block_on(call(&mut client, DEADLINE)) {
            Ok(()) => println!("answered"),
            Err(status) => println!("{status}"),
        }
    }
    Ok(())
}

async fn call(client: &mut LedgerClient<Channel>, timeout: Duration) -> std::result::Result<(), Status> {
    let mut request = Request::new(Range { length: 1 });
    request.set_timeout(timeout);
    client.read(request).await.map(drop)
}

pub(crate) async fn run(scale: Scale, report: &mut Report) -> Result {
    for _ in 0..scale.of(10, 1) {
        a_server_stops(report).await?;
        a_client_stops(report).await?;
    }
    Ok(())
}

async fn a_server_stops(report: &mut Report) -> Result {
    let directory = tempfile::tempdir()?;
    let address = format!("unix:{}/s.sock", directory.path().display());
    let mut server = Child::start(&["role-server", &address])?;
    server.line()?;
    let http2 = Http2Options::new().keepalive(KEEPALIVE).keepalive_timeout(KEEPALIVE);
    let watching = ConnectOptions::new(address.as_str()).http2(http2);
    let mut watching = LedgerClient::new(Channel::connect(watching).await?);
    let mut patient = LedgerClient::new(Channel::connect(address.as_str()).await?);
    call(&mut watching, DEADLINE).await?;
    call(&mut patient, DEADLINE).await?;

    server.stop()?;
    let begun = Instant::now();
    let noticed = call(&mut watching, DEADLINE).await.map_err(|status| status.code());
    report.count("server stopped: keepalive notices after", format!("{:.1?}", begun.elapsed()));
    report.require(noticed == Err(Code::Unavailable), "  and the call ends as Unavailable");
    let waited = call(&mut patient, KEEPALIVE).await.map_err(|status| status.code());
    report.require(
        waited == Err(Code::DeadlineExceeded),
        "  without keepalive, the deadline of a call ends it",
    );
    server.signal(Signal::CONT)?;
    report.require(call(&mut patient, DEADLINE).await.is_ok(), "  the same connection goes on after SIGCONT");
    report.require(call(&mut watching, DEADLINE).await.is_ok(), "  and the other client connects again");
    Ok(())
}

async fn a_client_stops(report: &mut Report) -> Result {
    let directory = tempfile::tempdir()?;
    let address = |name: &str| format!("unix:{}/{name}.sock", directory.path().display());
    let interval = KEEPALIVE.as_millis().to_string();
    for (name, option) in [("keepalive", &["--keepalive", interval.as_str()][..]), ("patient", &[])] {
        let address = address(name);
        let mut server = Child::start(&[&["role-server", address.as_str()], option].concat())?;
        server.line()?;
        let mut steady = LedgerClient::new(Channel::connect(address.as_str()).await?);
        let mut other = Child::start(&["role-client", &address])?;
        other.line()?;
        other.tell("")?;
        report.require(other.line()? == "answered", "client: its call is answered");
        let open = descriptors(server.id())?;
        other.stop()?;
        // A few more than the intervals that it may take, with a call in each.
        let (mut answered, mut closed) = (0, false);
        for _ in 0..60 {
            answered += usize::from(call(&mut steady, DEADLINE).await.is_ok());
            closed |= descriptors(server.id())? < open;
            tokio::time::sleep(KEEPALIVE / 10).await;
        }
        report.expect(&format!("client stopped ({name}): calls of another answered meanwhile"), answered, 60);
        report.require(
            closed != option.is_empty(),
            "  the server closes its connection if it has keepalive, and only then",
        );
        other.signal(Signal::CONT)?;
        other.tell("")?;
        report.require(other.line()? == "answered", "  its next call is answered after SIGCONT");
    }
    Ok(())
}
