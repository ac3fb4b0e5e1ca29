//! Who gets in: everyone who may try, against every policy of a server and of a client, and everything that may be at the
//! address instead of the server. Each cell is real processes of these users; the table is printed, and compared with the
//! one that is written down here. Only root can become other users, so this runs as root or is skipped.
//!
//! ```text
//! cargo test -p grpc-ipc-examples --test access_matrix -- --nocapture
//! ```
#![cfg(target_os = "linux")]

mod util;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Permissions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

use grpc_ipc_conformance::{skip, unique_name};
use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use tempfile::TempDir;
use util::{GREETER, Server, for_everyone, watch};

/// Users that no system has.
const ALICE: u32 = 471_111;
const BOB: u32 = 471_112;
const CAROL: u32 = 471_113;
/// Carol is in it, beside her own group.
const FRIENDS: u32 = 471_114;

const SERVER_POLICIES: [&str; 5] =
    ["same-user-or-system", "same-user", "group:471114", "user:471112", "anyone"];
const CLIENT_POLICIES: [&str; 4] = ["same-user-or-system", "same-user", "user:471111", "anyone"];

/// Clients of a server of Alice's: whom each of the server's policies lets in, and which of the client's trusts Alice.
const CLIENTS: [(&str, u32, &[u32], [bool; 5], [bool; 4]); 4] = [
    ("same user", ALICE, &[], [true, true, false, false, true], [true, true, true, true]),
    ("other user", BOB, &[], [false, false, false, true, true], [false, false, true, true]),
    ("member of the group", CAROL, &[FRIENDS], [false, false, true, false, true], [false, false, true, true]),
    ("root", 0, &[], [true, false, false, false, true], [false, false, true, true]),
];

/// Does `task` as a user, whose first group has the same number: on Linux it is threads that belong to users, and what a
/// thread starts belongs to its user, too.
fn as_user<T: Send>(user: u32, groups: &[u32], task: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let groups: Vec<_> = groups.iter().copied().map(Gid::from_raw).collect();
            set_thread_groups(&groups).unwrap();
            let (uid, gid) = (Uid::from_raw(user), Gid::from_raw(user));
            set_thread_res_gid(gid, gid, gid).unwrap();
            set_thread_res_uid(uid, uid, uid).unwrap();
            task()
        });
        thread.join().unwrap()
    })
}

/// The table: what each cell said, beside what it should.
#[derive(Default)]
struct Matrix {
    rows: Vec<(String, String, Vec<(String, String)>)>,
    /// An error for each outcome, as one side said it.
    errors: BTreeMap<String, String>,
}

impl Matrix {
    fn row(&mut self, situation: &str, which: &str, cells: impl IntoIterator<Item = (Outcome, String)>) {
        let mut row = Vec::new();
        for (found, expected) in cells {
            if let Some(error) = found.error {
                self.errors.entry(found.is.clone()).or_insert(error);
            }
            row.push((found.is, expected));
        }
        self.rows.push((situation.to_owned(), which.to_owned(), row));
    }

    /// Prints the table, and returns the cells that are wrong.
    fn finish(self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (situation, which, cells) in &self.rows {
            let shown: Vec<_> = cells.iter().map(|(found, _)| found.as_str()).collect();
            println!("| {situation} | {which} | {} |", shown.join(" | "));
            for (found, expected) in cells.iter().filter(|(found, expected)| found != expected) {
                wrong.push(format!("{situation}, {which}: {found:?} instead of {expected:?}"));
            }
        }
        for (outcome, error) in &self.errors {
            println!("{outcome}:\n    {error}");
        }
        println!("{} cells, {} wrong", self.rows.iter().map(|row| row.2.len()).sum::<usize>(), wrong.len());
        wrong
    }
}

/// What became of a command.
struct Outcome {
    is: String,
    error: Option<String>,
}

impl Outcome {
    fn of(output: &Output) -> Self {
        if output.status.success() {
            return Self { is: "in".to_owned(), error: None };
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let error = said.lines().skip_while(|line| !line.starts_with("error: "));
        let error = error.map(str::trim).collect::<Vec<_>>().join("; ");
        let known = [
            ("the server is not trusted", "untrusted"),
            ("the server closed the connection at once", "refused"),
            ("unavailable", "refused"),
            ("is already in use by", "in use"),
            ("belongs to uid=", "not this user's"),
            ("can be written to by everyone", "unsafe"),
            ("a symbolic link is at this path", "a link"),
            ("no server is listening", "nobody"),
        ];
        let is = known.into_iter().find(|(text, _)| error.contains(text)).map(|(_, is)| match who(&error) {
            Some(who) if is != "refused" => format!("{is}: {who}"),
            _ => is.to_owned(),
        });
        Self { is: is.unwrap_or_else(|| error.clone()), error: Some(error) }
    }
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

struct Stage {
    directory: TempDir,
    greeter: PathBuf,
    inherited: PathBuf,
}

impl Stage {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let greeter = for_everyone(GREETER, directory.path());
        let inherited = for_everyone(env!("CARGO_BIN_EXE_inherited"), directory.path());
        Self { directory, greeter, inherited }
    }

    fn directory(&self, name: &str, owner: u32, mode: u32) -> PathBuf {
        let directory = self.directory.path().join(name);
        fs::create_dir(&directory).unwrap();
        chown(&directory, Some(owner), Some(owner)).unwrap();
        fs::set_permissions(&directory, Permissions::from_mode(mode)).unwrap();
        directory
    }

    fn greeter(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.greeter);
        command.args(arguments).stdin(Stdio::null()).current_dir("/").env_clear();
        command
    }

