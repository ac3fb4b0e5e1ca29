use std::fmt::Write as _;
use std::io;

use grpc_ipc_win32::{Descriptor, is_network_logon};

/// The security descriptor of a pipe, which decides who may open it.
///
/// The access policy is applied in addition, as it is with the mode of a socket's file. The presets always allow the
/// user that runs the server and SYSTEM, and never a client over the network. The rights that they grant to others are
/// enough to connect, but not to create instances of the pipe, with which they could take over connections ([Named Pipe
/// Security and Access Rights](https://learn.microsoft.com/windows/win32/ipc/named-pipe-security-and-access-rights)).
///
/// ```no_run
/// # mod grpc_ipc { pub mod windows { pub use grpc_ipc_named_pipe::*; } }
/// use grpc_ipc::windows::SecurityDescriptor;
///
/// // A service for the users that are logged in.
/// let descriptor = SecurityDescriptor::current_user().authenticated_users();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a descriptor does nothing until a server listens with it"]
pub struct SecurityDescriptor(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Preset { others: Vec<String>, low_integrity: bool },
    Sddl(String),
}

impl SecurityDescriptor {
    /// Allows the user that runs the server, and SYSTEM.
    pub fn current_user() -> Self {
        Self(Kind::Preset { others: Vec::new(), low_integrity: false })
    }

    /// Uses `sddl`, and nothing else. If it names no owner, the owner is the user that runs the server, which clients
    /// check. The user that creates the pipe's instances, such as the user that runs the server, needs
    /// `FILE_CREATE_PIPE_INSTANCE`, which is part of `GA`. The text is validated when the server listens.
    pub fn from_sddl(sddl: impl Into<String>) -> Self {
        Self(Kind::Sddl(sddl.into()))
    }

    /// Also allows members of the local Administrators group, when they run elevated.
    pub fn administrators(self) -> Self {
        self.user("BA")
    }

    /// Also allows everyone who has logged in with a password or a certificate, but not guests. They may connect; only
    /// the user that runs the server, and SYSTEM, may create instances of the pipe.
    ///
    /// The difference is one bit that is easily granted by mistake. Creating an instance takes
    /// `FILE_CREATE_PIPE_INSTANCE`, which is the same bit as `FILE_APPEND_DATA`, and so a part of `GENERIC_WRITE`. A
    /// descriptor that grants `GRGW` or `GA` to let clients write also lets each of them pose as the server to other
    /// clients. This preset grants every right of `GENERIC_READ` and `GENERIC_WRITE` except that bit. Clients do not
    /// need it: Windows does not require it to open a pipe.
    ///
    /// The access policy still has to allow them, for example by
    /// [`group_names`](grpc_ipc_core::AccessPolicy::group_names) or
    /// [`dangerous_allow_anyone`](grpc_ipc_core::AccessPolicy::dangerous_allow_anyone).
    pub fn authenticated_users(self) -> Self {
        self.user("AU")
    }

    /// Also allows programs in any AppContainer, such as packaged apps, of the allowed users. To allow only one
    /// package, name its SID ([`user`](Self::user)), or restrict the access policy
    /// ([`packages`](grpc_ipc_core::AccessPolicy::packages)). Without an entry of its own, an AppContainer is refused
    /// even if its user is allowed.
    pub fn app_containers(self) -> Self {
        self.user("AC")
    }

    /// Also allows a user, a group, or the package of an AppContainer, by its SID.
    pub fn user(mut self, sid: &str) -> Self {
        if let Kind::Preset { others, .. } = &mut self.0 {
            others.push(sid.to_owned());
        }
        self
    }

    /// Also allows programs of low integrity that run as allowed users, such as sandboxed ones. Otherwise, Windows
    /// prevents them from writing to objects without a low-integrity label.
    pub fn low_integrity(mut self) -> Self {
        if let Kind::Preset { low_integrity, .. } = &mut self.0 {
            *low_integrity = true;
        }
        self
    }

