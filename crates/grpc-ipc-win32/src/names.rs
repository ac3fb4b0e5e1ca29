use std::io;

use grpc_ipc_core::{GroupId, NameService, UserId};

use crate::sys::{self, AccountKind};

/// Looks up names on this system, and in the domains that it belongs to, with LookupAccountName.
#[derive(Clone, Copy, Debug)]
pub struct SystemNames;

impl NameService for SystemNames {
    fn user(&self, name: &str) -> io::Result<Option<UserId>> {
        Ok(account(name, AccountKind::User)?.map(|sid| UserId::Sid(sid.into())))
    }

    fn group(&self, name: &str) -> io::Result<Option<GroupId>> {
        Ok(account(name, AccountKind::Group)?.map(|sid| GroupId::Sid(sid.into())))
    }
}

/// The SID of an account, if the account is of this kind. SYSTEM and similar accounts, which Windows calls well-known
/// groups, count as both.
fn account(name: &str, kind: AccountKind) -> io::Result<Option<String>> {
    let found = sys::account(name)?;
    Ok(found.filter(|(_, found)| *found == kind || *found == AccountKind::WellKnown).map(|(sid, _)| sid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_no_user_and_nobody_has_a_name_that_there_is_not() {
        let users = GroupId::Sid("S-1-5-32-545".into());
        assert_eq!(SystemNames.group(r"BUILTIN\Users").unwrap(), Some(users));
        assert_eq!(SystemNames.user(r"BUILTIN\Users").unwrap(), None);
        let system = UserId::Sid("S-1-5-18".into());
        assert_eq!(SystemNames.user(r"NT AUTHORITY\SYSTEM").unwrap(), Some(system));
        assert_eq!(SystemNames.user("no-such-name-as-this").unwrap(), None);
        assert_eq!(SystemNames.group("no-such-name-as-this").unwrap(), None);
        assert_eq!(SystemNames.user("a\0b").unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
