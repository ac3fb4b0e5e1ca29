//! The file of a socket: its mode, and which files are replaced and removed.
#![cfg(unix)]

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};

use grpc_ipc_conformance::run;
#[cfg(target_os = "linux")]
use grpc_ipc_conformance::skip;
use grpc_ipc_core::{
    Address, BindError, ConnectError, Connection as _, Connector as _, GroupId, Listener as _, UserId,
};
use grpc_ipc_uds::{ConnectOptions, ListenOptions, LocalListener};
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::time::Instant;

struct Place {
    _directory: TempDir,
    path: PathBuf,
}

fn place() -> Place {
    let directory = TempDir::new().unwrap();
    Place { path: directory.path().join("s"), _directory: directory }
}

async fn listen(path: &Path) -> Result<LocalListener, BindError> {
    ListenOptions::new().listen(&Address::unix(path).unwrap()).await
}

async fn listen_error(path: &Path) -> BindError {
    match listen(path).await {
        Err(error) => error,
        Ok(_) => panic!("listening on {}", path.display()),
    }
}

async fn connects(path: &Path) -> bool {
    ConnectOptions::new().connector(&Address::unix(path).unwrap()).connect(Instant::now()).await.is_ok()
}

/// The user that this test runs as.
fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The file that a killed server leaves.
fn leave_stale_socket(path: &Path) {
    drop(UnixListener::bind(path).unwrap());
    assert!(path.symlink_metadata().unwrap().file_type().is_socket());
}

#[test]
fn the_mode_is_the_one_asked_for() {
    run("the_mode_is_the_one_asked_for", || async {
        let mode_of = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        let by_default = place();
        let _listener = listen(&by_default.path).await.unwrap();
        assert_eq!(mode_of(&by_default.path), 0o600);
        // With the usual umask, 022, some of these need a chmod after the bind.
        for mode in [0o600, 0o640, 0o660, 0o666, 0o777] {
            let place = place();
            let address = Address::unix(&place.path).unwrap();
            let _listener = ListenOptions::new().mode(mode).listen(&address).await.unwrap();
            assert_eq!(mode_of(&place.path), mode);
        }
    });
}

#[test]
fn the_socket_of_a_dead_server_is_replaced() {
    run("the_socket_of_a_dead_server_is_replaced", || async {
        let place = place();
        leave_stale_socket(&place.path);
        let _listener = listen(&place.path).await.unwrap();
        assert!(connects(&place.path).await);
    });
}

#[test]
fn one_of_many_that_start_at_once_wins() {
    run("one_of_many_that_start_at_once_wins", || async {
        for _ in 0..20 {
            let place = place();
            leave_stale_socket(&place.path);
            let start = |path: PathBuf| tokio::spawn(async move { listen(&path).await });
            let starting: Vec<_> = (0..8).map(|_| start(place.path.clone())).collect();
            let mut listeners = Vec::new();
            for started in starting {
                match started.await.unwrap() {
                    Ok(listener) => listeners.push(listener),
                    Err(error) => assert!(matches!(error, BindError::InUse { .. }), "{error:?}"),
                }
            }
            assert_eq!(listeners.len(), 1);
            assert!(connects(&place.path).await, "clients reach the server that won");
        }
    });
}

#[test]
fn the_socket_of_a_live_server_is_left_alone() {
    run("the_socket_of_a_live_server_is_left_alone", || async {
        let place = place();
        let _other = UnixListener::bind(&place.path).unwrap();
        let error = listen_error(&place.path).await.to_string();
        let (path, uid, pid) = (place.path.display(), own_uid(), std::process::id());
        assert_eq!(error, format!("unix:{path} is already in use by unix:uid={uid},pid={pid}"));
        assert!(connects(&place.path).await);
    });
}

#[test]
fn a_live_socket_of_another_type_is_left_alone() {
    run("a_live_socket_of_another_type_is_left_alone", || async {
        let place = place();
        let _other = UnixDatagram::bind(&place.path).unwrap();
        let error = listen_error(&place.path).await;
        assert!(matches!(error, BindError::InUse { by: None, .. }), "{error:?}");
        assert!(place.path.exists());
    });
}

#[test]
fn what_is_no_socket_is_left_alone() {
    run("what_is_no_socket_is_left_alone", || async {
        let place = place();
        let refused = async |expected: &str| {
            let error = listen_error(&place.path).await;
            assert!(matches!(&error, BindError::NotASocket { found, .. } if *found == expected), "{error:?}");
        };
        fs::create_dir(&place.path).unwrap();
        refused("a directory").await;
        fs::remove_dir(&place.path).unwrap();

        fs::write(&place.path, "precious").unwrap();
        refused("a regular file").await;
        assert_eq!(fs::read_to_string(&place.path).unwrap(), "precious");
        fs::remove_file(&place.path).unwrap();

        // Also a symbolic link to a replaceable socket, or to nothing.
        let target = place.path.with_extension("target");
        symlink(&target, &place.path).unwrap();
        refused("a symbolic link").await;
        leave_stale_socket(&target);
        refused("a symbolic link").await;
        assert!(target.exists() && place.path.is_symlink());
    });
}

