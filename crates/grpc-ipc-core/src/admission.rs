use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _, poll_fn};
use futures_util::stream::{FuturesUnordered, Stream as _, StreamExt as _};
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use crate::{AccessPolicy, Connection};

/// Who is let in of those who have connected: what every listener does between the operating system's accept and its
/// own.
///
/// A connection that the policy refuses is sent the policy's answer, if it [has one](AccessPolicy::refuse_with), and
/// dropped, which closes it; not a byte of it is read. A connection about which the policy takes its time to decide waits
/// here, and holds up no other.
pub struct Admission<C> {
    access: AccessPolicy,
    waiting: FuturesUnordered<BoxFuture<'static, Option<C>>>,
}

/// Connections that wait at a time, at most; more wait to be accepted.
const WAITING: usize = 128;
/// How long a connection may take to take the answer.
const LAST_WORDS: Duration = Duration::from_secs(1);

impl<C: Connection> Admission<C> {
    /// Nobody has connected yet.
    pub fn new(access: AccessPolicy) -> Self {
        Self { access, waiting: FuturesUnordered::new() }
    }

    /// Waits for the next client, or for the decision about one that waits: the connection if that is let in, `None` if
    /// not, or not yet. A listener's `accept` calls it until there is a connection.
    ///
    /// `next` is ready when a client has connected. What it returns becomes the connection once it is known who that is,
    /// or `None` if that cannot be known; it is [`std::future::ready`] where it is known already.
    ///
    /// # Cancel safety
    /// Dropping the future loses no connection, if dropping `next` does not. It drops `next` also for a decision about
    /// another client.
    pub async fn admit<F>(&mut self, next: impl Future<Output = F>) -> Option<C>
    where
        F: Future<Output = Option<C>> + Send + 'static,
    {
        let has_room = self.waiting.len() < WAITING;
        tokio::select! {
            decided = poll_fn(|cx| self.poll_decided(cx)) => decided,
            client = next, if has_room => self.ask(client),
        }
    }

    /// The next allowed connection of those that wait, or `None` if there is none left. No further clients connect.
    ///
    /// # Cancel safety
    /// Dropping the future loses no connection.
    pub async fn last(&mut self) -> Option<C> {
        loop {
            match self.waiting.next().await {
                Some(None) => {}
                Some(connection) => return connection,
                None => return None,
            }
        }
    }

    /// The connection, if it is let in at once.
    pub(crate) fn ask(&mut self, client: impl Future<Output = Option<C>> + Send + 'static) -> Option<C> {
        let access = self.access.clone();
        let mut admitted = async move {
            let connection = client.await?;
            if access.check(connection.peer()).await.is_ok() {
                return Some(connection);
            }
            if let Some(answer) = access.refusal() {
                // A client that has gone hears nothing.
                _ = timeout(LAST_WORDS, refuse(connection, answer)).await;
            }
            None
        }
        .boxed();
        match admitted.as_mut().now_or_never() {
            Some(admitted) => admitted,
            None => {
                self.waiting.push(admitted);
                None
            }
        }
    }

    /// One that has waited: the connection, or `None` if it was refused. Pending while there is none.
    fn poll_decided(&mut self, cx: &mut Context<'_>) -> Poll<Option<C>> {
        match Pin::new(&mut self.waiting).poll_next(cx) {
            Poll::Ready(Some(decided)) => Poll::Ready(decided),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

/// Nothing is read for it. A new connection takes the answer as soon as it takes anything.
async fn refuse(mut connection: impl Connection, answer: &[u8]) -> io::Result<()> {
    connection.write_all(answer).await?;
    connection.flush().await
}
