use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::sync::Arc;

use grpc_ipc_core::{Address, BindError, UserId};
use rustix::fs::{FileType, Stat};

use super::ListenOptions;
use super::directory::Directory;
use super::owner::Owner;
use super::trust;

/// The intended location of a socket's file.
pub(super) struct Place<'a> {
    pub(super) address: &'a Address,
    /// The path as given, which a client sees with getpeername(2).
    pub(super) path: &'a Path,
    pub(super) directory: Arc<Directory>,
    pub(super) name: OsString,
    pub(super) owner: Owner,
}

impl<'a> Place<'a> {
    pub(super) fn open(
        options: &ListenOptions,
        owner: Owner,
        address: &'a Address,
        path: &'a Path,
    ) -> Result<Self, BindError> {
        let Some(name) = path.file_name() else {
            return Err(BindError::NotASocket {
                address: address.clone(),
                found: describe(FileType::Directory),
            });
        };
        let directory = Arc::new(Directory::open(options, owner.group, address, path)?);
        Ok(Self { address, path, directory, name: name.to_owned(), owner })
    }

    /// The name of the lock file for the socket's path.
    pub(super) fn lock_name(&self) -> OsString {
        let mut name = self.name.clone();
        name.push(".lock");
        name
    }

    /// The place at `path` of the socket that waits for the next server.
    pub(super) fn beside<'b>(&'b self, path: &'b Path) -> Place<'b> {
        let name = path.file_name().unwrap_or_default().to_owned();
        let owner = Owner { user: None, group: None };
        Place { address: self.address, path, directory: self.directory.clone(), name, owner }
    }

    /// The socket that is there, if any. Fails if something else is there.
    pub(super) fn socket(&self) -> Result<Option<Stat>, BindError> {
        match self.directory.stat(&self.name) {
            Ok(found) if trust::is(&found, FileType::Socket) => Ok(Some(found)),
            Ok(found) => Err(BindError::NotASocket {
                address: self.address.clone(),
                found: describe(FileType::from_raw_mode(found.st_mode)),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(BindError::from_io(self.address, "inspect the path", error)),
        }
    }

    /// The error for `found` at `name`, which belongs to another user.
    pub(super) fn foreign(&self, name: &OsStr, found: &Stat) -> BindError {
        let (owner, named) = match trust::user(found) {
            Some(owner) => (Some(owner.clone()), owner.to_string()),
            None => (None, "an unknown user".to_owned()),
        };
        let problem = format!(
            "belongs to {named}, not to this user, and blocks the address; use a directory that only this user may \
             write to, or have that user or root remove it"
        );
        self.in_the_way(name, owner, problem)
    }

    pub(super) fn in_the_way(&self, name: &OsStr, owner: Option<UserId>, problem: String) -> BindError {
        let path = self.directory.path_of(name);
        BindError::InTheWay { address: self.address.clone(), path, owner, problem: problem.into() }
    }
}

pub(super) fn describe(found: FileType) -> &'static str {
    match found {
        FileType::Directory => "a directory",
        FileType::Symlink => "a symbolic link",
        FileType::RegularFile => "a regular file",
        FileType::Socket => "a socket",
        _ => "a device or a named pipe (FIFO)",
    }
}
