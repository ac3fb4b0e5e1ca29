//! A server that takes over the socket of another one.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::FutureExt as _;
use grpc_ipc_conformance::{LIMIT, Watchdog, run, unique_name};
use grpc_ipc_core::{Address, BindError, Connector as _, Listener as _};
use grpc_ipc_uds::{ConnectOptions, ListenOptions, LocalListener, LocalStream};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout};

async fn listen(address: &Address) -> Result<LocalListener, BindError> {
    ListenOptions::new().restartable(true).listen(address).await
}

/// A path, and a name without a file.
fn places() -> (TempDir, [Address; 2]) {
    let directory = TempDir::new().unwrap();
    let path = Address::unix(directory.path().join("s")).unwrap();
    (directory, [path, Address::unix_abstract(unique_name("hand-over")).unwrap()])
}

async fn connect(address: &Address, byte: u8) -> LocalStream {
    let mut client = ConnectOptions::new().connector(address).connect(Instant::now()).await.unwrap();
    client.write_all(&[byte]).await.unwrap();
    client
}

async fn accepted(listener: &mut LocalListener) -> u8 {
    listener.accept().await.read_u8().await.unwrap()
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn the_next_server_takes_over_where_it_begins_to_accept() {
    run("the_next_server_takes_over_where_it_begins_to_accept", || async {
        let (directory, addresses) = places();
        for address in addresses {
            let mut old = listen(&address).await.unwrap();
            for number in 0..20 {
                let _first = connect(&address, 1).await;
                let mut new = listen(&address).await.unwrap();
                assert_eq!(new.local_address(), old.local_address());
                assert_eq!(accepted(&mut old).await, 1, "it continues until the next one accepts");
                assert!(old.handed_over().now_or_never().is_none());
                let _second = connect(&address, 2).await;
                assert_eq!(accepted(&mut new).await, 2);
                old.handed_over().await;
                let _third = connect(&address, 3).await;
                assert!(old.accept().now_or_never().is_none(), "hand-over {number}");
                assert!(old.accept_last().await.is_none());
                drop(old);
                assert_eq!(accepted(&mut new).await, 3);
                old = new;
            }
        }
        assert!(files(directory.path()).is_empty(), "the last one removed them");
    });
}

#[test]
fn a_server_that_ends_before_it_accepts_changes_nothing() {
    run("a_server_that_ends_before_it_accepts_changes_nothing", || async {
        let (directory, addresses) = places();
        for address in addresses {
            let mut old = listen(&address).await.unwrap();
            for _ in 0..3 {
                drop(listen(&address).await.unwrap());
                let _client = connect(&address, 1).await;
                assert_eq!(accepted(&mut old).await, 1);
            }
            assert!(old.handed_over().now_or_never().is_none());
            let mut new = listen(&address).await.unwrap();
            let _client = connect(&address, 2).await;
            assert_eq!(accepted(&mut new).await, 2);
            // Only the hand-over keeps it from removing the files.
            drop(old);
            let _client = connect(&address, 3).await;
            assert_eq!(accepted(&mut new).await, 3);
        }
        assert!(files(directory.path()).is_empty());
    });
}

#[test]
fn a_server_that_ends_meanwhile_leaves_the_socket_to_the_next() {
    run("a_server_that_ends_meanwhile_leaves_the_socket_to_the_next", || async {
        let (directory, addresses) = places();
        for address in addresses {
            let old = listen(&address).await.unwrap();
            let mut new = listen(&address).await.unwrap();
            let _client = connect(&address, 1).await;
            drop(old);
            let _second = connect(&address, 2).await;
            assert_eq!(accepted(&mut new).await, 1, "a client that waited is accepted");
            assert_eq!(accepted(&mut new).await, 2);
        }
        assert!(files(directory.path()).is_empty());
    });
}

#[test]
fn the_lock_and_the_files_stay_the_same() {
    run("the_lock_and_the_files_stay_the_same", || async {
        let (directory, [address, _]) = places();
        let old = ListenOptions::new().restartable(true).mode(0o666).listen(&address).await.unwrap();
        let names: Vec<_> = ["s", "s.handover", "s.lock"].map(|name| directory.path().join(name)).into();
        assert_eq!(files(directory.path()), names);
        let mode =
            |name: &str| fs::metadata(directory.path().join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("s"), mode("s.handover")), (0o666, 0o600));
        let inodes = || names.iter().map(|name| fs::metadata(name).unwrap().ino()).collect::<Vec<_>>();
        let before = inodes();
        let mut new = listen(&address).await.unwrap();
        tokio::select! {
            _ = new.accept() => unreachable!("nobody connects"),
            () = old.handed_over() => {}
        }
        drop(old);
        assert_eq!(inodes(), before);
        // The new server has the lock, so nobody else may listen.
        let other = ListenOptions::new().listen(&address).await.map(drop).unwrap_err();
        assert!(matches!(&other, BindError::InUse { by: Some(_), .. }), "{other:?}");
        drop(new);
        assert!(files(directory.path()).is_empty());
    });
}

