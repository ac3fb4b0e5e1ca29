use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use super::log_limit::LogLimit;
use super::names::{NameError, NameService};
use super::refused::Refused;
use super::rule::{Answer, Name, Rule, Verdict};
use crate::{Address, ConnectError, Connection, GroupId, Peer, UserId};

/// Decides which peers are accepted: which clients may connect to a server, or which servers a client trusts.
///
/// The policy is evaluated once for each connection, before a byte is read or sent. Policies combine: [`or`](Self::or)
/// accepts a peer that either policy accepts, [`and`](Self::and) one that both accept. If the policy cannot be
/// evaluated for a peer, the peer is refused.
///
/// The default is [`same_user_or_system`](Self::same_user_or_system).
///
/// ```
/// # use grpc_ipc_core as grpc_ipc;
/// use grpc_ipc::{AccessPolicy, GroupId, UserId};
///
/// let web_server = AccessPolicy::users([UserId::Uid(33)]);
/// let policy = AccessPolicy::default().or(web_server);
/// assert_eq!(policy.to_string(), "the same user or the system (root, SYSTEM) or uid=33");
///
/// let operators = AccessPolicy::groups([GroupId::Gid(37)]);
/// let policy = AccessPolicy::administrators().or(AccessPolicy::same_user().and(operators));
/// assert_eq!(policy.to_string(), "administrators or (the same user and members of gid=37)");
/// ```
///
/// The policy counts the peers that it refuses ([`refused`](Self::refused)) and logs them with `tracing`, as a warning
/// with the fields `peer` and `policy`. The first refusal of a user is logged at once, later ones at most every 10
/// seconds, with the number `suppressed` in between ([`LogLimit`](crate::LogLimit)), so a refused user cannot fill the
/// log.
#[derive(Clone)]
pub struct AccessPolicy {
    rule: Arc<Rule>,
    refusals: Arc<Refusals>,
    /// Sent to a refused peer.
    refusal: Option<&'static [u8]>,
    /// Called for each refused peer.
    on_refused: Vec<OnRefused>,
}

type OnRefused = Arc<dyn Fn(&Refused) + Send + Sync>;

#[derive(Default)]
struct Refusals {
    count: AtomicU64,
    log: LogLimit,
}

impl AccessPolicy {
    /// Allows the user that this process runs as and the system account (root, SYSTEM), which could control this
    /// process anyway. This is the default.
    pub fn same_user_or_system() -> Self {
        Self::same_user().or(Self::system())
    }

    /// Allows only the user that this process runs as.
    pub fn same_user() -> Self {
        Self::new(Rule::SameUser)
    }

    /// Allows only the system account: root or SYSTEM.
    pub fn system() -> Self {
        Self::new(Rule::System)
    }

    /// Allows administrators. On Unix, this is root. On Windows, it is SYSTEM and any process whose token has the group
    /// Administrators (`S-1-5-32-544`) enabled, as elevated programs do. An administrator's program that is not
    /// elevated has it as a deny-only group, and is refused.
    ///
    /// A client recognizes an administrator's server by the pipe's owner, which is this group or SYSTEM.
    pub fn administrators() -> Self {
        Self::new(Rule::Administrators)
    }

    /// Allows only peers in the Windows session that this process runs in. Windows creates a session for each logon, at
    /// the console or by Remote Desktop; services run in session 0. A session does not identify a user, so add
    /// [`same_user`](Self::same_user):
    ///
    /// ```
    /// # use grpc_ipc_core as grpc_ipc;
    /// use grpc_ipc::AccessPolicy;
    ///
    /// // The helper of a desktop program: not the same user's programs in another session.
    /// let policy = AccessPolicy::same_user().and(AccessPolicy::same_session());
    /// assert_eq!(policy.to_string(), "the same user and the same session");
    /// ```
    ///
    /// It compares [`Peer::session`] with the session of this process's token. On Unix it refuses every peer, because
    /// only Windows has such sessions: those of setsid(2) belong to terminals, and do not distinguish two logons of a
    /// user. For the narrower *logon session* of a token, allow its SID (`S-1-5-5-X-Y`) by [`groups`](Self::groups). An
    /// elevated program has a different logon session from the desktop that started it.
    pub fn same_session() -> Self {
        Self::new(Rule::SameSession)
    }

