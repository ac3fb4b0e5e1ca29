use std::fmt;

/// A mandatory integrity level of Windows: the higher, the more a process may do
/// ([Mandatory Integrity Control](https://learn.microsoft.com/windows/win32/secauthz/mandatory-integrity-control)).
///
/// ```
/// # use grpc_ipc_core as grpc_ipc;
/// use grpc_ipc::IntegrityLevel;
///
/// assert!(IntegrityLevel::LOW < IntegrityLevel::MEDIUM);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IntegrityLevel(u32);

impl IntegrityLevel {
    /// Anonymous logons, and the most confined sandboxes.
    pub const UNTRUSTED: Self = Self(0x0000);
    /// Sandboxed programs, such as packaged apps and the pages of browsers.
    pub const LOW: Self = Self(0x1000);
    /// Programs of a user.
    pub const MEDIUM: Self = Self(0x2000);
    /// Elevated programs of an administrator.
    pub const HIGH: Self = Self(0x3000);
    /// Services of the system.
    pub const SYSTEM: Self = Self(0x4000);

    /// By the last number of its SID, `S-1-16-NUMBER`; there are levels between those that have a name.
    pub const fn from_rid(rid: u32) -> Self {
        Self(rid)
    }

    /// The last number of its SID.
    pub const fn rid(self) -> u32 {
        self.0
    }
}

impl fmt::Display for IntegrityLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::UNTRUSTED => f.write_str("untrusted"),
            Self::LOW => f.write_str("low"),
            Self::MEDIUM => f.write_str("medium"),
            Self::HIGH => f.write_str("high"),
            Self::SYSTEM => f.write_str("system"),
            Self(rid) => write!(f, "{rid:#x}"),
        }
    }
}
