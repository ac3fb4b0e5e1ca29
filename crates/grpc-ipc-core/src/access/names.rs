use std::io;

use super::rule::Name;
use crate::{GroupId, UserId};

/// Where a backend looks up the names of users and groups that an access policy has.
///
/// Both may block.
pub trait NameService {
    /// The user who has this name; `None` if nobody has.
    ///
    /// # Errors
    /// When that cannot be told.
    fn user(&self, name: &str) -> io::Result<Option<UserId>>;

    /// The group that has this name; `None` if none has.
    ///
    /// # Errors
    /// When that cannot be told.
    fn group(&self, name: &str) -> io::Result<Option<GroupId>>;
}

/// The names of a transport that knows no users: it cannot tell any.
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
    io::Error::new(io::ErrorKind::Unsupported, "this transport knows no users and groups")
}

/// A name of an access policy that nobody has, or that could not be looked up.
#[derive(Debug, thiserror::Error)]
#[error("{what} of the access policy is not known")]
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
        Self::new(name, io::Error::new(io::ErrorKind::NotFound, "nobody has this name"))
    }

    /// For an error that says itself that an option is not valid: which one, and why.
    pub(crate) fn into_option(self) -> (String, io::Error) {
        (format!("{} of the access policy", self.what), self.source)
    }
}
