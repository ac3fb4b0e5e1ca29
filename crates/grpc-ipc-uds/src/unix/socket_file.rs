use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use grpc_ipc_core::{Address, BindError};
use rustix::fs::{FileType, Mode, RawMode, Stat, fchmod};
use tokio::io::AsyncReadExt as _;
use tokio::net::{UnixSocket, UnixStream};
use tokio::time::timeout;

use super::directory::Directory;
use super::found::Found;
use super::hand_over::Leave;
use super::peer::peer_of;
use super::place::Place;
use super::{ListenOptions, trust};

/// The file of a socket that this process has bound. Dropping this removes the file if it is still the same.
pub(super) struct SocketFile {
    directory: Arc<Directory>,
    name: OsString,
    bound: Stat,
    process: u32,
    leave: Leave,
}

impl SocketFile {
    /// Binds `socket`, and sets owner, group and mode of its file before listen(2), so before anyone can connect.
    pub(super) async fn bind(
        socket: &UnixSocket,
        place: &Place<'_>,
        options: &ListenOptions,
    ) -> Result<Self, BindError> {
        let failed = |action| move |error| BindError::from_io(place.address, action, error);
        let (mode, owner) = (Mode::from_raw_mode(options.mode as RawMode), place.owner);
        // On Linux, this creates the file with the mode less the umask, so never with more permissions. On other
        // systems it fails, and the mode is set below.
        _ = fchmod(socket, mode);
        match socket.bind(place.path) {
            // Someone who does not use the lock has bound the path since the last check.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                let taken = BindError::InUse { address: place.address.clone(), by: None };
                return Err(in_use(place).await?.unwrap_or(taken));
            }
            result => result.map_err(failed("create the socket in its directory"))?,
        }
        let found = Found::open(place.directory.as_fd(), &place.name)
            .map_err(failed("find the new socket in its directory"))?;
        let bound = found.stat().map_err(failed("inspect the socket"))?;
        // In a directory that passed the check, nobody can replace the file. In an unsafe one, this prevents changing a
        // different file.
        if !trust::is(&bound, FileType::Socket) || bound.st_nlink != 1 {
            let replaced = io::Error::other("something else is at the socket's path");
            return Err(failed("find the socket in its directory")(replaced));
        }
        let file = Self {
            directory: place.directory.clone(),
            name: place.name.clone(),
            bound,
            process: std::process::id(),
            leave: Leave::default(),
        };
        if owner.user.is_some() || owner.group.is_some() {
            found.set_owner(owner.user, owner.group).map_err(failed(
                "give the socket its owner and group; only root may change the owner, and others may choose only a group \
                 that they belong to",
            ))?;
        }
        if found.stat().is_ok_and(|found| permissions(&found) != mode) {
            found.set_mode(options.mode).map_err(failed("give the socket its mode"))?;
        }
        let now = found.stat().map_err(failed("inspect the socket"))?;
        if permissions(&now) != mode
            || owner.user.is_some_and(|user| user != now.st_uid)
            || owner.group.is_some_and(|group| group != now.st_gid)
        {
            let (mode, uid, gid) = (permissions(&now).as_raw_mode(), now.st_uid, now.st_gid);
            let got =
                io::Error::other(format!("it has the mode {mode:04o}, the owner {uid} and the group {gid}"));
            return Err(failed(
                "give the socket its mode, owner and group, which the file system does not keep",
            )(got));
        }
        Ok(file)
    }

    /// The file of a socket that the previous server has bound. `None` if it is missing, because that server is ending
    /// or because someone removed it.
    pub(super) fn taken(place: &Place<'_>, leave: Leave) -> Result<Option<Self>, BindError> {
        let Some(bound) = place.socket()? else { return Ok(None) };
        let (directory, name) = (place.directory.clone(), place.name.clone());
        Ok(Some(Self { directory, name, bound, process: std::process::id(), leave }))
    }

    /// Leaves the file in place while `leave` is set.
    pub(super) fn left_by(self, leave: Leave) -> Self {
        let mut file = self;
        file.leave = leave;
        file
    }

    /// Removes the file if it is still the same.
    pub(super) fn remove(&self) {
        if self.leave.is_set() {
            return;
        }
        // A forked process has not bound it. No server replaces the file in between: the socket is closed after this,
        // so other servers see it as alive.
        if self.process == std::process::id()
            && self.directory.stat(&self.name).is_ok_and(|found| self.is(&found))
        {
            _ = self.directory.remove(&self.name);
        }
    }

    /// Whether this is still the file that was bound. Its inode number is not reused while the socket is open.
    pub(super) fn is(&self, found: &Stat) -> bool {
        trust::is(found, FileType::Socket)
            && (found.st_dev, found.st_ino) == (self.bound.st_dev, self.bound.st_ino)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        self.remove();
    }
}