    /// Allows only peers in the AppContainer [package](Peer::package) that this process runs in. It refuses every peer
    /// if this process does not run in an AppContainer, and on platforms and transports without packages.
    pub fn same_package() -> Self {
        Self::new(Rule::SamePackage)
    }

    /// Allows only programs in the AppContainers of these packages. A package is given by its SID (`S-1-15-2-…`), which
    /// [`DeriveAppContainerSidFromAppContainerName`](https://learn.microsoft.com/windows/win32/api/userenv/nf-userenv-deriveappcontainersidfromappcontainername)
    /// derives from its family name.
    ///
    /// ```
    /// # use grpc_ipc_core as grpc_ipc;
    /// use grpc_ipc::AccessPolicy;
    ///
    /// let sid = "S-1-15-2-1-2-3-4-5-6-7";
    /// let policy = AccessPolicy::same_user().and(AccessPolicy::packages([sid]));
    /// assert_eq!(policy.to_string(), "the same user and package=S-1-15-2-1-2-3-4-5-6-7");
    /// ```
    ///
    /// Only the package of a pipe's client is known, not that of a server. The pipe's security descriptor has to allow
    /// the AppContainer, too. Most packaged desktop programs do not run in an AppContainer; they have no package here.
    pub fn packages(sids: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let rule = |sid: String| Rule::Package(sid.into());
        Self::new(Rule::Any(sids.into_iter().map(Into::into).map(rule).collect()))
    }

    /// Allows only these users. It does not include the user that this process runs as.
    pub fn users(users: impl IntoIterator<Item = UserId>) -> Self {
        Self::new(Rule::Any(users.into_iter().map(Rule::User).collect()))
    }

    /// Allows only members of these groups: processes that had one as their primary or as a supplementary group when
    /// they connected ([`Peer::is_member_of`]). A membership in the system's group database does not count until the
    /// process has it, usually after the next login.
    pub fn groups(groups: impl IntoIterator<Item = GroupId>) -> Self {
        Self::new(Rule::Any(groups.into_iter().map(Rule::Group).collect()))
    }

    /// Like [`users`](Self::users), but by name: `alice`, on Windows also `DOMAIN\alice`.
    ///
    /// Names are looked up once, when a server listens or a client connects. A name that does not exist is an error at
    /// that point, and so is any name on a transport without users.
    pub fn user_names(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let rule = |name: String| Rule::Named { name: Name::User(name.into()), resolved: None };
        Self::new(Rule::Any(names.into_iter().map(Into::into).map(rule).collect()))
    }

    /// Like [`groups`](Self::groups), but by name: `operator`, on Windows also `BUILTIN\Users`. Names are looked up
    /// like those of [users](Self::user_names).
    pub fn group_names(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let rule = |name: String| Rule::Named { name: Name::Group(name.into()), resolved: None };
        Self::new(Rule::Any(names.into_iter().map(Into::into).map(rule).collect()))
    }

    /// Allows peers for which `allows` returns `true`. It runs on the thread that accepts or connects, and blocks other
    /// connections while it runs. A panic counts as a refusal.
    ///
    /// ```
    /// # use grpc_ipc_core as grpc_ipc;
    /// use grpc_ipc::AccessPolicy;
    ///
    /// // Of the programs that the default lets in, only those that SELinux has confined to `httpd_t`.
    /// let policy = AccessPolicy::default().and(AccessPolicy::custom(|peer| {
    ///     peer.security_label().is_some_and(|label| label.split(':').nth(2) == Some("httpd_t"))
    /// }));
    /// ```
    pub fn custom(allows: impl Fn(&Peer) -> bool + Send + Sync + 'static) -> Self {
        Self::new(Rule::Custom(Arc::new(allows)))
    }

