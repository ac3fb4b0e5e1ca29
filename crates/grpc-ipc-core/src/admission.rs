use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _, poll_fn};
use futures_util::stream::{FuturesUnordered, Stream as _, StreamExt as _};
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use crate::{AccessPolicy, Connection};

/// Applies an access policy to the clients of a listener, between the operating system's accept and the listener's own.
///
/// A refused connection is sent the policy's answer, if it [has one](AccessPolicy::refuse_with), and dropped, which
/// closes it. Nothing is read from it. While a policy takes time to decide about a connection, other connections are
/// not held up.
pub struct Admission<C> {
    access: AccessPolicy,
    waiting: FuturesUnordered<BoxFuture<'static, Option<C>>>,
}

/// The maximum number of waiting connections. Beyond it, clients wait to be accepted.
const WAITING: usize = 128;
/// How long a refused connection may take to accept the answer.
const LAST_WORDS: Duration = Duration::from_secs(1);

impl<C: Connection> Admission<C> {
    /// Creates an admission without any connections.
    pub fn new(access: AccessPolicy) -> Self {
        Self { access, waiting: FuturesUnordered::new() }
    }

    /// Waits for the next client, or for the decision about a waiting one. Returns the connection if it is allowed, and
    /// `None` if it is refused or not decided yet. A listener's `accept` calls this until it gets a connection.
    ///
    /// `next` is ready when a client has connected. Its output is a future that becomes the connection once the peer is
    /// identified, or `None` if the peer cannot be identified. Use [`std::future::ready`] if the peer is already known.
    ///
    /// # Cancel safety
    /// Dropping the future loses no connection if dropping `next` does not. `next` is also dropped when the decision
    /// about another client is ready first.
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

    /// The next allowed connection among those that wait, or `None` when none is left. It accepts no further clients.
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

    /// Returns the connection if it is allowed at once.
    pub(crate) fn ask(&mut self, client: impl Future<Output = Option<C>> + Send + 'static) -> Option<C> {
        let access = self.access.clone();
        let mut admitted = async move {
            let connection = client.await?;
            if access.check(connection.peer()).await.is_ok() {
                return Some(connection);
            }
            if let Some(answer) = access.refusal() {
                // An error means that the client has already disconnected.
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

    /// The decision about a connection that waited: the connection, or `None` if it was refused. Pending while there is
    /// none.
    fn poll_decided(&mut self, cx: &mut Context<'_>) -> Poll<Option<C>> {
        match Pin::new(&mut self.waiting).poll_next(cx) {
            Poll::Ready(Some(decided)) => Poll::Ready(decided),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

/// Writes without reading. If a new connection accepts any bytes, it accepts the answer at once.
async fn refuse(mut connection: impl Connection, answer: &[u8]) -> io::Result<()> {
    connection.write_all(answer).await?;
    connection.flush().await
}
