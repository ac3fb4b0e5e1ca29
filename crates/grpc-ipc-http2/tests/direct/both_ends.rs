//! A client and a server of this crate.

use std::time::Duration;

use grpc_ipc_http2::{Error, Options, Reason, Side};

use super::scene::{Answered, both, both_with, fields};
use super::service::{ECHO, FAIL, LATER, OTHER, Seen, WRONG};

#[test]
fn calls_are_direct_at_both_ends_from_the_first_one() {
    both(async |client, handle, _| {
        for size in [0, 1, 100, 1000, 4096, 4097, 10_000, 16_379] {
            let message = vec![7; size];
            assert_eq!(client.call(&ECHO, &message).await.unwrap().direct(), message);
        }
        assert_eq!((client.0.direct_calls(), handle.direct_calls()), (8, 8));
        assert_eq!(handle.running(), 0);
    });
}

#[test]
fn a_method_that_the_service_does_not_know_goes_the_general_way() {
    both(async |client, handle, _| {
        let answered = client.call(&OTHER, b"message").await.unwrap();
        let Answered::Direct(message, metadata) = answered else { panic!("{answered:?}") };
        // The response is an ordinary one, whichever service sent it.
        assert_eq!((&message[..], &metadata["x-way"]), (&b"message"[..], &"general".parse().unwrap()));
        assert_eq!((client.0.direct_calls(), handle.direct_calls()), (1, 0));
    });
}

#[test]
fn windows_that_are_small_change_nothing_but_the_way() {
    let small = Options::new().initial_stream_window(0);
    for (here, there) in
        [(small.clone(), Options::new()), (Options::new(), small.clone()), (small.clone(), small)]
    {
        both_with(&here, &there, async |client, _, _| {
            for size in [0, 1, 1000, 1019, 1020, 1024, 16_379, 65_536, 1 << 20] {
                let message = vec![7; size];
                assert_eq!(client.call(&ECHO, &message).await.unwrap().message(), message, "{size}");
            }
        });
    }
}

#[test]
fn metadata_goes_both_ways_on_the_direct_one() {
    both(async |client, handle, mut seen| {
        for call in 0..20 {
            // The same metadata in some calls, and different metadata in each call.
            let id = call.to_string();
            let sent =
                fields(&[("x-same", "value"), ("x-id", &id), ("x-two-bin", "AQID"), ("x-same", "again")]);
            let answered = client.call_with(&ECHO, &sent, None, b"message").await.unwrap();
            let Answered::Direct(_, metadata) = answered else { panic!("{answered:?}") };
            assert_eq!(metadata, sent);
            let Some(Seen::Direct(head, _)) = seen.recv().await else { panic!("no direct call") };
            assert_eq!(*head.metadata(), sent);
        }
        assert_eq!((client.0.direct_calls(), handle.direct_calls()), (20, 20));
    });
}

#[test]
fn the_protocols_own_fields_are_not_metadata() {
    both(async |client, handle, mut seen| {
        let own = [
            ("te", "trailers"),
            ("content-type", "text/plain"),
            ("content-length", "3"),
            ("user-agent", "test"),
            ("grpc-encoding", "identity"),
            ("grpc-accept-encoding", "gzip"),
            ("grpc-status", "0"),
            ("grpc-message", "none"),
        ];
        for _ in 0..5 {
            let answered = client.call_with(&ECHO, &fields(&own), None, b"message").await.unwrap();
            let Answered::Direct(_, metadata) = answered else { panic!("{answered:?}") };
            assert!(metadata.is_empty(), "{metadata:?}");
            let Some(Seen::Direct(head, _)) = seen.recv().await else { panic!("no direct call") };
            assert!(head.metadata().is_empty(), "{head:?}");
        }
        assert_eq!(handle.direct_calls(), 5);
    });
}

#[test]
fn a_timeout_stays_direct_and_is_seen_by_the_handler() {
    both(async |client, handle, mut seen| {
        for _ in 0..5 {
            let metadata = fields(&[("grpc-timeout", "5S")]);
            let timeout = Some(Duration::from_secs(5));
            client.call_with(&ECHO, &metadata, timeout, b"message").await.unwrap().direct();
            let Some(Seen::Direct(head, _)) = seen.recv().await else { panic!("no direct call") };
            assert_eq!(head.timeout(), timeout);
            assert_eq!(*head.metadata(), metadata);
        }
        assert_eq!(handle.direct_calls(), 5);
    });
}

#[test]
fn an_error_is_a_response() {
    both(async |client, handle, _| {
        for _ in 0..5 {
            let answered = client.call(&FAIL, b"message").await.unwrap();
            let Answered::General { head, body, trailers: None } = answered else { panic!("{answered:?}") };
            assert_eq!(head.headers()["grpc-status"], "5");
            assert!(body.unwrap().is_empty());
        }
        assert_eq!((client.0.direct_calls(), handle.direct_calls()), (0, 5));
        assert_eq!(handle.running(), 0);
    });
}

