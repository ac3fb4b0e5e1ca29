//! Who may connect: every kind of client against every policy of a server and of a client, and everything that may be
//! at the address instead of the server. Each cell runs real processes of these users. The test prints the table, and
//! compares it with the expected one. Only root can become other users, so this runs as root or is skipped.
//!
//! ```text
//! cargo test -p grpc-ipc-examples --test access_matrix -- --nocapture
//! ```
#![cfg(target_os = "linux")]

mod outcome;
mod stage;
mod table;
#[path = "../util/mod.rs"]
mod util;

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;

use grpc_ipc_conformance::{skip, unique_name};
use outcome::Outcome;
use stage::{Stage, as_user};
use table::Table;
use util::{Server, watch};

/// Users that no system has.
const ALICE: u32 = 471_111;
const BOB: u32 = 471_112;
const CAROL: u32 = 471_113;
/// Carol is a member, in addition to her own group.
const FRIENDS: u32 = 471_114;

const SERVER_POLICIES: [&str; 5] =
    ["same-user-or-system", "same-user", "group:471114", "user:471112", "anyone"];
const CLIENT_POLICIES: [&str; 4] = ["same-user-or-system", "same-user", "user:471111", "anyone"];

/// A client of Alice's server.
struct Client {
    situation: &'static str,
    user: u32,
    groups: &'static [u32],
    /// Whether each of the server's policies accepts it.
    admitted: [bool; 5],
    /// Whether each of its own policies accepts Alice.
    trusts: [bool; 4],
}

const CLIENTS: [Client; 4] = [
    Client {
        situation: "same user",
        user: ALICE,
        groups: &[],
        admitted: [true, true, false, false, true],
        trusts: [true, true, true, true],
    },
    Client {
        situation: "other user",
        user: BOB,
        groups: &[],
        admitted: [false, false, false, true, true],
        trusts: [false, false, true, true],
    },
    Client {
        situation: "member of the group",
        user: CAROL,
        groups: &[FRIENDS],
        admitted: [false, false, true, false, true],
        trusts: [false, false, true, true],
    },
    Client {
        situation: "root",
        user: 0,
        groups: &[],
        admitted: [true, false, false, false, true],
        trusts: [false, false, true, true],
    },
];

struct Matrix {
    by_server: Table,
    by_client: Table,
}

