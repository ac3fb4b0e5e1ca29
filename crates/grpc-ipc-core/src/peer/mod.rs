mod id;
mod integrity;
mod process;
mod tag;

pub use id::{GroupId, UserId};
pub use integrity::IntegrityLevel;
pub use process::{Process, ProcessHandle};

use std::any::Any;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use process::LazyHandle;
use tag::Tag;

/// The process at the other end of a connection, as reported by the operating system.
///
/// The information is collected once, when the connection is made (only [`process`](Self::process) is opened on first
/// use). It describes the process that made the connection; the peer may since have passed the connection to another
/// process. Unknown values are `None`, never a default. Base decisions on [`user`](Self::user) and
/// [`groups`](Self::groups), not on the process id, which the system can reuse.
///
/// Cloning is cheap: clones share one reference-counted value. `Display` is meant for logs: `unix:uid=1000,pid=4242`,
/// with `?` for unknown values, and `tcp:127.0.0.1:4711` if there is an address.
///
/// | | Linux | macOS | other Unixes | named pipe: the client | named pipe: the server | AF_UNIX on Windows |
/// |---|---|---|---|---|---|---|
/// | [`pid`](Self::pid) | yes | yes | some | yes | yes | yes |
/// | [`user`](Self::user) | yes | yes | yes | by its token | the pipe's owner | of the process that has the pid now |
/// | [`group`](Self::group) | yes | yes | yes | – | – | – |
/// | [`groups`](Self::groups) | yes | at most 16 | – | by its token | – | as the user |
/// | [`process`](Self::process) | since 6.5 | – | – | of some | – | – |
/// | [`security_label`](Self::security_label) | with SELinux, AppArmor or Smack | – | – | – | – | – |
/// | [`audit_token`](Self::audit_token) | – | yes | – | – | – | – |
/// | [`session`](Self::session) | – | – | – | by its token | yes | as the user |
/// | [`integrity`](Self::integrity), [`is_elevated`](Self::is_elevated), [`package`](Self::package) | – | – | – | by its token | – | as the user |
/// | [`certificates`](Self::certificates) | with TLS | with TLS | with TLS | with TLS | with TLS | with TLS |
///
/// ```
/// # use grpc_ipc_core as grpc_ipc;
/// use grpc_ipc::{Peer, UserId};
///
/// let peer = Peer::new("unix").with_user(UserId::Uid(1000));
/// assert_eq!(peer.pid(), None);
/// assert_eq!(peer.to_string(), "unix:uid=1000,pid=?");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer(Arc<Facts>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Facts {
    transport: &'static str,
    pid: Option<u32>,
    user: Option<UserId>,
    group: Option<GroupId>,
    groups: Option<Vec<GroupId>>,
    process: Option<LazyHandle>,
    security_label: Option<String>,
    audit_token: Option<[u32; 8]>,
    session: Option<u32>,
    integrity: Option<IntegrityLevel>,
    elevated: Option<bool>,
    package: Option<String>,
    certificates: Option<Vec<Vec<u8>>>,
    remote_addr: Option<SocketAddr>,
    tag: Option<Tag>,
    /// This process's user when the connection was made.
    own_user: Option<UserId>,
    own_session: Option<u32>,
    own_package: Option<Arc<str>>,
    this_process: bool,
}

/// For transports, which create peers. Each method takes the peer by value; the order does not matter.
impl Peer {
    /// Creates a peer over `transport`, with everything else unknown.
    pub fn new(transport: &'static str) -> Self {
        Self(Arc::new(Facts { transport, ..Facts::default() }))
    }

    /// Creates a peer over `transport` that is this process itself, and so the same user.
    pub fn this_process(transport: &'static str) -> Self {
        Self::new(transport).with_pid(std::process::id()).with(|facts| facts.this_process = true)
    }

    /// Sets the process id.
    #[must_use = "the peer is moved into the returned one"]
    pub fn with_pid(self, pid: u32) -> Self {
        self.with(|facts| facts.pid = Some(pid))
    }

    /// Sets the user.
    #[must_use = "the peer is moved into the returned one"]
    pub fn with_user(self, user: UserId) -> Self {
        self.with(|facts| facts.user = Some(user))
    }

