use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;
use tonic::Request;

/// Ends calls from another thread. A clone is the same cancellation.
///
/// ```no_run
/// # use grpc_ipc_proto::greet::HelloRequest;
/// # use grpc_ipc_proto::greet::greeter_blocking_client::GreeterBlockingClient;
/// # fn example(mut greeter: GreeterBlockingClient) {
/// use grpc_ipc::blocking::Cancellation;
///
/// let cancellation = Cancellation::new();
/// let mut request = tonic::Request::new(HelloRequest::default());
/// cancellation.apply_to(&mut request);
/// std::thread::spawn(move || cancellation.cancel());
/// // Ends with the code Cancelled, unless the response is faster.
/// let result = greeter.say_hello(request);
/// # drop(result);
/// # }
/// ```
#[derive(Clone)]
pub struct Cancellation {
    cancelled: Arc<watch::Sender<bool>>,
}

impl Cancellation {
    /// Creates a cancellation that is not cancelled yet.
    pub fn new() -> Self {
        Self { cancelled: Arc::new(watch::Sender::new(false)) }
    }

    /// Lets [`cancel`](Self::cancel) end the call that `request` is made with, including its stream of responses. For a
    /// stream of requests, use [`Messages::cancellation`](super::Messages::cancellation).
    pub fn apply_to<T>(&self, request: &mut Request<T>) {
        request.extensions_mut().insert(self.clone());
    }

    /// Ends the calls that this was applied to, and calls made with it later, with
    /// [`Cancelled`](tonic::Code::Cancelled). It has no effect on a call whose response has already arrived.
    pub fn cancel(&self) {
        self.cancelled.send_replace(true);
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        *self.cancelled.borrow()
    }

    pub(super) async fn cancelled(&self) {
        // `cancelled` holds the sender.
        _ = self.cancelled.subscribe().wait_for(|cancelled| *cancelled).await;
    }
}

impl Default for Cancellation {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Cancellation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancellation").field("is_cancelled", &self.is_cancelled()).finish()
    }
}
