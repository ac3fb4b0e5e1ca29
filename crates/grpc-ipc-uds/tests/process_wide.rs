//! Tests that depend on process-wide state: the umask, the working directory, the limit of file descriptors. They run one
//! test after the other, in one function, because tests of one program run side by side.
#![cfg(unix)]

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::pin::pin;

use futures_util::poll;
use grpc_ipc_conformance::run;
#[cfg(target_os = "linux")]
use grpc_ipc_core::Connection as _;
use grpc_ipc_core::{Address, Connector as _, Listener as _};
use grpc_ipc_uds::{ConnectOptions, ListenOptions};
use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};
use tempfile::TempDir;
use tokio::time::{Duration, Instant};

#[test]
fn one_after_the_other() {
    run("umask", || async {
        for (mask, mode) in [(0o000, 0o600), (0o077, 0o666), (0o777, 0o600), (0o027, 0o660)] {
            the_mode_does_not_depend_on_the_umask(Mode::from_raw_mode(mask), mode).await;
        }
    });
    run("umask and directory", || async {
        for mask in [0o000, 0o077, 0o777] {
            the_mode_of_a_created_directory_does_not_depend_on_the_umask(Mode::from_raw_mode(mask)).await;
        }
    });
    run("created directory", what_may_have_been_replaced_gets_no_mode);
    run("working directory", a_relative_path_leads_to_the_same_place_from_another_working_directory);
    run("long working directory", a_relative_path_may_be_too_long_from_the_root);
    run("file descriptors", accept_goes_on_when_file_descriptors_run_out);
    #[cfg(target_os = "linux")]
    run("process handles", each_end_of_a_connection_is_one_descriptor);
}

async fn the_mode_does_not_depend_on_the_umask(mask: Mode, mode: u32) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("s");
    let before = umask(mask);
    let listener = ListenOptions::new().mode(mode).listen(&Address::unix(&path).unwrap()).await;
    assert_eq!(umask(before), mask, "the umask is restored");
    let _listener = listener.unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, mode);
}

async fn the_mode_of_a_created_directory_does_not_depend_on_the_umask(mask: Mode) {
    let directory = TempDir::new().unwrap();
    let (above, wanted) = (directory.path().join("above"), directory.path().join("wanted"));
    // With a umask of 0777, only root can create files in a directory that was created under it.
    let address = match mask.is_empty() {
        true => Address::unix(above.join("wanted/s")),
        false => Address::unix(wanted.join("s")),
    };
    let before = umask(mask);
    let listener = ListenOptions::new().create_parent(0o711).listen(&address.unwrap()).await;
    umask(before);
    let _listener = listener.unwrap();
    let mode_of = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
    match mask.is_empty() {
        true => assert_eq!((mode_of(&above), mode_of(&above.join("wanted"))), (0o755, 0o711)),
        false => assert_eq!(mode_of(&wanted), 0o711),
    }
}

/// Where others can replace a new directory, it keeps the mode that it was created with.
async fn what_may_have_been_replaced_gets_no_mode() {
    let directory = TempDir::new().unwrap();
    std::fs::set_permissions(directory.path(), Permissions::from_mode(0o777)).unwrap();
    let wanted = directory.path().join("wanted");
    let options = ListenOptions::new().create_parent(0o777).dangerous_allow_unsafe_parent();
    let before = umask(Mode::from_raw_mode(0o027));
    let listener = options.listen(&Address::unix(wanted.join("s")).unwrap()).await;
    umask(before);
    let _listener = listener.unwrap();
    assert_eq!(wanted.metadata().unwrap().permissions().mode() & 0o7777, 0o750);
}