#[test]
fn a_missing_directory_is_named() {
    run("a_missing_directory_is_named", || async {
        let place = place();
        let error = listen_error(&place.path.join("s")).await;
        assert!(matches!(&error, BindError::NoParent { parent, .. } if *parent == place.path), "{error:?}");
        fs::write(&place.path, "a file where a directory should be").unwrap();
        let error = listen_error(&place.path.join("s")).await;
        assert!(matches!(&error, BindError::NoParent { parent, .. } if *parent == place.path), "{error:?}");
    });
}

#[test]
fn a_path_over_the_limit_is_refused_with_both_lengths() {
    run("a_path_over_the_limit_is_refused_with_both_lengths", || async {
        let limit = if cfg!(target_os = "linux") { 107 } else { 103 };
        let directory = TempDir::new().unwrap();
        let file = |length: usize| {
            directory.path().join("x".repeat(length - directory.path().as_os_str().len() - 1))
        };
        let _longest = listen(&file(limit)).await.unwrap();
        assert!(connects(&file(limit)).await);

        let over = file(limit + 1);
        let error = listen_error(&over).await.to_string();
        assert!(error.contains(&format!("is {} bytes long, at most {limit} fit", limit + 1)), "{error}");
        let connector = ConnectOptions::new().connector(&Address::unix(over).unwrap());
        let error = connector.connect(Instant::now()).await.unwrap_err();
        assert!(matches!(error, ConnectError::TooLong { .. }), "{error:?}");
    });
}

#[test]
#[cfg(target_os = "linux")]
fn a_client_with_a_name_of_the_full_length_is_accepted() {
    run("a_client_with_a_name_of_the_full_length_is_accepted", || async {
        let place = place();
        let mut listener = listen(&place.path).await.unwrap();
        // A path without the NUL at its end. Linux accepts it, and reports a length of one byte more than there is room for.
        let directory = place.path.parent().unwrap();
        let name = directory.join("c".repeat(108 - directory.as_os_str().len() - 1));
        assert_eq!(name.as_os_str().len(), 108);
        let script = r#"use Socket; socket(S, AF_UNIX, SOCK_STREAM, 0) or die; bind(S, pack("Sa108", AF_UNIX, $ARGV[0])) or die;
            connect(S, pack_sockaddr_un($ARGV[1])) or die; syswrite(S, "x"); sysread(S, $_, 1)"#;
        let mut client = std::process::Command::new("perl");
        let Ok(mut client) = client.args(["-e", script]).arg(&name).arg(&place.path).spawn() else {
            skip("a_client_with_a_name_of_the_full_length_is_accepted", "perl is missing");
            return;
        };
        let mut server = listener.accept().await;
        let mut byte = [0];
        tokio::io::AsyncReadExt::read_exact(&mut server, &mut byte).await.unwrap();
        drop(server);
        assert!(client.wait().unwrap().success());
    });
}

#[test]
fn a_lock_that_another_process_holds_is_an_address_in_use() {
    run("a_lock_that_another_process_holds_is_an_address_in_use", || async {
        let place = place();
        leave_stale_socket(&place.path);
        let lock = fs::File::create(place.path.with_extension("lock")).unwrap();
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
        // Like a server that has bound its socket and does not listen yet.
        let error = listen_error(&place.path).await;
        assert!(matches!(&error, BindError::InUse { by: Some(by), .. } if by.pid().is_none()), "{error:?}");
        assert!(place.path.exists());
        fs::write(place.path.with_extension("lock"), "4242\n").unwrap();
        let error = listen_error(&place.path).await;
        let BindError::InUse { by: Some(by), .. } = error else { panic!("{error:?}") };
        assert_eq!((by.pid(), by.user()), (Some(4242), Some(&UserId::Uid(own_uid()))));
        assert!(by.is_same_user());
        drop(lock);
        drop(listen(&place.path).await.unwrap());
        assert_eq!(fs::read_dir(place.path.parent().unwrap()).unwrap().count(), 0, "nothing is left");
    });
}

#[test]
fn a_server_that_is_ending_is_waited_for() {
    run("a_server_that_is_ending_is_waited_for", || async {
        let place = place();
        let ending = UnixListener::bind(&place.path).unwrap();
        let lock = fs::File::create(place.path.with_extension("lock")).unwrap();
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
        // Like the system when it closes the files of a killed process: the lock last.
        let end = async {
            tokio::task::yield_now().await;
            drop(ending);
            tokio::task::yield_now().await;
            drop(lock);
        };
        let (listener, ()) = tokio::join!(listen(&place.path), end);
        drop(listener.unwrap());
    });
}

