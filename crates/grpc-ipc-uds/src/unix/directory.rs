use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Component, Path, PathBuf};

use grpc_ipc_core::{Address, BindError};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Stat, fstat, open, statat, unlinkat};

use super::ListenOptions;
use super::endpoint::parent;
use super::found::Found;
use super::trust;

/// The directory of a socket, held open: it stays the directory that was checked, even if its path changes.
#[derive(Debug)]
pub(super) struct Directory {
    directory: OwnedFd,
    /// The path without symbolic links.
    path: PathBuf,
}

impl Directory {
    /// Opens the directory of `socket`, after creating and checking it as `options` say.
    ///
    /// Like OpenSSH (`StrictModes`) and fs-mistrust, it checks every directory from the root to this one, including
    /// those that symbolic links lead through. Anyone who could rename one of them could replace it. Since only trusted
    /// users can, the path leads to the same directory afterwards.
    pub(super) fn open(
        options: &ListenOptions,
        group: Option<u32>,
        address: &Address,
        socket: &Path,
    ) -> Result<Self, BindError> {
        let given = parent(socket);
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                BindError::NoParent { address: address.clone(), parent: given.to_owned() }
            }
            _ => BindError::from_io(address, "inspect the directory", error),
        };
        let walk = Walk { options, group, address };
        let path = walk.resolve(given, failed)?;
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | SEARCH_ONLY;
        let directory = open(&path, flags, Mode::empty()).map_err(|error| failed(error.into()))?;
        walk.check(&path, &fstat(&directory).map_err(|error| failed(error.into()))?)?;
        Ok(Self { directory, path })
    }

    /// Returns the metadata of `name`, without following a symbolic link.
    pub(super) fn stat(&self, name: &OsStr) -> io::Result<Stat> {
        Ok(statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    pub(super) fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&self.directory, name, AtFlags::empty())?)
    }

    /// The path without symbolic links.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The path of `name`, for messages and watches.
    pub(super) fn path_of(&self, name: &OsStr) -> PathBuf {
        self.path.join(name)
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

/// The directory is never read. On systems without this flag, it must be readable anyway.
#[cfg(any(target_os = "linux", target_os = "android"))]
const SEARCH_ONLY: OFlags = OFlags::PATH;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const SEARCH_ONLY: OFlags = OFlags::empty();

/// The limit of Linux, path_resolution(7).
const MAX_LINKS: u32 = 40;

struct Walk<'a> {
    options: &'a ListenOptions,
    /// The group for the socket's directory, if that is created.
    group: Option<u32>,
    address: &'a Address,
}

impl Walk<'_> {
    /// The path of `directory` without symbolic links and `..`.
    fn resolve(
        &self,
        directory: &Path,
        failed: impl Fn(io::Error) -> BindError,
    ) -> Result<PathBuf, BindError> {
        let directory = std::path::absolute(directory).map_err(&failed)?;
        let mut ahead: VecDeque<OsString> = names(&directory).collect();
        let mut path = PathBuf::from("/");
        let mut links = 0;
        self.check(&path, &look(&path).map_err(&failed)?)?;
        while let Some(name) = ahead.pop_front() {
            if name == ".." {
                path.pop();
                continue;
            }
            let next = path.join(&name);
            let found = match look(&next) {
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound && self.options.create_parent.is_some() =>
                {
                    self.create(&next, ahead.is_empty())?;
                    look(&next)
                }
                found => found,
            }
            .map_err(&failed)?;
            self.check(&next, &found)?;
            if trust::is(&found, rustix::fs::FileType::Symlink) {
                links += 1;
                if links > MAX_LINKS {
                    return Err(failed(io::Error::other("too many symbolic links")));
                }
                let target = fs::read_link(&next).map_err(&failed)?;
                if target.is_absolute() {
                    path = PathBuf::from("/");
                }
                for name in names(&target).collect::<Vec<_>>().into_iter().rev() {
                    ahead.push_front(name);
                }
            } else {
                path = next;
            }
        }
        Ok(path)
    }

    fn check(&self, path: &Path, found: &Stat) -> Result<(), BindError> {
        match trust::problem(path, found) {
            Some(problem) if !self.options.unsafe_parent => Err(BindError::UnsafeParent {
                address: self.address.clone(),
                parent: path.to_owned(),
                problem: problem.into(),
            }),
            _ => Ok(()),
        }
    }

    /// Creates a directory. `last` marks the socket's directory, which gets its mode and group regardless of the umask.
    /// Until then, nobody else can enter it. Where others could replace the new directory before that, it keeps the
    /// mode and group that it was created with.
    fn create(&self, path: &Path, last: bool) -> Result<(), BindError> {
        let failed = |error| BindError::from_io(self.address, "create the directory", error);
        let mode = self.options.create_parent.filter(|_| last);
        let first = match mode {
            Some(mode) if self.options.unsafe_parent => mode,
            Some(_) => 0o700,
            None => 0o755,
        };
        match DirBuilder::new().mode(first).create(path) {
            // Another server that is starting at the same time created it, and sets the rest.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            result => result.map_err(failed)?,
        }
        if let Some(mode) = mode
            && !self.options.unsafe_parent
        {
            let created = Found::open(CWD, path.as_os_str()).map_err(failed)?;
            created.set_owner(None, self.group).map_err(|error| {
                BindError::from_io(self.address, "set the group of the created directory", error)
            })?;
            created.set_mode(mode).map_err(failed)?;
        }
        Ok(())
    }
}

fn look(path: &Path) -> io::Result<Stat> {
    Ok(statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW)?)
}

fn names(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    })
}
