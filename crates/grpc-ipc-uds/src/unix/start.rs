//! The files that clients use to start a server.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use grpc_ipc_core::{Address, BindError};
use rustix::fs::{FileType, Mode, OFlags, fstat, openat};

use super::ListenOptions;
use super::endpoint::{Endpoint, anchored};
use super::lock_file::LockFile;
use super::owner::Owner;
use super::place::Place;
use super::runtime_dir::{self, Create};
use super::trust;

/// The place where the clients of an address agree on which of them starts its server: beside the socket, or in the
/// user's runtime directory for an address that is not a path.
pub struct StartPlace {
    address: Address,
    path: PathBuf,
}

/// The right to start the server: a lock on the file `PATH.start`, released when dropped.
pub struct StartLock(#[expect(dead_code, reason = "dropping it ends the lock")] LockFile);

impl StartPlace {
    /// The place for `address`.
    ///
    /// # Errors
    /// [`BindError::NoRuntimeDirectory`] if the address is not a path and the user has no private directory.
    pub fn new(address: &Address) -> Result<Self, BindError> {
        let no_directory = |reason| BindError::NoRuntimeDirectory { address: address.clone(), reason };
        let path = match Endpoint::new(address, Create::Yes) {
            Ok(Endpoint::Path(path)) => anchored(&path, usize::MAX),
            Ok(Endpoint::Abstract(name)) => {
                runtime_dir::socket_path(&file_name(&name), Create::Yes).map_err(no_directory)?
            }
            Err(_) => {
                let name = file_name(OsStr::new(&address.to_string()));
                runtime_dir::socket_path(&name, Create::Yes).map_err(no_directory)?
            }
        };
        Ok(Self { address: address.clone(), path })
    }

    /// Takes the lock. Returns `None` while another process, or another task of this one, has it.
    ///
    /// # Errors
    /// The same as for a server that listens there: [`BindError::NoParent`] without the directory,
    /// [`BindError::UnsafeParent`] if others could replace the file, [`BindError::InTheWay`] if it belongs to another
    /// user, and others for errors of the system.
    pub async fn try_lock(&self) -> Result<Option<StartLock>, BindError> {
        let place = self.place().await?;
        match LockFile::acquire(&place, with_suffix(&place.name, ".start")).await {
            Ok(lock) => Ok(Some(StartLock(lock))),
            Err(BindError::InUse { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates the file `PATH.log`, empty and private to this user. Also returns its path.
    ///
    /// # Errors
    /// The error of the system. Another user's file, a symbolic link and a hard link are refused.
    pub async fn create_log(&self) -> io::Result<(File, PathBuf)> {
        let place = self.place().await?;
        let name = with_suffix(&place.name, ".log");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = openat(&place.directory, &name, flags | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR)?;
        let (file, path) = (File::from(file), place.directory.path_of(&name));
        let found = fstat(&file)?;
        if !trust::is(&found, FileType::RegularFile) || !trust::is_own(&found) || found.st_nlink != 1 {
            let problem = format!("{} is not a private file of this user", path.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, problem));
        }
        file.set_len(0)?;
        Ok((file, path))
    }

    async fn place(&self) -> Result<Place<'_>, BindError> {
        let options = ListenOptions::new();
        let owner = Owner::of(&options, &self.address).await?;
        Place::open(&options, owner, &self.address, &self.path)
    }
}

fn with_suffix(name: &OsStr, suffix: &str) -> OsString {
    let mut name = name.to_owned();
    name.push(suffix);
    name
}

/// A file name for `name`, the same in every process. It cannot clash with `local:NAME`, which contains no `~`.
fn file_name(name: &OsStr) -> String {
    let readable = name.as_bytes().iter().map(|byte| match byte {
        byte if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.') => char::from(*byte),
        _ => '_',
    });
    // FNV-1a, because the hash of the standard library may change with its version.
    let hash = name.as_bytes().iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{}~{hash:016x}", readable.take(64).collect::<String>())
}
