//! One server after another on the same address, while clients call.
#![cfg(any(all(target_os = "linux", feature = "uds"), all(windows, feature = "named-pipe")))]

mod util;

use std::future::pending;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use grpc_ipc::{Channel, ConnectOptions, ListenOptions, ServeError, Server};
use grpc_ipc_conformance::{run, unique_name};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use util::{DRAIN, MyGreeter, greet};

const CLIENTS: usize = 8;
const HAND_OVERS: usize = 20;

/// An address for this `directory` alone.
#[cfg(unix)]
fn place(directory: &Path, name: &str) -> String {
    format!("unix:{}", directory.join(name).display())
}

/// An address for this `directory` alone.
#[cfg(windows)]
fn place(directory: &Path, name: &str) -> String {
    let directory = directory.file_name().unwrap().display();
    format!("npipe:grpc-ipc-restart-{directory}-{name}")
}

/// An address of each kind.
fn places(directory: &Path) -> Vec<String> {
    let mut places = vec![place(directory, "s")];
    if cfg!(unix) {
        places.push(format!("unix-abstract:{}", unique_name("restart")));
    }
    places
}

/// A server that answers on `address`.
async fn start(address: &str, greeter: &MyGreeter) -> JoinHandle<Result<(), ServeError>> {
    let options = ListenOptions::new(address).restartable(true);
    let server = Server::builder().add_service(greeter.service()).listen(options);
    let server = server.bind().await.unwrap();
    tokio::spawn(server.serve_with_shutdown(pending(), DRAIN))
}

/// Clients that call until they are stopped, half of them with a new channel for each call. Returns the number of
/// calls.
struct Clients {
    stop: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
    tasks: Vec<JoinHandle<()>>,
}

