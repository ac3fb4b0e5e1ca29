//! The specific behavior of pipes: instances, names, descriptors and identities.
#![cfg(windows)]

mod hand_over;
mod sys;

use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use futures_util::future::join_all;
use grpc_ipc_conformance::{LIMIT, Watchdog, run, skip, unique_name};
use grpc_ipc_core::{
    AccessPolicy, Address, BindError, ConnectError, Connection as _, Connector as _, GroupId, IntegrityLevel,
    Listener as _, UserId,
};
use grpc_ipc_named_pipe::{
    ClientProcess, ConnectOptions, ImpersonationLevel, ListenOptions, LocalConnector, LocalListener,
    LocalStream, SecurityDescriptor,
};
use sys::dacl;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeClient};
use tokio::time::Instant;
use windows_sys::Win32::Foundation::GENERIC_ALL;
use windows_sys::Win32::Storage::FileSystem::{
    FILE_APPEND_DATA, FILE_CREATE_PIPE_INSTANCE, FILE_GENERIC_READ, FILE_GENERIC_WRITE,
};

fn address() -> Address {
    Address::named_pipe(unique_name("pipes")).unwrap()
}

fn connector(address: &Address) -> LocalConnector {
    ConnectOptions::new().connector(address)
}

async fn pair(listener: &mut LocalListener) -> (LocalStream, LocalStream) {
    let connector = connector(listener.local_address());
    let (client, server) = tokio::join!(connector.connect(soon()), listener.accept());
    (client.unwrap(), server)
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(50)
}

#[test]
fn two_hundred_clients_connect_at_once() {
    run("two_hundred_clients_connect_at_once", || async {
        let mut listener = ListenOptions::new().listen(&address()).await.unwrap();
        let address = listener.local_address().clone();
        let clients = join_all((0..200_u32).map(async |i| {
            let mut client = connector(&address).connect(soon()).await.unwrap();
            client.write_u32(i).await.unwrap();
            assert_eq!(client.read_u32().await.unwrap(), i);
        }));
        let serve = async {
            let mut serving = Vec::new();
            for _ in 0..200 {
                let mut server = listener.accept().await;
                serving.push(tokio::spawn(async move {
                    let i = server.read_u32().await.unwrap();
                    server.write_u32(i).await.unwrap();
                    // Stays open until the client has closed it.
                    _ = server.read_u8().await;
                }));
            }
            for served in serving {
                served.await.unwrap();
            }
        };
        tokio::join!(clients, serve);
    });
}