#[test]
fn every_cell_is_as_it_is_written() {
    let test = "every_cell_is_as_it_is_written";
    if !rustix::process::geteuid().is_root() {
        return skip(test, "only root can become another user");
    }
    let _watchdog = watch(test);
    let stage = Stage::new();
    let mut matrix = Matrix {
        by_server: Table::new("the server's policy:", &SERVER_POLICIES),
        by_client: Table::new("the client's policy:", &CLIENT_POLICIES),
    };
    clients_of_alices_server(&stage, &mut matrix);
    leaked_descriptors(&stage, &mut matrix);
    squatters(&stage, &mut matrix);
    directories(&stage, &mut matrix);
    let wrong: Vec<_> = [matrix.by_server, matrix.by_client].into_iter().flat_map(Table::print).collect();
    println!("{} wrong", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every client with every policy, against Alice's server with every policy.
fn clients_of_alices_server(stage: &Stage, matrix: &mut Matrix) {
    let path = stage.directory("alices", ALICE, 0o755).join("s");
    let address = address_of(&path);
    // By client, by its policy: what it came to with each policy of the server.
    let mut cells = CLIENTS.map(|_| CLIENT_POLICIES.map(|_| Vec::new()));
    let mut logged = CLIENTS.map(|_| Vec::new());
    for (s, policy) in SERVER_POLICIES.iter().enumerate() {
        let (server, log) = stage.serve(ALICE, &address, policy, &[]);
        for (c, client) in CLIENTS.iter().enumerate() {
            for (p, client_policy) in CLIENT_POLICIES.iter().enumerate() {
                let expected = match (client.trusts[p], client.admitted[s]) {
                    (false, _) => "untrusted: Alice",
                    (true, true) => "in",
                    (true, false) => "refused",
                };
                let found = stage.call((client.user, client.groups), &address, client_policy);
                cells[c][p].push((found, expected.to_owned()));
            }
        }
        server.stop();
        // The server's side: whom it says that it has refused. Each was closed by then, after that was said.
        let refused: BTreeSet<_> = fs::read_to_string(log)
            .unwrap()
            .lines()
            .filter(|line| line.contains("is refused"))
            .filter_map(who)
            .collect();
        for (c, client) in CLIENTS.iter().enumerate() {
            let is = if who(&format!("uid={}", client.user)).is_some_and(|who| refused.contains(who)) {
                "says so"
            } else {
                "-"
            };
            let expected = if client.admitted[s] { "-" } else { "says so" };
            logged[c].push((Outcome { is: is.to_owned(), error: None }, expected.to_owned()));
        }
    }
    for ((Client { situation, .. }, cells), logged) in CLIENTS.iter().zip(cells).zip(logged) {
        for (policy, row) in CLIENT_POLICIES.iter().zip(cells) {
            matrix.by_server.row(situation, &format!("client, {policy}"), row);
        }
        matrix.by_server.row(situation, "server, of refusals", logged);
    }
}

/// A descriptor is a right: the kernel reports the user who connected or listened with it, not the user who has it now.
fn leaked_descriptors(stage: &Stage, matrix: &mut Matrix) {
    let path = stage.directory("leaky", ALICE, 0o755).join("s");
    let address = address_of(&path);
    let connected = SERVER_POLICIES.iter().zip(CLIENTS[0].admitted).map(|(policy, admitted)| {
        let (_server, _) = stage.serve(ALICE, &address, policy, &[]);
        let leaked: OwnedFd = as_user(ALICE, &[], || UnixStream::connect(&path).unwrap()).into();
        let mut command = Command::new(&stage.inherited);
        command.arg("call").stdin(leaked).current_dir("/").env_clear();
        let output = as_user(BOB, &[], || command.output().unwrap());
        (Outcome::of(&output), if admitted { "in" } else { "refused" }.to_owned())
    });
    let connected: Vec<_> = connected.collect();
    matrix.by_server.row("other user with a leaked descriptor", "he; it is connected, by Alice", connected);

    let path = stage.directory("leakier", ALICE, 0o755).join("s");
    let leaked: OwnedFd = as_user(ALICE, &[], || UnixListener::bind(&path).unwrap()).into();
    let mut command = Command::new(&stage.inherited);
    command.arg("serve").stdin(leaked).current_dir("/").env_clear();
    let _server = as_user(BOB, &[], || Server::start_with_input(&mut command));
    let clients = stage.clients(&address_of(&path), ["in"; 4]);
    matrix.by_client.row(
        "other user with a leaked descriptor",
        "client; the descriptor listens, by Alice",
        clients,
    );
}

/// Bob's server in place of Alice's. Clients that do not check are served by him.
const SQUATTED: [&str; 4] = ["untrusted: Bob", "untrusted: Bob", "untrusted: Bob", "in"];

fn squatters(stage: &Stage, matrix: &mut Matrix) {
    let common = stage.directory("common", 0, 0o1777);
    let address = address_of(&common.join("before"));
    let (squatter, _) = stage.serve(BOB, &address, "anyone", &[]);
    matrix.by_server.row("squatter before start", "server", stage.cannot_start(&address, "in use: Bob"));
    matrix.by_client.row("squatter before start", "client", stage.clients(&address, SQUATTED));
    squatter.stop();

    let address = address_of(&common.join("after"));
    let (server, _) = stage.serve(ALICE, &address, "anyone", &[]);
    matrix.by_client.row("squatter after stop", "client, before", stage.clients(&address, ["in"; 4]));
    server.stop();
    let (squatter, _) = stage.serve(BOB, &address, "anyone", &[]);
    matrix.by_server.row("squatter after stop", "server", stage.cannot_start(&address, "in use: Bob"));
    matrix.by_client.row("squatter after stop", "client", stage.clients(&address, SQUATTED));
    // His files stay. Only he and root may remove them.
    squatter.kill();
    matrix.by_server.row(
        "what a squatter leaves",
        "server",
        stage.cannot_start(&address, "not this user's: Bob"),
    );
    matrix.by_client.row("what a squatter leaves", "client", stage.clients(&address, ["nobody"; 4]));

    let address = format!("unix-abstract:{}", unique_name("squatted"));
    let (_squatter, _) = stage.serve(BOB, &address, "anyone", &[]);
    matrix.by_server.row("abstract name taken", "server", stage.cannot_start(&address, "in use: Bob"));
    matrix.by_client.row("abstract name taken", "client", stage.clients(&address, SQUATTED));
}

fn directories(stage: &Stage, matrix: &mut Matrix) {
    let common = stage.directory("links", 0, 0o1777);
    let (real, link) = (common.join("real"), common.join("link"));
    let (_server, _) = stage.serve(ALICE, &address_of(&real), "same-user", &[]);
    as_user(BOB, &[], || symlink(&real, &link).unwrap());
    matrix.by_server.row("symlink at the path", "server", stage.cannot_start(&address_of(&link), "a link"));
    matrix.by_client.row("symlink at the path", "client", stage.clients(&address_of(&link), ["a link"; 4]));

    let open = address_of(&stage.directory("open", ALICE, 0o777).join("s"));
    matrix.by_server.row("world-writable parent", "server", stage.cannot_start(&open, "others can write"));
    let (_server, _) = stage.serve(ALICE, &open, "same-user", &["--dangerous-allow-any-parent"]);
    matrix.by_client.row("world-writable parent, allowed", "client", stage.clients(&open, ["in"; 4]));

    let foreign = address_of(&stage.directory("foreign", BOB, 0o1777).join("s"));
    matrix.by_server.row(
        "foreign-owned parent",
        "server",
        stage.cannot_start(&foreign, "not this user's: Bob"),
    );
    let (_server, _) = stage.serve(ALICE, &foreign, "same-user", &["--dangerous-allow-any-parent"]);
    matrix.by_client.row("foreign-owned parent, allowed", "client", stage.clients(&foreign, ["in"; 4]));
}

fn address_of(path: &Path) -> String {
    format!("unix:{}", path.display())
}

/// The user whom a message names first.
fn who(text: &str) -> Option<&'static str> {
    let (_, rest) = text.split_once("uid=")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some(match digits.parse() {
        Ok(ALICE) => "Alice",
        Ok(BOB) => "Bob",
        Ok(CAROL) => "Carol",
        Ok(0) => "root",
        _ => "somebody else",
    })
}
