use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use grpc_ipc_core::{Peer, UserId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The connections that a server may have at a time, in total and for each user.
#[derive(Clone, Default)]
pub(crate) struct Places {
    all: Option<Arc<Semaphore>>,
    of_user: Option<Arc<PerUser>>,
}

/// The place of an open connection. Dropping it frees the place.
pub(crate) struct Place {
    _all: Option<OwnedSemaphorePermit>,
    _of_user: Option<PlaceOfUser>,
}

impl Places {
    pub(crate) fn new(all: Option<usize>, of_user: Option<usize>) -> Self {
        let all = all.map(|limit| Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS))));
        Self { all, of_user: of_user.map(|limit| Arc::new(PerUser { limit, taken: Mutex::default() })) }
    }

    /// Waits until there is a place for another connection of `peer`. Returns `None` if its user has the maximum.
    pub(crate) async fn take(&self, peer: &Peer) -> Option<Place> {
        let of_user = match &self.of_user {
            Some(of_user) => Some(of_user.take(peer.user().cloned())?),
            None => None,
        };
        let all = match &self.all {
            // The semaphore is never closed, so it always yields a permit eventually.
            Some(all) => Arc::clone(all).acquire_owned().await.ok(),
            None => None,
        };
        Some(Place { _all: all, _of_user: of_user })
    }
}

struct PerUser {
    limit: usize,
    /// By user. Unknown users count as one.
    taken: Mutex<HashMap<Option<UserId>, usize>>,
}

impl PerUser {
    fn take(self: &Arc<Self>, user: Option<UserId>) -> Option<PlaceOfUser> {
        let mut taken = self.taken();
        let count = taken.entry(user.clone()).or_default();
        if *count >= self.limit {
            return None;
        }
        *count += 1;
        drop(taken);
        Some(PlaceOfUser { places: Arc::clone(self), user })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<Option<UserId>, usize>> {
        // Nothing panics while the lock is held.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct PlaceOfUser {
    places: Arc<PerUser>,
    user: Option<UserId>,
}

impl Drop for PlaceOfUser {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        if let Some(count) = taken.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn peer(uid: u32) -> Peer {
        Peer::new("test").with_user(UserId::Uid(uid))
    }

    #[test]
    fn a_user_leaves_places_to_others() {
        let places = Places::new(Some(3), Some(2));
        let take = |peer: &Peer| places.take(peer).now_or_never();
        let first = take(&peer(1)).expect("at once").expect("there are two");
        let _second = take(&peer(1)).unwrap().unwrap();
        assert!(take(&peer(1)).expect("at once").is_none());
        let third = take(&peer(2)).unwrap().unwrap();
        assert!(take(&peer(2)).is_none(), "it waits, because there are three of all");
        drop(first);
        let fourth = take(&peer(1)).unwrap().unwrap();
        drop((third, fourth));
        assert!(take(&peer(2)).unwrap().is_some());
        assert_eq!(places.of_user.as_ref().unwrap().taken().len(), 1, "nothing is kept of who has left");
    }

    #[test]
    fn users_that_are_not_known_count_as_one() {
        let places = Places::new(None, Some(1));
        let _first = places.take(&Peer::new("test")).now_or_never().unwrap().unwrap();
        assert!(places.take(&Peer::new("test")).now_or_never().unwrap().is_none());
    }
}
