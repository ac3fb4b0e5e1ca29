use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::windows::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use grpc_ipc_core::{Address, BindError};
use socket2::SockAddr;
use windows_sys::Win32::Storage::FileSystem::{
    FILE_ATTRIBUTE_REPARSE_POINT, FILE_FLAG_DELETE_ON_CLOSE, FILE_FLAG_OPEN_REPARSE_POINT,
};

use super::endpoint::new_socket;
use super::peer::peer_of;

/// The lock for the socket at a path: the file `PATH.lock`, opened without sharing. Windows removes it when it is
/// closed, even if the process dies.
pub(super) struct Lock(#[expect(dead_code, reason = "closing the file ends the lock")] File);

impl Lock {
    /// Returns `None` if another listener has it.
    pub(super) fn acquire(socket: &Path) -> io::Result<Option<Self>> {
        const ERROR_SHARING_VIOLATION: i32 = 32;
        let mut path = std::path::absolute(socket)?.into_os_string();
        path.push(".lock");
        let mut options = OpenOptions::new();
        options
            .write(true)
            .create(true)
            .truncate(false)
            .share_mode(0)
            // This program must not delete the target of a link.
            .custom_flags(FILE_FLAG_DELETE_ON_CLOSE | FILE_FLAG_OPEN_REPARSE_POINT);
        match options.open(path) {
            Ok(file) => Ok(Some(Self(file))),
            Err(error) if error.raw_os_error() == Some(ERROR_SHARING_VIOLATION) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The file of a socket that this process has bound, removed when dropped. Until then, the lock keeps others from
/// replacing it.
pub(super) struct SocketFile(pub(super) PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        _ = fs::remove_file(&self.0);
    }
}

/// Frees `path`: removes the file of a dead server, and nothing else. A socket's file is a reparse point.
pub(super) fn clear(address: &Address, path: &Path, name: &SockAddr) -> Result<(), BindError> {
    let found = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(BindError::from_io(address, "inspect the path", error)),
    };
    let what = if found.is_dir() {
        Some("a directory")
    } else if found.is_symlink() {
        Some("a symbolic link")
    } else if found.file_attributes() & FILE_ATTRIBUTE_REPARSE_POINT == 0 {
        Some("a regular file")
    } else {
        None
    };
    if let Some(found) = what {
        return Err(BindError::NotASocket { address: address.clone(), found });
    }
    let probe = new_socket().map_err(|error| BindError::from_io(address, "create a socket", error))?;
    match probe.connect_timeout(name, Duration::from_secs(1)) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        // Connected, or the server is too busy: somebody is listening.
        connected => {
            let by = connected.ok().map(|()| peer_of(&probe));
            return Err(BindError::InUse { address: address.clone(), by });
        }
    }
    fs::remove_file(path)
        .map_err(|error| BindError::from_io(address, "remove the socket that a dead server left", error))
}
