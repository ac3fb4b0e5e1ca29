use std::fmt;

use futures_core::Stream;
use futures_util::stream;
use tokio::sync::watch;

/// Whether a [`Channel`](crate::Channel) has a connection, as
/// [gRPC defines it](https://github.com/grpc/grpc/blob/master/doc/connectivity-semantics-and-api.md).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ConnectivityState {
    /// There is no connection, and no call needs one. A call, [`Channel::try_to_connect`] or
    /// [`Channel::wait_until_ready`] opens one. A channel returns to this state when its connection ends.
    ///
    /// [`Channel::try_to_connect`]: crate::Channel::try_to_connect
    /// [`Channel::wait_until_ready`]: crate::Channel::wait_until_ready
    #[default]
    Idle,
    /// The channel is connecting.
    Connecting,
    /// There is a connection, and the server has begun HTTP/2 on it.
    Ready,
    /// The last attempt to connect failed. A call that [waits for ready](crate::WaitForReady) tries again after a
    /// pause, and any other call at once.
    TransientFailure,
    /// The channel is closed for good.
    Shutdown,
}

impl fmt::Display for ConnectivityState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "idle",
            Self::Connecting => "connecting",
            Self::Ready => "ready",
            Self::TransientFailure => "transient failure",
            Self::Shutdown => "shutdown",
        })
    }
}

/// The changes of a channel's [`ConnectivityState`], returned by [`Channel::watch_state`](crate::Channel::watch_state).
///
/// It reports the latest state, so it may miss a state that lasts only for a moment. It keeps neither the channel nor a
/// connection open.
///
/// ```no_run
/// # async fn example(channel: grpc_ipc::Channel) {
/// let mut states = channel.watch_state();
/// println!("the channel is {}", states.current());
/// while let Some(state) = states.changed().await {
///     println!("the channel is {state} now");
/// }
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct StateWatch {
    states: watch::Receiver<ConnectivityState>,
    over: bool,
}

impl StateWatch {
    pub(crate) fn new(mut states: watch::Receiver<ConnectivityState>) -> Self {
        states.mark_unchanged();
        Self { states, over: false }
    }

    /// The state now.
    pub fn current(&self) -> ConnectivityState {
        match self.states.has_changed() {
            Ok(_) => *self.states.borrow(),
            // The last clone of the channel has been dropped.
            Err(_) => ConnectivityState::Shutdown,
        }
    }

    /// Waits for a change, and returns the new state. The last one is [`Shutdown`](ConnectivityState::Shutdown), after
    /// [`Channel::close`](crate::Channel::close) or when the last clone of the channel is dropped. After it, this
    /// returns `None`.
    ///
    /// # Cancel safety
    /// Dropping the future loses no change.
    pub async fn changed(&mut self) -> Option<ConnectivityState> {
        if self.over {
            return None;
        }
        let state = match self.states.changed().await {
            Ok(()) => *self.states.borrow_and_update(),
            Err(_) => ConnectivityState::Shutdown,
        };
        self.over = state == ConnectivityState::Shutdown;
        Some(state)
    }

    /// The changes as a stream, which ends after [`Shutdown`](ConnectivityState::Shutdown).
    pub fn into_stream(self) -> impl Stream<Item = ConnectivityState> + Send {
        stream::unfold(self, async |mut states| {
            let state = states.changed().await?;
            Some((state, states))
        })
    }
}
