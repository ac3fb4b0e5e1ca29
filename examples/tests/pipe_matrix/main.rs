//! Who may connect over named pipes: `access_matrix` for the cases that pipes have. They have no directories and no
//! file system.
//!
//! Server and client are processes of this user, or the pipe belongs to another user. Cases that need a second user, or
//! guarantees of Windows that this system lacks, are reported as skipped.
//!
//! ```text
//! cargo test -p grpc-ipc-examples --test pipe_matrix -- --nocapture
//! ```
#![cfg(windows)]

#[path = "../access_matrix/outcome.rs"]
mod outcome;
mod sys;
#[path = "../access_matrix/table.rs"]
mod table;
#[path = "../util/mod.rs"]
mod util;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, OnceLock};

use grpc_ipc::windows::{
    ConnectOptionsExt as _, ImpersonationLevel, ListenOptionsExt as _, SecurityDescriptor,
};
use grpc_ipc::{
    AccessPolicy, BindError, Channel, ConnectOptions, ListenOptions, Peer, ServeError, ServerHandle, UserId,
};
use grpc_ipc_conformance::{skip, unique_name};
use grpc_ipc_proto::greet::greeter_client::GreeterClient;
use grpc_ipc_proto::greet::greeter_server::{Greeter, GreeterServer};
use grpc_ipc_proto::greet::{HelloReply, HelloRequest};
use outcome::Outcome;
use table::Table;
use tempfile::TempDir;
use tonic::{Request, Response, Status};
use util::{Server, greeter, watch};

const TEST: &str = "every_cell_of_a_pipe_is_as_it_is_written";

/// A user that no system has.
const BOB: &str = "S-1-5-21-1-2-3-1001";
const SYSTEM: &str = "S-1-5-18";

const SERVER_POLICIES: [&str; 6] = [
    "same-user-or-system",
    "same-user",
    "administrators",
    "group:S-1-1-0",
    "user:S-1-5-21-1-2-3-1001",
    "anyone",
];
const CLIENT_POLICIES: [&str; 5] =
    ["same-user-or-system", "same-user", "administrators", "user:S-1-5-21-1-2-3-1001", "anyone"];

/// Whether each of the client's policies accepts this user (whose server is not known to be one of the Administrators),
/// SYSTEM, and Bob.
const TRUST_OWN: [bool; 5] = [true, true, false, false, true];
const TRUST_SYSTEM: [bool; 5] = [true, false, true, false, true];
const TRUST_BOB: [bool; 5] = [false, false, false, true, true];

struct Matrix {
    by_server: Table,
    by_client: Table,
}

