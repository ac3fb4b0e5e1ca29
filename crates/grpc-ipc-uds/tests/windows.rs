//! AF_UNIX on Windows: the error on systems without it, and the handling of files on systems with it.
#![cfg(windows)]

use std::fs;

use grpc_ipc_conformance::{run, skip};
use grpc_ipc_core::{Address, BindError, ConnectError, Connector as _};
use grpc_ipc_uds::{ConnectOptions, ListenOptions};
use tempfile::TempDir;
use tokio::time::Instant;

fn available() -> bool {
    socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).is_ok()
}

#[test]
fn a_system_without_af_unix_says_so() {
    run("a_system_without_af_unix_says_so", || async {
        if available() {
            return skip("a_system_without_af_unix_says_so", "this system has AF_UNIX");
        }
        let directory = TempDir::new().unwrap();
        let address = Address::unix(directory.path().join("s")).unwrap();
        let error = ListenOptions::new().listen(&address).await.err().unwrap();
        assert!(matches!(error, BindError::Unsupported { .. }), "{error:?}");
        assert!(error.to_string().contains("AF_UNIX is not available on this system"), "{error}");
        let error = ConnectOptions::new().connector(&address).connect(Instant::now()).await.err().unwrap();
        assert!(matches!(error, ConnectError::Unsupported { .. }), "{error:?}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    });
}

#[test]
fn a_path_over_the_limit_or_another_transport_is_refused() {
    run("a_path_over_the_limit_or_another_transport_is_refused", || async {
        let long = Address::unix("x".repeat(108)).unwrap();
        let error = ListenOptions::new().listen(&long).await.err().unwrap();
        assert!(matches!(error, BindError::TooLong { length: 108, limit: 107, .. }), "{error:?}");
        let pipe = Address::named_pipe("x").unwrap();
        let error = ListenOptions::new().listen(&pipe).await.err().unwrap();
        assert!(matches!(error, BindError::Unsupported { .. }), "{error:?}");
    });
}

/// A path on another machine would make this one log on there in the name of this user.
#[test]
fn a_path_of_another_machine_or_of_a_device_is_refused() {
    run("a_path_of_another_machine_or_of_a_device_is_refused", || async {
        let paths = [
            r"\\host\share\s",
            "//host/share/s",
            r"\\?\UNC\host\share\s",
            r"\\.\UNC\host\share\s",
            r"\\.\mailslot\s",
        ];
        for path in paths {
            let address = Address::unix(path).unwrap();
            let error = ListenOptions::new().listen(&address).await.err().unwrap();
            assert!(error.to_string().contains("the path must be on this machine"), "{path}: {error}");
            let error =
                ConnectOptions::new().connector(&address).connect(Instant::now()).await.err().unwrap();
            assert!(error.to_string().contains("the path must be on this machine"), "{path}: {error}");
        }
    });
}

#[test]
fn what_is_no_socket_is_left_alone_and_a_dead_one_replaced() {
    let test = "what_is_no_socket_is_left_alone_and_a_dead_one_replaced";
    run(test, || async {
        if !available() {
            return skip(test, "AF_UNIX is not available on this system");
        }
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("s");
        let address = Address::unix(&path).unwrap();
        fs::write(&path, "precious").unwrap();
        let error = ListenOptions::new().listen(&address).await.err().unwrap();
        assert!(matches!(error, BindError::NotASocket { .. }), "{error:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        fs::remove_file(&path).unwrap();

        let dead = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
        dead.bind(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
        drop(dead);
        drop(ListenOptions::new().listen(&address).await.unwrap());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "nothing is left");
    });
}