    /// A server of `user` that listens; what it logs goes to the file that is returned.
    fn serve(&self, user: u32, address: &str, policy: &str, more: &[&str]) -> (Server, PathBuf) {
        let log = self.directory.path().join(unique_name("log"));
        let file = File::create(&log).unwrap();
        let arguments = ["serve", address, "--mode", "0666", "--access", policy];
        let server = as_user(user, &[], || Server::start(self.greeter(&arguments).args(more).stderr(file)));
        (server, log)
    }

    /// A server of Alice's with each policy, which cannot listen. (One that can runs until the watchdog ends the test.)
    fn cannot_start(&self, address: &str, expected: &str) -> Vec<(Outcome, String)> {
        let start = |policy: &&str| {
            let arguments = ["serve", address, "--access", policy];
            as_user(ALICE, &[], || Outcome::of(&self.greeter(&arguments).output().unwrap()))
        };
        SERVER_POLICIES.iter().map(|policy| (start(policy), expected.to_owned())).collect()
    }

    /// What Alice's clients come to, with each policy.
    fn clients(&self, address: &str, expected: [&str; 4]) -> Vec<(Outcome, String)> {
        let cell = |(policy, expected): (&&str, &str)| {
            (self.call((ALICE, &[]), address, policy), expected.to_owned())
        };
        CLIENT_POLICIES.iter().zip(expected).map(cell).collect()
    }

    fn call(&self, (user, groups): (u32, &[u32]), address: &str, policy: &str) -> Outcome {
        let call = || self.greeter(&["call", address, "--access", policy]).output().unwrap();
        Outcome::of(&as_user(user, groups, call))
    }
}