    /// Allows peers for which `allows` returns `true` within `limit`. Other clients are accepted in the meantime. A
    /// timeout or panic counts as a refusal.
    ///
    /// [`or`](Self::or) and [`and`](Self::and) evaluate their immediate parts first, so this check does not run for a
    /// peer that those already accept or refuse. It needs a tokio runtime with time enabled.
    ///
    /// ```
    /// use std::time::Duration;
    /// # use grpc_ipc_core as grpc_ipc;
    /// use grpc_ipc::{AccessPolicy, Peer};
    ///
    /// async fn is_on_duty(peer: Peer) -> bool {
    ///     // … asks a directory service …
    /// #   _ = peer;
    ///     true
    /// }
    ///
    /// let policy = AccessPolicy::default().or(AccessPolicy::custom_async(Duration::from_secs(2), is_on_duty));
    /// ```
    pub fn custom_async<F>(limit: Duration, allows: impl Fn(Peer) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = bool> + Send + 'static,
    {
        Self::new(Rule::CustomAsync { limit, allows: Arc::new(move |peer| allows(peer).boxed()) })
    }

    /// Allows anyone whom the operating system lets reach the address. Every user of the machine can then call every
    /// method, unless the socket's mode, the pipe's descriptor or your own interceptor prevents it.
    pub fn dangerous_allow_anyone() -> Self {
        Self::new(Rule::Anyone)
    }

    /// Accepts a peer if either policy does. The combined policy has its own counter.
    #[must_use = "the policy is moved into the returned one"]
    pub fn or(self, other: Self) -> Self {
        Self::new(Arc::unwrap_or_clone(self.rule).or(Arc::unwrap_or_clone(other.rule)))
    }

    /// Accepts a peer if both policies do. The combined policy has its own counter.
    #[must_use = "the policy is moved into the returned one"]
    pub fn and(self, other: Self) -> Self {
        Self::new(Arc::unwrap_or_clone(self.rule).and(Arc::unwrap_or_clone(other.rule)))
    }

    /// Sends these bytes to a refused client before its connection is closed, so that it learns the reason. The client
    /// has one second to take them, and nothing is read from it. Policies returned by [`or`](Self::or) and
    /// [`and`](Self::and) send nothing. Default: nothing; a server of `grpc-ipc` sends an answer that gRPC clients
    /// understand.
    #[must_use = "the policy is moved into the returned one"]
    pub fn refuse_with(self, answer: &'static [u8]) -> Self {
        Self { refusal: Some(answer), ..self }
    }

    /// Calls `hook` for each peer that this policy and its clones refuse, before the connection is closed. `hook` must
    /// not block; if it panics, the panic is caught. Call this again to add another hook. Default: no hook.
    #[must_use = "the policy is moved into the returned one"]
    pub fn on_refused(mut self, hook: impl Fn(&Refused) + Send + Sync + 'static) -> Self {
        self.on_refused.push(Arc::new(hook));
        self
    }

    /// The bytes set with [`refuse_with`](Self::refuse_with).
    pub fn refusal(&self) -> Option<&'static [u8]> {
        self.refusal
    }

    /// How many peers this policy and its clones have refused. A clone that you keep shares the count of the one in the
    /// listener.
    pub fn refused(&self) -> u64 {
        self.refusals.count.load(Ordering::Relaxed)
    }

