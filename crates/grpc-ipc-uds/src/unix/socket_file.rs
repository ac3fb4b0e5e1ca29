use std::fs::{self, FileType, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use grpc_ipc_core::{Address, BindError};
use rustix::fs::{Mode, fchmod};
use tokio::net::{UnixSocket, UnixStream};

use super::peer::peer_of;

/// The file of a socket that this process has bound; removed when it is dropped, if it is still the same.
pub(super) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
    process: u32,
}

impl SocketFile {
    /// Binds `socket` to `path` and gives the file `mode`, before anyone can connect: that takes listen(2).
    pub(super) fn bind(socket: &UnixSocket, path: &Path, mode: u32) -> io::Result<Self> {
        // Where the system lets it (Linux), the file is made with this mode less the umask, so never with more.
        // Elsewhere this fails, and the mode below is the first.
        _ = fchmod(socket, Mode::from_raw_mode(mode as rustix::fs::RawMode));
        // Absolute, because the working directory may be another when the file is removed.
        let absolute = std::path::absolute(path)?;
        socket.bind(path)?;
        let metadata = fs::symlink_metadata(&absolute)?;
        let file = Self {
            path: absolute,
            device: metadata.dev(),
            inode: metadata.ino(),
            process: std::process::id(),
        };
        if metadata.mode() & 0o7777 != mode {
            change_mode(&file.path, mode)?;
            let metadata = fs::symlink_metadata(&file.path)?;
            if !file.is(&metadata) || metadata.mode() & 0o7777 != mode {
                return Err(io::Error::other(format!(
                    "the file system did not give the socket the mode {mode:o}, but {:o}",
                    metadata.mode() & 0o7777
                )));
            }
        }
        Ok(file)
    }

    /// Whether this is still the file that was bound. Its inode is not used again while the socket is open.
    fn is(&self, metadata: &Metadata) -> bool {
        metadata.file_type().is_socket() && metadata.dev() == self.device && metadata.ino() == self.inode
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // A process forked off this one has not bound it. And no server replaces the file in between: it finds this
        // one alive, because the socket is closed after this.
        if self.process == std::process::id()
            && fs::symlink_metadata(&self.path).is_ok_and(|found| self.is(&found))
        {
            _ = fs::remove_file(&self.path);
        }
    }
}

/// chmod(2) that follows no symbolic link at the end of `path`.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn change_mode(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::fd::AsRawFd as _;
    use std::os::unix::fs::PermissionsExt as _;

    use rustix::fs::{OFlags, open};

    let file = open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    if rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) != rustix::fs::FileType::Socket
    {
        return Err(io::Error::other("something else is at the socket's path"));
    }
    // Linux before 6.6 has no fchmodat(2) that does not follow; this is how the C library does it.
    let file = format!("/proc/self/fd/{}", file.as_raw_fd());
    fs::set_permissions(file, fs::Permissions::from_mode(mode))
}

/// chmod(2) that follows no symbolic link at the end of `path`.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn change_mode(path: &Path, mode: u32) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, chmodat};

    let mode = Mode::from_raw_mode(mode as rustix::fs::RawMode);
    Ok(chmodat(CWD, path, mode, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Whether there is a socket at `path`, or nothing; an error if it is something else.
pub(super) fn refuse_other_than_socket(address: &Address, path: &Path) -> Result<bool, BindError> {
    match fs::symlink_metadata(path).map(|metadata| metadata.file_type()) {
        Ok(found) if found.is_socket() => Ok(true),
        Ok(found) => Err(BindError::NotASocket { address: address.clone(), found: describe(found) }),
        // Which of the two it is shows when the lock file is made.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(false)
        }
        Err(error) => Err(BindError::from_io(address, "look at the path", error)),
    }
}

/// Makes room at `path`: removes the file of a dead server, and nothing else.
pub(super) async fn clear(address: &Address, path: &Path) -> Result<(), BindError> {
    if !refuse_other_than_socket(address, path)? {
        return Ok(());
    }
    if let Some(in_use) = in_use(address, path).await? {
        return Err(in_use);
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(BindError::from_io(address, "remove the socket that a dead server left", error))
        }
        _ => Ok(()),
    }
}

/// The error to report when a server is alive behind the socket at `path`; `None` when it is dead.
pub(super) async fn in_use(address: &Address, path: &Path) -> Result<Option<BindError>, BindError> {
    let in_use = |pid| Some(BindError::InUse { address: address.clone(), pid });
    match UnixStream::connect(path).await {
        Ok(stream) => Ok(in_use(peer_of(&stream).ok().and_then(|peer| peer.pid()))),
        // Bound by nobody, or gone by now. On macOS and the BSDs also by a server whose backlog is full; one of ours
        // has the lock file, which was asked before.
        Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => {
            Ok(None)
        }
        // Alive, but its backlog is full, or it is a socket of another type.
        Err(error)
            if error.kind() == io::ErrorKind::WouldBlock
                || error.raw_os_error() == Some(libc::EPROTOTYPE) =>
        {
            Ok(in_use(None))
        }
        Err(error) => Err(BindError::from_io(address, "find out whether a server is alive there", error)),
    }
}

fn describe(found: FileType) -> &'static str {
    if found.is_dir() {
        "a directory"
    } else if found.is_symlink() {
        "a symbolic link"
    } else if found.is_file() {
        "a regular file"
    } else {
        "a device or a named pipe (FIFO)"
    }
}