#[test]
fn every_cell_is_as_it_is_written() {
    let test = "every_cell_is_as_it_is_written";
    if !rustix::process::geteuid().is_root() {
        return skip(test, "only root can become another user");
    }
    let _watchdog = watch(test);
    let stage = Stage::new();
    let mut matrix = Matrix::default();
    println!("| situation | side, policy | {} |", SERVER_POLICIES.join(" | "));
    clients_of_alices_server(&stage, &mut matrix);
    leaked_descriptors(&stage, &mut matrix);
    println!("| situation | side | {} or {} |", SERVER_POLICIES.join(", "), CLIENT_POLICIES.join(", "));
    squatters(&stage, &mut matrix);
    directories(&stage, &mut matrix);
    let wrong = matrix.finish();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Everyone who may try, with every policy, against Alice's server with every policy.
fn clients_of_alices_server(stage: &Stage, matrix: &mut Matrix) {
    let path = stage.directory("alices", ALICE, 0o755).join("s");
    let address = address_of(&path);
    // By client, by its policy: what it came to with each policy of the server.
    let mut cells = CLIENTS.map(|_| CLIENT_POLICIES.map(|_| Vec::new()));
    let mut logged = CLIENTS.map(|_| Vec::new());
    for (s, policy) in SERVER_POLICIES.iter().enumerate() {
        let (server, log) = stage.serve(ALICE, &address, policy, &[]);
        for (c, (_, user, groups, admitted, trusts)) in CLIENTS.iter().enumerate() {
            for (p, client_policy) in CLIENT_POLICIES.iter().enumerate() {
                let expected = match (trusts[p], admitted[s]) {
                    (false, _) => "untrusted: Alice",
                    (true, true) => "in",
                    (true, false) => "refused",
                };
                let found = stage.call((*user, groups), &address, client_policy);
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
        for (c, (_, user, _, admitted, _)) in CLIENTS.iter().enumerate() {
            let is = if who(&format!("uid={user}")).is_some_and(|who| refused.contains(who)) {
                "says so"
            } else {
                "-"
            };
            let expected = if admitted[s] { "-" } else { "says so" };
            logged[c].push((Outcome { is: is.to_owned(), error: None }, expected.to_owned()));
        }
    }
    for (((situation, ..), cells), logged) in CLIENTS.iter().zip(cells).zip(logged) {
        for (policy, row) in CLIENT_POLICIES.iter().zip(cells) {
            matrix.row(situation, &format!("client, {policy}"), row);
        }
        matrix.row(situation, "server refuses", logged);
    }
}

/// A descriptor is a right: the kernel says of it who connected, or who listened, and not who has it by now.
fn leaked_descriptors(stage: &Stage, matrix: &mut Matrix) {
    let path = stage.directory("leaky", ALICE, 0o755).join("s");
    let address = address_of(&path);
    let connected = SERVER_POLICIES.iter().zip(CLIENTS[0].3).map(|(policy, admitted)| {
        let (_server, _) = stage.serve(ALICE, &address, policy, &[]);
        let leaked: OwnedFd = as_user(ALICE, &[], || UnixStream::connect(&path).unwrap()).into();
        let mut command = Command::new(&stage.inherited);
        command.arg("call").stdin(leaked).current_dir("/").env_clear();
        let output = as_user(BOB, &[], || command.output().unwrap());
        (Outcome::of(&output), if admitted { "in" } else { "refused" }.to_owned())
    });
    let connected: Vec<_> = connected.collect();
    matrix.row("other user with a leaked descriptor", "connected by Alice", connected);

    let path = stage.directory("leakier", ALICE, 0o755).join("s");
    let leaked: OwnedFd = as_user(ALICE, &[], || UnixListener::bind(&path).unwrap()).into();
    let mut command = Command::new(&stage.inherited);
    command.arg("serve").stdin(leaked).current_dir("/").env_clear();
    let _server = as_user(BOB, &[], || Server::start_with_input(&mut command));
    let clients = stage.clients(&address_of(&path), ["in"; 4]);
    matrix.row("other user with a leaked descriptor", "listening, by Alice: client", clients);
}

/// Bob's server where Alice's should be: whoever does not check is served by him.
const SQUATTED: [&str; 4] = ["untrusted: Bob", "untrusted: Bob", "untrusted: Bob", "in"];

fn squatters(stage: &Stage, matrix: &mut Matrix) {
    let common = stage.directory("common", 0, 0o1777);
    let address = address_of(&common.join("before"));
    let (squatter, _) = stage.serve(BOB, &address, "anyone", &[]);
    matrix.row("squatter before start", "server", stage.cannot_start(&address, "in use: Bob"));
    matrix.row("squatter before start", "client", stage.clients(&address, SQUATTED));
    squatter.stop();

    let address = address_of(&common.join("after"));
    stage.serve(ALICE, &address, "anyone", &[]).0.stop();
    let (squatter, _) = stage.serve(BOB, &address, "anyone", &[]);
    matrix.row("squatter after stop", "server", stage.cannot_start(&address, "in use: Bob"));
    matrix.row("squatter after stop", "client", stage.clients(&address, SQUATTED));
    // His files stay, and nobody but he and root may remove them.
    squatter.kill();
    matrix.row("what a squatter leaves", "server", stage.cannot_start(&address, "not this user's: Bob"));
    matrix.row("what a squatter leaves", "client", stage.clients(&address, ["nobody"; 4]));

    let address = format!("unix-abstract:{}", unique_name("squatted"));
    let (_squatter, _) = stage.serve(BOB, &address, "anyone", &[]);
    matrix.row("abstract name taken", "server", stage.cannot_start(&address, "in use: Bob"));
    matrix.row("abstract name taken", "client", stage.clients(&address, SQUATTED));
}

fn directories(stage: &Stage, matrix: &mut Matrix) {
    let common = stage.directory("links", 0, 0o1777);
    let (real, link) = (common.join("real"), common.join("link"));
    let (_server, _) = stage.serve(ALICE, &address_of(&real), "same-user", &[]);
    as_user(BOB, &[], || symlink(&real, &link).unwrap());
    matrix.row("symlink at the path", "server", stage.cannot_start(&address_of(&link), "a link"));
    matrix.row("symlink at the path", "client", stage.clients(&address_of(&link), ["a link"; 4]));

    let open = address_of(&stage.directory("open", ALICE, 0o777).join("s"));
    matrix.row("world-writable parent", "server", stage.cannot_start(&open, "unsafe"));
    let (_server, _) = stage.serve(ALICE, &open, "same-user", &["--dangerous-allow-unsafe-parent"]);
    matrix.row("world-writable parent, allowed", "client", stage.clients(&open, ["in"; 4]));

    let foreign = address_of(&stage.directory("foreign", BOB, 0o1777).join("s"));
    matrix.row("foreign-owned parent", "server", stage.cannot_start(&foreign, "not this user's: Bob"));
    let (_server, _) = stage.serve(ALICE, &foreign, "same-user", &["--dangerous-allow-unsafe-parent"]);
    matrix.row("foreign-owned parent, allowed", "client", stage.clients(&foreign, ["in"; 4]));
}

fn address_of(path: &Path) -> String {
    format!("unix:{}", path.display())
}