#[test]
fn a_hundred_mebibytes_arrive_byte_for_byte() {
    run("a_hundred_mebibytes_arrive_byte_for_byte", || async {
        const PIECES: u32 = 1600;
        let noise: Vec<u8> =
            (0..16 * 1024_u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let piece = |i: u32| {
            let mut piece = noise.clone();
            piece.rotate_left(i as usize);
            piece[..4].copy_from_slice(&i.to_le_bytes());
            piece
        };
        let mut listener = ListenOptions::new().listen(&address()).await.unwrap();
        let (mut client, mut server) = pair(&mut listener).await;
        let write = async {
            for i in 0..PIECES {
                client.write_all(&piece(i)).await.unwrap();
            }
            client.shutdown().await.unwrap();
        };
        let read = async {
            let mut received = vec![0; 64 * 1024];
            for i in 0..PIECES {
                server.read_exact(&mut received).await.unwrap();
                assert!(received == piece(i), "piece {i} of {PIECES}");
            }
            assert_eq!(server.read(&mut received).await.unwrap(), 0, "the end");
        };
        tokio::join!(write, read);
    });
}

#[test]
fn what_is_unread_at_the_close_is_read_after_it() {
    run("what_is_unread_at_the_close_is_read_after_it", || async {
        let mut listener = ListenOptions::new().listen(&address()).await.unwrap();
        for length in [1, 4096, 60_000] {
            let bytes = vec![7; length];
            let (mut client, mut server) = pair(&mut listener).await;
            server.write_all(&bytes).await.unwrap();
            drop(server);
            let mut received = Vec::new();
            while let Ok(1..) = client.read_buf(&mut received).await {}
            assert!(received == bytes, "{} of {length} bytes", received.len());
        }
        // More than Windows buffers: the rest is written while the other end reads, after the pipe was dropped here.
        let bytes = vec![8; 1_000_000];
        let (mut client, mut server) = pair(&mut listener).await;
        server.write_all(&bytes).await.unwrap();
        drop(server);
        let mut received = Vec::new();
        while let Ok(1..) = client.read_buf(&mut received).await {}
        assert!(received == bytes, "{} of {} bytes", received.len(), bytes.len());
    });
}

#[test]
fn a_client_that_never_sends_holds_up_nobody() {
    run("a_client_that_never_sends_holds_up_nobody", || async {
        let mut listener = ListenOptions::new().backlog(1).listen(&address()).await.unwrap();
        let _silent = open_dynamic(listener.local_address());
        for _ in 0..20 {
            pair(&mut listener).await;
        }
    });
}

#[test]
fn a_client_that_says_late_who_it_is_is_waited_for() {
    let test = "a_client_that_says_late_who_it_is_is_waited_for";
    run(test, || async {
        let mut listener = ListenOptions::new().listen(&address()).await.unwrap();
        let mut client = open_dynamic(listener.local_address());
        let server = match accept_before_it_sends(&mut listener).await {
            Some(server) => {
                skip(test, "this system identifies a client before it has sent anything");
                client.write_all(b"here").await.unwrap();
                server
            }
            None => tokio::join!(listener.accept(), async { client.write_all(b"here").await.unwrap() }).0,
        };
        assert_eq!(server.peer().user(), Some(&own_user().await));
        let (mut server, mut text) = (server, [0; 4]);
        server.read_exact(&mut text).await.unwrap();
        assert_eq!(&text, b"here", "identifying a client takes nothing of what it sends");
    });
}

#[test]
fn a_client_that_never_says_who_it_is_is_refused() {
    let test = "a_client_that_never_says_who_it_is_is_refused";
    run(test, || async {
        let mut listener = ListenOptions::new().listen(&address()).await.unwrap();
        let mut client = open_dynamic(listener.local_address());
        if accept_before_it_sends(&mut listener).await.is_some() {
            return skip(test, "this system identifies a client before it has sent anything");
        }
        let mut received = Vec::new();
        let refused = async { while let Ok(1..) = client.read_buf(&mut received).await {} };
        tokio::select! {
            _ = listener.accept() => panic!("accepted a client that was not identified"),
            () = refused => {}
        }
        assert_eq!(received, b"");
    });
}

/// A client with dynamic tracking, the default: it can be identified when it sends.
fn open_dynamic(address: &Address) -> NamedPipeClient {
    const SECURITY_IDENTIFICATION: u32 = 0x0001_0000;
    const SECURITY_CONTEXT_TRACKING: u32 = 0x0004_0000;
    let flags = SECURITY_IDENTIFICATION | SECURITY_CONTEXT_TRACKING;
    ClientOptions::new().security_qos_flags(flags).open(path(address)).unwrap()
}

/// The connection, if it is accepted before its client sends anything. The runtime gets every chance to do so.
async fn accept_before_it_sends(listener: &mut LocalListener) -> Option<LocalStream> {
    let mut accept = std::pin::pin!(listener.accept());
    for _ in 0..1_000 {
        if let std::task::Poll::Ready(server) = futures_util::poll!(accept.as_mut()) {
            return Some(server);
        }
        tokio::task::yield_now().await;
    }
    None
}

#[test]
fn the_descriptor_is_the_intended_one() {
    run("the_descriptor_is_the_intended_one", || async {
        let UserId::Sid(own) = own_user().await else { panic!("a SID") };
        let default = ListenOptions::new().listen(&address()).await.unwrap();
        let read_back = default.security_descriptor().unwrap();
        assert!(read_back.starts_with(&format!("O:{own}D:P")), "{read_back}");
        assert_eq!(
            aces(read_back),
            aces(&format!("D:P(D;;GA;;;NU)(A;;GA;;;SY)(A;;GA;;;{own})")),
            "{read_back}"
        );

        let opened = SecurityDescriptor::current_user().authenticated_users().user("S-1-5-32-545");
        let listener = ListenOptions::new().descriptor(opened).listen(&address()).await.unwrap();
        let read_back = listener.security_descriptor().unwrap();
        let expected = format!(
            "D:P(D;;GA;;;NU)(A;;GA;;;SY)(A;;GA;;;{own})(A;;0x12019b;;;AU)(A;;0x12019b;;;S-1-5-32-545)"
        );
        assert_eq!(aces(read_back), aces(&expected), "{read_back}");

        let low = SecurityDescriptor::current_user().low_integrity();
        let listener = ListenOptions::new().descriptor(low).listen(&address()).await.unwrap();
        let read_back = listener.security_descriptor().unwrap();
        if read_back.contains("S:") {
            assert!(read_back.contains("(ML;;NW;;;LW)"), "{read_back}");
        } else {
            skip(
                "the_descriptor_is_the_intended_one (label)",
                "this system keeps no mandatory labels of pipes",
            );
        }
    });
}

#[test]
fn sixteen_clients_connect_before_one_is_accepted() {
    run("sixteen_clients_connect_before_one_is_accepted", || async {
        let listener = ListenOptions::new().listen(&address()).await.unwrap();
        let connector = connector(listener.local_address());
        let mut clients = Vec::new();
        for _ in 0..16 {
            // One attempt.
            clients.push(connector.connect(Instant::now()).await.unwrap());
        }
        let error = connector.connect(Instant::now()).await.unwrap_err();
        assert!(matches!(error, ConnectError::TimedOut { .. }), "{error:?}");
    });
}

#[test]
fn a_client_that_was_not_accepted_is_told_that_the_server_has_gone() {
    run("a_client_that_was_not_accepted_is_told_that_the_server_has_gone", || async {
        let listener = ListenOptions::new().listen(&address()).await.unwrap();
        let mut client = connector(listener.local_address()).connect(soon()).await.unwrap();
        drop(listener);
        let error = client.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        assert!(error.to_string().starts_with("the server closed the pipe"), "{error}");
        let error = client.write_all(&[0; 10]).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
    });
}

/// The server, whatever prefix it may use, and its clients have the same address.
#[test]
fn a_protected_name_is_found_before_the_plain_one() {
    run("a_protected_name_is_found_before_the_plain_one", || async {
        let name = unique_name("protected");
        let address = Address::named_pipe(format!(r"ProtectedPrefix\*\{name}")).unwrap();
        let plain = Address::named_pipe(name.as_str()).unwrap();
        let error = connector(&address).connect(soon()).await.unwrap_err();
        assert!(matches!(error, ConnectError::NotFound { .. }), "{error:?}");

        // Anyone can take the plain name, but another user with it is not trusted.
        let bob = SecurityDescriptor::from_sddl("O:S-1-5-21-1-2-3-1001D:P(A;;GA;;;WD)");
        let squatter = ListenOptions::new().descriptor(bob).listen(&plain).await;
        if squatter.is_ok() {
            let error = connector(&address).connect(soon()).await.unwrap_err();
            assert!(matches!(error, ConnectError::Untrusted { .. }), "{error:?}");
        } else {
            skip("a_protected_name_is_found_before_the_plain_one (squatter)", "no pipe can be made theirs");
        }
        if !sys::is_administrator() {
            drop(squatter);
            let listener = ListenOptions::new().listen(&address).await.unwrap();
            assert_eq!(listener.local_address(), &plain);
            connector(&address).connect(soon()).await.unwrap();
            return;
        }
        let mut listener = ListenOptions::new().listen(&address).await.unwrap();
        let expected = format!(r"npipe:ProtectedPrefix\Administrators\{name}");
        assert_eq!(listener.local_address().to_string(), expected);
        let (mut client, mut server) =
            tokio::join!(async { connector(&address).connect(soon()).await.unwrap() }, listener.accept());
        client.write_all(b"x").await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), b'x');
    });
}

