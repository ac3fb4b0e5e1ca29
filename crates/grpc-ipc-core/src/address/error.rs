use super::Address;

/// Why a string or its parts are not a valid [`Address`]. The message shows a correct one.
///
/// As an [`std::io::Error`] each is of kind [`InvalidInput`](std::io::ErrorKind::InvalidInput).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// The address is the empty string.
    #[error("the address is empty: expected {FORMS}")]
    Empty,
    /// The address does not begin with a known scheme.
    #[error("address {address:?} has no known scheme: expected {FORMS}{}", did_you_mean(address))]
    UnknownScheme {
        /// The address as given.
        address: String,
    },
    /// The path or name after the scheme is missing.
    #[error("address {address:?} has no {what}: expected for example {example}")]
    Missing {
        /// The address as given.
        address: String,
        /// What is missing.
        what: &'static str,
        /// A complete address of the same form.
        example: &'static str,
    },
    /// The address names a host, but a socket is always on this machine.
    #[error("address {address:?} names a host, but a Unix domain socket is on this machine: write {right}")]
    Authority {
        /// The address as given.
        address: String,
        /// The address without the host.
        right: String,
    },
    /// The path of a socket ends like that of a directory: with `/`, `/.` or `/..`.
    #[error(
        "address {address:?} names a directory, because it ends with '/', '/.' or '/..': write the path of the socket itself, such as \
         unix:/run/greeter.sock"
    )]
    Directory {
        /// The address as given.
        address: String,
    },
    /// A path or name contains a NUL.
    #[error("address {address:?} contains a NUL, which no path or name can contain")]
    Nul {
        /// The address as given.
        address: String,
    },
    /// A named pipe of another machine.
    #[error("address {address:?} is not a pipe of this machine: expected npipe:NAME or \\\\.\\pipe\\NAME")]
    RemotePipe {
        /// The address as given.
        address: String,
    },
    /// The name of a pipe is longer than Windows allows: 256 UTF-16 units with `\\.\pipe\`
    /// ([Pipe Names](https://learn.microsoft.com/windows/win32/ipc/pipe-names)).
    #[error("address {address:?} has a pipe name of {length} UTF-16 units: at most 247 are allowed")]
    PipeNameTooLong {
        /// The address as given.
        address: String,
        /// The name's length in UTF-16 units, without `\\.\pipe\`.
        length: usize,
    },
    /// Windows would change a part of the pipe's name. `.` and `..` would lead out of the pipe namespace, to files and
    /// to other machines. Empty parts, and dots and spaces at the end of a part, would be dropped.
    #[error(
        "address {address:?} has a pipe name that Windows would change: no part of it between '\\' or '/' may be empty, \
         '.', '..', or end with a dot or a space"
    )]
    PipeName {
        /// The address as given.
        address: String,
    },
    /// The name in `local:NAME` has a character that some platform does not allow, or is too long.
    #[error(
        "address {address:?} is not a valid local name: expected local:NAME of at most 64 ASCII letters, digits, '-', '_' \
         and '.', not beginning or ending with '.'"
    )]
    LocalName {
        /// The address as given.
        address: String,
    },
    /// The name of a systemd socket has a character that systemd does not allow, or is too long.
    #[error(
        "address {address:?} has an invalid name for a systemd socket: expected systemd:NAME of at most 255 printable \
         ASCII characters without ':', or systemd: for the only socket"
    )]
    SocketName {
        /// The address as given.
        address: String,
    },
    /// `http://` is not followed by a host and a port.
    #[error("address {address:?} has no host and port: expected for example http://127.0.0.1:50051")]
    HostPort {
        /// The address as given.
        address: String,
    },
    /// The port in `http://HOST:PORT` is above 65535.
    #[error("address {address:?} has no valid port: expected a number from 0 to 65535")]
    Port {
        /// The address as given.
        address: String,
    },
    /// A `%` in the path or name of a socket does not begin an escape.
    #[error(
        "address {address:?} has a '%' that is not followed by two hexadecimal digits: write %25 for the character '%'"
    )]
    Percent {
        /// The address as given.
        address: String,
    },
    /// The address is not Unicode, although its form requires it.
    #[error(
        "address {address:?} is not Unicode: only the path of a socket may contain other bytes; write them as they are, not escaped"
    )]
    NotUnicode {
        /// The address, with replacement characters.
        address: String,
    },
}

const FORMS: &str =
    "unix:PATH, unix-abstract:NAME, npipe:NAME, local:NAME, systemd:NAME, launchd:NAME or http://HOST:PORT";

/// The address that was probably meant: a path, or a host and port, without a scheme or with that of another program.
fn did_you_mean(address: &str) -> String {
    let drive = || matches!(address.as_bytes(), [b'A'..=b'Z' | b'a'..=b'z', b':', b'/' | b'\\', ..]);
    let meant = match address.starts_with(['/', '.']) || drive() {
        true => Address::unix(address).ok(),
        false => ["tcp://", "ipv4:", "ipv6:", "dns:///", "dns:", "grpc://", "https://", "grpcs://", ""]
            .into_iter()
            .find_map(|scheme| Address::parse(format!("http://{}", address.strip_prefix(scheme)?)).ok()),
    };
    let Some(meant) = meant else { return String::new() };
    match address.starts_with("https://") || address.starts_with("grpcs://") {
        true => format!("; did you mean {meant}? TLS is an option of the connection, and not in the address"),
        false => format!("; did you mean {meant}?"),
    }
}

impl From<AddressError> for std::io::Error {
    fn from(error: AddressError) -> Self {
        Self::new(std::io::ErrorKind::InvalidInput, error)
    }
}
