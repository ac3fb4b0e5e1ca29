mod error;
mod parse;
mod percent;
#[cfg(feature = "serde")]
mod serde;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap_lex::OsStrExt as _;

pub use error::AddressError;

#[doc = include_str!("../../docs/address.md")]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Address {
    /// A Unix domain socket in the file system, `unix:PATH`.
    #[non_exhaustive]
    Unix {
        /// The socket's path as given, absolute or relative; never empty, no NUL.
        path: PathBuf,
    },
    /// A socket in Linux's abstract namespace, `unix-abstract:NAME`.
    #[non_exhaustive]
    UnixAbstract {
        /// The name without its leading NUL; never empty, no NUL.
        name: OsString,
    },
    /// A Windows named pipe of this machine, `npipe:NAME`.
    #[non_exhaustive]
    NamedPipe {
        /// The name without `\\.\pipe\`; at most 247 UTF-16 units. No part of it between `\` or `/` is empty, or ends
        /// with a dot or a space.
        name: String,
    },
    /// An endpoint of the current user under a portable name, `local:NAME`.
    #[non_exhaustive]
    Local {
        /// ASCII letters, digits, `-`, `_` and `.`; at most 64, neither the first nor the last is `.`.
        name: String,
    },
    /// A TCP endpoint, `http://HOST:PORT`.
    #[non_exhaustive]
    Tcp {
        /// A host name or an IP address; an IPv6 address without its brackets.
        host: String,
        /// The port; 0 lets a listener choose one.
        port: u16,
    },
    /// A listening socket that systemd passes to the service, `systemd:` or `systemd:NAME`. A server listens on it; a client
    /// connects to the path of the socket.
    #[non_exhaustive]
    Systemd {
        /// Its `FileDescriptorName=`: at most 255 printable ASCII characters without `:`. Empty for the only socket.
        name: String,
    },
    /// A listening socket that launchd of macOS passes to the service, `launchd:NAME`. A server listens on it; a client
    /// connects to the path of the socket.
    #[non_exhaustive]
    Launchd {
        /// Its key in the `Sockets` dictionary of the property list; never empty, no NUL.
        name: String,
    },
    /// The address of a custom transport. It identifies the endpoint in logs and errors, and is never parsed.
    #[non_exhaustive]
    Custom {
        /// The transport's name for itself.
        scheme: String,
        /// Distinguishes the transport's endpoints.
        name: String,
    },
}

impl Address {
    /// Parses any form of [`Address`]. The path may contain bytes that are not Unicode.
    ///
    /// # Errors
    /// [`AddressError`] says what is wrong and shows a correct address.
    pub fn parse(text: impl AsRef<OsStr>) -> Result<Self, AddressError> {
        parse::parse(text.as_ref())
    }

    /// A Unix domain socket at `path`, which is taken literally: a `%` in it is a `%`. A path that begins with
    /// `\\.\pipe\` or `//./pipe/` becomes the named pipe.
    ///
    /// # Errors
    /// [`AddressError::Missing`] for an empty path, [`AddressError::Nul`] for one that contains a NUL,
    /// [`AddressError::Directory`] for one that ends with `/`, `/.` or `/..`, and those of
    /// [`named_pipe`](Self::named_pipe) for a pipe.
    pub fn unix(path: impl Into<PathBuf>) -> Result<Self, AddressError> {
        parse::unix(path.into())
    }

    /// A socket named `name` in Linux's abstract namespace; the name is taken literally.
    ///
    /// # Errors
    /// [`AddressError::Missing`] for an empty name, [`AddressError::Nul`] for one that contains a NUL,
    /// [`AddressError::Authority`] for one that begins with `//`.
    pub fn unix_abstract(name: impl Into<OsString>) -> Result<Self, AddressError> {
        parse::unix_abstract(name.into())
    }

    /// The named pipe `\\.\pipe\name` of this machine.
    ///
    /// # Errors
    /// [`AddressError::Missing`] for an empty name, [`AddressError::Nul`] for one that contains a NUL,
    /// [`AddressError::RemotePipe`] for one that begins with `\` or `/`, [`AddressError::PipeName`] for one that
    /// Windows would change (such as `..\x`), [`AddressError::PipeNameTooLong`] for one that is too long.
    pub fn named_pipe(name: impl Into<String>) -> Result<Self, AddressError> {
        parse::named_pipe(name.into())
    }

