//! `grpc-ipc peer`: the process and user that serve an address, and whether the server accepts this user.

use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use clap::Args;
use grpc_ipc::{AccessPolicy, Address, Channel, ConnectError, Peer, UserId};

use tokio::time::{Duration, timeout};

use crate::address;
use crate::connection::ConnectionArguments;
use crate::failure::Failure;
use crate::output::{escaped, print};

/// Shows the process and user that serve an address, and whether client and server accept each other
#[derive(Args)]
pub(crate) struct Arguments {
    /// The server's address
    #[arg(value_parser = address::parser(), long_help = address::long_help())]
    address: Address,
    #[command(flatten)]
    connection: ConnectionArguments,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { address, connection } = arguments;
    let trusted = match (connection.access(), &address) {
        (Some(access), _) => access.clone(),
        (None, Address::Tcp { .. }) => AccessPolicy::dangerous_allow_anyone(),
        (None, _) => AccessPolicy::default(),
    };
    let words = trusted.to_string();
    let seen = Arc::new(OnceLock::new());
    let look = {
        let seen = Arc::clone(&seen);
        // This policy only records the peer. The other one decides.
        AccessPolicy::custom(move |peer| {
            _ = seen.set(peer.clone());
            false
        })
    };
    let connected = Channel::connect(connection.options(&address)?.access(look.or(trusted))).await;
    let mut text = format!("address   {address}\n");
    if let Some(peer) = seen.get() {
        describe(&mut text, peer);
    }
    let answer = match &connected {
        Ok(channel) => {
            // Most servers do not say it.
            if let Ok(Ok(server)) = timeout(Duration::from_secs(2), channel.describe()).await {
                _ = writeln!(text, "server    {}", escaped(&format!("{} {}", server.name, server.version)));
            }
            _ = writeln!(text, "trusted   yes, this client trusts {words}");
            _ = writeln!(text, "let in    yes");
            Ok(())
        }
        Err(ConnectError::Untrusted { .. }) => {
            _ = writeln!(text, "trusted   no, this client trusts {words}; --access changes that");
            _ = writeln!(text, "let in    not asked: nothing is sent to a server that is not trusted");
            Err(())
        }
        Err(ConnectError::Rejected { .. }) => {
            _ = writeln!(text, "trusted   yes, this client trusts {words}");
            _ = writeln!(text, "let in    no, the server's access policy refuses this user");
            Err(())
        }
        Err(error) => {
            if seen.get().is_some() {
                print(text.as_bytes())?;
            }
            return Err(Failure::of_connect(error));
        }
    };
    print(text.as_bytes())?;
    match (answer, connected) {
        (Err(()), Err(error)) => Err(Failure::of_connect(&error).without_message()),
        _ => Ok(()),
    }
}

fn describe(text: &mut String, peer: &Peer) {
    _ = writeln!(text, "transport {}", peer.transport());
    if let Some(address) = peer.remote_addr() {
        _ = writeln!(text, "remote    {address}");
    }
    match peer.pid() {
        Some(pid) => _ = writeln!(text, "process   {pid}{}", program(pid)),
        None => _ = writeln!(text, "process   unknown"),
    }
    match peer.user() {
        Some(user) => _ = writeln!(text, "user      {user}{}", whose(peer, user)),
        None => _ = writeln!(text, "user      unknown"),
    }
    if let Some(group) = peer.group() {
        _ = writeln!(text, "group     {group}");
    }
    if let Some(session) = peer.session() {
        _ = writeln!(text, "session   {session}");
    }
    if let Some(label) = peer.security_label() {
        _ = writeln!(text, "label     {}", escaped(label));
    }
}

fn whose(peer: &Peer, user: &UserId) -> &'static str {
    match (peer.is_same_user(), user.is_system()) {
        (true, true) => " (the user of this client, and the system)",
        (true, false) => " (the user of this client)",
        (false, true) => " (the system)",
        (false, false) => " (another user)",
    }
}

/// The program that the process runs now, where the system tells it in its file system.
fn program(pid: u32) -> String {
    let path = std::fs::read_link(format!("/proc/{pid}/exe"));
    path.map(|path| format!(" ({})", escaped(&path.to_string_lossy()))).unwrap_or_default()
}
