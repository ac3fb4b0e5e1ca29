//! What a listener does with those who have connected: nobody reads or writes a byte of one that is refused.

use std::future::{Ready, pending, ready};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt as _;
use grpc_ipc_core::{AccessPolicy, Admission, Connection, Peer, UserId};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection with bytes in it that panics when somebody touches them, and is counted while it is open.
struct Untouchable {
    peer: Peer,
    open: Arc<AtomicUsize>,
}

impl Untouchable {
    fn new(uid: u32, open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self { peer: Peer::new("test").with_user(UserId::Uid(uid)), open: Arc::clone(open) }
    }
}

impl Drop for Untouchable {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connection for Untouchable {
    fn peer(&self) -> &Peer {
        &self.peer
    }
}

impl AsyncRead for Untouchable {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        panic!("read from")
    }
}

impl AsyncWrite for Untouchable {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        panic!("written to")
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        panic!("flushed")
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        panic!("shut down")
    }
}

/// The one client that there is, and then none.
async fn next(client: &mut Option<Untouchable>) -> Ready<Option<Untouchable>> {
    match client.take() {
        Some(client) => ready(Some(client)),
        None => pending().await,
    }
}

/// A client that connects when it is accepted.
async fn connecting(open: &Arc<AtomicUsize>) -> Ready<Option<Untouchable>> {
    ready(Some(Untouchable::new(6, open)))
}

const LIMIT: Duration = Duration::from_secs(5);

#[tokio::test(start_paused = true)]
async fn a_refused_connection_is_closed_and_never_touched() {
    let open = Arc::new(AtomicUsize::new(0));
    let later = AccessPolicy::custom_async(LIMIT, async |peer: Peer| {
        tokio::time::sleep(LIMIT / 2).await;
        peer.user() == Some(&UserId::Uid(5))
    });
    for policy in [AccessPolicy::users([UserId::Uid(5)]), later] {
        let mut admission = Admission::new(policy.clone());
        for refused in 1..=3 {
            let mut client = Some(Untouchable::new(6, &open));
            // Until it has been decided about: once at once, and once when it has waited.
            while policy.refused() < refused {
                assert!(admission.admit(next(&mut client)).await.is_none());
            }
            assert_eq!(open.load(Ordering::Relaxed), 0, "it is closed");
        }
    }
}

#[tokio::test]
async fn one_that_cannot_be_identified_is_not_let_in() {
    let mut admission = Admission::<Untouchable>::new(AccessPolicy::dangerous_allow_anyone());
    assert!(admission.admit(ready(ready(None))).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn no_more_than_a_bounded_number_waits() {
    let open = Arc::new(AtomicUsize::new(0));
    let undecided = AccessPolicy::custom_async(LIMIT, |_| pending());
    let mut admission = Admission::new(undecided.clone());
    // Until the next one is not accepted any more.
    let mut waiting = 0;
    while open.load(Ordering::Relaxed) == waiting {
        assert!(waiting < 1_000, "there is no bound");
        if admission.admit(connecting(&open)).now_or_never().is_none() {
            break;
        }
        waiting += 1;
    }
    assert_eq!((waiting, open.load(Ordering::Relaxed)), (128, 128));
    // The time limit makes room, also while nobody new comes.
    while undecided.refused() < 128 {
        assert!(admission.admit(pending::<Ready<_>>()).await.is_none());
    }
    assert_eq!(open.load(Ordering::Relaxed), 0);
    assert!(admission.admit(connecting(&open)).await.is_none());
    assert_eq!(open.load(Ordering::Relaxed), 1, "the next one is accepted");
}