#[test]
fn an_empty_write_is_not_the_end() {
    run("an_empty_write_is_not_the_end", || async {
        let mut listener = ListenOptions::new().listen(&address()).await.unwrap();
        let (mut client, mut server) = pair(&mut listener).await;
        assert_eq!(client.write(&[]).await.unwrap(), 0);
        assert_eq!(client.write_vectored(&[std::io::IoSlice::new(&[])]).await.unwrap(), 0);
        client.write_all(b"x").await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), b'x');

        // Nothing is passed to the system, which would now report that the other end has closed.
        drop(server);
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0, "the end");
        assert_eq!(client.write(&[]).await.unwrap(), 0);
        assert_eq!(client.write_vectored(&[std::io::IoSlice::new(&[])]).await.unwrap(), 0);
        assert!(client.write(&[0]).await.is_err());
    });
}

#[test]
fn a_dropped_listener_can_be_followed_at_once() {
    run("a_dropped_listener_can_be_followed_at_once", || async {
        let address = address();
        for _ in 0..10 {
            drop(ListenOptions::new().listen(&address).await.unwrap());
            let error = connector(&address).connect(Instant::now()).await.unwrap_err();
            let gone = matches!(error, ConnectError::NotFound { .. } | ConnectError::TimedOut { .. });
            assert!(gone, "{error:?}");
        }
    });
}