#[test]
fn a_server_that_is_not_restartable_is_left_alone() {
    run("a_server_that_is_not_restartable_is_left_alone", || async {
        let (_directory, addresses) = places();
        for address in addresses {
            let mut old = ListenOptions::new().listen(&address).await.unwrap();
            let error = listen(&address).await.map(drop).unwrap_err();
            assert!(matches!(error, BindError::InUse { .. }), "{error:?}");
            let _client = connect(&address, 1).await;
            // The other one connected to find out who has the name.
            while old.accept().await.read_u8().await.unwrap_or(0) != 1 {}
        }
    });
}

#[test]
fn what_a_dead_server_leaves_is_no_obstacle() {
    run("what_a_dead_server_leaves_is_no_obstacle", || async {
        let (directory, [address, _]) = places();
        for name in ["s", "s.handover"] {
            drop(std::os::unix::net::UnixListener::bind(directory.path().join(name)).unwrap());
        }
        let mut listener = listen(&address).await.unwrap();
        let _client = connect(&address, 1).await;
        assert_eq!(accepted(&mut listener).await, 1);
    });
}

#[test]
fn whoever_only_looks_ends_nothing() {
    run("whoever_only_looks_ends_nothing", || async {
        let (directory, [address, _]) = places();
        let mut old = listen(&address).await.unwrap();
        let beside = directory.path().join("s.handover");
        drop(UnixStream::connect(&beside).unwrap());
        let mut other = UnixStream::connect(&beside).unwrap();
        other.write_all(b"GET / HTTP/1.1\r\n").unwrap();
        let _client = connect(&address, 1).await;
        assert_eq!(accepted(&mut old).await, 1);
        let mut new = listen(&address).await.unwrap();
        let _client = connect(&address, 2).await;
        assert_eq!(accepted(&mut new).await, 2);
    });
}

#[test]
fn files_that_are_removed_come_back_and_can_be_handed_over() {
    run("files_that_are_removed_come_back_and_can_be_handed_over", || async {
        let (directory, [address, _]) = places();
        let mut old = listen(&address).await.unwrap();
        files(directory.path()).iter().for_each(|file| fs::remove_file(file).unwrap());
        let back = async {
            while files(directory.path()).len() < 3 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            _ = old.accept() => unreachable!("nobody connects"),
            () = back => {}
        }
        let mut new = listen(&address).await.unwrap();
        let _client = connect(&address, 1).await;
        assert_eq!(accepted(&mut new).await, 1);
        old.handed_over().await;
        drop(old);
        let _client = connect(&address, 2).await;
        assert_eq!(accepted(&mut new).await, 2);
    });
}

#[test]
fn a_path_has_room_for_the_second_one() {
    run("a_path_has_room_for_the_second_one", || async {
        let directory = TempDir::new().unwrap();
        let room = 107 - directory.path().as_os_str().len() - 1;
        let address = Address::unix(directory.path().join("x".repeat(room - 8))).unwrap();
        let error = listen(&address).await.map(drop).unwrap_err();
        assert!(matches!(error, BindError::TooLong { limit: 98, .. }), "{error:?}");
        let address = Address::unix(directory.path().join("x".repeat(room - 9))).unwrap();
        listen(&address).await.unwrap();
    });
}

