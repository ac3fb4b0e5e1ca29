use std::fmt;
use std::sync::Arc;

/// Who is at the other end of a connection, as the operating system says.
///
/// It is taken once, when the connection is made, and it names the process that made it: the peer may have handed the
/// connection to another process since. What is not known is `None`, never a default. Decide by
/// [`user`](Self::user), which cannot be recycled while it matters; a process id can.
///
/// `Display` is made for logs: `unix:uid=1000,pid=4242`, with `?` for what is not known.
///
/// ```
/// use grpc_ipc_core::{Peer, UserId};
///
/// let peer = Peer::new("unix").with_user(UserId::Uid(1000));
/// assert_eq!(peer.pid(), None);
/// assert_eq!(peer.to_string(), "unix:uid=1000,pid=?");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    transport: &'static str,
    pid: Option<u32>,
    user: Option<UserId>,
    group: Option<u32>,
    session: Option<u32>,
    this_process: bool,
}

impl Peer {
    /// A peer over `transport` of which nothing is known yet.
    pub fn new(transport: &'static str) -> Self {
        Self { transport, pid: None, user: None, group: None, session: None, this_process: false }
    }

    /// A peer over `transport` that is this process itself, and so the same user.
    pub fn this_process(transport: &'static str) -> Self {
        Self { this_process: true, ..Self::new(transport) }.with_pid(std::process::id())
    }

    /// Sets the process id.
    #[must_use = "the peer is moved into the returned one"]
    pub fn with_pid(self, pid: u32) -> Self {
        Self { pid: Some(pid), ..self }
    }

    /// Sets the user.
    #[must_use = "the peer is moved into the returned one"]
    pub fn with_user(self, user: UserId) -> Self {
        Self { user: Some(user), ..self }
    }

    /// Sets the primary group.
    #[must_use = "the peer is moved into the returned one"]
    pub fn with_group(self, gid: u32) -> Self {
        Self { group: Some(gid), ..self }
    }

    /// Sets the Windows session.
    #[must_use = "the peer is moved into the returned one"]
    pub fn with_session(self, session: u32) -> Self {
        Self { session: Some(session), ..self }
    }

    /// What carries the connection: `unix`, `npipe`, `tcp`, `memory`, or what a transport of your own calls itself.
    pub fn transport(&self) -> &'static str {
        self.transport
    }

    /// The process id. It names no process for certain: by now it may belong to another one.
    pub fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// The user.
    pub fn user(&self) -> Option<&UserId> {
        self.user.as_ref()
    }

    /// The primary group's id. Windows has none.
    pub fn group(&self) -> Option<u32> {
        self.group
    }

    /// The Windows session: 0 is that of the services, each user that logs in gets another. Unix has none.
    pub fn session(&self) -> Option<u32> {
        self.session
    }

    /// Whether both ends are certain to be in this process, as with the in-memory transport.
    pub fn is_this_process(&self) -> bool {
        self.this_process
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.transport)?;
        match &self.user {
            Some(user) => write!(f, "{user}")?,
            None => f.write_str("user=?")?,
        }
        match self.pid {
            Some(pid) => write!(f, ",pid={pid}"),
            None => f.write_str(",pid=?"),
        }
    }
}

/// A user, as the operating system numbers it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UserId {
    /// A Unix user id: the effective one of the process.
    Uid(u32),
    /// A Windows security identifier in its string form, `S-1-5-…`.
    Sid(Arc<str>),
}

impl UserId {
    /// Whether this is the system itself: root, or Windows' LocalSystem (`S-1-5-18`).
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_is_shown_as_unknown() {
        assert_eq!(Peer::new("unix").to_string(), "unix:user=?,pid=?");
        let sid = UserId::Sid("S-1-5-21-1-2-3-1001".into());
        assert_eq!(
            Peer::new("npipe").with_user(sid).with_pid(7).to_string(),
            "npipe:sid=S-1-5-21-1-2-3-1001,pid=7"
        );
    }

    #[test]
    fn only_root_and_local_system_are_the_system() {
        assert!(UserId::Uid(0).is_system());
        assert!(UserId::Sid("S-1-5-18".into()).is_system());
        assert!(!UserId::Uid(1).is_system());
        assert!(!UserId::Sid("S-1-5-180".into()).is_system());
        assert!(!UserId::Sid("S-1-5-19".into()).is_system());
    }
}
