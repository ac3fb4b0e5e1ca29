use std::io;

use grpc_ipc_core::Address;
use tracing::warn;

/// Windows lets only the account create pipes below `ProtectedPrefix\ACCOUNT\`, so that nobody else can take a name
/// there before the server does. Microsoft does not document this; "Windows Internals" does, and
/// <https://www.tiraniddo.dev/2017/11/named-pipe-secure-prefixes.html>.
const PROTECTED: &str = "ProtectedPrefix";
/// Stands for the account.
const ANY_ACCOUNT: &str = "*";
const ACCOUNTS: [&str; 3] = [ADMINISTRATORS, LOCAL_SERVICE, NETWORK_SERVICE];
const ADMINISTRATORS: &str = "Administrators";
const LOCAL_SERVICE: &str = "LocalService";
const NETWORK_SERVICE: &str = "NetworkService";

/// The pipes of an [`Address`]: names without `\\.\pipe\`, each valid for [`Address::named_pipe`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Names {
    One(String),
    /// This name under a protected prefix, or without one.
    Protected(String),
}

impl Names {
    /// The names for an address, or why there are none.
    ///
    /// `local:NAME` includes the user's SID, because all users share the names of pipes.
    pub(super) fn new(address: &Address, own: &str) -> Result<Self, String> {
        match address {
            Address::NamedPipe { name, .. } => Ok(match unprotected(name) {
                Some(name) => Self::Protected(name.to_owned()),
                None => Self::One(name.clone()),
            }),
            Address::Local { name, .. } => Ok(Self::One(format!("grpc-ipc-{own}-{name}"))),
            _ => Err("this is not the address of a named pipe".to_owned()),
        }
    }

    /// The name for a server that runs as the user `own`. With a prefix, it may be too long.
    pub(super) fn to_listen(&self, own: &str, is_administrator: impl FnOnce() -> io::Result<bool>) -> String {
        match self {
            Self::One(name) => name.clone(),
            Self::Protected(name) => {
                let account = match own {
                    "S-1-5-19" => Some(LOCAL_SERVICE),
                    "S-1-5-20" => Some(NETWORK_SERVICE),
                    _ => is_administrator().unwrap_or(false).then_some(ADMINISTRATORS),
                };
                if let Some(account) = account {
                    return protected(account, name);
                }
                warn!(
                    pipe = name,
                    "this process is not elevated, and no service: it listens without a protected prefix, under a name \
                     that any program can take first"
                );
                name.clone()
            }
        }
    }

    /// The paths for a client, which connects to the first that exists.
    pub(super) fn to_connect(&self) -> Vec<String> {
        match self {
            Self::One(name) => vec![path(name)],
            Self::Protected(name) => {
                let protected = ACCOUNTS.map(|account| path(&protected(account, name)));
                protected.into_iter().chain([path(name)]).collect()
            }
        }
    }
}

/// The part after `ProtectedPrefix\*\`.
fn unprotected(name: &str) -> Option<&str> {
    let mut parts = name.splitn(3, ['\\', '/']);
    let is_protected = parts.next()?.eq_ignore_ascii_case(PROTECTED) && parts.next()? == ANY_ACCOUNT;
    parts.next().filter(|_| is_protected)
}

fn protected(account: &str, name: &str) -> String {
    format!(r"{PROTECTED}\{account}\{name}")
}

/// The pipe's path in Win32. It can only refer to pipes of this machine.
pub(super) fn path(name: &str) -> String {
    format!(r"\\.\pipe\{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &str = "S-1-5-21-1-2-3-1001";

    fn names(address: &str) -> Names {
        Names::new(&address.parse().unwrap(), ALICE).unwrap()
    }

    #[test]
    fn a_server_listens_under_the_prefix_that_it_may_use() {
        for address in [
            r"npipe:ProtectedPrefix\*\a\b",
            "npipe:protectedprefix/*/a\\b",
            r"unix:\\.\pipe\ProtectedPrefix\*\a\b",
        ] {
            let listens = |own, elevated| names(address).to_listen(own, || Ok(elevated));
            assert_eq!(listens(ALICE, true), r"ProtectedPrefix\Administrators\a\b");
            assert_eq!(listens(ALICE, false), r"a\b");
            assert_eq!(listens("S-1-5-18", true), r"ProtectedPrefix\Administrators\a\b");
            assert_eq!(listens("S-1-5-19", false), r"ProtectedPrefix\LocalService\a\b");
            assert_eq!(listens("S-1-5-20", false), r"ProtectedPrefix\NetworkService\a\b");
        }
        let unknown = || Err(io::ErrorKind::Other.into());
        assert_eq!(names(r"npipe:ProtectedPrefix\*\a").to_listen(ALICE, unknown), "a");
    }

    #[test]
    fn a_client_looks_where_a_server_may_be() {
        let protected = [
            r"\\.\pipe\ProtectedPrefix\Administrators\a",
            r"\\.\pipe\ProtectedPrefix\LocalService\a",
            r"\\.\pipe\ProtectedPrefix\NetworkService\a",
            r"\\.\pipe\a",
        ];
        assert_eq!(names(r"npipe:ProtectedPrefix\*\a").to_connect(), protected);
        assert_eq!(names("npipe:a").to_connect(), [r"\\.\pipe\a"]);
        assert_eq!(names("local:a").to_connect(), [format!(r"\\.\pipe\grpc-ipc-{ALICE}-a")]);
    }

    #[test]
    fn other_names_are_taken_as_they_are() {
        for name in [
            r"ProtectedPrefix\Administrators\a",
            r"ProtectedPrefix\*",
            r"x\ProtectedPrefix\*\a",
            r"ProtectedPrefix\**\a",
        ] {
            assert_eq!(names(&format!("npipe:{name}")), Names::One(name.to_owned()));
        }
    }
}
