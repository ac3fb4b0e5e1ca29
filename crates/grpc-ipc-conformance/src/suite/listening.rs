use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use grpc_ipc_core::{AccessPolicy, BindError, ConnectError, Connector as _, Listener as _, Peer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Semaphore;

use super::{assert_talk, connect, listen, pair, read_all, send, soon};
use crate::{LIMIT, Transport};

/// > Dropping the future before it is ready loses no connection.
pub async fn accept_can_be_cancelled(transport: impl Transport) {
    const CLIENTS: u8 = 50;
    let mut listener = listen(&transport).await;
    let clients = async {
        for i in 0..CLIENTS {
            connect(&transport).await.write_all(&[i]).await.expect("write to an open connection");
        }
    };
    let servers = async {
        let mut seen = Vec::new();
        while seen.len() < usize::from(CLIENTS) {
            // Polled once, and dropped unless it is ready.
            match listener.accept().now_or_never() {
                Some(mut server) => seen.push(server.read_u8().await.expect("the client's number")),
                None => tokio::task::yield_now().await,
            }
        }
        seen.sort_unstable();
        seen
    };
    let ((), seen) = tokio::join!(clients, servers);
    assert_eq!(seen, (0..CLIENTS).collect::<Vec<_>>());
}

/// > A client that connects and disconnects at once does not end it.
pub async fn accept_survives_clients_that_leave(transport: impl Transport) {
    let mut listener = listen(&transport).await;
    let clients = async {
        for _ in 0..30 {
            drop(connect(&transport).await);
        }
        let mut last = connect(&transport).await;
        send(&mut last, b"here").await;
        last
    };
    let served = async {
        let mut text = String::new();
        while listener.accept().await.read_to_string(&mut text).await.is_err() || text.is_empty() {}
        text
    };
    let left = async { drop(clients.await) };
    let (text, ()) = tokio::join!(served, left);
    assert_eq!(text, "here");
}

/// > A listener closes a refused connection before it reads a byte, and continues.
pub async fn a_refused_client_is_closed_and_the_next_served(transport: impl Transport) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let only_the_third = AccessPolicy::custom(move |_| count.fetch_add(1, Ordering::Relaxed) == 2);
    let mut listener = transport.listen(only_the_third.clone()).await.expect("listen");
    let clients = async {
        for _ in 0..2 {
            let mut refused = connect(&transport).await;
            // The server may have closed it already.
            _ = refused.write_all(b"this is read by nobody").await;
            assert_eq!(read_all(&mut refused).await, b"", "what a refused client reads");
        }
        let mut third = connect(&transport).await;
        third.write_all(b"hello").await.expect("write to an open connection");
        third.shutdown().await.expect("shut down an open connection");
    };
    let (mut server, ()) = tokio::join!(listener.accept(), clients);
    assert_eq!(read_all(&mut server).await, b"hello");
    assert_eq!(asked.load(Ordering::Relaxed), 3, "the policy is asked once for each connection");
    assert_eq!(only_the_third.refused(), 2);
}

/// > While the policy takes time to decide about a client, other clients are not held up.
pub async fn a_client_that_is_decided_about_later_holds_up_no_other(transport: impl Transport) {
    let (asked, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let (count, opened) = (Arc::clone(&asked), Arc::clone(&gate));
    let the_first_waits = AccessPolicy::custom_async(LIMIT, move |_| {
        let (first, gate) = (count.fetch_add(1, Ordering::Relaxed) == 0, Arc::clone(&opened));
        async move { !first || gate.acquire().await.is_ok() }
    });
    let mut listener = transport.listen(the_first_waits).await.expect("listen");
    let mut slow = connect(&transport).await;
    send(&mut slow, &[1]).await;
    tokio::select! {
        _ = listener.accept() => panic!("a client was accepted before the policy had decided"),
        () = async { while asked.load(Ordering::Relaxed) == 0 { tokio::task::yield_now().await } } => {}
    }
    for _ in 0..3 {
        let (mut quick, mut server) = pair(&transport, &mut listener).await;
        assert_talk(&mut quick, &mut server).await;
    }
    gate.add_permits(1);
    assert_eq!(listener.accept().await.read_u8().await.expect("the client's number"), 1);
}

/// > A timeout or panic counts as a refusal.
pub async fn what_the_policy_does_not_decide_is_refused(transport: impl Transport) {
    let asked = AtomicUsize::new(0);
    let fails_twice = AccessPolicy::custom_async(Duration::from_millis(50), move |_| {
        let asked = asked.fetch_add(1, Ordering::Relaxed);
        async move {
            match asked {
                0 => std::future::pending().await,
                1 => panic!("a policy that panics, on purpose"),
                _ => true,
            }
        }
    });
    let mut listener = transport.listen(fails_twice.clone()).await.expect("listen");
    let clients = async {
        for _ in 0..2 {
            assert_eq!(read_all(&mut connect(&transport).await).await, b"", "what a refused client reads");
        }
        connect(&transport).await
    };
    let (mut server, mut client) = tokio::join!(listener.accept(), clients);
    assert_talk(&mut client, &mut server).await;
    assert_eq!(fails_twice.refused(), 2);
}

/// > A name that does not exist is an error at that point, and so is any name on a transport without users.
pub async fn a_name_that_nobody_has_is_an_error(transport: impl Transport) {
    let nobody = AccessPolicy::default().or(AccessPolicy::user_names(["no-such-user-as-this"]));
    match transport.listen(nobody.clone()).await {
        Err(BindError::InvalidOption { option, .. }) => {
            assert!(option.contains("no-such-user-as-this"), "{option}");
        }
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("listening for a user who does not exist"),
    }
    let _listener = listen(&transport).await;
    match transport.connector(nobody).connect(soon()).await {
        Err(ConnectError::InvalidOption { option, .. }) => {
            assert!(option.contains("no-such-user-as-this"), "{option}");
        }
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("trusted a user who does not exist"),
    }
}

/// > Dropping a listener closes the address: from then on, connecting fails, and another listener can use the address.
pub async fn a_dropped_listener_closes_its_address(transport: impl Transport) {
    for _ in 0..20 {
        let mut listener = listen(&transport).await;
        pair(&transport, &mut listener).await;
        drop(listener);
        match transport.connector(AccessPolicy::default()).connect(soon()).await {
            Err(ConnectError::NotFound { .. } | ConnectError::Refused { .. }) => {}
            Err(other) => panic!("{other:?}"),
            Ok(_) => panic!("connected to a dropped listener"),
        }
    }
}

/// > Connections that were returned stay open.
pub async fn connections_outlive_their_listener(transport: impl Transport) {
    let mut listener = listen(&transport).await;
    let (mut client, mut server) = pair(&transport, &mut listener).await;
    drop(listener);
    assert_talk(&mut client, &mut server).await;
}

/// > A server is already listening there.
pub async fn an_address_in_use_is_refused(transport: impl Transport) {
    let mut listener = listen(&transport).await;
    match transport.listen(AccessPolicy::default()).await {
        Err(BindError::InUse { by, .. }) => {
            let pid = by.as_ref().and_then(Peer::pid);
            assert!(pid.is_none_or(|pid| pid == std::process::id()), "{by:?}");
        }
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("two listeners on one address"),
    }
    // The second listener may have connected to find out who is there.
    let client = async {
        let mut client = connect(&transport).await;
        send(&mut client, b"x").await;
        client
    };
    let server = async {
        loop {
            let mut server = listener.accept().await;
            if server.read_u8().await.is_ok() {
                return server;
            }
        }
    };
    let (mut client, mut server) = tokio::join!(client, server);
    assert_talk(&mut client, &mut server).await;
}