/// Also before the runtime has closed the instances, which it cannot do here.
#[test]
fn nobody_connects_to_a_listener_that_was_dropped() {
    let _watchdog = Watchdog::start("nobody_connects_to_a_listener_that_was_dropped", LIMIT);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut listener = ListenOptions::new().listen(&address()).await.unwrap();
        let path = path(listener.local_address());
        // By then each instance waits for a client.
        assert!(futures_util::poll!(std::pin::pin!(listener.accept())).is_pending());
        drop(listener);
        for _ in 0..20 {
            let opened = std::fs::File::options().read(true).write(true).open(&path);
            assert!(opened.is_err(), "an instance accepted a client");
        }
    });
}

/// The entries of a DACL: kind, rights, SID. Windows may write the same rights and SIDs in another form.
fn aces(sddl: &str) -> Vec<(String, String, String)> {
    let dacl = sddl.split("D:P").nth(1).unwrap().split("S:").next().unwrap();
    let entries = dacl.split(['(', ')']).filter(|entry| entry.contains(';'));
    entries
        .map(|entry| {
            let parts: Vec<_> = entry.split(';').collect();
            let rights = match parts[2] {
                "GA" | "FA" | "0x1f01ff" | "0x10000000" => "all",
                "0x12019b" => "connect",
                other => other,
            };
            let sid = if parts[5] == "S-1-5-32-545" { "BU" } else { parts[5] };
            (parts[0].to_owned(), rights.to_owned(), sid.to_owned())
        })
        .collect()
}

