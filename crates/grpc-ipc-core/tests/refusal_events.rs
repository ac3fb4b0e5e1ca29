//! What an access policy logs.
//!
//! Every test of this program logs to a subscriber of its own: `tracing` asks only the current thread whether
//! anybody wants an event, the first time that it happens. A thread without a subscriber would say "never" for all.

use std::io;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt as _;
use grpc_ipc_core::{AccessPolicy, Peer, UserId};

const OWN: UserId = UserId::Uid(1000);

fn admits(policy: &AccessPolicy, uid: u32) -> bool {
    let peer = Peer::new("unix").with_user(UserId::Uid(uid)).with_pid(1).same_user_as(&OWN);
    policy.check(&peer).now_or_never().expect("an answer at the first poll").is_ok()
}

/// What is logged while `test` runs.
fn logged(test: impl FnOnce()) -> Vec<String> {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, test);
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    logged.lines().map(str::to_owned).collect()
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_refusal_is_an_event() {
    let logged = logged(|| {
        assert!(admits(&AccessPolicy::same_user(), 1000));
        assert!(!admits(&AccessPolicy::same_user(), 1001));
    });
    let [event] = &logged[..] else { panic!("{logged:?}") };
    let text = "a peer is refused peer=unix:uid=1001,pid=1 policy=the same user";
    assert!(event.contains(" WARN ") && event.ends_with(text), "{event}");
}

/// A refused client can come back 26,000 times a second.
#[test]
fn a_user_who_is_refused_does_not_fill_the_log() {
    let policy = AccessPolicy::same_user();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let logged = logged(|| {
        runtime.unwrap().block_on(async {
            for _ in 0..10_000 {
                assert!(!admits(&policy.clone(), 1001));
            }
            assert!(!admits(&policy, 1002), "another user has a line of his own");
            tokio::time::advance(std::time::Duration::from_secs(10)).await;
            assert!(!admits(&policy, 1001));
        });
    });
    assert_eq!(policy.refused(), 10_002, "all are counted");
    let [first, other, later] = &logged[..] else { panic!("{} lines", logged.len()) };
    assert!(first.contains("uid=1001") && first.ends_with("policy=the same user"), "{first}");
    assert!(other.contains("uid=1002"), "{other}");
    assert!(later.contains("uid=1001") && later.ends_with("suppressed=9999"), "{later}");
}
