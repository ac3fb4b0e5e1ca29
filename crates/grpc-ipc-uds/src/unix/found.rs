//! A file that was found in its directory. Operations apply to this very file, never to the target of a symbolic link.

pub(super) use platform::{Found, LONGEST_REACHED};

#[cfg(any(target_os = "linux", target_os = "android"))]
mod platform {
    use std::ffi::{OsStr, OsString};
    use std::fs::{self, Permissions};
    use std::io;
    use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
    use std::os::unix::ffi::OsStringExt as _;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::{Path, PathBuf};

    use rustix::fs::{AtFlags, Gid, Mode, OFlags, Stat, Uid, chownat, fstat, openat, readlinkat};

    /// The longest path of a file that can be connected to. There is no limit, because connecting goes through a
    /// descriptor.
    pub(crate) const LONGEST_REACHED: usize = usize::MAX;

    /// A descriptor that refers to the file without access to its contents: open(2), `O_PATH`.
    pub(crate) struct Found(OwnedFd);

    impl Found {
        pub(crate) fn open(directory: BorrowedFd<'_>, name: &OsStr) -> io::Result<Self> {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            Ok(Self(openat(directory, name, flags, Mode::empty())?))
        }

        pub(crate) fn stat(&self) -> io::Result<Stat> {
            Ok(fstat(&self.0)?)
        }

        pub(crate) fn set_owner(&self, user: Option<u32>, group: Option<u32>) -> io::Result<()> {
            let (user, group) = (user.map(Uid::from_raw), group.map(Gid::from_raw));
            Ok(chownat(&self.0, "", user, group, AtFlags::EMPTY_PATH)?)
        }

        /// Linux before 6.6 has no fchmodat(2) that does not follow links. The C library does the same.
        pub(crate) fn set_mode(&self, mode: u32) -> io::Result<()> {
            fs::set_permissions(self.link(), Permissions::from_mode(mode))
        }

        /// The target of a symbolic link.
        pub(crate) fn read_link(&self) -> io::Result<PathBuf> {
            Ok(OsString::from_vec(readlinkat(&self.0, "", Vec::new())?.into_bytes()).into())
        }

        /// The path to connect to in order to reach this very file, even if `path` has been replaced.
        pub(crate) fn reached_by(&self, path: &Path) -> PathBuf {
            let link = self.link();
            // This needs /proc.
            if link.symlink_metadata().is_ok() { link } else { path.to_owned() }
        }

        /// The link in /proc that the kernel resolves to the file itself, proc_pid_fd(5).
        fn link(&self) -> PathBuf {
            format!("/proc/self/fd/{}", self.0.as_raw_fd()).into()
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod platform {
    use std::ffi::{OsStr, OsString};
    use std::io;
    use std::os::fd::BorrowedFd;
    use std::os::unix::ffi::OsStringExt as _;
    use std::path::{Path, PathBuf};

    use rustix::fs::{AtFlags, Gid, Mode, RawMode, Stat, Uid, chmodat, chownat, readlinkat, statat};

    use super::super::endpoint::SUN_PATH_LEN;

    /// The longest path of a file that can be connected to, unix(4).
    pub(crate) const LONGEST_REACHED: usize = SUN_PATH_LEN - 1;

    /// Here a file that cannot be opened, such as a socket, has no descriptor. Its directory and its name identify it.
    pub(crate) struct Found<'a> {
        directory: BorrowedFd<'a>,
        name: &'a OsStr,
    }

    impl<'a> Found<'a> {
        pub(crate) fn open(directory: BorrowedFd<'a>, name: &'a OsStr) -> io::Result<Self> {
            let found = Self { directory, name };
            found.stat().map(|_| found)
        }

        pub(crate) fn stat(&self) -> io::Result<Stat> {
            Ok(statat(self.directory, self.name, AtFlags::SYMLINK_NOFOLLOW)?)
        }

        pub(crate) fn set_owner(&self, user: Option<u32>, group: Option<u32>) -> io::Result<()> {
            let (user, group) = (user.map(Uid::from_raw), group.map(Gid::from_raw));
            Ok(chownat(self.directory, self.name, user, group, AtFlags::SYMLINK_NOFOLLOW)?)
        }

        pub(crate) fn set_mode(&self, mode: u32) -> io::Result<()> {
            let mode = Mode::from_raw_mode(mode as RawMode);
            Ok(chmodat(self.directory, self.name, mode, AtFlags::SYMLINK_NOFOLLOW)?)
        }

        /// The target of a symbolic link.
        pub(crate) fn read_link(&self) -> io::Result<PathBuf> {
            let target = readlinkat(self.directory, self.name, Vec::new())?;
            Ok(OsString::from_vec(target.into_bytes()).into())
        }

        /// The path to connect to in order to reach the file.
        pub(crate) fn reached_by(&self, path: &Path) -> PathBuf {
            path.to_owned()
        }
    }
}