#[test]
fn those_who_are_let_in_may_connect_and_not_serve() {
    run("those_who_are_let_in_may_connect_and_not_serve", || async {
        const SYSTEM: &str = "S-1-5-18";
        const NETWORK: &str = "S-1-5-2";
        const AUTHENTICATED_USERS: &str = "S-1-5-11";
        const APP_CONTAINERS: &str = "S-1-15-2-1";
        // The descriptor must not grant GENERIC_WRITE, with which clients could create instances of the pipe.
        assert_eq!(FILE_CREATE_PIPE_INSTANCE, FILE_APPEND_DATA);
        assert_ne!(FILE_GENERIC_WRITE & FILE_CREATE_PIPE_INSTANCE, 0);

        let UserId::Sid(own) = own_user().await else { panic!("a SID") };
        let descriptor = SecurityDescriptor::current_user().authenticated_users().app_containers();
        let listener = ListenOptions::new().descriptor(descriptor).listen(&address()).await.unwrap();
        let entries = dacl(listener.security_descriptor().unwrap());
        let of = |sid: &str| {
            let mut masks = entries.iter().filter(|ace| ace.sid == sid).map(|ace| (ace.allows, ace.mask));
            let (allows, mask) = masks.next().unwrap_or_else(|| panic!("nothing about {sid}: {entries:?}"));
            assert_eq!(masks.next(), None, "{sid} has one entry");
            (allows, mask)
        };
        for owner in [&*own, SYSTEM] {
            let (allows, mask) = of(owner);
            assert!(allows && mask & (FILE_CREATE_PIPE_INSTANCE | GENERIC_ALL) != 0, "{mask:#x}");
        }
        for other in [AUTHENTICATED_USERS, APP_CONTAINERS] {
            let (allows, mask) = of(other);
            let connect = (FILE_GENERIC_READ | FILE_GENERIC_WRITE) & !FILE_CREATE_PIPE_INSTANCE;
            assert!(allows);
            assert_eq!(
                mask, connect,
                "no more and no less: neither generic rights, nor to change the descriptor"
            );
        }
        assert!(!of(NETWORK).0, "clients over the network are denied");
        assert!(!entries[0].allows, "the deny entry comes first: {entries:?}");
        assert_eq!(entries.len(), 5, "{entries:?}");
    });
}

#[test]
fn a_policy_asks_for_session_and_package() {
    run("a_policy_asks_for_session_and_package", || async {
        let in_session = AccessPolicy::same_user().and(AccessPolicy::same_session());
        let mut listener = ListenOptions::new().access(in_session.clone()).listen(&address()).await.unwrap();
        let client = ConnectOptions::new().access(in_session).connector(listener.local_address());
        let (client, _server) = tokio::join!(client.connect(soon()), listener.accept());
        drop(client.unwrap());

        // This test does not run in an AppContainer.
        let packaged = AccessPolicy::same_package().or(AccessPolicy::packages(["S-1-15-2-1"]));
        let client = ConnectOptions::new().access(packaged).connector(listener.local_address());
        let error = client.connect(soon()).await.unwrap_err();
        assert!(matches!(error, ConnectError::Untrusted { .. }), "{error:?}");
    });
}

#[test]
fn windows_refuses_whom_the_descriptor_does_not_let_in() {
    let test = "windows_refuses_whom_the_descriptor_does_not_let_in";
    run(test, || async {
        // Only the members of an empty group: not even this user.
        let nobody = SecurityDescriptor::from_sddl("D:P(A;;GA;;;S-1-5-32-551)(A;;0x4;;;WD)");
        let listener = ListenOptions::new().backlog(1).descriptor(nobody).listen(&address()).await.unwrap();
        match connector(listener.local_address()).connect(soon()).await {
            Ok(_) => skip(test, "this system does not enforce the DACLs of pipes"),
            Err(error) => assert!(matches!(error, ConnectError::PermissionDenied { .. }), "{error:?}"),
        }
    });
}

#[test]
fn both_ends_know_user_process_and_session() {
    run("both_ends_know_user_process_and_session", || async {
        let mut listener = ListenOptions::new().listen(&address()).await.unwrap();
        let (client, server) = pair(&mut listener).await;
        let own = own_user().await;
        for peer in [client.peer(), server.peer()] {
            assert_eq!(peer.user(), Some(&own));
            assert_eq!(peer.pid(), Some(std::process::id()));
            assert!(peer.session().is_some() && peer.is_same_session());
            assert!(
                peer.package().is_none() && !peer.is_same_package(),
                "a test does not run in an AppContainer"
            );
            assert_eq!(peer.to_string(), format!("npipe:{own},pid={}", std::process::id()));
        }
    });
}

