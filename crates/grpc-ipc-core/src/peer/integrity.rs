use std::fmt;

/// A mandatory integrity level of Windows. A process with a higher level may do more
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
    /// Anonymous logons and the most restricted sandboxes.
    pub const UNTRUSTED: Self = Self(0x0000);
    /// Sandboxed programs, such as packaged apps and browser pages.
    pub const LOW: Self = Self(0x1000);
    /// Ordinary programs of a user.
    pub const MEDIUM: Self = Self(0x2000);
    /// An administrator's elevated programs.
    pub const HIGH: Self = Self(0x3000);
    /// System services.
    pub const SYSTEM: Self = Self(0x4000);

    /// Creates a level from the last number of its SID, `S-1-16-NUMBER`. Levels between the named ones exist.
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
