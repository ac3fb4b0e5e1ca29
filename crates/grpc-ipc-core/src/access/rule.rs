use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::time::timeout;

use super::names::{NameError, NameService};
use super::refused::Problem;
use crate::{GroupId, Peer, UserId};

/// What a policy allows.
#[derive(Clone)]
pub(super) enum Rule {
    SameUser,
    System,
    Administrators,
    SameSession,
    SamePackage,
    Package(Arc<str>),
    User(UserId),
    Group(GroupId),
    Named { name: Name, resolved: Option<Box<Rule>> },
    Custom(Arc<dyn Fn(&Peer) -> bool + Send + Sync>),
    CustomAsync { limit: Duration, allows: Arc<dyn Fn(Peer) -> BoxFuture<'static, bool> + Send + Sync> },
    Anyone,
    Any(Vec<Rule>),
    All(Vec<Rule>),
}

/// A name whose id is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Name {
    User(Arc<str>),
    Group(Arc<str>),
}

/// A rule's answer for a peer.
pub(super) enum Answer {
    Now(Verdict),
    Later(BoxFuture<'static, Verdict>),
}

pub(super) enum Verdict {
    Allowed,
    Refused,
    /// The rule could not be evaluated, so the peer is refused.
    Failed(Problem),
}

impl Rule {
    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Any(mut rules), Self::Any(more)) => {
                rules.extend(more);
                Self::Any(rules)
            }
            (Self::Any(mut rules), other) => {
                rules.push(other);
                Self::Any(rules)
            }
            (rule, other) => Self::Any(vec![rule, other]),
        }
    }

    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::All(mut rules), other) => {
                rules.push(other);
                Self::All(rules)
            }
            (rule, other) => Self::All(vec![rule, other]),
        }
    }

    pub(super) fn ask(&self, peer: &Peer) -> Answer {
        let allowed = match self {
            Self::SameUser => peer.is_same_user(),
            Self::System => is_system(peer),
            Self::Administrators => is_system(peer) || is_administrator(peer),
            Self::SameSession => peer.is_same_session(),
            Self::SamePackage => peer.is_same_package(),
            Self::Package(sid) => peer.package() == Some(sid),
            Self::User(user) => peer.user() == Some(user),
            Self::Group(group) => peer.is_member_of(group),
            Self::Named { resolved: Some(rule), .. } => return rule.ask(peer),
            Self::Named { name, resolved: None } => {
                return Answer::Now(Verdict::Failed(Problem::Unresolved(name.to_string())));
            }
            Self::Custom(allows) => match catch_unwind(AssertUnwindSafe(|| allows(peer))) {
                Ok(allowed) => allowed,
                Err(_) => return Answer::Now(Verdict::Failed(Problem::Panicked)),
            },
            Self::CustomAsync { limit, allows } => {
                return Answer::Later(ask_async(*limit, Arc::clone(allows), peer.clone()).boxed());
            }
            Self::Anyone => true,
            Self::Any(rules) => return any(rules.iter().map(|rule| rule.ask(peer))),
            Self::All(rules) => return all(rules.iter().map(|rule| rule.ask(peer))),
        };
        Answer::Now(allowed.into())
    }

    /// This rule with all names looked up.
    pub(super) fn resolve(&self, names: &dyn NameService) -> Result<Self, NameError> {
        let each = |rules: &[Self]| rules.iter().map(|rule| rule.resolve(names)).collect::<Result<_, _>>();
        Ok(match self {
            Self::Any(rules) => Self::Any(each(rules)?),
            Self::All(rules) => Self::All(each(rules)?),
            Self::Named { name, .. } => {
                let found = match name {
                    Name::User(user) => names.user(user).map(|id| id.map(Self::User)),
                    Name::Group(group) => names.group(group).map(|id| id.map(Self::Group)),
                };
                let found = found.map_err(|error| NameError::new(name, error))?;
                let found = found.ok_or_else(|| NameError::unknown(name))?;
                Self::Named { name: name.clone(), resolved: Some(Box::new(found)) }
            }
            other => other.clone(),
        })
    }

    /// Whether `is` holds for this rule or one of its parts.
    pub(super) fn has(&self, is: fn(&Self) -> bool) -> bool {
        let inside = match self {
            Self::Named { resolved: Some(rule), .. } => rule.has(is),
            Self::Any(rules) | Self::All(rules) => rules.iter().any(|rule| rule.has(is)),
            _ => false,
        };
        inside || is(self)
    }

    pub(super) fn first_name(&self) -> Option<&Name> {
        match self {
            Self::Named { name, .. } => Some(name),
            Self::Any(rules) | Self::All(rules) => rules.iter().find_map(Self::first_name),
            _ => None,
        }
    }
}