/// The next server finds the address free, although the old server has not ended yet.
#[test]
fn a_server_that_gives_up_its_address_hands_nothing_over() {
    run("a_server_that_gives_up_its_address_hands_nothing_over", || async {
        let (directory, addresses) = places();
        for address in addresses {
            let mut old = listen(&address).await.unwrap();
            assert!(old.accept_last().await.is_none());
            if matches!(address, Address::UnixAbstract { .. }) {
                // The name is free when the socket is closed.
                drop(old);
            }
            let mut new = listen(&address).await.unwrap();
            let _client = connect(&address, 1).await;
            assert_eq!(accepted(&mut new).await, 1);
        }
        assert!(files(directory.path()).is_empty());
    });
}

/// The previous server creates the file again.
#[test]
fn a_file_that_was_removed_is_waited_for() {
    run("a_file_that_was_removed_is_waited_for", || async {
        let (directory, [address, _]) = places();
        let mut old = listen(&address).await.unwrap();
        fs::remove_file(directory.path().join("s")).unwrap();
        let mut new = tokio::select! {
            new = listen(&address) => new.unwrap(),
            _ = old.accept() => unreachable!("nobody connects"),
        };
        let _client = connect(&address, 1).await;
        assert_eq!(accepted(&mut new).await, 1);
    });
}

/// A server that received the old socket before the restore does not prevent that.
#[test]
fn a_server_that_has_restored_its_file_can_be_followed() {
    run("a_server_that_has_restored_its_file_can_be_followed", || async {
        let (directory, [address, _]) = places();
        let path = directory.path().join("s");
        let mut old = listen(&address).await.unwrap();
        let stale = listen(&address).await.unwrap();
        fs::remove_file(&path).unwrap();
        let restored = async {
            while !path.exists() {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = restored => {}
            _ = old.accept() => unreachable!("nobody connects"),
        }
        drop(stale);
        let mut new = tokio::select! {
            new = listen(&address) => new.unwrap(),
            _ = old.accept() => unreachable!("nobody connects"),
        };
        let _client = connect(&address, 1).await;
        assert_eq!(accepted(&mut new).await, 1);
    });
}

/// The server that has taken over restores them, and can be followed.
#[tokio::test]
async fn files_that_are_removed_during_a_hand_over() {
    const MINUTE: Duration = Duration::from_secs(60);
    let _watchdog = Watchdog::start("files_that_are_removed_during_a_hand_over", LIMIT);
    for name in ["s.handover", "s.lock"] {
        let (directory, [address, _]) = places();
        let file = directory.path().join(name);
        let mut old = listen(&address).await.unwrap();
        let mut new = listen(&address).await.unwrap();
        fs::remove_file(&file).unwrap();
        // Several times, because a paused clock does not wait for the system.
        tokio::time::pause();
        for _ in 0..5 {
            assert!(timeout(MINUTE, old.accept()).await.is_err(), "nobody connects");
        }
        tokio::time::resume();
        let _client = connect(&address, 1).await;
        assert_eq!(accepted(&mut new).await, 1);
        timeout(LIMIT / 2, old.handed_over()).await.expect("the old server continues");
        drop(old);
        let restored = async {
            while !file.exists() {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = restored => {}
            _ = new.accept() => unreachable!("nobody connects"),
        }
        let mut next = tokio::select! {
            next = listen(&address) => next.unwrap(),
            _ = new.accept() => unreachable!("nobody connects"),
        };
        let _client = connect(&address, 2).await;
        assert_eq!(accepted(&mut next).await, 2);
    }
}

/// A server does not answer while it hands over to another one.
#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_waited_for_ten_seconds() {
    let (directory, [address, _]) = places();
    let old = ListenOptions::new().listen(&address).await.unwrap();
    let _silent = std::os::unix::net::UnixListener::bind(directory.path().join("s.handover")).unwrap();
    let began = Instant::now();
    let error = listen(&address).await.map(drop).unwrap_err();
    assert!(matches!(error, BindError::InUse { .. }), "{error:?}");
    assert_eq!(began.elapsed().as_secs(), 10);
    drop(old);
}