impl Clients {
    fn start(address: &str) -> Self {
        let (stop, calls) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let client = |number: usize| {
            let (address, stop, calls) = (address.to_owned(), Arc::clone(&stop), Arc::clone(&calls));
            tokio::spawn(async move {
                let mut channel = Channel::connect(&address).await.unwrap();
                while !stop.load(Ordering::Relaxed) {
                    if number % 2 == 1 {
                        channel = Channel::connect(&address).await.unwrap();
                    }
                    let answer = greet(channel.clone(), "world").await;
                    assert!(
                        answer.as_ref().is_ok_and(|answer| answer.starts_with("Hello world")),
                        "{answer:?}"
                    );
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        let tasks = (0..CLIENTS).map(client).collect();
        Self { stop, calls, tasks }
    }

    /// Waits until each client has called a few more times.
    async fn go_on(&self) {
        let enough = self.calls.load(Ordering::Relaxed) + 4 * CLIENTS;
        while self.calls.load(Ordering::Relaxed) < enough {
            assert!(!self.tasks.iter().any(JoinHandle::is_finished), "a client has failed");
            tokio::task::yield_now().await;
        }
    }

    async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.expect("no call has failed");
        }
    }
}

#[test]
fn no_call_fails_while_servers_follow_each_other() {
    run("no_call_fails_while_servers_follow_each_other", || async {
        let directory = TempDir::new().unwrap();
        for address in places(directory.path()) {
            let greeter = MyGreeter::default();
            let mut old = start(&address, &greeter).await;
            let clients = Clients::start(&address);
            for _ in 0..HAND_OVERS {
                clients.go_on().await;
                let new = start(&address, &greeter).await;
                old.await.unwrap().unwrap();
                old = new;
            }
            clients.go_on().await;
            clients.stop().await;
            old.abort();
        }
    });
}

#[test]
fn a_call_that_is_under_way_is_finished_by_the_old_server() {
    run("a_call_that_is_under_way_is_finished_by_the_old_server", || async {
        let directory = TempDir::new().unwrap();
        let address = place(directory.path(), "s");
        let greeter = MyGreeter::default();
        let old = start(&address, &greeter).await;
        let channel = Channel::connect(&address).await.unwrap();
        let waiting = tokio::spawn(greet(channel.clone(), "wait"));
        greeter.called.notified().await;
        let new = start(&address, &MyGreeter::default()).await;
        let channel = Channel::connect(&address).await.unwrap();
        greet(channel, "world").await.unwrap();
        assert!(!old.is_finished());
        greeter.go_on.notify_one();
        assert!(waiting.await.unwrap().unwrap().starts_with("Hello wait"));
        old.await.unwrap().unwrap();
        new.abort();
    });
}

#[test]
fn a_server_that_only_binds_changes_nothing() {
    run("a_server_that_only_binds_changes_nothing", || async {
        let directory = TempDir::new().unwrap();
        let address = place(directory.path(), "s");
        let greeter = MyGreeter::default();
        let old = start(&address, &greeter).await;
        let clients = Clients::start(&address);
        clients.go_on().await;
        for _ in 0..3 {
            let options = ListenOptions::new(&address).restartable(true);
            drop(Server::builder().listen(options).bind().await.unwrap());
            clients.go_on().await;
        }
        assert!(!old.is_finished());
        clients.stop().await;
        old.abort();
    });
}

/// It has served the first address alone.
#[test]
fn a_server_of_two_addresses_goes_on_until_both_are_taken_over() {
    run("a_server_of_two_addresses_goes_on_until_both_are_taken_over", || async {
        let directory = TempDir::new().unwrap();
        let [first, second] = ["a", "b"].map(|name| place(directory.path(), name));
        let restartable = |address: &str| ListenOptions::new(address).restartable(true);
        let both = Server::builder().add_service(MyGreeter::default().service());
        let both = both.listen(restartable(&first)).listen(restartable(&second)).bind().await.unwrap();
        let old = tokio::spawn(both.serve_with_shutdown(pending(), Duration::ZERO));
        let new = start(&first, &MyGreeter::default()).await;
        for address in [&first, &second] {
            let channel = Channel::connect(address).await.unwrap();
            greet(channel, "world").await.unwrap();
        }
        assert!(!old.is_finished());
        let other = start(&second, &MyGreeter::default()).await;
        old.await.unwrap().unwrap();
        for address in [&first, &second] {
            let channel = Channel::connect(address).await.unwrap();
            greet(channel, "world").await.unwrap();
        }
        new.abort();
        other.abort();
    });
}

/// Set in the inner run, which is a server: whether it serves, or only binds.
const INSIDE: &str = "GRPC_IPC_TEST_RESTART";
const SERVER: &str = "this_program_as_a_server";

/// A process that serves, or only binds, the socket in `directory`.
fn process(directory: &Path, serves: bool) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", SERVER, "--nocapture"]).current_dir(directory);
    command.env(INSIDE, if serves { "serve" } else { "bind" }).stdout(Stdio::null()).spawn().unwrap()
}

#[test]
fn this_program_as_a_server() {
    let Ok(mode) = std::env::var(INSIDE) else { return };
    run(SERVER, || async move {
        let options = ListenOptions::new(place(&std::env::current_dir().unwrap(), "s")).restartable(true);
        let server = Server::builder().add_service(MyGreeter::default().service()).listen(options);
        let server = server.bind().await.unwrap();
        if mode == "serve" {
            return server.serve_with_shutdown(pending(), DRAIN).await.unwrap();
        }
        std::fs::write("bound", "").unwrap();
        pending::<()>().await;
    });
}

#[test]
fn processes_follow_each_other_and_may_be_killed_before_they_serve() {
    run("processes_follow_each_other_and_may_be_killed_before_they_serve", || async {
        let directory = TempDir::new().unwrap();
        let address = place(directory.path(), "s");
        let mut old = process(directory.path(), true);
        Channel::connect(ConnectOptions::new(&address).wait(DRAIN)).await.unwrap();
        let clients = Clients::start(&address);
        for _ in 0..3 {
            clients.go_on().await;
            let mut killed = process(directory.path(), false);
            while std::fs::remove_file(directory.path().join("bound")).is_err() {
                clients.go_on().await;
            }
            killed.kill().unwrap();
            killed.wait().unwrap();
            clients.go_on().await;
            let new = process(directory.path(), true);
            while old.try_wait().unwrap().is_none() {
                clients.go_on().await;
            }
            assert!(old.wait().unwrap().success());
            old = new;
        }
        clients.go_on().await;
        clients.stop().await;
        old.kill().unwrap();
        old.wait().unwrap();
    });
}
