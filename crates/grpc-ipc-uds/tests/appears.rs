//! A client is notified when a server may have appeared, and only then.
#![cfg(any(target_os = "linux", target_os = "android"))]

use std::fs;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use futures_util::poll;
use grpc_ipc_conformance::run;
use grpc_ipc_core::{Address, Connector as _};
use grpc_ipc_uds::{ConnectOptions, ListenOptions, LocalConnector};
use tempfile::TempDir;

fn connector(path: &Path) -> LocalConnector {
    ConnectOptions::new().connector(&Address::unix(path).unwrap())
}

#[test]
fn a_server_that_begins_to_listen_is_noticed() {
    run("a_server_that_begins_to_listen_is_noticed", || async {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("s");
        // The second time, it replaces a file that is there.
        for killed in [false, true] {
            if killed {
                drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
            }
            let connector = connector(&path);
            let mut appears = pin!(connector.appears());
            assert!(poll!(&mut appears).is_pending());
            let listener = ListenOptions::new().listen(&Address::unix(&path).unwrap()).await.unwrap();
            appears.await;
            drop(listener);
        }
    });
}

/// A client may be waiting for any directory on the way, so it checks again.
#[test]
fn a_directory_on_the_way_is_noticed() {
    run("a_directory_on_the_way_is_noticed", || async {
        let directory = TempDir::new().unwrap();
        let connector = connector(&directory.path().join("a/b/s"));
        for made in ["a", "a/b", "a/b/s"] {
            let mut appears = pin!(connector.appears());
            assert!(poll!(&mut appears).is_pending());
            fs::create_dir(directory.path().join(made)).unwrap();
            appears.await;
        }
    });
}

/// A client would be woken again and again.
#[test]
fn what_is_no_directory_on_the_way_has_not_just_appeared() {
    run("what_is_no_directory_on_the_way_has_not_just_appeared", || async {
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("file"), "").unwrap();
        std::os::unix::fs::symlink("missing", directory.path().join("link")).unwrap();
        for name in ["file", "link"] {
            let way = directory.path().join(name);
            let connector = connector(&way.join("s"));
            let mut appears = pin!(connector.appears());
            assert!(poll!(&mut appears).is_pending(), "{name}");
            fs::remove_file(&way).unwrap();
            fs::create_dir(&way).unwrap();
            appears.await;
        }
    });
}

#[test]
fn what_others_do_in_the_directory_is_not_noticed() {
    run("what_others_do_in_the_directory_is_not_noticed", || async {
        let directory = TempDir::new().unwrap();
        let connector = connector(&directory.path().join("s"));
        let mut appears = pin!(connector.appears());
        for _ in 0..3 {
            for other in 0..3_000 {
                fs::write(directory.path().join(format!("other-{other}")), "").unwrap();
            }
            assert!(poll!(&mut appears).is_pending());
            // It checks again after a moment.
            tokio::time::sleep(Duration::from_millis(6)).await;
        }
        fs::write(directory.path().join("s"), "").unwrap();
        appears.await;
    });
}

#[test]
fn a_directory_that_is_replaced_is_noticed() {
    run("a_directory_that_is_replaced_is_noticed", || async {
        let directory = TempDir::new().unwrap();
        let place = directory.path().join("a");
        let connector = connector(&place.join("s"));
        for replace in [
            |place: &Path| fs::remove_dir(place).unwrap(),
            |place: &Path| fs::rename(place, place.with_extension("old")).unwrap(),
        ] {
            fs::create_dir(&place).unwrap();
            let mut appears = pin!(connector.appears());
            assert!(poll!(&mut appears).is_pending());
            replace(&place);
            appears.await;
        }
    });
}

/// There is no notification for them; clients retry from time to time.
#[test]
fn an_abstract_socket_never_appears() {
    run("an_abstract_socket_never_appears", || async {
        let address: Address =
            format!("unix-abstract:{}", grpc_ipc_conformance::unique_name("appears")).parse().unwrap();
        let connector = ConnectOptions::new().connector(&address);
        let mut appears = pin!(connector.appears());
        assert!(poll!(&mut appears).is_pending());
        let _listener = ListenOptions::new().listen(&address).await.unwrap();
        for _ in 0..100 {
            assert!(poll!(&mut appears).is_pending());
            tokio::task::yield_now().await;
        }
    });
}
