use std::fmt;
use std::time::Duration;

use crate::Peer;

/// A peer that an [`AccessPolicy`](crate::AccessPolicy) refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("peer {peer} is refused: the access policy allows {policy}{}", but(.problem.as_ref()))]
pub struct Refused {
    peer: Peer,
    policy: String,
    problem: Option<Problem>,
}

/// Why a policy could not be evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    TimedOut(Duration),
    Panicked,
    Unresolved(String),
}

impl Refused {
    pub(super) fn new(peer: Peer, policy: String, problem: Option<Problem>) -> Self {
        Self { peer, policy, problem }
    }

    /// The refused peer.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// A description of the peers that the policy allows.
    pub fn policy(&self) -> &str {
        &self.policy
    }
}

fn but(problem: Option<&Problem>) -> String {
    problem.map(|problem| format!(", but {problem}")).unwrap_or_default()
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut(limit) => write!(f, "its check did not finish within {limit:?}"),
            Self::Panicked => f.write_str("its check panicked"),
            Self::Unresolved(name) => write!(f, "the transport did not look up {name}"),
        }
    }
}
