use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use futures_core::Stream;
use tokio::sync::mpsc;
use tonic::metadata::MetadataMap;
use tonic::{Request, Status};

use super::{Cancellation, engine};

/// The requests of a client-streaming or bidirectional call. Anything that can be iterated over converts into it:
/// `client.record([first, second])`.
///
/// An iterator runs on a thread of its own, because it may block. The end of the call does not wait for it.
pub struct Messages<T> {
    source: Source<T>,
    metadata: MetadataMap,
    timeout: Option<Duration>,
    cancellation: Option<Cancellation>,
}

enum Source<T> {
    Iterator(Box<dyn Iterator<Item = T> + Send>),
    Sender(mpsc::Receiver<T>),
}

/// How many messages of an iterator may wait to be sent.
const AHEAD: usize = 16;

impl<T> Messages<T> {
    fn new(source: Source<T>) -> Self {
        Self { source, metadata: MetadataMap::new(), timeout: None, cancellation: None }
    }

    /// Sends this metadata before the messages. Default: none.
    pub fn metadata(self, metadata: MetadataMap) -> Self {
        Self { metadata, ..self }
    }

    /// Limits how long the call may take. Default: no limit.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// Lets a [`Cancellation`] end the call. Default: none.
    pub fn cancellation(self, cancellation: &Cancellation) -> Self {
        Self { cancellation: Some(cancellation.clone()), ..self }
    }

    /// The request of the asynchronous call.
    pub(crate) fn into_request(self) -> Result<(Request<Outgoing<T>>, Option<Cancellation>), Status>
    where
        T: Send + 'static,
    {
        let messages = match self.source {
            Source::Sender(messages) => messages,
            Source::Iterator(iterator) => {
                let (sender, messages) = mpsc::channel(AHEAD);
                let sender = Sender(sender);
                let send = move || {
                    // Until the call takes no more messages.
                    _ = { iterator }.try_for_each(|message| sender.send(message).ok());
                };
                let spawned = thread::Builder::new().name("grpc-ipc-sender".to_owned()).spawn(send);
                spawned
                    .map_err(|error| Status::resource_exhausted(format!("cannot start a thread: {error}")))?;
                messages
            }
        };
        let mut request = Request::new(Outgoing(messages));
        *request.metadata_mut() = self.metadata;
        if let Some(timeout) = self.timeout {
            request.set_timeout(timeout);
        }
        Ok((request, self.cancellation))
    }
}

impl<T, I> From<I> for Messages<T>
where
    I: IntoIterator<Item = T, IntoIter: Send + 'static>,
{
    fn from(messages: I) -> Self {
        Self::new(Source::Iterator(Box::new(messages.into_iter())))
    }
}

impl<T> fmt::Debug for Messages<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// Creates a [`Sender`] and its [`Messages`], to send messages one by one: from another thread, or between responses.
///
/// ```no_run
/// # use grpc_ipc_proto::testing::StreamingOutputCallRequest;
/// # use grpc_ipc_proto::testing::test_service_blocking_client::TestServiceBlockingClient;
/// # fn example(mut client: TestServiceBlockingClient) -> Result<(), Box<dyn std::error::Error>> {
/// let (sender, messages) = grpc_ipc::blocking::messages(16);
/// let mut replies = client.full_duplex_call(messages)?.into_inner();
/// for _ in 0..3 {
///     sender.send(StreamingOutputCallRequest::default())?;
///     println!("{:?}", replies.next());
/// }
/// // The server sees the end of the stream.
/// drop(sender);
/// # Ok(())
/// # }
/// ```
///
/// At most `ahead` messages, at least 1, wait to be sent.
pub fn messages<T>(ahead: usize) -> (Sender<T>, Messages<T>) {
    let (sender, messages) = mpsc::channel(ahead.max(1));
    (Sender(sender), Messages::new(Source::Sender(messages)))
}

/// Sends the messages of a call. The server sees the end of the stream when all clones are dropped.
#[derive(Clone)]
pub struct Sender<T>(mpsc::Sender<T>);

impl<T> Sender<T> {
    /// Sends a message. Blocks while the maximum number of messages wait.
    ///
    /// # Errors
    /// [`Cancelled`](tonic::Code::Cancelled) once the call has ended. The call's own status has the reason.
    ///
    /// # Panics
    /// Inside an asynchronous task.
    pub fn send(&self, message: T) -> Result<(), Status> {
        self.0
            .blocking_send(message)
            .map_err(|_| Status::cancelled("the call has ended and takes no more messages"))?;
        engine::wake();
        Ok(())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        // Keeps the runtime driven while the field is dropped, which may end the stream.
        engine::wake();
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

/// The messages, as the asynchronous client takes them.
pub(crate) struct Outgoing<T>(mpsc::Receiver<T>);

impl<T> Stream for Outgoing<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.0.poll_recv(cx)
    }
}