    /// Converts it to Windows' form, for a server that runs as the user `own`.
    pub(super) fn compile(&self, own: &str) -> io::Result<Descriptor> {
        if let Kind::Sddl(sddl) = &self.0 {
            if !sddl.contains("D:") {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "it has no DACL (D:…), which would allow everyone; if that is intended, write D:P(A;;GA;;;WD)",
                ));
            }
            // First as given, because a mistake could look valid after the prefix that is added below.
            Descriptor::from_sddl(sddl)?;
        }
        let sddl = self.to_sddl(own);
        // A user with a network logon would deny access to itself. Others are kept out by rejecting remote clients. If
        // the kind of logon is unknown, access is denied.
        let is_preset = matches!(self.0, Kind::Preset { .. });
        let sddl = match is_preset && is_network_logon().unwrap_or(false) {
            true => sddl.replace(DENY_NETWORK, ""),
            false => sddl,
        };
        Descriptor::from_sddl(&sddl)
    }

    /// The text in SDDL, for a server that runs as the user `own`.
    pub(super) fn to_sddl(&self, own: &str) -> String {
        match &self.0 {
            Kind::Sddl(sddl) if sddl.starts_with("O:") => sddl.clone(),
            Kind::Sddl(sddl) => format!("O:{own}{sddl}"),
            Kind::Preset { others, low_integrity } => {
                let mut sddl = format!("O:{own}D:P{DENY_NETWORK}(A;;GA;;;SY)(A;;GA;;;{own})");
                for sid in others {
                    // Writing to a string cannot fail.
                    _ = write!(sddl, "(A;;{CONNECT};;;{sid})");
                }
                if *low_integrity {
                    sddl.push_str("S:(ML;;NW;;;LW)");
                }
                sddl
            }
        }
    }
}

impl Default for SecurityDescriptor {
    fn default() -> Self {
        Self::current_user()
    }
}

/// Denies access to network logons.
const DENY_NETWORK: &str = "(D;;GA;;;NU)";

/// `FILE_GENERIC_READ | FILE_GENERIC_WRITE` without `FILE_CREATE_PIPE_INSTANCE`, which is the same bit as
/// `FILE_APPEND_DATA`. A client that opens a pipe with `GENERIC_WRITE` does not need that bit either.
const CONNECT: &str = "0x12019b";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_what_they_say() {
        let sddl = |descriptor: SecurityDescriptor| descriptor.to_sddl("S-1-5-21-1-2-3-1001");
        let mine = "O:S-1-5-21-1-2-3-1001D:P(D;;GA;;;NU)(A;;GA;;;SY)(A;;GA;;;S-1-5-21-1-2-3-1001)";
        let current_user = SecurityDescriptor::current_user;
        assert_eq!(sddl(current_user()), mine);
        assert_eq!(sddl(current_user().administrators()), format!("{mine}(A;;0x12019b;;;BA)"));
        assert_eq!(sddl(current_user().authenticated_users()), format!("{mine}(A;;0x12019b;;;AU)"));
        assert_eq!(sddl(current_user().app_containers()), format!("{mine}(A;;0x12019b;;;AC)"));
        let two = current_user().user("S-1-5-32-545").user("S-1-15-2-1");
        assert_eq!(sddl(two), format!("{mine}(A;;0x12019b;;;S-1-5-32-545)(A;;0x12019b;;;S-1-15-2-1)"));
        assert_eq!(sddl(current_user().low_integrity()), format!("{mine}S:(ML;;NW;;;LW)"));
        assert_eq!(
            sddl(SecurityDescriptor::from_sddl("D:P(A;;GA;;;WD)")),
            "O:S-1-5-21-1-2-3-1001D:P(A;;GA;;;WD)"
        );
        assert_eq!(sddl(SecurityDescriptor::from_sddl("O:SYD:P(A;;GA;;;WD)")), "O:SYD:P(A;;GA;;;WD)");
    }

    #[test]
    fn windows_understands_the_presets_and_refuses_nonsense() {
        let all = SecurityDescriptor::current_user().administrators().authenticated_users().app_containers();
        Descriptor::from_sddl(&all.low_integrity().to_sddl("S-1-5-21-1-2-3-1001")).unwrap();
        for wrong in ["D:P(A;;GA;;;nobody I know)", "nonsense", "", "O:SY"] {
            assert!(SecurityDescriptor::from_sddl(wrong).compile("S-1-5-18").is_err(), "{wrong:?}");
        }
    }
}
