//! How a listener treats connected clients: nothing is read from a refused one.

use std::future::{Ready, pending, ready};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt as _;
use grpc_ipc_core::{AccessPolicy, Admission, Connection, Peer, PeerStream, UserId};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};

/// A connection that panics if it is read or written, and is counted while it is open.
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

/// Returns the only client, and then none.
async fn next<C>(client: &mut Option<C>) -> Ready<Option<C>> {
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
            // The decision comes at once in the first case, and after a wait in the second.
            while policy.refused() < refused {
                assert!(admission.admit(next(&mut client)).await.is_none());
            }
            assert_eq!(open.load(Ordering::Relaxed), 0, "it is closed");
        }
    }
}

#[tokio::test]
async fn a_refused_client_gets_the_answer_of_the_policy_unread() {
    let later = AccessPolicy::custom_async(LIMIT, async |_| {
        tokio::task::yield_now().await;
        false
    });
    for policy in [AccessPolicy::users([]), later] {
        let policy = policy.refuse_with(b"no");
        assert_eq!(policy.refusal(), Some(&b"no"[..]));
        let mut admission = Admission::new(policy.clone());
        // A pipe without room for the unread bytes.
        let (mut client, server) = tokio::io::duplex(2);
        client.write_all(b"xx").await.unwrap();
        let mut server = Some(PeerStream::new(server, Peer::new("test")));
        let answer = async {
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.unwrap();
            answer
        };
        let admit = async {
            loop {
                assert!(admission.admit(next(&mut server)).await.is_none());
            }
        };
        tokio::select! {
            answer = answer => assert_eq!(answer, b"no"),
            () = admit => unreachable!(),
        }
        assert_eq!(policy.refused(), 1);
        assert!(client.write_all(b"x").await.is_err(), "it is closed");
    }
}

/// A client without room for the answer is not waited for, and delays nobody.
#[tokio::test(start_paused = true)]
async fn a_refused_client_that_takes_no_answer_is_closed() {
    let mut admission = Admission::new(AccessPolicy::users([]).refuse_with(b"no"));
    let (client, server) = tokio::io::duplex(1);
    assert!(admission.admit(ready(ready(Some(PeerStream::new(server, Peer::new("test")))))).await.is_none());
    let decided = admission.admit(pending::<Ready<_>>());
    assert!(tokio::time::timeout(LIMIT, decided).await.expect("it is given up in time").is_none());
    drop(client);
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
    // Until the next one is no longer accepted.
    let mut waiting = 0;
    while open.load(Ordering::Relaxed) == waiting {
        assert!(waiting < 1_000, "there is no bound");
        if admission.admit(connecting(&open)).now_or_never().is_none() {
            break;
        }
        waiting += 1;
    }
    assert_eq!((waiting, open.load(Ordering::Relaxed)), (128, 128));
    // The time limit frees places even if no new client connects.
    while undecided.refused() < 128 {
        assert!(admission.admit(pending::<Ready<_>>()).await.is_none());
    }
    assert_eq!(open.load(Ordering::Relaxed), 0);
    assert!(admission.admit(connecting(&open)).await.is_none());
    assert_eq!(open.load(Ordering::Relaxed), 1, "the next one is accepted");
}
