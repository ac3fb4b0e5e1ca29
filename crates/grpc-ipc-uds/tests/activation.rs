//! Listening on sockets that others have bound: given as descriptors, or passed in the manner of systemd.
//!
//! Some tests run themselves again with inherited descriptors; the inner run makes the checks.
#![cfg(target_os = "linux")]

use std::env;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use grpc_ipc_conformance::{run, unique_name};
use grpc_ipc_core::{
    AccessPolicy, Address, BindError, ConnectError, Connection as _, Connector as _, Listener as _,
};
use grpc_ipc_uds::{ConnectOptions, ListenOptions, LocalListener};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

/// Set for the inner run, to the directory of the sockets.
const INSIDE: &str = "GRPC_IPC_TEST_ACTIVATED";

fn path_of(address: &Address) -> &Path {
    match address {
        Address::Unix { path, .. } => path,
        other => panic!("{other}"),
    }
}

async fn listen(address: &str) -> Result<LocalListener, BindError> {
    ListenOptions::new().listen(&address.parse().unwrap()).await
}

/// Sends one byte from a client to the server, and checks that the peer is this process.
async fn exchange(listener: &mut LocalListener) {
    let connector = ConnectOptions::new().connector(listener.local_address());
    let (client, mut server) = tokio::join!(connector.connect(Instant::now()), listener.accept());
    assert_eq!(server.peer().pid(), Some(std::process::id()));
    assert!(server.peer().groups().is_some());
    client.unwrap().write_all(b"x").await.unwrap();
    assert_eq!(server.read_u8().await.unwrap(), b'x');
}

