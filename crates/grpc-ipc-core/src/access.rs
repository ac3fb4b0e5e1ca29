use std::fmt;
use std::sync::Arc;

use crate::{Peer, UserId};

/// Who may be at the other end of a connection: for a server who may connect, for a client who may have answered.
///
/// It is asked once for each connection, before a byte is read or sent. A policy is a list of alternatives, and a peer
/// that fits one of them is let in; [`or`](Self::or) joins two lists. A peer of which the policy's question cannot be
/// answered is refused.
///
/// The default is [`same_user_or_system`](Self::same_user_or_system).
///
/// ```
/// use grpc_ipc_core::{AccessPolicy, UserId};
///
/// let web_server = AccessPolicy::users([UserId::Uid(33)]);
/// let policy = AccessPolicy::default().or(web_server);
/// assert_eq!(policy.to_string(), "the same user, the system (root, SYSTEM), uid=33");
/// ```
#[derive(Clone)]
pub struct AccessPolicy {
    alternatives: Vec<Rule>,
}

#[derive(Clone)]
enum Rule {
    SameUser,
    System,
    User(UserId),
    Custom(Arc<dyn Fn(&Peer) -> bool + Send + Sync>),
    Anyone,
}

impl AccessPolicy {
    /// The user that this process runs as, and the system itself (root, SYSTEM), which could do anything to this
    /// process anyway. This is the default.
    pub fn same_user_or_system() -> Self {
        Self { alternatives: vec![Rule::SameUser, Rule::System] }
    }

    /// The user that this process runs as, and nobody else.
    pub fn same_user() -> Self {
        Self { alternatives: vec![Rule::SameUser] }
    }

    /// These users and nobody else, so not even the one that this process runs as.
    pub fn users(users: impl IntoIterator<Item = UserId>) -> Self {
        Self { alternatives: users.into_iter().map(Rule::User).collect() }
    }

    /// Whomever `allows` says `true` of. It is called on the thread that accepts or connects, and holds up the others
    /// as long as it runs.
    pub fn custom(allows: impl Fn(&Peer) -> bool + Send + Sync + 'static) -> Self {
        Self { alternatives: vec![Rule::Custom(Arc::new(allows))] }
    }

    /// Anyone whom the operating system lets reach the address. Every user of the machine can then call every method,
    /// unless the socket's mode, the pipe's descriptor or your own interceptor says otherwise.
    pub fn dangerous_allow_anyone() -> Self {
        Self { alternatives: vec![Rule::Anyone] }
    }

    /// Lets in whom either policy lets in.
    #[must_use = "the policy is moved into the returned one"]
    pub fn or(mut self, other: Self) -> Self {
        self.alternatives.extend(other.alternatives);
        self
    }

    /// Asks the policy about `peer`, for a process that runs as `own`.
    ///
    /// # Errors
    /// [`Refused`] when no alternative fits, also because what it asks for is not known of the peer.
    pub fn check(&self, peer: &Peer, own: Option<&UserId>) -> Result<(), Refused> {
        let fits = |rule: &Rule| match rule {
            Rule::SameUser => peer.is_this_process() || own.is_some() && peer.user() == own,
            Rule::System => peer.user().is_some_and(UserId::is_system),
            Rule::User(user) => peer.user() == Some(user),
            Rule::Custom(allows) => allows(peer),
            Rule::Anyone => true,
        };
        match self.alternatives.iter().any(fits) {
            true => Ok(()),
            false => Err(Refused { peer: peer.clone(), policy: self.to_string() }),
        }
    }
}

impl Default for AccessPolicy {
    fn default() -> Self {
        Self::same_user_or_system()
    }
}

impl fmt::Display for AccessPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.alternatives.is_empty() {
            return f.write_str("nobody");
        }
        for (i, rule) in self.alternatives.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            match rule {
                Rule::SameUser => write!(f, "{comma}the same user"),
                Rule::System => write!(f, "{comma}the system (root, SYSTEM)"),
                Rule::User(user) => write!(f, "{comma}{user}"),
                Rule::Custom(_) => write!(f, "{comma}whom the program's own check allows"),
                Rule::Anyone => write!(f, "{comma}anyone"),
            }?;
        }
        Ok(())
    }
}

impl fmt::Debug for AccessPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccessPolicy({self})")
    }
}

/// A peer that an [`AccessPolicy`] does not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("peer {peer} is refused: the access policy lets in {policy}")]
pub struct Refused {
    peer: Peer,
    policy: String,
}

impl Refused {
    /// Who was refused.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: UserId = UserId::Uid(1000);

    fn peer(uid: u32) -> Peer {
        Peer::new("unix").with_user(UserId::Uid(uid)).with_pid(1)
    }

    fn admits(policy: &AccessPolicy, peer: &Peer) -> bool {
        policy.check(peer, Some(&OWN)).is_ok()
    }

    #[test]
    fn the_default_is_the_same_user_or_root() {
        let policy = AccessPolicy::default();
        assert!(admits(&policy, &peer(1000)));
        assert!(admits(&policy, &peer(0)));
        assert!(!admits(&policy, &peer(1001)));
    }

    #[test]
    fn the_same_user_only_refuses_root() {
        assert!(admits(&AccessPolicy::same_user(), &peer(1000)));
        assert!(!admits(&AccessPolicy::same_user(), &peer(0)));
    }

    #[test]
    fn a_list_of_users_is_that_list() {
        let policy = AccessPolicy::users([UserId::Uid(5)]);
        assert!(admits(&policy, &peer(5)));
        assert!(!admits(&policy, &peer(1000)));
        assert!(!admits(&policy, &peer(0)));
        assert!(!admits(&AccessPolicy::users([]), &peer(1000)));
    }

    #[test]
    fn or_joins() {
        let policy = AccessPolicy::same_user().or(AccessPolicy::users([UserId::Uid(5)]));
        assert!(admits(&policy, &peer(5)));
        assert!(admits(&policy, &peer(1000)));
        assert!(!admits(&policy, &peer(6)));
    }

    #[test]
    fn an_unknown_user_is_nobody_that_a_policy_knows() {
        let unknown = Peer::new("unix").with_pid(1);
        for policy in
            [AccessPolicy::default(), AccessPolicy::same_user(), AccessPolicy::users([UserId::Uid(0)])]
        {
            assert!(!admits(&policy, &unknown), "{policy}");
            assert!(policy.check(&unknown, None).is_err(), "two unknown users are not the same: {policy}");
        }
        assert!(admits(&AccessPolicy::dangerous_allow_anyone(), &unknown));
    }

    #[test]
    fn this_process_is_the_same_user() {
        assert!(AccessPolicy::default().check(&Peer::this_process("memory"), None).is_ok());
        assert!(AccessPolicy::users([OWN]).check(&Peer::this_process("memory"), None).is_err());
    }

    #[test]
    fn a_closure_decides_by_the_peer() {
        let policy = AccessPolicy::custom(|peer| peer.pid() == Some(1));
        assert!(admits(&policy, &peer(7)));
        assert!(!admits(&policy, &peer(7).with_pid(2)));
    }

    #[test]
    fn a_refusal_says_who_and_why() {
        let refused = AccessPolicy::default().check(&peer(1001), Some(&OWN)).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "peer unix:uid=1001,pid=1 is refused: the access policy lets in the same user, the system (root, SYSTEM)"
        );
    }
}
