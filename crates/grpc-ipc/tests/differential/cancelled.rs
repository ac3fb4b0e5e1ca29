//! Cancelled calls, and many concurrent ones.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};

use futures_util::future::join_all;
use grpc_ipc::Http2Options;
use grpc_ipc_conformance::run;

use crate::call::{Call, Does, Handler};
use crate::clients::CLIENTS;
use crate::servers::{SERVERS, Scene};

fn call(size: usize, does: Does) -> Call {
    Call {
        size,
        metadata: Default::default(),
        timeout: None,
        limit_encoding: None,
        limit_decoding: None,
        handler: Handler { waits: 0, does },
    }
}

#[test]
fn calls_that_are_dropped_have_their_handlers_dropped() {
    run("calls_that_are_dropped_have_their_handlers_dropped", async || {
        for server in SERVERS {
            let scene = Scene::new(server, &Http2Options::new()).await;
            let running = || scene.handlers.running.load(Ordering::SeqCst);
            for client in CLIENTS {
                for size in [0, 20_000, 300_000] {
                    let hangs = call(size, Does::Hang);
                    *scene.handlers.next.lock().unwrap() = Some(hangs.handler.clone());
                    // Before anything is sent, right after that, and when the handler runs.
                    drop(scene.answer(client, &hangs));
                    {
                        let mut answer = pin!(scene.answer(client, &hangs));
                        _ = answer.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                    }
                    {
                        let mut answer = pin!(scene.answer(client, &hangs));
                        let seen = || scene.handlers.seen.lock().unwrap().len();
                        let before = seen();
                        while seen() == before || running() == 0 {
                            let polled = answer.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                            assert!(polled.is_pending());
                            tokio::task::yield_now().await;
                        }
                    }
                    while running() > 0 {
                        tokio::task::yield_now().await;
                    }
                    scene.handlers.seen.lock().unwrap().clear();
                    let answers = call(1, Does::Answer(2, Default::default()));
                    let outcome = scene.call(client, &answers).await;
                    // The handler of a dropped call may have run.
                    assert!(outcome.starts_with("2 [] ["), "{client:?} {server:?}: {outcome}");
                    let seen = r#""1 /ipc.bench.Bench/Echo true []""#;
                    assert!(outcome.contains(seen), "{client:?} {server:?}: {outcome}");
                }
            }
        }
    });
}

#[test]
fn many_at_a_time() {
    run("many_at_a_time", async || {
        for server in SERVERS {
            let scene = Scene::new(server, &Http2Options::new()).await;
            for client in CLIENTS {
                for answered in [0, 1000, 20_000] {
                    let call = call(100, Does::Answer(answered, Default::default()));
                    *scene.handlers.next.lock().unwrap() =
                        Some(Handler { waits: answered % 3, ..call.handler.clone() });
                    for answer in join_all((0..300).map(|_| scene.answer(client, &call))).await {
                        assert_eq!(answer.unwrap().into_inner().payload.len(), answered);
                    }
                }
            }
        }
    });
}
