//! Limits the calls of a channel that run at a time.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

/// The right of a call to run, if the number of calls is limited.
pub(crate) type Permit = Option<OwnedSemaphorePermit>;

/// Waits for a permit. `None` when the channel is closed.
pub(crate) type Waiting = BoxFuture<'static, Option<OwnedSemaphorePermit>>;

#[derive(Default)]
pub(crate) struct CallLimit(Option<Arc<Semaphore>>);

impl CallLimit {
    pub(crate) fn new(calls: Option<usize>) -> Self {
        Self(calls.map(|calls| Arc::new(Semaphore::new(calls.clamp(1, Semaphore::MAX_PERMITS)))))
    }

    /// Returns a permit if one is free now, and no other call waits for it.
    #[inline]
    pub(crate) fn permit(&self) -> Result<Permit, Waiting> {
        match &self.0 {
            None => Ok(None),
            Some(places) => Self::of(places),
        }
    }

    #[inline(never)]
    fn of(places: &Arc<Semaphore>) -> Result<Permit, Waiting> {
        match Arc::clone(places).try_acquire_owned() {
            Ok(permit) => Ok(Some(permit)),
            Err(TryAcquireError::Closed) => Err(async { None }.boxed()),
            Err(TryAcquireError::NoPermits) => {
                let places = Arc::clone(places);
                Err(async { places.acquire_owned().await.ok() }.boxed())
            }
        }
    }

    /// Gives out no more permits, and wakes the calls that wait.
    pub(crate) fn close(&self) {
        if let Some(places) = &self.0 {
            places.close();
        }
    }
}
