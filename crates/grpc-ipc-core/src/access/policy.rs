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

/// Who may be at the other end of a connection: for a server who may connect, for a client who may have answered.
///
/// It is asked once for each connection, before a byte is read or sent. Policies combine: [`or`](Self::or) lets in whom
/// either of two lets in, [`and`](Self::and) whom both do. A peer of which the policy's question cannot be answered is
/// refused.
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
/// It counts the peers that it refuses ([`refused`](Self::refused)), and logs them with `tracing`: a warning with the
/// fields `peer` and `policy`. The first refusal of a user is logged at once, later ones every 10 seconds at most, with
/// how many were `suppressed` in between ([`LogLimit`](crate::LogLimit)); a user who is refused cannot fill the log.
#[derive(Clone)]
pub struct AccessPolicy {
    rule: Arc<Rule>,
    refusals: Arc<Refusals>,
    /// What a peer is sent that is refused.
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
    /// The user that this process runs as, and the system itself (root, SYSTEM), which could do anything to this
    /// process anyway. This is the default.
    pub fn same_user_or_system() -> Self {
        Self::same_user().or(Self::system())
    }

    /// The user that this process runs as, and nobody else.
    pub fn same_user() -> Self {
        Self::new(Rule::SameUser)
    }

    /// The system itself, root or SYSTEM, and nobody else.
    pub fn system() -> Self {
        Self::new(Rule::System)
    }

    /// Those who run the machine: on Unix root; on Windows SYSTEM, and whoever has the group Administrators
    /// (`S-1-5-32-544`) enabled in its token, as elevated programs have. A program of an administrator that is not
    /// elevated has that group only to be denied something, and is refused.
    ///
    /// Of a server this can be told by a pipe that the group owns, or SYSTEM.
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
    /// if this process runs in no AppContainer, and on platforms and transports without packages.
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
    /// the AppContainer, too. A packaged program that runs in no AppContainer, as most desktop programs do, has no
    /// package here.
    pub fn packages(sids: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let rule = |sid: String| Rule::Package(sid.into());
        Self::new(Rule::Any(sids.into_iter().map(Into::into).map(rule).collect()))
    }

    /// These users and nobody else, so not even the one that this process runs as.
    pub fn users(users: impl IntoIterator<Item = UserId>) -> Self {
        Self::new(Rule::Any(users.into_iter().map(Rule::User).collect()))
    }

    /// The members of these groups and nobody else: those who have one as their primary or as a supplementary group
    /// ([`Peer::is_member_of`]) as long as the process runs that connects. What the system's list of groups says, and
    /// the process has not taken over, does not count.
    pub fn groups(groups: impl IntoIterator<Item = GroupId>) -> Self {
        Self::new(Rule::Any(groups.into_iter().map(Rule::Group).collect()))
    }

    /// As [`users`](Self::users), by name: `alice`, on Windows also `DOMAIN\alice`.
    ///
    /// Names are looked up once, when a server listens or a client connects; one that nobody has is an error there. A
    /// transport that knows no users knows no names.
    pub fn user_names(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let rule = |name: String| Rule::Named { name: Name::User(name.into()), resolved: None };
        Self::new(Rule::Any(names.into_iter().map(Into::into).map(rule).collect()))
    }

    /// As [`groups`](Self::groups), by name: `operator`, on Windows also `BUILTIN\Users`. Names are looked up as those
    /// of [users](Self::user_names).
    pub fn group_names(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let rule = |name: String| Rule::Named { name: Name::Group(name.into()), resolved: None };
        Self::new(Rule::Any(names.into_iter().map(Into::into).map(rule).collect()))
    }

    /// Whomever `allows` says `true` of. It is called on the thread that accepts or connects, and holds up the others
    /// as long as it runs. If it panics, it refuses.
    pub fn custom(allows: impl Fn(&Peer) -> bool + Send + Sync + 'static) -> Self {
        Self::new(Rule::Custom(Arc::new(allows)))
    }

    /// Whomever `allows` says `true` of, within `limit`. Meanwhile other clients are accepted. What it has not said by
    /// then, and what panics, refuses.
    ///
    /// What [`or`](Self::or) and [`and`](Self::and) join is asked first if it can be answered at once; so this is not
    /// asked of a peer who is let in anyway, or refused. It needs a tokio runtime with time.
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

    /// Anyone whom the operating system lets reach the address. Every user of the machine can then call every method,
    /// unless the socket's mode, the pipe's descriptor or your own interceptor says otherwise.
    pub fn dangerous_allow_anyone() -> Self {
        Self::new(Rule::Anyone)
    }

    /// Lets in whom either policy lets in. It counts anew.
    #[must_use = "the policy is moved into the returned one"]
    pub fn or(self, other: Self) -> Self {
        Self::new(Arc::unwrap_or_clone(self.rule).or(Arc::unwrap_or_clone(other.rule)))
    }

    /// Lets in whom both policies let in. It counts anew.
    #[must_use = "the policy is moved into the returned one"]
    pub fn and(self, other: Self) -> Self {
        Self::new(Arc::unwrap_or_clone(self.rule).and(Arc::unwrap_or_clone(other.rule)))
    }

    /// Sends a client that is refused these bytes before its connection is closed, so that it knows why. It has a
    /// second to take them, and nothing is read from it. What [`or`](Self::or) and [`and`](Self::and) return
    /// sends nothing. Default: nothing; a server of `grpc-ipc` sends what a client of gRPC understands.
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

    /// What [`refuse_with`](Self::refuse_with) was told.
    pub fn refusal(&self) -> Option<&'static [u8]> {
        self.refusal
    }

    /// How many peers this policy and its clones have refused. The clone that you keep counts with the one that a
    /// listener has.
    pub fn refused(&self) -> u64 {
        self.refusals.count.load(Ordering::Relaxed)
    }

    /// Whether [`refused`](Self::refused) of both is one count.
    #[doc(hidden)]
    pub fn counts_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.refusals, &other.refusals)
    }

    /// Asks the policy about `peer`. The future is ready when it is polled first, unless the answer depends on
    /// [`custom_async`](Self::custom_async).
    ///
    /// # Errors
    /// [`Refused`] when the policy does not let the peer in, also because what it asks for is not known of the peer.
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
                // The panic hook has reported the message.
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

    /// Whether the policy says the same of a peer whenever it is asked: neither [`custom`](Self::custom) nor
    /// [`custom_async`](Self::custom_async) is part of it.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        !self.rule.has(|rule| matches!(rule, Rule::Custom(_) | Rule::CustomAsync { .. }))
    }

    /// What a connector does with the server that it has reached: hands on the connection if the policy trusts it.
    ///
    /// # Errors
    /// [`ConnectError::Untrusted`]; [`ConnectError::TimedOut`] when the policy has not decided by the deadline.
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

    /// The policy with all names looked up. It may block. It counts with this one.
    ///
    /// # Errors
    /// [`NameError`] for a name that nobody has, or that cannot be looked up.
    pub fn resolve(&self, names: &dyn NameService) -> Result<Self, NameError> {
        let rule = Arc::new(self.rule.resolve(names)?);
        Ok(Self { rule, ..self.clone() })
    }

    /// What a backend does when it listens or connects: [`resolve`](Self::resolve), on a thread that may block if there
    /// is any name.
    ///
    /// # Errors
    /// As of [`resolve`](Self::resolve).
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
