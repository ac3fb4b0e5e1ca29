//! Handle leaks. A separate test program, because no other test may open or close handles in the meantime.
#![cfg(windows)]

mod sys;

use std::fs::File;
use std::time::Duration;

use grpc_ipc_conformance::{run, unique_name};
use grpc_ipc_core::{Address, Connector as _, Listener as _};
use grpc_ipc_named_pipe::{ConnectOptions, ListenOptions, LocalListener, LocalStream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

async fn connect(address: &Address) -> LocalStream {
    let deadline = Instant::now() + Duration::from_secs(50);
    ConnectOptions::new().connector(address).connect(deadline).await.unwrap()
}

#[test]
fn a_thousand_connections_leak_no_handle() {
    run("a_thousand_connections_leak_no_handle", || async {
        let mut listener =
            ListenOptions::new().listen(&Address::named_pipe(unique_name("handles")).unwrap()).await.unwrap();
        // The load: a stream that is always busy.
        let address = listener.local_address().clone();
        let (mut busy, mut echo) = tokio::join!(connect(&address), listener.accept());
        let echoing = tokio::spawn(async move {
            let mut bytes = vec![0; 4096];
            while let Ok(length @ 1..) = echo.read(&mut bytes).await {
                echo.write_all(&bytes[..length]).await.unwrap();
            }
        });
        let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
        let load = tokio::spawn(async move {
            let mut bytes = vec![1; 4096];
            while stopped.try_recv() == Err(tokio::sync::oneshot::error::TryRecvError::Empty) {
                busy.write_all(&bytes).await.unwrap();
                busy.read_exact(&mut bytes).await.unwrap();
            }
        });
        // By now, everything that is created only once exists, such as threads.
        cycles(&mut listener, 50).await;
        let before = sys::handles_of_this_process();
        // Checks that the count includes new handles. A few connections may still be closing.
        let more: Vec<_> = (0..100).map(|_| File::open(std::env::current_exe().unwrap()).unwrap()).collect();
        assert!(sys::handles_of_this_process() > before + 50, "{before} before");
        drop(more);
        cycles(&mut listener, 1_000).await;
        // A few connections may still be closing.
        let after = sys::handles_of_this_process();
        assert!(after < before + 50, "{before} handles before, {after} after 1000 connections");
        stop.send(()).unwrap();
        load.await.unwrap();
        echoing.await.unwrap();
    });
}

/// Connections that come and go, four at a time, closed by either end.
async fn cycles(listener: &mut LocalListener, count: u32) {
    let address = listener.local_address().clone();
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let address = address.clone();
            tokio::spawn(async move {
                for i in 0..count / 4 {
                    let mut client = connect(&address).await;
                    client.write_all(&[u8::from(i % 2 == 0)]).await.unwrap();
                    if i % 2 == 1 {
                        assert_eq!(client.read(&mut [0]).await.unwrap(), 0, "the server closes");
                    }
                }
            })
        })
        .collect();
    for _ in 0..count / 4 * 4 {
        let mut server = listener.accept().await;
        tokio::spawn(async move {
            if server.read_u8().await.unwrap() == 1 {
                assert_eq!(server.read(&mut [0]).await.unwrap(), 0, "the client closes");
            }
        });
    }
    for client in clients {
        client.await.unwrap();
    }
}