#[test]
fn every_cell_of_a_pipe_is_as_it_is_written() {
    let _watchdog = watch(TEST);
    let mut matrix = Matrix {
        by_server: Table::new("the server's policy:", &SERVER_POLICIES),
        by_client: Table::new("the client's policy:", &CLIENT_POLICIES),
    };
    let system = System::look();
    clients_of_this_user(&system, &mut matrix.by_server);
    anonymous_clients(&system, &mut matrix.by_server);
    owners(&mut matrix.by_client);
    squatters(&system, &mut matrix);
    for situation in [
        "other user",
        "member of the group, another user",
        "SYSTEM",
        "other user with a leaked handle",
        "program in an AppContainer",
    ] {
        skipped(&mut matrix.by_server, situation, "client", "this test has no process of that kind");
    }
    let wrong: Vec<_> = [matrix.by_server, matrix.by_client].into_iter().flat_map(Table::print).collect();
    println!("{} wrong", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn skipped(table: &mut Table, situation: &str, side: &str, reason: &str) {
    skip(&format!("{TEST} ({situation}, {side})"), reason);
    table.skipped(situation, side, reason);
}

/// Which of Windows' guarantees this system has.
struct System {
    /// Whether a server learns the groups of its client.
    tells_groups: bool,
    /// Whether an anonymous client stays so.
    keeps_secrets: bool,
    /// Whether another process is kept from serving a pipe that is in use.
    has_first_instance: bool,
}

static OWN: OnceLock<String> = OnceLock::new();

impl System {
    fn look() -> Self {
        let address = address();
        let (_server, peers) = serve(open_to_all(&address)).unwrap();
        assert_eq!(call(&address, ImpersonationLevel::Identification).is, "in");
        let known = peers.recv().unwrap();
        let Some(UserId::Sid(own)) = known.user() else { panic!("this user is not known: {known:?}") };
        OWN.set(own.to_string()).unwrap();
        assert_eq!(call(&address, ImpersonationLevel::Anonymous).is, "in");
        let keeps_secrets = peers.recv().unwrap().user().is_none();
        let second = serve(open_to_all(&address)).map(|_| ());
        let has_first_instance = matches!(second, Err(ServeError::Bind(BindError::InUse { .. })));
        Self { tells_groups: known.groups().is_some(), keeps_secrets, has_first_instance }
    }

    /// Whether each of the server's policies accepts a client of this user. A policy ignores unknown properties.
    fn admitted(&self) -> [bool; 6] {
        let administrator = self.tells_groups && sys::is_administrator();
        let everyone = self.tells_groups && sys::is_one_of_everyone();
        [true, true, administrator, everyone, false, true]
    }
}

/// Clients of this user with every policy, against servers of this user with every policy. Each is a process.
fn clients_of_this_user(system: &System, table: &mut Table) {
    let directory = TempDir::new().unwrap();
    let mut cells = CLIENT_POLICIES.map(|_| Vec::new());
    let mut logged = Vec::new();
    for (policy, admitted) in SERVER_POLICIES.iter().zip(system.admitted()) {
        let address = address();
        let log = directory.path().join(unique_name("log"));
        let mut command = greeter(&["serve", &address, "--access", policy]);
        let server = Server::start(command.stderr(File::create(&log).unwrap()));
        for ((policy, cells), trusts) in CLIENT_POLICIES.iter().zip(&mut cells).zip(TRUST_OWN) {
            let expected = match (trusts, admitted) {
                (false, _) => "untrusted: this user",
                (true, true) => "in",
                (true, false) => "refused",
            };
            cells.push((greet(&address, policy), expected));
        }
        server.stop();
        let refused = fs::read_to_string(log).unwrap();
        let refused: BTreeSet<_> =
            refused.lines().filter(|line| line.contains("is refused")).filter_map(who).collect();
        let is = if refused.contains("this user") { "says so" } else { "-" };
        let expected = if admitted { "-" } else { "says so" };
        logged.push((Outcome { is: is.to_owned(), error: None }, expected));
    }
    for (policy, cells) in CLIENT_POLICIES.iter().zip(cells) {
        table.row("same user", &format!("client, {policy}"), cells);
    }
    table.row("same user", "server, of refusals", logged);
}

/// A client that cannot be identified is nobody.
fn anonymous_clients(system: &System, table: &mut Table) {
    let (situation, side) = ("client that does not say who it is", "client, same-user-or-system");
    if !system.keeps_secrets {
        return skipped(table, situation, side, "this system does not keep an anonymous client's secret");
    }
    let cells = SERVER_POLICIES.map(|policy| {
        let address = address();
        let _server = Server::start(&mut greeter(&["serve", &address, "--access", policy]));
        let expected = if policy == "anyone" { "in" } else { "refused" };
        (call(&address, ImpersonationLevel::Anonymous), expected)
    });
    table.row(situation, side, cells);
}

/// A pipe with another owner.
fn owners(table: &mut Table) {
    for (situation, owner, trusts) in
        [("server of SYSTEM", SYSTEM, TRUST_SYSTEM), ("server of another user", BOB, TRUST_BOB)]
    {
        let address = address();
        match serve(owned_by(owner, &address)) {
            Ok(_server) => table.row(situation, "client", clients(&address, trusts, owner)),
            Err(error) => {
                skipped(table, situation, "client", &format!("no pipe can be made theirs: {error}"))
            }
        }
    }
}

/// A process that took the name before the server started, or after it stopped.
fn squatters(system: &System, matrix: &mut Matrix) {
    let address = address();
    let nobody = CLIENT_POLICIES.map(|policy| (greet(&address, policy), "nobody"));
    matrix.by_client.row("nobody has the name", "client", nobody);
    let squatter = serve(open_to_all(&address)).unwrap();
    second_servers(system, "squatter before start, of the same user", &address, &mut matrix.by_server);
    drop(squatter);

    let address = self::address();
    let server = Server::start(&mut greeter(&["serve", &address, "--access", "anyone"]));
    let before = clients(&address, TRUST_OWN, OWN.get().unwrap());
    matrix.by_client.row("squatter after stop", "client, before", before);
    server.stop();
    match serve(owned_by(BOB, &address)) {
        Ok(_squatter) => {
            let after = clients(&address, TRUST_BOB, BOB);
            matrix.by_client.row("squatter after stop", "client", after);
            second_servers(system, "squatter after stop", &address, &mut matrix.by_server);
        }
        Err(error) => {
            let reason = format!("no pipe can be made theirs: {error}");
            skipped(&mut matrix.by_client, "squatter after stop", "client", &reason);
        }
    }
}

fn second_servers(system: &System, situation: &str, address: &str, table: &mut Table) {
    if !system.has_first_instance {
        return skipped(
            table,
            situation,
            "server",
            "this system does not enforce FILE_FLAG_FIRST_PIPE_INSTANCE",
        );
    }
    let start =
        |policy: &str| Outcome::of(&greeter(&["serve", address, "--access", policy]).output().unwrap());
    table.row(situation, "server", SERVER_POLICIES.map(|policy| (start(policy), "in use: this user")));
}

/// What clients of this user come to, with each policy, at a pipe of `owner`'s.
fn clients(address: &str, trusts: [bool; 5], owner: &str) -> Vec<(Outcome, String)> {
    let owner = who(owner).unwrap();
    let expected = |trusts: bool| if trusts { "in".to_owned() } else { format!("untrusted: {owner}") };
    CLIENT_POLICIES
        .iter()
        .zip(trusts)
        .map(|(policy, trusts)| (greet(address, policy), expected(trusts)))
        .collect()
}

fn address() -> String {
    format!("npipe:{}", unique_name("matrix"))
}

fn greet(address: &str, policy: &str) -> Outcome {
    Outcome::of(&greeter(&["call", address, "--access", policy]).output().unwrap())
}

fn open_to_all(address: &str) -> ListenOptions {
    ListenOptions::new(address).access(AccessPolicy::dangerous_allow_anyone())
}

fn owned_by(owner: &str, address: &str) -> ListenOptions {
    open_to_all(address).descriptor(SecurityDescriptor::from_sddl(format!("O:{owner}D:P(A;;GA;;;WD)")))
}

/// A server in this process, and who calls it.
fn serve(options: ListenOptions) -> Result<(ServerHandle, Receiver<Peer>), ServeError> {
    let (callers, called) = mpsc::channel();
    let service = GreeterServer::new(MyGreeter(Mutex::new(callers)));
    Ok((grpc_ipc::Server::builder().add_service(service).listen(options).spawn()?, called))
}

struct MyGreeter(Mutex<Sender<Peer>>);

#[tonic::async_trait]
impl Greeter for MyGreeter {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        let peer = request.extensions().get::<Peer>().expect("the peer of a pipe");
        // Nobody receives it if the clients are other processes.
        _ = self.0.lock().unwrap().send(peer.clone());
        Ok(Response::new(HelloReply { message: request.into_inner().name }))
    }
}

/// A call of this process.
fn call(address: &str, level: ImpersonationLevel) -> Outcome {
    let options = ConnectOptions::new(address).impersonation(level);
    let called = tokio::runtime::Runtime::new().unwrap().block_on(async {
        let channel = Channel::connect(options).await.map_err(|error| error.to_string())?;
        let request = HelloRequest { name: "Ada".to_owned() };
        GreeterClient::new(channel).say_hello(request).await.map_err(|status| status.to_string())
    });
    match called {
        Ok(_) => Outcome { is: "in".to_owned(), error: None },
        Err(error) => Outcome::of_error(format!("error: {error}")),
    }
}

/// The user whom a message names first.
fn who(text: &str) -> Option<&'static str> {
    let (_, rest) = text.split_once("S-1-")?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(rest.len());
    Some(match &*format!("S-1-{}", &rest[..end]) {
        BOB => "Bob",
        SYSTEM => "SYSTEM",
        sid if OWN.get().is_some_and(|own| own == sid) => "this user",
        _ => "somebody else",
    })
}
