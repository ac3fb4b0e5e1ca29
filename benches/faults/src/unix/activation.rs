//! Two sockets that systemd has created, each with its name. Access works as on a socket of our own.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use grpc_ipc::{Channel, ConnectOptions};
use tonic::Request;

use super::child::Child;
use super::ledger::generated::Range;
use super::ledger::generated::ledger_client::LedgerClient;
use super::report::Report;
use super::{DEADLINE, Result, Scale};

const PROGRAM: &str = "systemd-socket-activate";

/// A group that only clients started with it have.
const GROUP: &str = "54321";

pub(crate) async fn run(scale: Scale, report: &mut Report) -> Result {
    if std::process::Command::new(PROGRAM).arg("--version").output().is_err() {
        report.skip(&format!("{PROGRAM} is not there; cargo xtask setup installs it"));
        return Ok(());
    }
    for _ in 0..scale.of(10, 1) {
        activate(report).await?;
    }
    Ok(())
}

async fn activate(report: &mut Report) -> Result {
    let directory = tempfile::tempdir()?;
    // Other users need access to it.
    set_permissions(directory.path(), Permissions::from_mode(0o711))?;
    let path = |name: &str| directory.path().join(name);
    let [first, second, own] = ["first.sock", "second.sock", "own.sock"].map(path);
    let listen = |path: &Path| format!("--listen={}", path.display());
    let address = |path: &Path| format!("unix:{}", path.display());
    let launcher = [PROGRAM, &listen(&first), &listen(&second), "--fdname=first:second"];
    let server = ["role-server", "systemd:second", "systemd:first", &address(&own), "--group", GROUP];
    let mut server = Child::start_by(&launcher, &server)?;
    // It creates the sockets, and starts the server for the first client, whose call waits until then.
    while !second.exists() {
        tokio::task::yield_now().await;
    }
    for path in [&first, &second] {
        set_permissions(path, Permissions::from_mode(0o666))?;
        // A socket is there a little before systemd listens on it.
        let options = ConnectOptions::new(address(path).as_str()).wait_for_ready(true);
        let mut client = LedgerClient::new(Channel::lazy(options)?);
        let mut request = Request::new(Range { length: 1 });
        request.set_timeout(DEADLINE);
        report.require(client.read(request).await.is_ok(), &format!("a call over {}", path.display()));
    }
    report.require(server.line()? == "listening", "the server was started by the first client");
    if !rustix::process::geteuid().is_root() {
        report.skip("only root makes clients of other users");
        return Ok(());
    }
    for (groups, let_in) in [(GROUP, true), ("54322", false)] {
        for path in [&first, &second, &own] {
            let other = ["setpriv", "--reuid=65534", "--regid=65534", "--groups", groups];
            let mut client = Child::start_by(&other, &["role-client", &address(path)])?;
            let connected = client.line().is_ok_and(|line| line == "connected");
            let socket = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let what = if let_in { "a member of the group is accepted" } else { "another user is refused" };
            report.require(connected == let_in, &format!("{socket}: {what}"));
        }
    }
    Ok(())
}