/// Runs the test `name` again, with `sockets` as descriptors 3 and 4, and these variables.
fn again(name: &str, directory: &Path, sockets: [OwnedFd; 2], variables: &str) {
    let script = format!("{variables} exec \"$0\" \"$@\" 3<&0 4<&1 0</dev/null 1>/dev/null");
    let [first, second] = sockets;
    let status = Command::new("/bin/sh")
        .args(["-c", &script])
        .arg(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(INSIDE, directory)
        .stdin(Stdio::from(first))
        .stdout(Stdio::from(second))
        .status()
        .unwrap();
    assert!(status.success(), "the inner run failed: {status}");
}

fn inside() -> Option<PathBuf> {
    env::var_os(INSIDE).map(PathBuf::from)
}

/// Whether descriptor `number` is closed in programs that this process starts.
fn closes_on_exec(number: u32) -> bool {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
    u32::from_str_radix(flags.trim(), 8).unwrap() & libc::O_CLOEXEC as u32 != 0
}

#[test]
fn a_given_socket_is_listened_on_and_left_where_it_is() {
    run("a_given_socket_is_listened_on_and_left_where_it_is", || async {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("s");
        let socket = UnixListener::bind(&path).unwrap();
        let other = socket.try_clone().unwrap();
        let mut listener = ListenOptions::new().listen_on(socket).await.unwrap();
        assert_eq!(path_of(listener.local_address()), path);
        exchange(&mut listener).await;
        // A client that connects while nobody listens waits for the next listener.
        drop(listener);
        let mut early = UnixStream::connect(&path).unwrap();
        std::io::Write::write_all(&mut early, b"e").unwrap();
        let mut listener = ListenOptions::new().listen_on(OwnedFd::from(other)).await.unwrap();
        assert_eq!(listener.accept().await.read_u8().await.unwrap(), b'e');

        let name = unique_name("test");
        let socket = SocketAddr::from_abstract_name(&name).and_then(|name| UnixListener::bind_addr(&name));
        let mut listener = ListenOptions::new().listen_on(socket.unwrap()).await.unwrap();
        assert_eq!(listener.local_address(), &Address::unix_abstract(name.as_str()).unwrap());
        exchange(&mut listener).await;
    });
}

#[test]
fn the_access_policy_is_applied_to_a_given_socket() {
    run("the_access_policy_is_applied_to_a_given_socket", || async {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("s");
        let nobody = AccessPolicy::users([]);
        let socket = UnixListener::bind(&path).unwrap();
        let mut listener = ListenOptions::new().access(nobody.clone()).listen_on(socket).await.unwrap();
        let mut client = tokio::net::UnixStream::connect(&path).await.unwrap();
        tokio::select! {
            _ = listener.accept() => panic!("it was accepted"),
            read = client.read_u8() => assert!(read.is_err()),
        }
        assert_eq!(nobody.refused(), 1);
    });
}

#[test]
fn what_does_not_listen_is_refused() {
    run("what_does_not_listen_is_refused", || async {
        let directory = TempDir::new().unwrap();
        let descriptors: [(OwnedFd, &str); 4] = [
            (File::create(directory.path().join("f")).unwrap().into(), "a regular file"),
            (TcpListener::bind("127.0.0.1:0").unwrap().into(), "an Internet socket"),
            (UnixDatagram::bind(directory.path().join("d")).unwrap().into(), "a datagram socket"),
            (UnixStream::pair().unwrap().0.into(), "a connected Unix domain socket"),
        ];
        for (descriptor, found) in descriptors {
            let error = ListenOptions::new().listen_on(descriptor).await.map(drop).unwrap_err();
            assert!(matches!(error, BindError::NotListening { .. }), "{error:?}");
            let expected = format!("the descriptor is {found}, expected a listening Unix domain socket");
            assert!(error.to_string().contains(&expected), "{error}");
        }
    });
}

#[test]
fn systemds_sockets_are_taken_by_name() {
    let test = "systemds_sockets_are_taken_by_name";
    let Some(directory) = inside() else {
        let directory = TempDir::new().unwrap();
        let sockets =
            ["first", "second"].map(|name| UnixListener::bind(directory.path().join(name)).unwrap());
        let variables = "LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=first:second.socket";
        return again(test, directory.path(), sockets.map(Into::into), variables);
    };
    run(test, || async move {
        let not_passed = |result: Result<LocalListener, BindError>| match result.map(drop) {
            Err(BindError::NotPassed { reason, .. }) => reason,
            other => panic!("{other:?}"),
        };
        assert!(!closes_on_exec(3), "unchanged before the first use");
        let mut first = listen("systemd:first").await.unwrap();
        assert!(closes_on_exec(3) && closes_on_exec(4), "all of them, at once");
        assert_eq!(path_of(first.local_address()), directory.join("first"));
        exchange(&mut first).await;
        let mut second = listen("systemd:second.socket").await.unwrap();
        assert_eq!(path_of(second.local_address()), directory.join("second"));
        exchange(&mut second).await;

        let others = "systemd:first, systemd:second.socket";
        let reason = not_passed(listen("systemd:third").await);
        assert_eq!(reason, format!("systemd passed no socket of this name; it passed {others}"));
        let reason = not_passed(listen("systemd:").await);
        assert_eq!(reason, format!("systemd passed more than one socket; choose one of {others}"));

        let taken = listen("systemd:first").await.map(drop).unwrap_err();
        assert!(matches!(taken, BindError::InUse { .. }), "{taken:?}");
        drop(first);
        exchange(&mut listen("systemd:first").await.unwrap()).await;
        assert!(directory.join("first").exists(), "removing it is up to systemd");

        assert_eq!(env::var("LISTEN_FDS").unwrap(), "2", "the environment is left alone");
        let connector = ConnectOptions::new().connector(&"systemd:first".parse().unwrap());
        let error = connector.connect(Instant::now()).await.map(drop).unwrap_err();
        assert!(matches!(error, ConnectError::Unsupported { .. }), "{error:?}");
    });
}

#[test]
fn the_only_socket_of_systemd_needs_no_name() {
    let test = "the_only_socket_of_systemd_needs_no_name";
    let Some(directory) = inside() else {
        let directory = TempDir::new().unwrap();
        let socket = UnixListener::bind(directory.path().join("s")).unwrap();
        let other = UnixListener::bind(directory.path().join("other")).unwrap();
        let variables = "LISTEN_PID=$$ LISTEN_FDS=1";
        return again(test, directory.path(), [socket.into(), other.into()], variables);
    };
    run(test, || async move {
        let mut listener = listen("systemd:").await.unwrap();
        assert_eq!(path_of(listener.local_address()), directory.join("s"));
        exchange(&mut listener).await;
        drop(listener);
        exchange(&mut listen("systemd:unknown").await.unwrap()).await;
    });
}

#[test]
fn what_systemd_passes_is_checked() {
    let test = "what_systemd_passes_is_checked";
    let Some(_) = inside() else {
        let directory = TempDir::new().unwrap();
        let file = File::create(directory.path().join("f")).unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let variables = "LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=file:tcp";
        return again(test, directory.path(), [file.into(), tcp.into()], variables);
    };
    run(test, || async move {
        for (name, found) in [("file", "a regular file"), ("tcp", "an Internet socket")] {
            let error = listen(&format!("systemd:{name}")).await.map(drop).unwrap_err();
            assert!(matches!(error, BindError::NotListening { .. }), "{error:?}");
            let expected = format!(
                "cannot listen on systemd:{name}: the descriptor is {found}, expected a listening Unix domain"
            );
            assert!(error.to_string().starts_with(&expected), "{error}");
        }
    });
}

#[test]
fn sockets_for_another_process_are_not_taken() {
    let test = "sockets_for_another_process_are_not_taken";
    let Some(_) = inside() else {
        let directory = TempDir::new().unwrap();
        let sockets =
            ["first", "second"].map(|name| UnixListener::bind(directory.path().join(name)).unwrap());
        // The shell's parent is not the process that runs the test.
        return again(test, directory.path(), sockets.map(Into::into), "LISTEN_PID=$PPID LISTEN_FDS=2");
    };
    run(test, || async move {
        let error = listen("systemd:").await.map(drop).unwrap_err();
        assert!(error.to_string().contains("are for another process"), "{error}");
        assert!(!closes_on_exec(3), "they belong to another process");
    });
}