    /// Sets the user that this process runs as at the time of the connection. [`is_same_user`](Self::is_same_user)
    /// compares it with [`user`](Self::user). A transport that does not set it has no peers of the same user.
    #[must_use = "the peer is moved into the returned one"]
    pub fn same_user_as(self, own: &UserId) -> Self {
        self.with(|facts| facts.own_user = Some(own.clone()))
    }

    /// Sets the session that this process runs in. [`is_same_session`](Self::is_same_session) compares it with
    /// [`session`](Self::session).
    #[must_use = "the peer is moved into the returned one"]
    pub fn same_session_as(self, own: u32) -> Self {
        self.with(|facts| facts.own_session = Some(own))
    }

    /// Sets the package that this process runs in. [`is_same_package`](Self::is_same_package) compares it with
    /// [`package`](Self::package).
    #[must_use = "the peer is moved into the returned one"]
    pub fn same_package_as(self, own: impl Into<Arc<str>>) -> Self {
        self.with(|facts| facts.own_package = Some(own.into()))
    }

    /// Sets the primary group.
    #[must_use = "the peer is moved into the returned one"]
    pub fn with_group(self, group: GroupId) -> Self {
        self.with(|facts| facts.group = Some(group))
    }

    /// Sets the supplementary groups: on Unix all but the primary one, on Windows the enabled groups of a token.
    #[must_use = "the peer is moved into the returned one"]
    pub fn with_groups(self, groups: impl IntoIterator<Item = GroupId>) -> Self {
        self.with(|facts| facts.groups = Some(groups.into_iter().collect()))
    }

    /// Sets the process handle. Set it only if it certainly refers to the process that made the connection.
    #[must_use = "the peer is moved into the returned one"]
    pub fn with_process(self, process: ProcessHandle) -> Self {
        self.with_process_from(move || Some(process))
    }

    /// Sets how to open the process handle. `open` runs once, at the first call of [`process`](Self::process), and the
    /// result is kept. It must not block. It must return `None` unless the handle certainly refers to the process that
    /// made the connection.
    #[must_use = "the peer is moved into the returned one"]
    pub fn with_process_from(self, open: impl FnOnce() -> Option<ProcessHandle> + Send + 'static) -> Self {
        self.with(|facts| facts.process = Some(LazyHandle::new(open)))
    }

    /// Sets the security label.
    #[must_use = "the peer is moved into the returned one"]
    pub fn with_security_label(self, label: impl Into<String>) -> Self {
        self.with(|facts| facts.security_label = Some(label.into()))
    }

    /// Sets the audit token of macOS.
    #[must_use = "the peer is moved into the returned one"]
    pub fn with_audit_token(self, token: [u32; 8]) -> Self {
        self.with(|facts| facts.audit_token = Some(token))
    }

    /// Sets the Windows session.
    #[must_use = "the peer is moved into the returned one"]
    pub fn with_session(self, session: u32) -> Self {
        self.with(|facts| facts.session = Some(session))
    }

    /// Sets the integrity level of a Windows token.
    #[must_use = "the peer is moved into the returned one"]
    pub fn with_integrity(self, level: IntegrityLevel) -> Self {
        self.with(|facts| facts.integrity = Some(level))
    }

    /// Sets whether a Windows token is elevated.
    #[must_use = "the peer is moved into the returned one"]
    pub fn with_elevated(self, elevated: bool) -> Self {
        self.with(|facts| facts.elevated = Some(elevated))
    }

    /// Sets the package SID of a Windows AppContainer.
    #[must_use = "the peer is moved into the returned one"]
    pub fn with_package(self, sid: impl Into<String>) -> Self {
        self.with(|facts| facts.package = Some(sid.into()))
    }

    /// Sets the certificates from the peer's TLS handshake, in DER, its own first.
    #[must_use = "the peer is moved into the returned one"]
    pub fn with_certificates(self, certificates: impl IntoIterator<Item = Vec<u8>>) -> Self {
        self.with(|facts| facts.certificates = Some(certificates.into_iter().collect()))
    }

