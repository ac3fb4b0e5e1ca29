use std::io;

use grpc_ipc_core::{GroupId, NameService, UserId};

use super::sys;

/// Looks up names on this system with getpwnam_r(3) and getgrnam_r(3), in `/etc/passwd` and directory services.
#[derive(Clone, Copy, Debug)]
pub struct SystemNames;

impl NameService for SystemNames {
    fn user(&self, name: &str) -> io::Result<Option<UserId>> {
        Ok(sys::uid_of(name)?.map(UserId::Uid))
    }

    fn group(&self, name: &str) -> io::Result<Option<GroupId>> {
        Ok(sys::gid_of(name)?.map(GroupId::Gid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_0_and_nobody_has_a_name_that_there_is_not() {
        assert_eq!(SystemNames.user("root").unwrap(), Some(UserId::Uid(0)));
        // The name of root's group differs between systems; the group daemon exists on all of them.
        assert!(matches!(SystemNames.group("daemon").unwrap(), Some(GroupId::Gid(1..))));
        for name in ["no-such-name-as-this", "", "a:b"] {
            assert_eq!(SystemNames.user(name).unwrap(), None, "{name:?}");
            assert_eq!(SystemNames.group(name).unwrap(), None, "{name:?}");
        }
        assert_eq!(SystemNames.user("a\0b").unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
