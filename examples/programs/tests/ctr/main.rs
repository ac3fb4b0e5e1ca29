//! `ctr`, containerd's command, calls a server of ours.

#![cfg(target_os = "linux")]

mod server;

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use grpc_ipc::{Server, ServerHandle};
use grpc_ipc_conformance::Watchdog;
use grpc_ipc_programs::{installed, printed};
use server::Store;
use tempfile::TempDir;

use server::content::content_server::ContentServer;
use server::events::events_server::EventsServer;
use server::introspection::introspection_server::IntrospectionServer;
use server::leases::leases_server::LeasesServer;
use server::namespaces::namespaces_server::NamespacesServer;
use server::version::version_server::VersionServer;

struct Containerd {
    directory: TempDir,
    store: Store,
    server: ServerHandle,
    _watchdog: Watchdog,
}

impl Containerd {
    fn start(test: &str) -> Option<Self> {
        let watchdog = Watchdog::start(test, Duration::from_secs(60));
        if !installed(test, "ctr") {
            return None;
        }
        let (directory, store) = (TempDir::new().unwrap(), Store::default());
        let server = Server::builder()
            .add_service(ContentServer::new(store.clone()))
            .add_service(EventsServer::new(store.clone()))
            .add_service(IntrospectionServer::new(store.clone()))
            .add_service(LeasesServer::new(store.clone()))
            .add_service(NamespacesServer::new(store.clone()))
            .add_service(VersionServer::new(store.clone()))
            .listen(format!("unix:{}", socket(&directory).display()))
            .spawn()
            .unwrap();
        Some(Self { directory, store, server, _watchdog: watchdog })
    }

    fn ctr(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("ctr");
        command.arg("--address").arg(socket(&self.directory)).args(arguments).stdin(Stdio::null());
        command
    }

    /// The words of each line that `ctr` prints.
    fn table(&self, arguments: &[&str]) -> Vec<Vec<String>> {
        let printed = printed(&mut self.ctr(arguments));
        printed.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
    }

    fn stop(self) {
        self.server.shutdown(Duration::from_secs(5)).unwrap();
    }
}

fn socket(directory: &TempDir) -> PathBuf {
    directory.path().join("socket")
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// A file without repetitions, and its digest.
fn file(directory: &Path) -> (PathBuf, String) {
    let path = directory.join("file");
    let lines: String = (0..400_000).map(|number| format!("{number}\n")).collect();
    std::fs::write(&path, lines).unwrap();
    let sum = printed(Command::new("sha256sum").arg(&path));
    (path, format!("sha256:{}", sum.split_whitespace().next().unwrap()))
}

#[test]
fn version_namespaces_and_leases() {
    let Some(containerd) = Containerd::start("version_namespaces_and_leases") else { return };
    let version = containerd.table(&["version"]);
    for expected in [["Version:", "1.2.3"], ["Revision:", "ours"], ["UUID:", "generated"]] {
        assert!(version.iter().any(|line| line[..] == expected), "{version:?}");
    }

    containerd.table(&["namespaces", "create", "first", "label=ü€😀"]);
    containerd.table(&["namespaces", "create", "second"]);
    let again = containerd.ctr(&["namespaces", "create", "first"]).output().unwrap();
    let error = String::from_utf8_lossy(&again.stderr);
    assert!(!again.status.success() && error.contains("already exists"), "{error}");
    containerd.table(&["namespaces", "remove", "second"]);
    let listed = containerd.table(&["namespaces", "list"]);
    assert_eq!(listed, [vec!["NAME", "LABELS"], vec!["first", "label=ü€😀"]]);

    containerd.table(&["leases", "create", "--id", "lease", "a=b"]);
    let listed = containerd.table(&["leases", "list"]);
    assert_eq!((listed.len(), &*listed[1][0]), (2, "lease"), "{listed:?}");
    containerd.table(&["leases", "delete", "lease"]);
    assert_eq!(containerd.table(&["leases", "list"]).len(), 1);
    containerd.stop();
}

#[test]
fn content_up_and_down() {
    let Some(containerd) = Containerd::start("content_up_and_down") else { return };
    let (path, digest) = file(containerd.directory.path());
    let ingest = ["content", "ingest", "--expected-digest", &digest, "upload"];
    printed(containerd.ctr(&ingest).stdin(File::open(&path).unwrap()));
    let content = std::fs::read(&path).unwrap();
    assert!(containerd.store.content(&digest).unwrap() == content);
    assert!(printed(&mut containerd.ctr(&["content", "get", &digest])).as_bytes() == content);
    containerd.stop();
}

#[test]
fn events_until_it_is_killed() {
    let Some(containerd) = Containerd::start("events_until_it_is_killed") else { return };
    let child = containerd.ctr(&["events"]).stdout(Stdio::piped()).spawn();
    let mut ctr = Killed(child.unwrap());
    let subscriber = loop {
        match containerd.store.subscribers().pop() {
            Some(subscriber) => break subscriber,
            None => std::thread::yield_now(),
        }
    };
    let mut lines = BufReader::new(ctr.0.stdout.take().unwrap()).lines();
    for number in 0..3 {
        let name = format!("n{number}");
        subscriber.blocking_send(Ok(server::event(&name))).unwrap();
        let line = lines.next().unwrap().unwrap();
        assert!(line.ends_with(&format!("{name} /namespaces/create {{\"name\":\"{name}\"}}")), "{line}");
    }
    drop(ctr);
    // The server notices.
    while !subscriber.is_closed() {
        std::thread::yield_now();
    }
    containerd.stop();
}
