//! One server after another on the same pipe, and the clients of a server that gives up its pipe.

use std::fs::File;
use std::io;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use grpc_ipc_conformance::run;
use grpc_ipc_core::{Address, BindError, Connector as _, Listener as _};
use grpc_ipc_named_pipe::{ListenOptions, LocalListener, LocalStream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::yield_now;

use super::{address, connector, path, soon};

async fn restartable(address: &Address) -> LocalListener {
    ListenOptions::new().restartable(true).listen(address).await.unwrap()
}

/// A client that has sent `byte`.
async fn says(address: &Address, byte: u8) -> LocalStream {
    let mut client = connector(address).connect(soon()).await.unwrap();
    client.write_u8(byte).await.unwrap();
    client
}

/// The byte that the next client sends.
async fn hears(listener: &mut LocalListener) -> u8 {
    listener.accept().await.read_u8().await.unwrap()
}

fn open(path: &str) -> io::Result<File> {
    File::options().read(true).write(true).open(path)
}

#[test]
fn the_next_server_takes_over_where_it_begins_to_accept() {
    run("the_next_server_takes_over_where_it_begins_to_accept", || async {
        let address = address();
        let mut old = restartable(&address).await;
        for number in 0..10_u8 {
            let mut new = restartable(&address).await;
            assert_eq!(new.local_address(), old.local_address());
            let _first = says(&address, 1).await;
            assert_eq!(hears(&mut old).await, 1, "it goes on until the next accepts");
            assert!(old.handed_over().now_or_never().is_none());
            assert!(new.accept().now_or_never().is_none(), "but now it accepts");
            let _second = says(&address, 2).await;
            old.handed_over().await;
            assert_eq!(hears(&mut old).await, 2, "it had connected to an instance of the old one");
            let _third = says(&address, 3).await;
            assert_eq!(hears(&mut new).await, 3, "hand-over {number}");
            assert!(old.accept().now_or_never().is_none());
            while old.accept_last().await.is_some() {}
            drop(old);
            let _fourth = says(&address, 4).await;
            assert_eq!(hears(&mut new).await, 4);
            old = new;
        }
    });
}

/// As in a server with two addresses, one of which is taken over: it continues, but accepts nobody on the other.
#[test]
fn no_client_is_left_with_a_server_that_has_been_followed() {
    run("no_client_is_left_with_a_server_that_has_been_followed", || async {
        let address = address();
        let mut old = restartable(&address).await;
        assert!(old.accept().now_or_never().is_none());
        let mut new = restartable(&address).await;
        assert!(new.accept().now_or_never().is_none());
        old.handed_over().await;
        assert!(old.accept().now_or_never().is_none());
        for byte in 0..40 {
            let _client = says(&address, byte).await;
            assert_eq!(hears(&mut new).await, byte);
        }
        assert!(old.accept().now_or_never().is_none());
    });
}

#[test]
fn whoever_connects_is_served_by_one_of_the_two() {
    run("whoever_connects_is_served_by_one_of_the_two", || async {
        let address = address();
        let mut old = restartable(&address).await;
        let serve = async |listener: &mut LocalListener| {
            let mut client = listener.accept().await;
            tokio::spawn(async move {
                if let Ok(byte) = client.read_u8().await {
                    client.write_u8(byte).await.unwrap();
                    // Stays open until the client has closed it.
                    _ = client.read_u8().await;
                }
            });
        };
        let clients = join_all((0..8).map(async |_| {
            for byte in 0..50 {
                let mut client = says(&address, byte).await;
                assert_eq!(client.read_u8().await.unwrap(), byte, "no connection is closed unserved");
                yield_now().await;
            }
        }));
        let servers = async {
            loop {
                for _ in 0..5 {
                    serve(&mut old).await;
                }
                let mut new = restartable(&address).await;
                let handed_over = old.handed_over();
                tokio::pin!(handed_over);
                loop {
                    tokio::select! {
                        biased;
                        () = &mut handed_over => break,
                        () = serve(&mut old) => {}
                        () = serve(&mut new) => {}
                    }
                }
                while let Some(mut last) = old.accept_last().await {
                    tokio::spawn(async move {
                        let byte = last.read_u8().await.unwrap();
                        last.write_u8(byte).await.unwrap();
                        _ = last.read_u8().await;
                    });
                }
                old = new;
            }
        };
        tokio::select! {
            _ = clients => {}
            () = servers => {}
        }
    });
}

#[test]
fn a_server_that_gives_up_its_pipe_serves_those_who_had_connected_and_nobody_else() {
    let test = "a_server_that_gives_up_its_pipe_serves_those_who_had_connected_and_nobody_else";
    run(test, || async {
        let address = address();
        let path = path(&address);
        for connected in [0, 3, 16] {
            let mut listener = ListenOptions::new().listen(&address).await.unwrap();
            let clients: Vec<File> = (0..connected).map(|_| open(&path).unwrap()).collect();
            let first = listener.accept_last().now_or_never();
            assert!(open(&path).is_err(), "the first call has given up the pipe");
            let mut served: Vec<LocalStream> = first.flatten().into_iter().collect();
            while let Some(last) = listener.accept_last().await {
                served.push(last);
            }
            assert_eq!(served.len(), connected, "its own connections do not count");
            drop((clients, served, listener));
        }
    });
}

#[test]
fn a_server_that_ends_before_it_accepts_changes_nothing() {
    run("a_server_that_ends_before_it_accepts_changes_nothing", || async {
        let address = address();
        let mut old = restartable(&address).await;
        for _ in 0..3 {
            drop(restartable(&address).await);
            let _client = says(&address, 1).await;
            assert_eq!(hears(&mut old).await, 1);
        }
        assert!(old.handed_over().now_or_never().is_none());
    });
}

/// The server that it found when it bound has ended by then.
#[test]
fn a_server_follows_whoever_serves_when_it_begins_to_accept() {
    run("a_server_follows_whoever_serves_when_it_begins_to_accept", || async {
        let address = address();
        let old = restartable(&address).await;
        let mut new = restartable(&address).await;
        drop(old);
        let begun = async { hears(&mut new).await };
        let client = async {
            // There is no pipe until then.
            loop {
                match connector(&address).connect(soon()).await {
                    Ok(mut client) => break client.write_u8(2).await.unwrap(),
                    Err(_) => yield_now().await,
                }
            }
        };
        assert_eq!(tokio::join!(begun, client).0, 2);

        let mut third = restartable(&address).await;
        drop(new);
        let mut other = restartable(&address).await;
        tokio::select! {
            () = other.handed_over() => {}
            _ = third.accept() => {}
        }
        assert!(other.accept().now_or_never().is_none());
        let _client = says(&address, 3).await;
        assert_eq!(hears(&mut third).await, 3);
    });
}

#[test]
fn a_server_that_is_not_restartable_is_left_alone() {
    run("a_server_that_is_not_restartable_is_left_alone", || async {
        let address = address();
        let mut old = ListenOptions::new().listen(&address).await.unwrap();
        let serves = tokio::spawn(async move {
            loop {
                drop(old.accept().await);
            }
        });
        let Err(error) = ListenOptions::new().restartable(true).listen(&address).await else {
            panic!("two servers that do not know each other");
        };
        assert!(matches!(error, BindError::InUse { .. }), "{error}");
        serves.abort();
    });
}
