use std::ffi::{OsStr, OsString};
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};

use clap_lex::OsStrExt as _;

use super::{Address, AddressError, percent};

/// The prefix of every pipe name of this machine. Prefix and name together may have 256 UTF-16 units.
const PIPE_PREFIX: &str = r"\\.\pipe\";
const PIPE_NAME_MAX: usize = 256 - PIPE_PREFIX.len();
const LOCAL_NAME_MAX: usize = 64;
const SYSTEMD_NAME_MAX: usize = 255;

pub(super) fn parse(text: &OsStr) -> Result<Address, AddressError> {
    if text.is_empty() {
        return Err(AddressError::Empty);
    }
    if let Some(rest) = text.strip_prefix("unix:") {
        return unix_form(text, rest);
    }
    if let Some(name) = text.strip_prefix("unix-abstract:") {
        return unix_abstract(percent::decode(text, name)?);
    }
    let text = text.to_str().ok_or_else(|| AddressError::NotUnicode { address: lossy(text) })?;
    if let Some(rest) = text.strip_prefix("npipe:") {
        named_pipe(pipe_name(rest).unwrap_or(rest).to_owned())
    } else if let Some(name) = pipe_name(text) {
        named_pipe(name.to_owned())
    } else if is_remote_pipe(text) {
        Err(AddressError::RemotePipe { address: text.to_owned() })
    } else if let Some(name) = text.strip_prefix("local:") {
        local(name.to_owned())
    } else if let Some(name) = text.strip_prefix("systemd:") {
        systemd(name.to_owned())
    } else if let Some(name) = text.strip_prefix("launchd:") {
        launchd(name.to_owned())
    } else if let Some(rest) = text.strip_prefix("http://") {
        http_form(text, rest)
    } else {
        Err(AddressError::UnknownScheme { address: text.to_owned() })
    }
}

/// `unix:PATH`, `unix://` with an absolute path and no authority, or a pipe as grpc-js writes it.
fn unix_form(text: &OsStr, rest: &OsStr) -> Result<Address, AddressError> {
    if let Some(name) = rest.to_str().and_then(pipe_name) {
        return named_pipe(name.to_owned());
    }
    let Some(path) = rest.strip_prefix("//") else {
        return unix(percent::decode(text, rest)?.into());
    };
    let path = percent::decode(text, path)?;
    if path.is_empty() || path.starts_with("/") {
        return unix(path.into());
    }
    let right = match path.split_once("/") {
        Some((_, path)) => {
            let mut absolute = OsString::from("/");
            absolute.push(path);
            absolute
        }
        None => path,
    };
    Err(AddressError::Authority { address: lossy(text), right: unix(right.into())?.to_string() })
}

/// The forms of ASP.NET Core, and TCP.
fn http_form(text: &str, rest: &str) -> Result<Address, AddressError> {
    if let Some(path) = rest.strip_prefix("unix:").filter(|path| path.starts_with('/')) {
        // nginx's form: the socket's path, followed by an empty request path.
        return unix(path.strip_suffix(":/").unwrap_or(path).into());
    }
    if let Some(name) = rest.strip_prefix("pipe:/") {
        return named_pipe(name.to_owned());
    }
    let wrong = || AddressError::HostPort { address: text.to_owned() };
    let (host, port) = rest.strip_suffix('/').unwrap_or(rest).rsplit_once(':').ok_or_else(wrong)?;
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.strip_suffix(']').filter(|v6| is_ipv6(v6)).ok_or_else(wrong)?,
        None if host.contains(':') => return Err(wrong()),
        None => host,
    };
    if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let port = port.parse().map_err(|_| AddressError::Port { address: text.to_owned() })?;
    tcp(host.to_owned(), port).map_err(|_| wrong())
}

/// Whether `host` is an IPv6 address, with or without a zone.
fn is_ipv6(host: &str) -> bool {
    let address = host.split_once('%').map_or(host, |(address, _)| address);
    address.parse::<Ipv6Addr>().is_ok()
}

/// The name in `\\.\pipe\NAME` or Docker's `//./pipe/NAME`, with or without an empty authority.
fn pipe_name(text: &str) -> Option<&str> {
    let without = |prefix: &str| {
        // Windows ignores case here.
        let (head, name) = text.split_at_checked(prefix.len())?;
        head.eq_ignore_ascii_case(prefix).then_some(name)
    };
    [PIPE_PREFIX, "////./pipe/", "//./pipe/"].into_iter().find_map(without)
}

