use std::fmt;
use std::sync::Arc;

/// A user, identified as the operating system does it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UserId {
    /// A Unix user id: the effective one of the process.
    Uid(u32),
    /// A Windows security identifier in its string form, `S-1-5-…`.
    Sid(Arc<str>),
}

impl UserId {
    /// Whether this is the system account: root, or LocalSystem on Windows (`S-1-5-18`).
    pub fn is_system(&self) -> bool {
        match self {
            Self::Uid(uid) => *uid == 0,
            Self::Sid(sid) => &**sid == "S-1-5-18",
        }
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uid(uid) => write!(f, "uid={uid}"),
            Self::Sid(sid) => write!(f, "sid={sid}"),
        }
    }
}

/// A group of users, identified as the operating system does it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GroupId {
    /// A Unix group id.
    Gid(u32),
    /// A Windows security identifier in its string form, such as `S-1-5-32-545` of the local group Users.
    Sid(Arc<str>),
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gid(gid) => write!(f, "gid={gid}"),
            Self::Sid(sid) => write!(f, "sid={sid}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_and_local_system_are_the_system() {
        assert!(UserId::Uid(0).is_system());
        assert!(UserId::Sid("S-1-5-18".into()).is_system());
        assert!(!UserId::Uid(1).is_system());
        assert!(!UserId::Sid("S-1-5-180".into()).is_system());
        assert!(!UserId::Sid("S-1-5-19".into()).is_system());
    }
}
