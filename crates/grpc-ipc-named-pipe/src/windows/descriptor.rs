use std::fmt::Write as _;
use std::io;

use grpc_ipc_win32::{Descriptor, is_network_logon};

/// Whom Windows itself lets open a pipe: its security descriptor.
///
/// The access policy is asked on top of it, as with the mode of a socket's file. The presets always let in the user
/// that runs the server and SYSTEM, and never a client over the network. What others are granted is enough to connect,
/// and not enough to create instances of the pipe, with which they could take connections away
/// ([Named Pipe Security and Access
/// Rights](https://learn.microsoft.com/windows/win32/ipc/named-pipe-security-and-access-rights)).
///
/// ```no_run
/// # mod grpc_ipc { pub mod windows { pub use grpc_ipc_named_pipe::*; } }
/// use grpc_ipc::windows::SecurityDescriptor;
///
/// // A service whose clients are the users that are logged in.
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
    /// The user that runs the server, and SYSTEM.
    pub fn current_user() -> Self {
        Self(Kind::Preset { others: Vec::new(), low_integrity: false })
    }

    /// What `sddl` says, and nothing else. If it names no owner, that is the user that runs the server, which is what
    /// clients look at. Whoever shall create the pipe's instances, such as the user that runs the
    /// server, needs `FILE_CREATE_PIPE_INSTANCE` in it, which is part of `GA`. It is checked when the server listens.
    pub fn from_sddl(sddl: impl Into<String>) -> Self {
        Self(Kind::Sddl(sddl.into()))
    }

    /// Also the members of the local Administrators group, when they run elevated.
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

    /// Also a user, a group, or the package of an AppContainer, by its SID.
    pub fn user(mut self, sid: &str) -> Self {
        if let Kind::Preset { others, .. } = &mut self.0 {
            others.push(sid.to_owned());
        }
        self
    }

    /// Also programs of low integrity of the users that are let in, such as sandboxed ones: Windows keeps them from
    /// writing to what has no label that says otherwise.
    pub fn low_integrity(mut self) -> Self {
        if let Kind::Preset { low_integrity, .. } = &mut self.0 {
            *low_integrity = true;
        }
        self
    }

    /// What Windows makes of it, for a server that runs as the user `own`.
    pub(super) fn compile(&self, own: &str) -> io::Result<Descriptor> {
        if let Kind::Sddl(sddl) = &self.0 {
            if !sddl.contains("D:") {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "it has no DACL (D:…), and so would let in everyone; D:P(A;;GA;;;WD) says so",
                ));
            }
            // First as it was given: behind what is put before it, a mistake could look right.
            Descriptor::from_sddl(sddl)?;
        }
        let sddl = self.to_sddl(own);
        // Whoever is logged on over the network would deny the pipe to himself; that remote clients are rejected keeps
        // the others out. If it is not known, it is denied.
        let is_preset = matches!(self.0, Kind::Preset { .. });
        let sddl = match is_preset && is_network_logon().unwrap_or(false) {
            true => sddl.replace(DENY_NETWORK, ""),
            false => sddl,
        };
        Descriptor::from_sddl(&sddl)
    }

    /// As SDDL, for a server that runs as the user `own`.
    pub(super) fn to_sddl(&self, own: &str) -> String {
        match &self.0 {
            Kind::Sddl(sddl) if sddl.starts_with("O:") => sddl.clone(),
            Kind::Sddl(sddl) => format!("O:{own}{sddl}"),
            Kind::Preset { others, low_integrity } => {
                let mut sddl = format!("O:{own}D:P{DENY_NETWORK}(A;;GA;;;SY)(A;;GA;;;{own})");
                for sid in others {
                    // Writing to a string does not fail.
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

/// No access for logons over the network.
const DENY_NETWORK: &str = "(D;;GA;;;NU)";

/// `FILE_GENERIC_READ | FILE_GENERIC_WRITE` without `FILE_CREATE_PIPE_INSTANCE`, which is the bit of
/// `FILE_APPEND_DATA`. Windows asks a client that opens a pipe for `GENERIC_WRITE` for all but that bit, too.
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