    /// The current user's endpoint called `name`.
    ///
    /// # Errors
    /// [`AddressError::Missing`] for an empty name, [`AddressError::LocalName`] for one that is not valid.
    pub fn local(name: impl Into<String>) -> Result<Self, AddressError> {
        parse::local(name.into())
    }

    /// TCP `port` of `host`.
    ///
    /// # Errors
    /// [`AddressError::HostPort`] for an empty or invalid host.
    pub fn tcp(host: impl Into<String>, port: u16) -> Result<Self, AddressError> {
        parse::tcp(host.into(), port)
    }

    /// The listening socket called `name` that systemd passes to the service. An empty name means the only socket
    /// passed.
    ///
    /// # Errors
    /// [`AddressError::SocketName`] for a name that systemd does not allow.
    pub fn systemd(name: impl Into<String>) -> Result<Self, AddressError> {
        parse::systemd(name.into())
    }

    /// The listening socket called `name` that launchd passes to the service.
    ///
    /// # Errors
    /// [`AddressError::Missing`] for an empty name, [`AddressError::Nul`] for one that contains a NUL.
    pub fn launchd(name: impl Into<String>) -> Result<Self, AddressError> {
        parse::launchd(name.into())
    }

    /// The address of a custom transport, shown as `scheme:name`.
    pub fn custom(scheme: impl Into<String>, name: impl Into<String>) -> Self {
        Self::Custom { scheme: scheme.into(), name: name.into() }
    }

    /// The address as a string that [`Address::parse`] reads back. It keeps a path that is not Unicode, which
    /// [`Display`](fmt::Display) writes with replacement characters.
    pub fn to_os_string(&self) -> OsString {
        match self {
            Self::Unix { path } => {
                let mut text = OsString::from(unix_prefix(path));
                text.push(percent::encode(path.as_os_str()));
                text
            }
            Self::UnixAbstract { name } => {
                let mut text = OsString::from("unix-abstract:");
                text.push(percent::encode(name));
                text
            }
            other => other.to_string().into(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix { path } => {
                write!(f, "{}{}", unix_prefix(path), percent::encode(path.as_os_str()).display())
            }
            Self::UnixAbstract { name } => write!(f, "unix-abstract:{}", percent::encode(name).display()),
            Self::NamedPipe { name } => write!(f, "npipe:{name}"),
            Self::Local { name } => write!(f, "local:{name}"),
            Self::Tcp { host, port } if host.contains(':') => write!(f, "http://[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "http://{host}:{port}"),
            Self::Systemd { name } => write!(f, "systemd:{name}"),
            Self::Launchd { name } => write!(f, "launchd:{name}"),
            Self::Custom { scheme, name } => write!(f, "{scheme}:{name}"),
        }
    }
}

/// After `unix:` alone, the first component of a path that begins with `//` would look like a host.
fn unix_prefix(path: &Path) -> &'static str {
    if path.as_os_str().starts_with("//") { "unix://" } else { "unix:" }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

impl TryFrom<&str> for Address {
    type Error = AddressError;

    fn try_from(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

/// Accepted where an address is needed: an [`Address`], or a string to parse.
pub trait IntoAddress: sealed::Sealed {
    /// The address.
    ///
    /// # Errors
    /// Those of [`Address::parse`], for a string.
    fn into_address(self) -> Result<Address, AddressError>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! into_address {
    ($($type:ty => $convert:expr),* $(,)?) => {$(
        impl sealed::Sealed for $type {}
        impl IntoAddress for $type {
            fn into_address(self) -> Result<Address, AddressError> {
                $convert(self)
            }
        }
    )*};
}

into_address! {
    Address => Ok::<Address, AddressError>,
    &Address => |address: &Address| Ok(address.clone()),
    &str => Address::parse,
    String => Address::parse,
    &String => Address::parse,
    OsString => Address::parse,
    &OsStr => Address::parse,
}
