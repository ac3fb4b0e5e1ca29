use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::{Peer, UserId};

/// Limits log lines about peers to one in 10 seconds for each user. The first is logged at once.
///
/// Peers whose user is unknown, such as those over TCP, share one line. Once 64 users have been logged within 10
/// seconds, all further users share one line too, which bounds the memory used.
#[derive(Debug, Default)]
pub struct LogLimit {
    users: Mutex<HashMap<Option<UserId>, Line>>,
}

#[derive(Debug)]
struct Line {
    logged: Instant,
    suppressed: u64,
}

const PAUSE: Duration = Duration::from_secs(10);
const MAX_USERS: usize = 64;

impl LogLimit {
    /// Creates a limit under which no line has been logged yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Decides whether to log a line about `peer` now. Returns how many lines about this user were suppressed since the
    /// last logged one, or `None` to suppress this one too.
    pub fn admit(&self, peer: &Peer) -> Option<u64> {
        let now = Instant::now();
        // Nothing panics while it holds the lock.
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        let mut user = peer.user().cloned();
        if users.len() >= MAX_USERS && !users.contains_key(&user) {
            users.retain(|_, line| now - line.logged < PAUSE);
            if users.len() >= MAX_USERS {
                user = None;
            }
        }
        match users.get_mut(&user) {
            Some(line) if now - line.logged < PAUSE => {
                line.suppressed += 1;
                None
            }
            Some(line) => {
                line.logged = now;
                Some(std::mem::take(&mut line.suppressed))
            }
            None => {
                users.insert(user, Line { logged: now, suppressed: 0 });
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(uid: u32) -> Peer {
        Peer::new("unix").with_user(UserId::Uid(uid)).with_pid(uid)
    }

    #[tokio::test(start_paused = true)]
    async fn each_user_has_one_line_in_ten_seconds() {
        let limit = LogLimit::new();
        assert_eq!(limit.admit(&peer(1)), Some(0));
        for _ in 0..1_000 {
            assert_eq!(limit.admit(&peer(1).with_pid(7)), None, "by whatever process");
        }
        assert_eq!(limit.admit(&peer(2)), Some(0));
        assert_eq!(limit.admit(&Peer::new("tcp")), Some(0));
        assert_eq!(limit.admit(&Peer::new("tcp")), None);
        tokio::time::advance(PAUSE).await;
        assert_eq!(limit.admit(&peer(1)), Some(1_000));
        assert_eq!(limit.admit(&peer(1)), None);
        assert_eq!(limit.admit(&peer(2)), Some(0));
        assert_eq!(limit.admit(&Peer::new("tcp")), Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn many_users_share_a_line_and_take_no_more_memory() {
        let limit = LogLimit::new();
        let logged =
            |users: std::ops::Range<u32>| users.filter(|uid| limit.admit(&peer(*uid)).is_some()).count();
        // One line for each of them, and one shared by all others.
        assert_eq!(logged(0..10_000), MAX_USERS + 1);
        assert_eq!(limit.users.lock().unwrap().len(), MAX_USERS + 1);
        tokio::time::advance(PAUSE).await;
        assert_eq!(logged(20_000..30_000), MAX_USERS + 1);
        assert_eq!(limit.users.lock().unwrap().len(), MAX_USERS + 1);
    }
}