#[test]
fn the_client_is_known_by_its_token() {
    let test = "the_client_is_known_by_its_token";
    run(test, || async {
        let mut listener = ListenOptions::new().listen(&address()).await.unwrap();
        let (client, server) = pair(&mut listener).await;
        let peer = server.peer();
        // Facts that a system does not report are unknown, never a default.
        match peer.groups() {
            Some(groups) => {
                assert!(peer.is_member_of(&EVERYONE), "{groups:?}");
                assert!(
                    groups.iter().all(|group| matches!(group, GroupId::Sid(sid) if sid.starts_with("S-1-")))
                );
            }
            None => skip(&format!("{test} (groups)"), "this system does not tell the groups of a token"),
        }
        match peer.integrity() {
            Some(level) => {
                let elevated = peer.is_elevated() == Some(true);
                assert!(!elevated || level >= IntegrityLevel::HIGH, "{level}");
                assert!(level > IntegrityLevel::LOW, "a test does not run in a sandbox: {level}");
            }
            None => skip(&format!("{test} (integrity)"), "this system has no integrity levels"),
        }
        assert!(peer.is_elevated().is_some());
        assert_eq!(peer.package(), None, "this is not a packaged app");

        let server = client.peer();
        assert!(server.groups().is_none() && server.process().is_none() && server.integrity().is_none());
    });
}

/// The group of all users.
static EVERYONE: LazyLock<GroupId> = LazyLock::new(|| GroupId::Sid("S-1-1-0".into()));

#[test]
fn a_policy_lets_in_by_group_and_by_name() {
    let test = "a_policy_lets_in_by_group_and_by_name";
    run(test, || async {
        let mut listener = ListenOptions::new().listen(&address()).await.unwrap();
        let peer = pair(&mut listener).await.1.peer().clone();
        drop(listener);
        let name = std::env::var("USERNAME").unwrap();
        let mut policies = vec![AccessPolicy::user_names([name])];
        if peer.groups().is_some() {
            let administrators = GroupId::Sid("S-1-5-32-544".into());
            policies.push(AccessPolicy::groups([EVERYONE.clone()]));
            policies.push(AccessPolicy::group_names(["Everyone"]));
            if peer.is_member_of(&administrators) {
                policies.push(AccessPolicy::administrators());
            } else {
                assert!(AccessPolicy::administrators().check(&peer).await.is_err());
            }
        } else {
            skip(&format!("{test} (groups)"), "this system does not tell the groups of a token");
        }
        for policy in policies {
            let options = ListenOptions::new().access(policy.clone());
            let mut listener = options.listen(&address()).await.unwrap();
            pair(&mut listener).await;
            assert_eq!(policy.refused(), 0, "{policy}");
        }
    });
}

#[test]
fn the_process_is_known_of_a_client_that_is_older_than_the_pipe() {
    run("the_process_is_known_of_a_client_that_is_older_than_the_pipe", || async {
        // This process is older, but at first the difference may be too small for the clock.
        let (_client, server) = loop {
            let mut listener = ListenOptions::new().listen(&address()).await.unwrap();
            let (client, server) = pair(&mut listener).await;
            if server.peer().process().is_some() {
                break (client, server);
            }
        };
        let process = server.peer().process().unwrap();
        assert_eq!(process.id(), Some(std::process::id()));
        assert!(process.is_running().unwrap());
        let handle = process.downcast_ref::<ClientProcess>().unwrap();
        assert_eq!(sys::process_id(handle), std::process::id());
    });
}

/// The client is a child process of this test, which runs this program again.
#[test]
fn the_process_is_not_known_of_a_client_that_came_later() {
    const ADDRESS: &str = "GRPC_IPC_TEST_ADDRESS";
    let test = "the_process_is_not_known_of_a_client_that_came_later";
    run(test, || async {
        if let Ok(address) = std::env::var(ADDRESS) {
            let mut client = connector(&address.parse().unwrap()).connect(soon()).await.unwrap();
            // Until the server closes the connection.
            _ = client.read_u8().await;
            return;
        }
        let mut listener = ListenOptions::new().listen(&address()).await.unwrap();
        let mut client = Command::new(std::env::current_exe().unwrap());
        client
            .args(["--exact", test])
            .env(ADDRESS, listener.local_address().to_string())
            .stdout(Stdio::null());
        let mut client = client.spawn().unwrap();
        let server = listener.accept().await;
        assert_eq!(server.peer().pid(), Some(client.id()));
        assert!(server.peer().process().is_none(), "another process could have this id by now");
        drop(server);
        assert!(client.wait().unwrap().success());
    });
}