#[test]
fn a_client_of_a_server_that_stops_listening_sees_its_connection_closed() {
    run("a_client_of_a_server_that_stops_listening_sees_its_connection_closed", || async {
        let place = place();
        let ending = UnixListener::bind(&place.path).unwrap();
        let connector = ConnectOptions::new().connector(&Address::unix(&place.path).unwrap());
        let deadline = Instant::now() + std::time::Duration::from_secs(10);
        let (connected, ()) = tokio::join!(connector.connect(deadline), async { drop(ending) });
        match connected {
            // Linux has connected it before the socket is closed.
            Ok(mut stream) => {
                let error = stream.read_u8().await.unwrap_err();
                assert!(
                    matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof),
                    "{error:?}"
                );
            }
            Err(ConnectError::Closed { .. }) => {}
            Err(error) => panic!("{error:?}"),
        }
    });
}

#[test]
fn the_file_is_removed_at_the_end() {
    run("the_file_is_removed_at_the_end", || async {
        let place = place();
        drop(listen(&place.path).await.unwrap());
        assert!(!place.path.exists());
    });
}

#[test]
fn the_file_of_a_successor_is_left() {
    run("the_file_of_a_successor_is_left", || async {
        let place = place();
        let first = listen(&place.path).await.unwrap();
        // Like a program that cleans up the directory.
        fs::remove_file(&place.path).unwrap();
        fs::remove_file(place.path.with_extension("lock")).unwrap();
        let _second = listen(&place.path).await.unwrap();
        drop(first);
        assert!(place.path.with_extension("lock").exists());
        assert!(connects(&place.path).await);

        // Files other than sockets are not removed either.
        let third = place.path.with_extension("third");
        let listener = listen(&third).await.unwrap();
        fs::remove_file(&third).unwrap();
        fs::write(&third, "precious").unwrap();
        drop(listener);
        assert!(third.exists());
    });
}

#[test]
fn connecting_to_a_regular_file_says_so() {
    run("connecting_to_a_regular_file_says_so", || async {
        let place = place();
        fs::write(&place.path, "").unwrap();
        let connector = ConnectOptions::new().connector(&Address::unix(&place.path).unwrap());
        let error = connector.connect(Instant::now()).await.unwrap_err();
        assert!(matches!(error, ConnectError::NotASocket { found: "a regular file", .. }), "{error:?}");
    });
}

#[test]
fn an_address_of_another_transport_is_refused() {
    run("an_address_of_another_transport_is_refused", || async {
        let address = Address::named_pipe("greeter").unwrap();
        let result = ListenOptions::new().listen(&address).await;
        assert!(matches!(result, Err(BindError::Unsupported { .. })));
        let result = ConnectOptions::new().connector(&address).connect(Instant::now()).await;
        assert!(matches!(result, Err(ConnectError::Unsupported { .. })));
    });
}

#[test]
fn the_peer_is_this_user() {
    run("the_peer_is_this_user", || async {
        let place = place();
        let mut listener = listen(&place.path).await.unwrap();
        let connector = ConnectOptions::new().connector(&Address::unix(&place.path).unwrap());
        let (client, server) = tokio::join!(connector.connect(Instant::now()), listener.accept());
        let own = fs::metadata("/proc/self").map(|meta| (meta.uid(), meta.gid()));
        let own = own.unwrap_or_else(|_| {
            let file = fs::metadata(&place.path).unwrap();
            (file.uid(), file.gid())
        });
        for peer in [client.unwrap().peer(), server.peer()] {
            assert_eq!(peer.user(), Some(&UserId::Uid(own.0)));
            assert_eq!(peer.group(), Some(&GroupId::Gid(own.1)));
            assert_eq!(peer.to_string(), format!("unix:uid={},pid={}", own.0, std::process::id()));
        }
    });
}

/// Also for an abstract name, which is free when the listener is dropped.
#[test]
fn a_server_that_gives_up_its_path_gets_those_who_had_connected() {
    run("a_server_that_gives_up_its_path_gets_those_who_had_connected", || async {
        let place = place();
        let mut addresses = vec![Address::unix(&place.path).unwrap()];
        if cfg!(target_os = "linux") {
            addresses.push(Address::unix_abstract(grpc_ipc_conformance::unique_name("last")).unwrap());
        }
        for address in addresses {
            let mut listener = ListenOptions::new().listen(&address).await.unwrap();
            let connector = ConnectOptions::new().connector(&address);
            let mut clients = Vec::new();
            for _ in 0..3 {
                clients.push(connector.connect(Instant::now()).await.unwrap());
            }
            listener.accept_last().await.unwrap();
            let error = connector.connect(Instant::now()).await.unwrap_err();
            assert!(
                matches!(error, ConnectError::NotFound { .. } | ConnectError::Refused { .. }),
                "nobody is served there any more: {error:?}"
            );
            if matches!(address, Address::Unix { .. }) {
                assert!(!place.path.with_extension("lock").exists());
                let next = ListenOptions::new().listen(&address).await.expect("the path is free");
                for _ in 0..2 {
                    listener.accept_last().await.unwrap();
                }
                assert!(listener.accept_last().await.is_none());
                drop(listener);
                assert!(connects(&place.path).await, "the next server's files stay");
                drop(next);
            }
        }
    });
}
