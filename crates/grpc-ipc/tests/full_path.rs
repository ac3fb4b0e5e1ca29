//! A peer that has bound a path of all 108 bytes. Linux accepts that without a NUL at its end, and reports a length of
//! 109. Some versions of the standard library panic when they format such an address (until Rust PR 162726). So nothing
//! may format it, even in a program that logs everything.
#![cfg(all(target_os = "linux", feature = "uds"))]

mod util;

use std::fmt::Debug;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use grpc_ipc::{Address, Channel, Connection as _, Connector as _, Listener as _, Server};
use grpc_ipc_conformance::{run, skip};
use grpc_ipc_uds::{ConnectOptions, ListenOptions};
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::time::Instant;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};
use util::{DRAIN, MyGreeter, Running, greet};

/// Connects from `$ARGV[0]` to `$ARGV[1]`, begins HTTP/2 ($ARGV[2]), and waits for an answer.
const CLIENT: &str = r#"use Socket; socket(S, AF_UNIX, SOCK_STREAM, 0) or die; bind(S, pack("Sa108", AF_UNIX, $ARGV[0])) or die;
    connect(S, pack_sockaddr_un($ARGV[1])) or die;
    syswrite(S, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"); sysread(S, $_, 1) or die"#;

/// Listens on `$ARGV[0]`, reports that, and begins each connection with SETTINGS.
const SERVER: &str = r#"use Socket; socket(S, AF_UNIX, SOCK_STREAM, 0) or die; bind(S, pack("Sa108", AF_UNIX, $ARGV[0])) or die;
    listen(S, 5) or die; syswrite(STDOUT, "\n");
    while (1) { accept(C, S) or die; syswrite(C, "\0\0\0\x04\0\0\0\0\0"); sysread(C, $_, 1); close(C) }"#;

/// A path of 108 bytes below `directory`. It contains `MARK`, which only the socket's address has.
fn full_path(directory: &Path) -> PathBuf {
    let marked = directory.join(MARK);
    fs::create_dir_all(&marked).unwrap();
    let path = marked.join("s".repeat(108 - marked.as_os_str().len() - 1));
    assert_eq!(path.as_os_str().len(), 108);
    path
}

const MARK: &str = "only-in-the-address-of-the-socket";

/// The formatted texts that contain the mark.
static FOUND: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn look(text: String) {
    if text.contains(MARK) {
        FOUND.lock().unwrap().push(text);
    }
}

fn perl(script: &str, arguments: &[&Path]) -> Command {
    let mut perl = Command::new("perl");
    perl.args(["-e", script]).args(arguments);
    perl
}

/// Receives and formats every event and span.
struct Everything;

impl Subscriber for Everything {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        attributes.record(&mut Formatted);
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        values.record(&mut Formatted);
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Formatted);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Formatted;

impl Visit for Formatted {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        look(format!("{field}: {value:?}"));
    }
}

#[test]
fn nothing_formats_the_address_of_a_peer() {
    let test = "nothing_formats_the_address_of_a_peer";
    run(test, || async {
        if Command::new("perl").arg("-v").output().is_err() {
            return skip(test, "there is no perl");
        }
        tracing::subscriber::set_global_default(Everything).unwrap();
        let directory = TempDir::new().unwrap();
        a_client(&directory.path().join("client")).await;
        a_server(&directory.path().join("server")).await;
        assert_eq!(*FOUND.lock().unwrap(), [""; 0]);
    });
}

async fn a_client(directory: &Path) {
    let path = directory.join("s");
    let connect = |number: &str| {
        let name = directory.join(number);
        perl(CLIENT, &[&full_path(&name), &path]).stderr(Stdio::null()).spawn().unwrap()
    };
    fs::create_dir(directory).unwrap();
    let mut listener = ListenOptions::new().listen(&Address::unix(&path).unwrap()).await.unwrap();
    let client = connect("first");
    let connection = listener.accept().await;
    look(format!("{connection:?}"));
    drop((connection, listener));
    assert!(!ended(client).await, "the server has not answered");

    let server = Server::builder().add_service(MyGreeter::default().service());
    let server = server.listen(&*format!("unix:{}", path.display())).bind().await.unwrap();
    let running = Running::start(server, DRAIN);
    assert!(ended(connect("second")).await, "the server has answered");
    running.stop().await.unwrap().unwrap();
}

async fn a_server(directory: &Path) {
    let bound = full_path(directory);
    // In the form that the client uses, it is short enough.
    symlink(MARK, directory.join("l")).unwrap();
    let path = directory.join("l").join(bound.file_name().unwrap());
    let mut server = perl(SERVER, &[&bound]).stdout(Stdio::piped()).spawn().unwrap();
    server.stdout.take().unwrap().read_exact(&mut [0]).unwrap();

    let connector = ConnectOptions::new().connector(&Address::unix(&path).unwrap());
    let mut connection = connector.connect(Instant::now()).await.unwrap();
    assert_eq!(connection.read_u8().await.unwrap(), 0, "the server's SETTINGS");
    assert_eq!(connection.peer().pid(), Some(server.id()));
    look(format!("{connection:?}"));
    drop(connection);

    let channel = Channel::connect(format!("unix:{}", path.display())).await.unwrap();
    look(format!("{channel:?}"));
    greet(channel, "it ends every connection").await.unwrap_err();
    server.kill().unwrap();
    server.wait().unwrap();
}

async fn ended(mut child: Child) -> bool {
    tokio::task::spawn_blocking(move || child.wait().unwrap().success()).await.unwrap()
}