#[test]
fn a_policy_refuses_by_sid() {
    run("a_policy_refuses_by_sid", || async {
        let somebody_else = AccessPolicy::users([UserId::Sid("S-1-5-21-1-2-3-1001".into())]);
        let wary = ConnectOptions::new().access(somebody_else.clone());
        let mut listener = ListenOptions::new().access(somebody_else).listen(&address()).await.unwrap();
        let address = listener.local_address().clone();
        let client = async {
            let mut client = connector(&address).connect(soon()).await.unwrap();
            let mut received = Vec::new();
            while let Ok(1..) = client.read_buf(&mut received).await {}
            received
        };
        tokio::select! {
            _ = listener.accept() => panic!("accepted a client that the policy refuses"),
            received = client => assert_eq!(received, b""),
        }
        let error = wary.connector(&address).connect(soon()).await.unwrap_err();
        assert!(matches!(error, ConnectError::Untrusted { .. }), "{error:?}");
    });
}

#[test]
fn an_anonymous_client_has_no_user() {
    run("an_anonymous_client_has_no_user", || async {
        let anyone = ListenOptions::new().access(AccessPolicy::dangerous_allow_anyone());
        let mut listener = anyone.listen(&address()).await.unwrap();
        let anonymous = ConnectOptions::new().impersonation(ImpersonationLevel::Anonymous);
        let anonymous = anonymous.connector(listener.local_address());
        let (client, server) = tokio::join!(anonymous.connect(soon()), listener.accept());
        client.unwrap();
        let own = own_user().await;
        match server.peer().user() {
            None => {}
            Some(user) if *user == own => {
                skip(
                    "an_anonymous_client_has_no_user",
                    "this system does not keep an anonymous client's secret",
                );
            }
            Some(other) => panic!("{other}"),
        }
    });
}

#[test]
fn a_wrong_name_or_descriptor_is_told() {
    run("a_wrong_name_or_descriptor_is_told", || async {
        let nonsense = ListenOptions::new().descriptor(SecurityDescriptor::from_sddl("nonsense"));
        let error = nonsense.listen(&address()).await.err().unwrap();
        assert!(matches!(error, BindError::InvalidOption { .. }), "{error:?}");
        let message = error.to_string();
        assert!(
            message.contains("the security descriptor \"O:S-1-")
                && message.ends_with("nonsense\" is not valid"),
            "{message}"
        );

        let socket = Address::unix("greeter.sock").unwrap();
        let error = ListenOptions::new().listen(&socket).await.err().unwrap();
        assert!(matches!(error, BindError::Unsupported { .. }), "{error:?}");
        let error = connector(&socket).connect(soon()).await.unwrap_err();
        assert!(matches!(error, ConnectError::Unsupported { .. }), "{error:?}");
    });
}

#[test]
fn a_local_name_has_the_user_in_it() {
    run("a_local_name_has_the_user_in_it", || async {
        let local = Address::local(unique_name("local")).unwrap();
        let mut listener = ListenOptions::new().listen(&local).await.unwrap();
        let UserId::Sid(own) = own_user().await else { panic!("a SID") };
        let expected = format!("npipe:grpc-ipc-{own}-{}", local.to_string().trim_start_matches("local:"));
        assert_eq!(listener.local_address().to_string(), expected);
        let connector = connector(&local);
        let (client, _server) = tokio::join!(connector.connect(soon()), listener.accept());
        client.unwrap();
    });
}

fn path(address: &Address) -> String {
    format!(r"\\.\pipe\{}", address.to_string().trim_start_matches("npipe:"))
}

/// The user of this process, as the other end of a pipe sees it.
async fn own_user() -> UserId {
    let mut listener = ListenOptions::new().listen(&address()).await.unwrap();
    let (_client, server) = pair(&mut listener).await;
    server.peer().user().unwrap().clone()
}