#[test]
fn a_length_that_is_wrong_breaks_nothing() {
    both(async |client, _, _| {
        for size in [0, 1, 3, 100, 5000, 16_379, 20_000, 100_000] {
            for _ in 0..5 {
                let message = vec![7; size];
                assert_eq!(client.call(&WRONG, &message).await.unwrap().message(), message, "{size}");
            }
        }
    });
}

#[test]
fn a_handler_that_is_not_ready_answers_later() {
    both(async |client, handle, mut seen| {
        for _ in 0..5 {
            let call = client.spawn(&LATER, b"message").await;
            assert!(matches!(seen.recv().await, Some(Seen::Direct(..))));
            let Some(Seen::Waits(answer)) = seen.recv().await else { panic!("no handler") };
            assert_eq!(handle.running(), 1);
            // Other calls are not held up.
            client.call(&ECHO, b"other").await.unwrap().direct();
            assert!(matches!(seen.recv().await, Some(Seen::Direct(..))));
            answer.send(()).unwrap();
            assert_eq!(call.await.unwrap().unwrap().direct(), b"message");
            assert!(matches!(seen.recv().await, Some(Seen::Dropped)));
            handle.finished().await;
        }
        assert_eq!((client.0.direct_calls(), handle.direct_calls()), (10, 10));
    });
}

#[test]
fn dropping_a_call_cancels_it_and_drops_its_handler() {
    both(async |client, handle, mut seen| {
        let call = client.spawn(&LATER, b"message").await;
        assert!(matches!(seen.recv().await, Some(Seen::Direct(..))));
        let Some(Seen::Waits(_answer)) = seen.recv().await else { panic!("no handler") };
        call.abort();
        assert!(matches!(seen.recv().await, Some(Seen::Dropped)));
        handle.finished().await;
        client.call(&ECHO, b"other").await.unwrap().direct();
    });
}

#[test]
fn calls_of_a_connection_that_ends_fail() {
    both(async |client, handle, mut seen| {
        let call = client.spawn(&LATER, b"message").await;
        let Some(Seen::Direct(..)) = seen.recv().await else { panic!("no call") };
        let Some(Seen::Waits(_answer)) = seen.recv().await else { panic!("no handler") };
        handle.close();
        assert!(matches!(seen.recv().await, Some(Seen::Dropped)));
        handle.finished().await;
        let error = call.await.unwrap().unwrap_err();
        assert!(
            matches!(error, Error::Closed | Error::GoAway { by: Side::Peer, reason: Reason::NO_ERROR, .. }),
            "{error:?}"
        );
    });
}

#[test]
fn a_shutdown_waits_for_direct_calls() {
    both(async |client, handle, mut seen| {
        let call = client.spawn(&LATER, b"message").await;
        let Some(Seen::Direct(..)) = seen.recv().await else { panic!("no call") };
        let Some(Seen::Waits(answer)) = seen.recv().await else { panic!("no handler") };
        handle.graceful_shutdown();
        tokio::task::yield_now().await;
        assert_eq!(handle.running(), 1);
        answer.send(()).unwrap();
        assert_eq!(call.await.unwrap().unwrap().direct(), b"message");
        handle.finished().await;
        assert!(!client.0.is_usable());
        let begun = client.begin(&ECHO, &fields(&[]), None, b"more").await;
        assert!(matches!(begun, grpc_ipc_http2::direct::Begun::Elsewhere), "{begun:?}");
    });
}

#[test]
fn many_calls_at_a_time_do_not_mix() {
    both_with(&Options::new(), &Options::new().max_concurrent_streams(100), async |client, handle, _| {
        for round in 0..10_usize {
            let mut calls = Vec::new();
            for call in 0..100 {
                let message = vec![call as u8; call * 10 + round];
                calls.push((client.spawn(&ECHO, &message).await, message));
            }
            assert!(!client.0.has_room());
            for (call, message) in calls {
                assert_eq!(call.await.unwrap().unwrap().message(), message);
            }
        }
        // A call that is split between two reads takes the general path.
        let calls = (client.0.direct_calls(), handle.direct_calls());
        assert!(calls.0 > 980 && calls.1 > 980, "{calls:?}");
    });
}

#[test]
fn a_client_beyond_the_servers_limit_of_streams_goes_elsewhere() {
    both_with(&Options::new(), &Options::new().max_concurrent_streams(2), async |client, _, mut seen| {
        let calls = [client.spawn(&LATER, b"1").await, client.spawn(&LATER, b"2").await];
        let begun = client.begin(&ECHO, &fields(&[]), None, b"3").await;
        assert!(matches!(begun, grpc_ipc_http2::direct::Begun::Elsewhere), "{begun:?}");
        let begun = client.begin(&ECHO, &fields(&[]), None, &[3; 10_000]).await;
        assert!(matches!(begun, grpc_ipc_http2::direct::Begun::Elsewhere), "{begun:?}");
        for _ in 0..2 {
            let Some(Seen::Direct(..)) = seen.recv().await else { panic!("no call") };
            let Some(Seen::Waits(answer)) = seen.recv().await else { panic!("no handler") };
            answer.send(()).unwrap();
        }
        for call in calls {
            call.await.unwrap().unwrap().direct();
        }
        client.call(&ECHO, b"3").await.unwrap().direct();
    });
}
