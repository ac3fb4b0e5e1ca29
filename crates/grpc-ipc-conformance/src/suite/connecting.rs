use std::time::Duration;

use futures_util::future::join_all;
use grpc_ipc_core::{AccessPolicy, ConnectError, Connection, Connector as _, Listener as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

use super::{assert_talk, connect, listen, pair, read_all, soon};
use crate::Transport;

/// > Several connections can be made at the same time.
pub async fn many_clients_connect_at_once(transport: impl Transport) {
    const CLIENTS: u32 = 100;
    let mut listener = listen(&transport).await;
    let connector = transport.connector(AccessPolicy::default());
    let clients = join_all((0..CLIENTS).map(async |i| {
        let mut client = connector.connect(soon()).await.expect("connect to a listener");
        client.write_u32(i).await.expect("write to an open connection");
        assert_eq!(client.read_u32().await.expect("the answer"), i);
    }));
    let servers = async {
        for _ in 0..CLIENTS {
            let mut server = listener.accept().await;
            let i = server.read_u32().await.expect("the client's number");
            server.write_u32(i).await.expect("write to an open connection");
            // Stay open until the client has its answer.
            assert_eq!(read_all(&mut server).await, b"");
        }
    };
    tokio::join!(clients, servers);
}

/// > If there is no server, it fails at once: a connector does not wait for a server to start.
pub async fn no_server_is_told_at_once(transport: impl Transport) {
    let connector = transport.connector(AccessPolicy::default());
    // One day: the watchdog ends a connector that waits.
    let deadline = Instant::now() + Duration::from_secs(86_400);
    match connector.connect(deadline).await {
        Err(ConnectError::NotFound { .. } | ConnectError::Refused { .. }) => {}
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("connected to nobody"),
    }
}

/// > It makes one attempt even if `deadline` has passed.
pub async fn a_busy_server_is_waited_for_until_the_deadline(transport: impl Transport) {
    let mut listener = listen(&transport).await;
    let connector = transport.connector(AccessPolicy::default());
    let mut waiting = Vec::new();
    let busy = loop {
        assert!(waiting.len() < 5_000, "the number of unaccepted connections has no limit");
        // The deadline has passed, so each call makes one attempt.
        match connector.connect(Instant::now()).await {
            Ok(client) => waiting.push(client),
            Err(busy) => break busy,
        }
    };
    assert!(!waiting.is_empty(), "one attempt is made: {busy:?}");
    assert!(matches!(busy, ConnectError::TimedOut { .. }), "{busy:?}");
    let (client, _server) = tokio::join!(connector.connect(soon()), listener.accept());
    client.expect("connect as soon as the server accepts");
}

/// > nothing is sent to a server that it refuses.
pub async fn an_untrusted_server_is_sent_nothing(transport: impl Transport) {
    let mut listener = listen(&transport).await;
    let wary = transport.connector(AccessPolicy::users([]));
    match wary.connect(soon()).await {
        Err(ConnectError::Untrusted { .. }) => {}
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("trusted a server that the policy refuses"),
    }
    // The server sees a connection without a byte, or none at all.
    let client = async {
        let mut client = connect(&transport).await;
        client.write_all(b"first bytes").await.expect("write to an open connection");
    };
    let server = async {
        loop {
            let bytes = read_all(&mut listener.accept().await).await;
            if !bytes.is_empty() {
                return bytes;
            }
        }
    };
    let ((), bytes) = tokio::join!(client, server);
    assert_eq!(bytes, b"first bytes");
}

/// > A connector waits until `deadline` for a busy server and for the policy's decision.
pub async fn the_policy_decides_about_the_server_before_the_deadline(transport: impl Transport) {
    let _listener = listen(&transport).await;
    let undecided = |limit| AccessPolicy::custom_async(limit, |_| std::future::pending());
    match transport.connector(undecided(Duration::from_millis(50))).connect(soon()).await {
        Err(ConnectError::Untrusted { .. }) => {}
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("trusted a server before the policy had decided"),
    }
    match transport.connector(undecided(crate::LIMIT)).connect(Instant::now()).await {
        Err(ConnectError::TimedOut { .. }) => {}
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("trusted a server before the policy had decided"),
    }
}

/// > It describes the process that made the connection
pub async fn each_end_knows_the_other(transport: impl Transport) {
    let mut listener = listen(&transport).await;
    let (mut client, mut server) = pair(&transport, &mut listener).await;
    assert_talk(&mut client, &mut server).await;
    let (of_client, of_server) = (server.peer().clone(), client.peer().clone());
    // The known facts must be right: both ends are this process.
    for peer in [&of_client, &of_server] {
        assert!(peer.pid().is_none_or(|pid| pid == std::process::id()), "{peer}");
    }
    if let (Some(client), Some(server)) = (of_client.user(), of_server.user()) {
        assert_eq!(client, server);
    }
    assert_talk(&mut client, &mut server).await;
    drop(client);
    assert_eq!(server.peer(), &of_client, "also after the other end has closed");
}

/// > A transport that does not set it has no peers of the same user.
pub async fn each_end_knows_that_the_other_is_of_the_same_user(transport: impl Transport) {
    let mut listener = listen(&transport).await;
    let (client, server) = pair(&transport, &mut listener).await;
    for peer in [client.peer(), server.peer()] {
        // If nothing is known about the peer, this is unknown too.
        let known = peer.user().is_some() || peer.is_this_process();
        assert_eq!(peer.is_same_user(), known, "{peer}");
    }
}
