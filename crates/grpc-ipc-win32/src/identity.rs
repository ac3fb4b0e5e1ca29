use std::io;
use std::sync::Arc;

use grpc_ipc_core::{GroupId, IntegrityLevel, Peer, UserId};

use crate::Token;

/// The identity of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    user: UserId,
    sid: String,
    session: Option<u32>,
    package: Option<Arc<str>>,
}

impl Identity {
    /// Reads the token of this process.
    ///
    /// # Errors
    /// If Windows does not report the user that it runs as.
    pub fn own() -> io::Result<Self> {
        let token = Token::own()?;
        let sid = token.user()?;
        Ok(Self {
            user: UserId::Sid(sid.as_str().into()),
            sid,
            session: token.session().ok(),
            package: token.package().ok().flatten().map(Into::into),
        })
    }

    /// The SID of the user.
    pub fn sid(&self) -> &str {
        &self.sid
    }

    /// The user.
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// Creates a peer over `transport` that is compared with this process.
    pub fn peer(&self, transport: &'static str) -> Peer {
        let mut peer = Peer::new(transport).same_user_as(&self.user);
        if let Some(session) = self.session {
            peer = peer.same_session_as(session);
        }
        if let Some(package) = &self.package {
            peer = peer.same_package_as(Arc::clone(package));
        }
        peer
    }
}

/// Adds the properties of a token to a peer, as far as Windows reports them.
#[must_use = "the peer is moved into the returned one"]
pub fn describe(mut peer: Peer, token: &Token) -> Peer {
    if let (Ok(false), Ok(user)) = (token.is_user_deny_only(), token.user()) {
        peer = peer.with_user(UserId::Sid(user.into()));
    }
    // For a token with restricting SIDs, the groups alone do not determine what is allowed.
    if let (Ok(false), Ok(groups)) = (token.is_restricted(), token.enabled_groups()) {
        peer = peer.with_groups(groups.into_iter().map(|sid| GroupId::Sid(sid.into())));
    }
    if let Ok(session) = token.session() {
        peer = peer.with_session(session);
    }
    if let Ok(rid) = token.integrity() {
        peer = peer.with_integrity(IntegrityLevel::from_rid(rid));
    }
    if let Ok(elevated) = token.is_elevated() {
        peer = peer.with_elevated(elevated);
    }
    if let Ok(Some(sid)) = token.package() {
        peer = peer.with_package(sid);
    }
    peer
}