    /// Sets the address of a peer over TCP.
    #[must_use = "the peer is moved into the returned one"]
    pub fn with_remote_addr(self, address: SocketAddr) -> Self {
        self.with(|facts| facts.remote_addr = Some(address))
    }

    /// Attaches a value of your own, such as the plug-in or the session that a connection belongs to. Handlers read it
    /// with [`tag`](Self::tag). It replaces an earlier value of any type. Access policies ignore it.
    ///
    /// ```
    /// # use grpc_ipc_core as grpc_ipc;
    /// use grpc_ipc::Peer;
    ///
    /// struct PlugIn(&'static str);
    ///
    /// let peer = Peer::new("unix").with_tag(PlugIn("spell checker"));
    /// assert_eq!(peer.tag::<PlugIn>().unwrap().0, "spell checker");
    /// assert!(peer.tag::<String>().is_none());
    /// ```
    #[must_use = "the peer is moved into the returned one"]
    pub fn with_tag<T: Any + Send + Sync>(self, tag: T) -> Self {
        self.with(|facts| facts.tag = Some(Tag::new(tag)))
    }

    fn with(mut self, set: impl FnOnce(&mut Facts)) -> Self {
        set(Arc::make_mut(&mut self.0));
        self
    }
}

/// The known facts. `None` means that the value is unknown, or that the platform does not have it.
impl Peer {
    /// The transport: `unix`, `npipe`, `tcp`, `memory`, or the name that a custom transport gives itself.
    pub fn transport(&self) -> &'static str {
        self.0.transport
    }

    /// The process id, from SO_PEERCRED (Linux), LOCAL_PEEREPID (macOS), GetNamedPipeClientProcessId,
    /// GetNamedPipeServerProcessId or SIO_AF_UNIX_GETPEERPID (Windows). It may already belong to another process; the
    /// handle that [`process`](Self::process) returns cannot. It is also `None` for a Linux process in a pid namespace
    /// that this process cannot see, and on macOS when the peer has already exited.
    pub fn pid(&self) -> Option<u32> {
        self.0.pid
    }

    /// The user. On Unix, it is the effective user of the process that connected or called listen(2) (SO_PEERCRED,
    /// getpeereid(3)), and `None` if this process's user namespace does not map it. On Windows, it is the user of the
    /// client's token, or `None` if the client does not allow identification; for a server, it is the owner of the
    /// pipe.
    pub fn user(&self) -> Option<&UserId> {
        self.0.user.as_ref()
    }

    /// Whether the [`user`](Self::user) is the one that this process ran as when the connection was made. Also `false`
    /// if either is unknown.
    pub fn is_same_user(&self) -> bool {
        self.0.this_process || self.0.own_user.is_some() && self.0.own_user == self.0.user
    }

    /// The primary group. On Unix, it is the effective group of the process, and `None` if this process's user
    /// namespace does not map it. On Windows, it is always `None`.
    pub fn group(&self) -> Option<&GroupId> {
        self.0.group.as_ref()
    }

    /// The supplementary groups. On Linux, they come from SO_PEERGROUPS, without groups that this process's user
    /// namespace does not map. On macOS, they come from LOCAL_PEERCRED, which has only the first 16. On Windows, they
    /// are the enabled groups of the client's token: deny-only groups of a filtered or restricted token are left out,
    /// and a token with restricting SIDs gives `None`.
    pub fn groups(&self) -> Option<&[GroupId]> {
        self.0.groups.as_deref()
    }

    /// Whether `group` is known to be the primary or a supplementary group.
    pub fn is_member_of(&self, group: &GroupId) -> bool {
        self.group() == Some(group) || self.groups().is_some_and(|groups| groups.contains(group))
    }

    /// A handle to the process. It keeps referring to that process after it ends, even if another process gets the same
    /// id.
    ///
    /// On Linux, it is a pidfd (SO_PEERPIDFD, Linux 6.5). The first call opens it, and it uses one file descriptor
    /// until the last clone of this peer is dropped; a peer whose handle is never requested uses none. Call this while
    /// the connection is open. The result is `None`, and stays `None`, if the connection was closed before the first
    /// call, if no file descriptor is left, or, before Linux 6.16, if the process had already ended. Before Linux 6.5
    /// it is always `None`, because pidfd_open(2) would open the process that has the id now.
    ///
    /// On Windows, there is a handle only if the client's process is older than the pipe instance that it connected to.
    /// A younger process may have taken over the id of another one.
    pub fn process(&self) -> Option<&ProcessHandle> {
        self.0.process.as_ref().and_then(LazyHandle::get)
    }

    /// The peer's label from the Linux security module (SO_PEERSEC, socket(7)): with SELinux a context such as
    /// `system_u:system_r:httpd_t:s0`, with AppArmor the profile. `None` if no such module is active.
    pub fn security_label(&self) -> Option<&str> {
        self.0.security_label.as_deref()
    }

    /// The audit token of macOS (LOCAL_PEERTOKEN), which identifies the process to `SecCodeCopyGuestWithAttributes` and
    /// similar functions. Its last field changes with each program that a process id runs.
    pub fn audit_token(&self) -> Option<[u32; 8]> {
        self.0.audit_token
    }

    /// The Windows session: services run in session 0, and each logon at the console or by Remote Desktop gets another
    /// one. For a client, it is the session of its token; for the server of a pipe, that of the process that created
    /// the pipe. It is `None` on Unix.
    pub fn session(&self) -> Option<u32> {
        self.0.session
    }

    /// Whether the [`session`](Self::session) is the one that this process runs in. Also `false` if either is unknown.
    pub fn is_same_session(&self) -> bool {
        self.0.this_process || self.0.own_session.is_some() && self.0.own_session == self.0.session
    }

    /// The mandatory integrity level of the client's token, on Windows.
    pub fn integrity(&self) -> Option<IntegrityLevel> {
        self.0.integrity
    }

    /// Whether the client's token is elevated (`TokenElevation`), on Windows.
    pub fn is_elevated(&self) -> Option<bool> {
        self.0.elevated
    }

    /// The package SID (`S-1-15-2-…`) of the client's AppContainer, on Windows. Also `None` for a client outside of an
    /// AppContainer.
    pub fn package(&self) -> Option<&str> {
        self.0.package.as_deref()
    }

    /// Whether the [`package`](Self::package) is the one that this process runs in. Also `false` if either has no
    /// package or it is unknown.
    pub fn is_same_package(&self) -> bool {
        self.0.this_process || self.0.own_package.is_some() && self.0.own_package.as_deref() == self.package()
    }

    /// The certificates that the peer presented in the TLS handshake and that passed verification, in DER: its own
    /// first, then those up to its authority. `None` without TLS, and for a client that presented none.
    pub fn certificates(&self) -> Option<&[Vec<u8>]> {
        self.0.certificates.as_deref()
    }

    /// The address and port of a TCP peer. `None` for local transports.
    pub fn remote_addr(&self) -> Option<SocketAddr> {
        self.0.remote_addr
    }

    /// The value that the program [attached](Self::with_tag), if it has this type.
    pub fn tag<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.0.tag.as_ref()?.get()
    }

    /// Whether both ends are certainly in this process, as with the in-memory transport.
    pub fn is_this_process(&self) -> bool {
        self.0.this_process
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.transport())?;
        if let Some(address) = self.remote_addr() {
            return write!(f, "{address}");
        }
        match self.user() {
            Some(user) => write!(f, "{user}")?,
            None => f.write_str("user=?")?,
        }
        match self.pid() {
            Some(pid) => write!(f, ",pid={pid}"),
            None => f.write_str(",pid=?"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: UserId = UserId::Uid(1000);

    #[test]
    fn unknown_is_shown_as_unknown() {
        assert_eq!(Peer::new("unix").to_string(), "unix:user=?,pid=?");
        assert_eq!(Peer::new("unix").with_user(ALICE).with_pid(4242).to_string(), "unix:uid=1000,pid=4242");
        let address = SocketAddr::from(([127, 0, 0, 1], 4711));
        assert_eq!(Peer::new("tcp").with_remote_addr(address).to_string(), "tcp:127.0.0.1:4711");
        let sid = UserId::Sid("S-1-5-21-1-2-3-1001".into());
        assert_eq!(
            Peer::new("npipe").with_user(sid).with_pid(7).to_string(),
            "npipe:sid=S-1-5-21-1-2-3-1001,pid=7"
        );
    }

    #[test]
    fn two_unknown_users_are_not_the_same() {
        let unknown = Peer::new("unix");
        assert!(!unknown.is_same_user());
        assert!(!unknown.clone().same_user_as(&ALICE).is_same_user());
        assert!(!unknown.clone().with_user(ALICE).is_same_user(), "without a word about this process");
        assert!(!unknown.clone().with_user(UserId::Uid(0)).same_user_as(&ALICE).is_same_user());
        assert!(unknown.clone().with_user(ALICE).same_user_as(&ALICE).is_same_user());
        assert!(unknown.same_user_as(&ALICE).with_user(ALICE).is_same_user(), "in any order");
        assert!(Peer::this_process("memory").is_same_user());
    }

    #[test]
    fn an_unknown_session_or_package_is_not_the_same() {
        let peer = Peer::new("npipe").with_session(1).with_package("S-1-15-2-1");
        assert!(!peer.is_same_session() && !peer.is_same_package(), "without a word about this process");
        let same = peer.clone().same_session_as(1).same_package_as("S-1-15-2-1");
        assert!(same.is_same_session() && same.is_same_package());
        let other = peer.same_session_as(2).same_package_as("S-1-15-2-2");
        assert!(!other.is_same_session() && !other.is_same_package());
        let unknown = Peer::new("npipe").same_session_as(1).same_package_as("S-1-15-2-1");
        assert!(!unknown.is_same_session() && !unknown.is_same_package());
        let here = Peer::this_process("memory");
        assert!(here.is_same_session() && here.is_same_package());
    }

    #[test]
    fn a_member_is_who_has_the_group_as_primary_or_supplementary() {
        let peer = Peer::new("unix").with_group(GroupId::Gid(5)).with_groups([GroupId::Gid(6)]);
        assert!(peer.is_member_of(&GroupId::Gid(5)));
        assert!(peer.is_member_of(&GroupId::Gid(6)));
        assert!(!peer.is_member_of(&GroupId::Gid(7)));
        assert!(!Peer::new("unix").is_member_of(&GroupId::Gid(5)), "unknown is no member");
    }

    #[test]
    fn what_a_clone_becomes_does_not_show_in_the_other() {
        let peer = Peer::new("unix").with_pid(1);
        let other = peer.clone().with_pid(2);
        assert_eq!((peer.pid(), other.pid()), (Some(1), Some(2)));
    }

    #[derive(Debug)]
    struct Init;

    impl Process for Init {
        fn id(&self) -> Option<u32> {
            Some(1)
        }

        fn is_running(&self) -> std::io::Result<bool> {
            Ok(true)
        }
    }

    #[test]
    fn a_process_is_opened_once_when_it_is_first_asked_for() {
        let (opened, calls) = std::sync::mpsc::channel();
        let peer = Peer::new("unix").with_process_from(move || {
            opened.send(()).unwrap();
            Some(ProcessHandle::new(Init))
        });
        let clone = peer.clone().with_pid(1);
        assert_ne!(peer, clone, "of which one has an id");
        assert_eq!(peer, peer.clone());
        assert!(!format!("{peer:?} {peer}").is_empty());
        assert!(calls.try_recv().is_err(), "nobody has asked yet");
        assert_eq!(clone.process().unwrap().id(), Some(1));
        assert_eq!(peer.process(), clone.process());
        assert_eq!(calls.try_iter().count(), 1);
    }

    #[test]
    fn a_process_that_could_not_be_opened_stays_unknown() {
        let (opened, calls) = std::sync::mpsc::channel();
        let peer = Peer::new("unix").with_process_from(move || {
            opened.send(()).unwrap();
            None
        });
        assert_eq!((peer.process(), peer.clone().process()), (None, None));
        assert_eq!(calls.try_iter().count(), 1);
    }
}
