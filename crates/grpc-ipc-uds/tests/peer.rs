//! The facts about a peer on Linux: groups, the process itself, the security label, and all of them in namespaces.
//!
//! Some tests run themselves again in their own namespaces; the inner run makes the checks.
#![cfg(target_os = "linux")]

use std::env;
use std::fs;
use std::os::fd::AsFd as _;
use std::process::{Child, Command, Stdio};

use grpc_ipc_conformance::{run, skip};
use grpc_ipc_core::{AccessPolicy, Address, Connection as _, Connector as _, GroupId, Listener as _, Peer};
use grpc_ipc_uds::{ConnectOptions, ListenOptions, LocalListener, LocalStream, PidFd};
use rustix::process::{Signal, getgroups, pidfd_send_signal};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Duration, Instant};

/// Set for the inner run, to the address to connect to, or to nothing.
const INSIDE: &str = "GRPC_IPC_TEST_INSIDE";

fn place() -> (TempDir, Address) {
    let directory = TempDir::new().unwrap();
    let address = Address::unix(directory.path().join("s")).unwrap();
    (directory, address)
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

async fn listen(address: &Address) -> LocalListener {
    // In a user namespace created by a user other than root, root has no number, and the owner of `/` is unknown.
    let options = ListenOptions::new().dangerous_allow_unsafe_parent();
    options.access(AccessPolicy::dangerous_allow_anyone()).listen(address).await.unwrap()
}

async fn connect(address: &Address) -> LocalStream {
    let anyone = ConnectOptions::new().access(AccessPolicy::dangerous_allow_anyone());
    anyone.connector(address).connect(soon()).await.unwrap()
}

/// The server as its client sees it, and the client as its server does: both are this process.
async fn both_peers() -> [Peer; 2] {
    both_ends().await.map(|end| end.peer().clone())
}

/// Both ends of one connection.
async fn both_ends() -> [LocalStream; 2] {
    let (_directory, address) = place();
    let mut listener = listen(&address).await;
    let (client, server) = tokio::join!(connect(&address), listener.accept());
    [client, server]
}

/// This program again, with only the test `test`, started by `prefix`.
fn again(prefix: &[&str], test: &str, inside: &str) -> Command {
    let mut command = Command::new(prefix[0]);
    command.args(&prefix[1..]).arg(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(INSIDE, inside);
    command
}

fn works(command: &[&str]) -> bool {
    let status = Command::new(command[0]).args(&command[1..]).arg("true").stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

fn passes(mut command: Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn the_groups_are_those_of_the_process() {
    run("the_groups_are_those_of_the_process", || async {
        let mut own: Vec<_> = getgroups().unwrap().iter().map(|gid| GroupId::Gid(gid.as_raw())).collect();
        own.sort_by_key(|group| format!("{group}"));
        for peer in both_peers().await {
            let mut groups = peer.groups().unwrap().to_vec();
            groups.sort_by_key(|group| format!("{group}"));
            assert_eq!(groups, own);
            assert!(peer.is_member_of(&GroupId::Gid(rustix::process::getegid().as_raw())));
        }
    });
}

/// More groups than fit into the first buffer.
#[test]
fn all_of_many_groups_are_known() {
    let test = "all_of_many_groups_are_known";
    run(test, || async {
        const MANY: u32 = 300;
        if env::var_os(INSIDE).is_none() {
            let groups: Vec<_> = (0..MANY).map(|i| (471_200 + i).to_string()).collect();
            let prefix = ["setpriv", "--groups", &groups.join(",")];
            if !works(&prefix) {
                return skip(test, "only root can set groups with `setpriv`");
            }
            return passes(again(&prefix, test, ""));
        }
        for peer in both_peers().await {
            assert_eq!(peer.groups().unwrap().len(), MANY as usize);
            assert!(peer.is_member_of(&GroupId::Gid(471_200 + MANY - 1)));
            assert!(!peer.is_member_of(&GroupId::Gid(471_200 + MANY)));
        }
    });
}

#[test]
fn a_group_that_is_not_mapped_is_unknown() {
    let test = "a_group_that_is_not_mapped_is_unknown";
    run(test, || async {
        if env::var_os(INSIDE).is_none() {
            let prefix = [
                "setpriv",
                "--groups",
                "471201,471202",
                "unshare",
                "--user",
                "--map-user=0",
                "--map-group=0",
            ];
            if !works(&prefix) {
                return skip(test, "needs root, to set groups with `setpriv`, and user namespaces");
            }
            return passes(again(&prefix, test, ""));
        }
        // Here both have the number that stands for all unmapped groups.
        let shown: Vec<_> = getgroups().unwrap().iter().map(|gid| gid.as_raw()).collect();
        assert_eq!(shown, [65_534, 65_534]);
        for peer in both_peers().await {
            assert_eq!(peer.groups(), Some(&[][..]));
            assert!(!peer.is_member_of(&GroupId::Gid(65_534)));
            assert_eq!(peer.group(), Some(&GroupId::Gid(0)), "this one is mapped");
        }
    });
}

#[test]
fn the_label_is_that_of_the_process() {
    run("the_label_is_that_of_the_process", || async {
        // It cannot be read without a security module that has labels.
        let own = fs::read_to_string("/proc/self/attr/current").ok();
        let own = own
            .map(|label| label.trim_end_matches(['\0', '\n']).to_owned())
            .filter(|label| !label.is_empty());
        if own.is_none() {
            skip(
                "the_label_is_that_of_the_process (one that there is)",
                "no security module here has labels",
            );
        }
        for peer in both_peers().await {
            assert_eq!(peer.security_label(), own.as_deref());
        }
    });
}

fn has_pidfd(peer: &Peer, test: &str) -> bool {
    if peer.process().is_none() {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let mut numbers = release.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
        let version = (numbers.next().unwrap(), numbers.next().unwrap());
        assert!(version < (6, 5), "Linux {release} has SO_PEERPIDFD");
        skip(test, "SO_PEERPIDFD needs Linux 6.5");
    }
    peer.process().is_some()
}

#[test]
fn the_process_is_the_peers() {
    let test = "the_process_is_the_peers";
    run(test, || async {
        for end in both_ends().await {
            let peer = end.peer();
            if !has_pidfd(peer, test) {
                return;
            }
            let process = peer.process().unwrap();
            assert_eq!(process.id(), Some(std::process::id()));
            assert!(process.is_running().unwrap());
            let fd = process.downcast_ref::<PidFd>().unwrap().as_fd();
            let about =
                fs::read_to_string(format!("/proc/self/fdinfo/{}", rustix::fd::AsRawFd::as_raw_fd(&fd)));
            let pid = format!("Pid:\t{}", std::process::id());
            assert!(about.unwrap().lines().any(|line| line == pid), "a pidfd of this process");
        }
    });
}

/// Also a policy that takes its time: the connection stays open until it has decided.
#[test]
fn a_policy_can_ask_for_the_process() {
    let test = "a_policy_can_ask_for_the_process";
    run(test, || async {
        let [own, _] = both_ends().await;
        if !has_pidfd(own.peer(), test) {
            return;
        }
        let is_own =
            |peer: &Peer| peer.process().is_some_and(|process| process.id() == Some(std::process::id()));
        let policies = [
            AccessPolicy::custom(is_own),
            AccessPolicy::custom_async(Duration::from_secs(30), move |peer| async move {
                tokio::task::yield_now().await;
                is_own(&peer)
            }),
        ];
        for policy in policies {
            let (_directory, address) = place();
            let mut listener = ListenOptions::new()
                .dangerous_allow_unsafe_parent()
                .access(policy.clone())
                .listen(&address)
                .await
                .unwrap();
            let connector = ConnectOptions::new().access(policy).connector(&address);
            let (client, server) = tokio::join!(connector.connect(soon()), listener.accept());
            assert!(is_own(client.unwrap().peer()) && is_own(server.peer()));
        }
    });
}

/// In its own pid namespace, where the next id can be chosen.
#[test]
fn the_handle_names_the_dead_process_when_its_id_is_another_ones() {
    let test = "the_handle_names_the_dead_process_when_its_id_is_another_ones";
    run(test, || async {
        match env::var(INSIDE).as_deref() {
            Err(_) => {
                let prefix = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"];
                if !works(&prefix) {
                    return skip(test, "this system allows no pid namespaces");
                }
                passes(again(&prefix, test, "server"));
            }
            Ok("server") => the_id_is_taken_over(test).await,
            // The client: it connects, and runs until the server closes the connection.
            Ok(address) => {
                let mut connection = connect(&address.parse().unwrap()).await;
                _ = connection.read_u8().await;
            }
        }
    });
}

async fn the_id_is_taken_over(test: &str) {
    let [own, _] = both_ends().await;
    if !has_pidfd(own.peer(), test) {
        return;
    }
    let (_directory, address) = place();
    let mut listener = listen(&address).await;
    let mut client = again(&["env"], test, &address.to_string()).stdout(Stdio::null()).spawn().unwrap();
    let mut server = listener.accept().await;
    let peer = server.peer().clone();
    let process = peer.process().unwrap();
    assert_eq!((peer.pid(), process.id()), (Some(client.id()), Some(client.id())));
    assert!(process.is_running().unwrap());

    server.write_u8(0).await.unwrap();
    assert!(client.wait().unwrap().success(), "it has ended, and its id is free");
    assert!(!process.is_running().unwrap());

    let mut other = process_with_id(client.id());
    assert_eq!(peer.pid(), Some(other.id()), "by its number, the peer is another process now");
    assert!(!process.is_running().unwrap(), "by its handle, it is not");
    let fd = process.downcast_ref::<PidFd>().unwrap();
    assert_eq!(pidfd_send_signal(fd, Signal::KILL), Err(rustix::io::Errno::SRCH));
    assert!(other.try_wait().unwrap().is_none(), "nobody has killed it");
    drop(other.stdin.take());
    assert!(other.wait().unwrap().success());
}

/// A process with this id, which runs until its standard input is closed. Another thread may take the id first, and
/// end again.
fn process_with_id(pid: u32) -> Child {
    for _ in 0..1_000 {
        fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string()).unwrap();
        let mut other = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        if other.id() == pid {
            return other;
        }
        drop(other.stdin.take());
        other.wait().unwrap();
    }
    panic!("no process gets the id {pid}");
}

#[test]
fn a_name_is_as_good_as_its_number() {
    run("a_name_is_as_good_as_its_number", || async {
        let (_directory, address) = place();
        let own = rustix::process::geteuid().as_raw();
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let mut entries = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let entry = entries.find(|entry| entry.get(2).is_some_and(|uid| *uid == own.to_string()));
        let Some(name) = entry.map(|entry| entry[0].to_owned()) else {
            return skip("a_name_is_as_good_as_its_number", "this user has no name in /etc/passwd");
        };
        let by_name = AccessPolicy::user_names([&*name]);
        let mut listener = ListenOptions::new().access(by_name.clone()).listen(&address).await.unwrap();
        let connector = ConnectOptions::new().access(by_name).connector(&address);
        let (client, _server) = tokio::join!(connector.connect(soon()), listener.accept());
        client.unwrap();
        let nobody = AccessPolicy::user_names(["daemon"]).and(AccessPolicy::user_names([name]));
        let error =
            ConnectOptions::new().access(nobody).connector(&address).connect(soon()).await.unwrap_err();
        let said = std::error::Error::source(&error).unwrap().to_string();
        assert!(said.contains(r#"allows the user "daemon" (uid="#), "{said}");
    });
}