    /// Whether both policies share one counter for [`refused`](Self::refused).
    #[doc(hidden)]
    pub fn counts_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.refusals, &other.refusals)
    }

    /// Evaluates the policy for `peer`. The future is ready at its first poll, unless the answer depends on
    /// [`custom_async`](Self::custom_async).
    ///
    /// # Errors
    /// [`Refused`] when the policy refuses the peer, including when the required information is unknown.
    pub fn check(&self, peer: &Peer) -> impl Future<Output = Result<(), Refused>> + Send + use<> {
        let (policy, peer) = (self.clone(), peer.clone());
        async move {
            let verdict = match policy.rule.ask(&peer) {
                Answer::Now(verdict) => verdict,
                Answer::Later(verdict) => verdict.await,
            };
            let problem = match verdict {
                Verdict::Allowed => return Ok(()),
                Verdict::Refused => None,
                Verdict::Failed(problem) => Some(problem),
            };
            policy.refusals.count.fetch_add(1, Ordering::Relaxed);
            if let Some(suppressed) = policy.refusals.log.admit(&peer) {
                let problem = problem.as_ref().map(tracing::field::display);
                let suppressed = Some(suppressed).filter(|lines| *lines > 0);
                warn!(%peer, %policy, problem, suppressed, "a peer is refused");
            }
            let refused = Refused::new(peer, policy.to_string(), problem);
            for tell in &policy.on_refused {
                // The panic hook has already reported it.
                _ = catch_unwind(AssertUnwindSafe(|| tell(&refused)));
            }
            Err(refused)
        }
    }

    /// Whether [`check`](Self::check) is ready at once for every peer: the policy has no
    /// [`custom_async`](Self::custom_async).
    #[must_use]
    pub fn is_immediate(&self) -> bool {
        !self.rule.has(|rule| matches!(rule, Rule::CustomAsync { .. }))
    }

    /// Whether the policy always gives the same answer for the same peer, because it contains neither
    /// [`custom`](Self::custom) nor [`custom_async`](Self::custom_async).
    #[must_use]
    pub fn is_constant(&self) -> bool {
        !self.rule.has(|rule| matches!(rule, Rule::Custom(_) | Rule::CustomAsync { .. }))
    }

    /// Returns a connector's connection if the policy trusts the server.
    ///
    /// # Errors
    /// [`ConnectError::Untrusted`] when the policy refuses the server; [`ConnectError::TimedOut`] when it has not
    /// decided by the deadline.
    pub async fn trust<C: Connection>(
        &self,
        connection: C,
        address: &Address,
        deadline: Instant,
    ) -> Result<C, ConnectError> {
        match timeout_at(deadline, self.check(connection.peer())).await {
            Ok(Ok(())) => Ok(connection),
            Ok(Err(refused)) => Err(ConnectError::untrusted(address, refused)),
            Err(_) => Err(ConnectError::TimedOut { address: address.clone() }),
        }
    }

    /// Returns the policy with all names looked up. It shares this one's counter. It may block.
    ///
    /// # Errors
    /// [`NameError`] for a name that does not exist or cannot be looked up.
    pub fn resolve(&self, names: &dyn NameService) -> Result<Self, NameError> {
        let rule = Arc::new(self.rule.resolve(names)?);
        Ok(Self { rule, ..self.clone() })
    }

    /// Calls [`resolve`](Self::resolve), on a thread that may block if the policy contains names. Backends use it when
    /// they listen or connect.
    ///
    /// # Errors
    /// See [`resolve`](Self::resolve).
    pub async fn look_up_names(&self, names: impl NameService + Send + 'static) -> Result<Self, NameError> {
        let Some(name) = self.rule.first_name().cloned() else { return Ok(self.clone()) };
        let policy = self.clone();
        let resolved = tokio::task::spawn_blocking(move || policy.resolve(&names)).await;
        resolved.unwrap_or_else(|error| Err(NameError::new(&name, error.into())))
    }

    fn new(rule: Rule) -> Self {
        Self { rule: Arc::new(rule), refusals: Arc::default(), refusal: None, on_refused: Vec::new() }
    }
}

impl Default for AccessPolicy {
    fn default() -> Self {
        Self::same_user_or_system()
    }
}

impl fmt::Display for AccessPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.rule)
    }
}

impl fmt::Debug for AccessPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccessPolicy({self})")
    }
}