async fn a_relative_path_leads_to_the_same_place_from_another_working_directory() {
    let (directory, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let root = directory.path().canonicalize().unwrap();
    let before = std::env::current_dir().unwrap();
    let address: Address = "unix:relative.sock".parse().unwrap();
    std::env::set_current_dir(&root).unwrap();
    let listener = ListenOptions::new().listen(&address).await.unwrap();
    let connector = ConnectOptions::new().connector(&address);
    std::env::set_current_dir(elsewhere.path()).unwrap();
    let other = ListenOptions::new().listen(&address).await.unwrap();
    // The client reaches the first server, and reports the address that it was given.
    let client = connector.connect(Instant::now()).await.unwrap();
    assert_eq!(rustix::net::getpeername(client.get_ref()).unwrap().unwrap(), bound_to(&root));
    assert_eq!(connector.address(), &address);
    // The server reports an address that works for every client.
    assert_eq!(listener.local_address(), &Address::unix(root.join("relative.sock")).unwrap());
    drop((listener, other));
    assert!(!root.join("relative.sock").exists() && !elsewhere.path().join("relative.sock").exists());
    std::env::set_current_dir(before).unwrap();
}

fn bound_to(directory: &Path) -> rustix::net::SocketAddrAny {
    rustix::net::SocketAddrUnix::new(directory.join("relative.sock")).unwrap().into()
}

async fn a_relative_path_may_be_too_long_from_the_root() {
    let directory = TempDir::new().unwrap();
    let long = directory.path().join("d".repeat(100));
    std::fs::create_dir(&long).unwrap();
    let before = std::env::current_dir().unwrap();
    let address: Address = "unix:relative.sock".parse().unwrap();
    std::env::set_current_dir(&long).unwrap();
    let listener = ListenOptions::new().listen(&address).await.unwrap();
    assert_eq!(listener.local_address(), &address);
    let connector = ConnectOptions::new().connector(&address);
    connector.connect(Instant::now()).await.unwrap();
    std::env::set_current_dir(before).unwrap();
    if cfg!(target_os = "linux") {
        connector.connect(Instant::now()).await.unwrap();
    }
    drop(listener);
    assert!(!long.join("relative.sock").exists());
}

/// A pidfd is one more, opened on first use and closed when the peer is dropped. It cannot be opened after the connection
/// is closed.
#[cfg(target_os = "linux")]
async fn each_end_of_a_connection_is_one_descriptor() {
    const CONNECTIONS: usize = 50;
    let count = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let directory = TempDir::new().unwrap();
    let address = Address::unix(directory.path().join("s")).unwrap();
    let mut listener = ListenOptions::new().listen(&address).await.unwrap();
    let connector = ConnectOptions::new().connector(&address);
    let before = count();
    let mut ends = Vec::new();
    for _ in 0..CONNECTIONS {
        let (client, server) = tokio::join!(connector.connect(Instant::now()), listener.accept());
        ends.extend([client.unwrap(), server]);
    }
    assert_eq!(count() - before, 2 * CONNECTIONS);

    let peers: Vec<_> = ends.iter().map(|end| end.peer().clone()).collect();
    assert_eq!(format!("{peers:?}").matches("pid: Some").count(), 2 * CONNECTIONS);
    assert_eq!(count() - before, 2 * CONNECTIONS, "formatting opens nothing");
    if peers[0].process().is_none() {
        return grpc_ipc_conformance::skip("process handles", "SO_PEERPIDFD needs Linux 6.5");
    }
    // Clones share one.
    assert_eq!(peers[0].process(), ends[0].peer().clone().process());
    assert_eq!(count() - before, 2 * CONNECTIONS + 1);

    drop(ends);
    assert!(peers[0].process().unwrap().is_running().unwrap(), "a handle that was opened before stays");
    assert_eq!(count() - before, 1);
    // The first descriptors that are opened now have the numbers of the connections.
    let others: Vec<_> = (0..CONNECTIONS).map(|_| std::os::unix::net::UnixStream::pair().unwrap()).collect();
    assert!(peers[1..].iter().all(|peer| peer.process().is_none()), "requested too late");
    drop((others, peers));
    assert_eq!(count(), before);
}

async fn accept_goes_on_when_file_descriptors_run_out() {
    let directory = TempDir::new().unwrap();
    let address = Address::unix(directory.path().join("s")).unwrap();
    let mut listener = ListenOptions::new().listen(&address).await.unwrap();
    let connector = ConnectOptions::new().connector(&address);
    let client = connector.connect(Instant::now() + Duration::from_secs(30)).await.unwrap();

    let limit = getrlimit(Resource::Nofile);
    let none_left = Rlimit { current: Some(3), maximum: limit.maximum };
    setrlimit(Resource::Nofile, none_left).unwrap();
    let error = std::fs::File::open("/").unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EMFILE), "file descriptors have run out");
    // The same call fails for lack of a descriptor, waits, and accepts once descriptors are available again.
    let mut accept = pin!(listener.accept());
    assert!(poll!(accept.as_mut()).is_pending(), "accept waits");
    setrlimit(Resource::Nofile, limit).unwrap();
    accept.await;
    drop(client);
}