fn permissions(found: &Stat) -> Mode {
    Mode::from_raw_mode(found.st_mode)
}

/// Frees the place: removes the file of a dead server, and nothing else.
pub(super) async fn clear(place: &Place<'_>) -> Result<(), BindError> {
    let Some(found) = place.socket()? else { return Ok(()) };
    match in_use(place).await {
        Ok(None) => {}
        Ok(Some(in_use)) => return Err(in_use),
        // The socket refuses connections from this user, so whether it is alive is unknown.
        Err(BindError::PermissionDenied { .. }) if !trust::is_own(&found) => {
            return Err(place.foreign(&place.name, &found));
        }
        Err(error) => return Err(error),
    }
    match place.directory.remove(&place.name) {
        // This happens in a directory with the sticky bit.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && !trust::is_own(&found) => {
            Err(place.foreign(&place.name, &found))
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(BindError::from_io(place.address, "remove the socket that a dead server left", error))
        }
        _ => Ok(()),
    }
}

/// The error to report if a live server has the socket at the place; `None` if it is dead.
pub(super) async fn in_use(place: &Place<'_>) -> Result<Option<BindError>, BindError> {
    match Found::open(place.directory.as_fd(), &place.name) {
        Ok(found) => in_use_at(place.address, &found.reached_by(place.path)).await,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(BindError::from_io(place.address, "inspect the path", error)),
    }
}

/// Whether a live server has the socket at the place and is not about to end: it keeps a connection open, or answers on
/// it. Linux closes the files of a killed process one by one, which takes milliseconds. A connected client may see its
/// connection close while the listening socket still accepts.
pub(super) async fn is_served(place: &Place<'_>) -> bool {
    let connected = match Found::open(place.directory.as_fd(), &place.name) {
        Ok(found) => UnixStream::connect(found.reached_by(place.path)).await,
        Err(error) => Err(error),
    };
    match connected {
        Ok(mut stream) => {
            let answer = timeout(ENDING, stream.read_u8()).await;
            !matches!(answer, Ok(Err(_)))
        }
        Err(error) => !is_gone(&error),
    }
}

/// How long an ending process may take to close a connection that it has not accepted.
const ENDING: Duration = Duration::from_millis(100);

/// Whether connecting failed because no server listens any more. A server that stops while a client connects resets the
/// connection.
pub(super) fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, NotFound};
    matches!(error.kind(), ConnectionRefused | ConnectionReset | NotFound)
}

/// Like [`in_use`], for a socket that is reached by `path`.
pub(super) async fn in_use_at(address: &Address, path: &Path) -> Result<Option<BindError>, BindError> {
    let in_use = |by| Some(BindError::InUse { address: address.clone(), by });
    match UnixStream::connect(path).await {
        Ok(stream) => Ok(in_use(peer_of(&stream).ok())),
        // Nobody has bound the socket, or its server has ended. On macOS and the BSDs this may also be a server whose
        // backlog is full; a grpc-ipc server would have held the lock file, which was checked before.
        Err(error) if is_gone(&error) => Ok(None),
        // A live server with a full backlog, or a socket of another type.
        Err(error)
            if error.kind() == io::ErrorKind::WouldBlock
                || error.raw_os_error() == Some(libc::EPROTOTYPE) =>
        {
            Ok(in_use(None))
        }
        Err(error) => Err(BindError::from_io(address, "check whether a server is alive there", error)),
    }
}