/// Whether `text` is `\\HOST\pipe\NAME`, or begins with two backslashes in another form.
fn is_remote_pipe(text: &str) -> bool {
    text.starts_with(r"\\")
        || text.starts_with("//")
            && text.split('/').nth(3).is_some_and(|part| part.eq_ignore_ascii_case("pipe"))
}

pub(super) fn unix(path: PathBuf) -> Result<Address, AddressError> {
    if let Some(name) = path.to_str().and_then(pipe_name) {
        return named_pipe(name.to_owned());
    }
    let address = || format!("unix:{}", path.display());
    if path.as_os_str().is_empty() {
        let example = "unix:/run/greeter.sock";
        return Err(AddressError::Missing { address: address(), what: "path", example });
    }
    if path.as_os_str().contains("\0") {
        return Err(AddressError::Nul { address: address() });
    }
    if is_directory(&path) {
        return Err(AddressError::Directory { address: address() });
    }
    Ok(Address::Unix { path })
}

/// Whether the end of the path shows that it can only name a directory.
fn is_directory(path: &Path) -> bool {
    let last = path.as_os_str().as_encoded_bytes().rsplit(|byte| *byte == b'/').next();
    matches!(last, Some(b"" | b"." | b".."))
}

pub(super) fn unix_abstract(name: OsString) -> Result<Address, AddressError> {
    let address = format!("unix-abstract:{}", name.display());
    if name.is_empty() {
        return Err(AddressError::Missing { address, what: "name", example: "unix-abstract:greeter" });
    }
    if name.contains("\0") {
        return Err(AddressError::Nul { address });
    }
    if let Some(rest) = name.strip_prefix("//") {
        let right = Address::UnixAbstract { name: rest.to_owned() }.to_string();
        return Err(AddressError::Authority { address, right });
    }
    Ok(Address::UnixAbstract { name })
}

pub(super) fn named_pipe(name: String) -> Result<Address, AddressError> {
    let address = format!("npipe:{name}");
    if name.is_empty() {
        return Err(AddressError::Missing { address, what: "name", example: "npipe:greeter" });
    }
    if name.contains('\0') {
        return Err(AddressError::Nul { address });
    }
    if name.starts_with(['\\', '/']) {
        return Err(AddressError::RemotePipe { address });
    }
    // Windows resolves `.` and `..` after `\\.\pipe\` too, where they lead to files and other machines. It drops
    // repeated separators and trailing dots and spaces, so two names could mean the same pipe
    // (https://learn.microsoft.com/dotnet/standard/io/file-path-formats#path-normalization).
    if name.split(['\\', '/']).any(|part| part.is_empty() || part.ends_with(['.', ' '])) {
        return Err(AddressError::PipeName { address });
    }
    let length = name.encode_utf16().count();
    if length > PIPE_NAME_MAX {
        return Err(AddressError::PipeNameTooLong { address, length });
    }
    Ok(Address::NamedPipe { name })
}

pub(super) fn local(name: String) -> Result<Address, AddressError> {
    let address = format!("local:{name}");
    if name.is_empty() {
        return Err(AddressError::Missing { address, what: "name", example: "local:greeter" });
    }
    let portable = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.len() > LOCAL_NAME_MAX
        || name.starts_with('.')
        || name.ends_with('.')
        || !name.bytes().all(portable)
    {
        return Err(AddressError::LocalName { address });
    }
    Ok(Address::Local { name })
}

/// The rules of systemd for `FileDescriptorName=`
/// ([systemd.socket(5)](https://www.freedesktop.org/software/systemd/man/systemd.socket.html)).
pub(super) fn systemd(name: String) -> Result<Address, AddressError> {
    let possible = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b':';
    if name.len() > SYSTEMD_NAME_MAX || !name.bytes().all(possible) {
        return Err(AddressError::SocketName { address: format!("systemd:{name}") });
    }
    Ok(Address::Systemd { name })
}

pub(super) fn launchd(name: String) -> Result<Address, AddressError> {
    let address = format!("launchd:{name}");
    if name.is_empty() {
        return Err(AddressError::Missing { address, what: "name", example: "launchd:Listeners" });
    }
    if name.contains('\0') {
        return Err(AddressError::Nul { address });
    }
    Ok(Address::Launchd { name })
}

pub(super) fn tcp(host: String, port: u16) -> Result<Address, AddressError> {
    let possible = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
    if host.is_empty() || !host.chars().all(possible) {
        return Err(AddressError::HostPort { address: format!("http://{host}:{port}") });
    }
    Ok(Address::Tcp { host, port })
}

fn lossy(text: &OsStr) -> String {
    text.to_string_lossy().into_owned()
}
