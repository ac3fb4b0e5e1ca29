use std::io;

use super::rule::Name;
use crate::{GroupId, UserId};

/// A backend's lookup of the user and group names in an access policy.
///
/// Both methods may block.
pub trait NameService {
    /// The user with this name, or `None` if there is no such user.
    ///
    /// # Errors
    /// If the lookup fails.
    fn user(&self, name: &str) -> io::Result<Option<UserId>>;

    /// The group with this name, or `None` if there is no such group.
    ///
    /// # Errors
    /// If the lookup fails.
    fn group(&self, name: &str) -> io::Result<Option<GroupId>>;
}

/// The [`NameService`] of a transport without users: every lookup fails.
#[derive(Clone, Copy, Debug)]
pub struct NoNames;

impl NameService for NoNames {
    fn user(&self, _: &str) -> io::Result<Option<UserId>> {
        Err(no_names())
    }

    fn group(&self, _: &str) -> io::Result<Option<GroupId>> {
        Err(no_names())
    }
}

fn no_names() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "this transport does not have users and groups")
}

/// A name in an access policy that does not exist or could not be looked up.
#[derive(Debug, thiserror::Error)]
#[error("{what} in the access policy cannot be resolved")]
pub struct NameError {
    what: String,
    source: io::Error,
}

impl NameError {
    pub(super) fn new(name: &Name, source: io::Error) -> Self {
        let what = match name {
            Name::User(name) => format!("the user {name:?}"),
            Name::Group(name) => format!("the group {name:?}"),
        };
        Self { what, source }
    }

    pub(super) fn unknown(name: &Name) -> Self {
        Self::new(name, io::Error::new(io::ErrorKind::NotFound, "this name does not exist"))
    }

    /// The name and the reason, for an error that itself says "is not valid".
    pub(crate) fn into_option(self) -> (String, io::Error) {
        (format!("{} in the access policy", self.what), self.source)
    }
}