impl From<bool> for Verdict {
    fn from(allowed: bool) -> Self {
        if allowed { Self::Allowed } else { Self::Refused }
    }
}

fn is_system(peer: &Peer) -> bool {
    peer.user().is_some_and(UserId::is_system)
}

/// Decided by the peer's token, or by the pipe's owner: only an administrator can make the group Administrators the
/// owner.
fn is_administrator(peer: &Peer) -> bool {
    const ADMINISTRATORS: &str = "S-1-5-32-544";
    matches!(peer.user(), Some(UserId::Sid(sid)) if &**sid == ADMINISTRATORS)
        || peer.is_member_of(&GroupId::Sid(ADMINISTRATORS.into()))
}

async fn ask_async(
    limit: Duration,
    allows: Arc<dyn Fn(Peer) -> BoxFuture<'static, bool> + Send + Sync>,
    peer: Peer,
) -> Verdict {
    let asked = AssertUnwindSafe(async move { allows(peer).await }).catch_unwind();
    match timeout(limit, asked).await {
        Ok(Ok(allowed)) => allowed.into(),
        Ok(Err(_)) => Verdict::Failed(Problem::Panicked),
        Err(_) => Verdict::Failed(Problem::TimedOut(limit)),
    }
}

/// Allowed if one answer allows. Answers that need time are awaited last, one after the other.
fn any(answers: impl Iterator<Item = Answer>) -> Answer {
    let (mut verdict, mut later) = (Verdict::Refused, Vec::new());
    for answer in answers {
        match answer {
            Answer::Now(Verdict::Allowed) => return Answer::Now(Verdict::Allowed),
            Answer::Now(Verdict::Refused) => {}
            Answer::Now(failed) => verdict = failed,
            Answer::Later(answer) => later.push(answer),
        }
    }
    if later.is_empty() {
        return Answer::Now(verdict);
    }
    let ask = async move {
        for answer in later {
            match answer.await {
                Verdict::Allowed => return Verdict::Allowed,
                Verdict::Refused => {}
                failed => verdict = failed,
            }
        }
        verdict
    };
    Answer::Later(ask.boxed())
}

/// Allowed if all answers allow. Answers that need time are awaited last, one after the other.
fn all(answers: impl Iterator<Item = Answer>) -> Answer {
    let mut later = Vec::new();
    for answer in answers {
        match answer {
            Answer::Now(Verdict::Allowed) => {}
            Answer::Now(verdict) => return Answer::Now(verdict),
            Answer::Later(answer) => later.push(answer),
        }
    }
    if later.is_empty() {
        return Answer::Now(Verdict::Allowed);
    }
    let ask = async move {
        for answer in later {
            match answer.await {
                Verdict::Allowed => {}
                verdict => return verdict,
            }
        }
        Verdict::Allowed
    };
    Answer::Later(ask.boxed())
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SameUser => f.write_str("the same user"),
            Self::System => f.write_str("the system (root, SYSTEM)"),
            Self::Administrators => f.write_str("administrators"),
            Self::SameSession => f.write_str("the same session"),
            Self::SamePackage => f.write_str("the same package"),
            Self::Package(sid) => write!(f, "package={sid}"),
            Self::User(user) => write!(f, "{user}"),
            Self::Group(group) => write!(f, "members of {group}"),
            Self::Named { name, resolved: Some(rule) } => write!(f, "{name} ({rule})"),
            Self::Named { name, resolved: None } => write!(f, "{name}"),
            Self::Custom(_) | Self::CustomAsync { .. } => {
                f.write_str("peers that the program's own check allows")
            }
            Self::Anyone => f.write_str("anyone"),
            Self::Any(rules) if rules.is_empty() => f.write_str("nobody"),
            Self::Any(rules) => joined(f, rules, " or "),
            Self::All(rules) => joined(f, rules, " and "),
        }
    }
}

fn joined(f: &mut fmt::Formatter<'_>, rules: &[Rule], word: &str) -> fmt::Result {
    for (i, rule) in rules.iter().enumerate() {
        if i > 0 {
            f.write_str(word)?;
        }
        match rule {
            Rule::Any(of) | Rule::All(of) if of.len() > 1 => write!(f, "({rule})")?,
            _ => write!(f, "{rule}")?,
        }
    }
    Ok(())
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "the user {name:?}"),
            Self::Group(name) => write!(f, "members of the group {name:?}"),
        }
    }
}
