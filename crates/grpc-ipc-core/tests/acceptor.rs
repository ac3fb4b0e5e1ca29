//! The accept loop of every transport: failures of accept, and dropped `accept` futures.

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::time::Duration;

use futures_util::FutureExt as _;
use grpc_ipc_core::{
    Acceptor, AccessPolicy, Address, Connection as _, Listener as _, Peer, PeerStream, Source,
};
use tokio::io::DuplexStream;
use tokio::time::{Instant, advance};

/// Returns the given results, and then never completes. A client is its pid; 0 cannot be identified.
struct Script {
    tries: VecDeque<io::Result<u32>>,
    begun: Vec<Instant>,
}

impl Source for Script {
    type Client = u32;
    type Connection = PeerStream<DuplexStream>;

    async fn next(&mut self) -> io::Result<u32> {
        self.begun.push(Instant::now());
        match self.tries.pop_front() {
            Some(result) => result,
            None => pending().await,
        }
    }

    async fn identify(client: u32) -> io::Result<Self::Connection> {
        match client {
            0 => Err(io::Error::other("nothing is known of it")),
            pid => Ok(PeerStream::new(tokio::io::duplex(1).0, Peer::new("test").with_pid(pid))),
        }
    }
}

fn acceptor(tries: impl IntoIterator<Item = io::Result<u32>>, access: AccessPolicy) -> Acceptor<Script> {
    let script = Script { tries: tries.into_iter().collect(), begun: Vec::new() };
    Acceptor::new(script, Address::custom("test", "script"), access)
}

fn short() -> io::Result<u32> {
    Err(io::Error::from_raw_os_error(24))
}

impl Script {
    fn begun_at(&self) -> Vec<u128> {
        self.begun.iter().map(|begun| (*begun - self.begun[0]).as_millis()).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_short_is_waited_for_with_growing_pauses() {
    let tries = (0..10).map(|_| short()).chain([Ok(1), short(), Ok(2)]);
    let mut acceptor = acceptor(tries, AccessPolicy::dangerous_allow_anyone());
    assert_eq!(acceptor.accept().await.peer().pid(), Some(1));
    let began = acceptor.source().begun_at();
    assert_eq!(began, [0, 5, 15, 35, 75, 155, 315, 635, 1275, 2275, 3275]);
    // After a client, the pauses start over.
    assert_eq!(acceptor.accept().await.peer().pid(), Some(2));
    assert_eq!(acceptor.source().begun_at()[11..], [3275, 3280]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_gone_holds_up_nobody() {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, Interrupted};
    let gone = [BrokenPipe, ConnectionAborted, ConnectionReset, Interrupted];
    let tries = gone.into_iter().map(|kind| Err(kind.into())).chain([Ok(1)]);
    let mut acceptor = acceptor(tries, AccessPolicy::dangerous_allow_anyone());
    assert_eq!(acceptor.accept().await.peer().pid(), Some(1));
    assert_eq!(acceptor.source().begun_at(), [0; 5]);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_accept_neither_shortens_a_pause_nor_begins_it_anew() {
    let mut acceptor = acceptor([short(), short(), Ok(1)], AccessPolicy::dangerous_allow_anyone());
    let mut accepted = None;
    while accepted.is_none() {
        accepted = acceptor.accept().now_or_never();
        advance(Duration::from_millis(1)).await;
    }
    let began = acceptor.source().begun_at();
    assert!(matches!(began[..], [0, 5..7, 15..19]), "{began:?}");
}

#[tokio::test(start_paused = true)]
async fn a_decision_about_another_client_does_not_end_a_pause() {
    let slowly = AccessPolicy::custom_async(Duration::from_secs(60), async |peer: Peer| {
        tokio::time::sleep(Duration::from_millis(peer.pid().unwrap_or_default().into())).await;
        peer.pid() == Some(9)
    });
    // Nine clients; the policy decides about each a millisecond after the one before. Meanwhile accept fails.
    let tries = (1..=9).map(Ok).chain((0..4).map(|_| short()));
    let mut acceptor = acceptor(tries, slowly);
    assert_eq!(acceptor.accept().await.peer().pid(), Some(9));
    let began = acceptor.source().begun_at();
    assert!(matches!(began[9..], [0, 5..7]), "{began:?}");
}

#[tokio::test]
async fn one_that_cannot_be_identified_is_closed_and_the_next_one_served() {
    let mut acceptor = acceptor([Ok(0), Ok(7)], AccessPolicy::dangerous_allow_anyone());
    assert_eq!(acceptor.accept().await.peer().pid(), Some(7));
    assert_eq!(acceptor.local_address().to_string(), Address::custom("test", "script").to_string());
}
