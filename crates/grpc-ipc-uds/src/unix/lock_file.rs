use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Duration;

use grpc_ipc_core::{Backoff, BindError, Peer};
use rustix::fs::{FileType, FlockOperation, Mode, OFlags, Stat, flock, fstat, openat};
use rustix::io::Errno;
use tokio::time::Instant;

use super::directory::Directory;
use super::hand_over::Leave;
use super::peer::own_user;
use super::place::{Place, describe};
use super::socket_file::{in_use, is_served};
use super::trust;

/// The lock for the socket at a path: an exclusive flock(2) on the file `PATH.lock`. A listener holds it from before it
/// inspects the path until it is dropped. So if two servers start at the same time, one wins, and neither mistakes the
/// other for dead while it has bound its socket but does not listen yet.
///
/// It is a separate file because anyone who can open a file can lock it: anyone who can read the directory could lock
/// that. The file belongs to the user of the process and has the mode 0600, whatever the socket's owner and mode are,
/// so nobody else can lock it or write to it. In a directory such as `/tmp`, others can take its name first. The
/// listener detects this and reports it. It writes neither through a symbolic link, nor to another user's file, nor to
/// a file with another name (a hard link).
pub(super) struct LockFile {
    directory: Arc<Directory>,
    name: OsString,
    file: File,
    process: u32,
    leave: Leave,
}

/// How long to wait for the lock of a server that does not listen.
const ENDING: Duration = Duration::from_secs(1);

impl LockFile {
    /// Locks the file called `name`. The error names the process that holds the lock.
    pub(super) async fn acquire(place: &Place<'_>, name: OsString) -> Result<Self, BindError> {
        loop {
            let mut file = match open(place, &name) {
                Ok(file) => file,
                Err(error) => return Err(not_opened(place, &name, error).await),
            };
            let failed = |error: Errno| BindError::from_io(place.address, "lock the lock file", error.into());
            let found = fstat(&file).map_err(failed)?;
            if !trust::is(&found, FileType::RegularFile) {
                return Err(no_file(place, &name, &found));
            }
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) => {
                    let by = Some(holder(&mut file, &found));
                    return Err(BindError::InUse { address: place.address.clone(), by });
                }
                result => result.map_err(failed)?,
            }
            let found = fstat(&file).map_err(failed)?;
            // The last owner removes the file. If it did so before this lock was taken, nobody else can find this file.
            if !place.directory.stat(&name).is_ok_and(|there| is_same(&there, &found)) {
                continue;
            }
            if !trust::is_own(&found) {
                return Err(place.foreign(&name, &found));
            }
            if found.st_nlink != 1 {
                let problem = "is a hard link to another file; remove it if no server is running".to_owned();
                return Err(place.in_the_way(&name, None, problem));
            }
            let (directory, process) = (place.directory.clone(), std::process::id());
            let lock = Self { directory, name, file, process, leave: Leave::default() };
            lock.sign();
            return Ok(lock);
        }
    }

    /// Like [`acquire`](Self::acquire), for a server that starts: waits briefly for a server that is ending, or about
    /// to listen.
    pub(super) async fn await_end(place: &Place<'_>) -> Result<Self, BindError> {
        let deadline = Instant::now() + ENDING;
        let mut backoff = Backoff::connect();
        loop {
            match Self::acquire(place, place.lock_name()).await {
                Err(BindError::InUse { .. }) if Instant::now() < deadline && !is_served(place).await => {
                    backoff.wait().await;
                }
                acquired => return acquired,
            }
        }
    }

    /// The lock that the previous server holds. Both processes have the same open file.
    pub(super) fn taken(place: &Place<'_>, lock: OwnedFd, leave: Leave) -> Self {
        let (directory, name) = (place.directory.clone(), place.lock_name());
        Self { directory, name, file: lock.into(), process: std::process::id(), leave }
    }

    /// Leaves the file and the lock in place while `leave` is set.
    pub(super) fn left_by(self, leave: Leave) -> Self {
        let mut lock = self;
        lock.leave = leave;
        lock
    }

    /// A second descriptor for the same open file, which shares the lock.
    pub(super) fn try_clone(&self) -> io::Result<OwnedFd> {
        Ok(self.file.try_clone()?.into())
    }

    /// Writes the owner's process id into the file, for information. The lock works without it, for example on a full
    /// disk.
    pub(super) fn sign(&self) {
        _ = self.file.set_len(0);
        _ = self.file.write_at(format!("{}\n", self.process).as_bytes(), 0);
    }

    pub(super) fn name(&self) -> &OsStr {
        &self.name
    }

    /// Whether `found` is this file.
    pub(super) fn is(&self, found: &Stat) -> bool {
        fstat(&self.file).is_ok_and(|own| is_same(found, &own))
    }
}

impl LockFile {
    /// Releases the path for another server.
    pub(super) fn release(&self) {
        // A forked process does not own the lock.
        let own = self.process == std::process::id() && !self.leave.is_set();
        if own && self.directory.stat(&self.name).is_ok_and(|found| self.is(&found)) {
            _ = self.directory.remove(&self.name);
            _ = flock(&self.file, FlockOperation::Unlock);
        }
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        self.release();
    }
}

fn open(place: &Place<'_>, name: &OsStr) -> io::Result<File> {
    // Does not wait for the other end if this is a FIFO.
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(openat(&place.directory, name, flags, Mode::RUSR | Mode::WUSR)?.into())
}

/// Explains why the file could not be opened: it is something else, or belongs to another user. In the latter case, the
/// server may be known.
async fn not_opened(place: &Place<'_>, name: &OsStr, error: io::Error) -> BindError {
    match place.directory.stat(name) {
        Ok(found) if !trust::is(&found, FileType::RegularFile) => no_file(place, name, &found),
        Ok(found) if !trust::is_own(&found) => match in_use(place).await {
            Ok(Some(in_use)) => in_use,
            _ => place.foreign(name, &found),
        },
        _ => BindError::from_io(
            place.address,
            "open the lock file beside the socket (its path with .lock, or .start)",
            error,
        ),
    }
}

fn no_file(place: &Place<'_>, name: &OsStr, found: &Stat) -> BindError {
    let kind = describe(FileType::from_raw_mode(found.st_mode));
    let problem = format!("is {kind}, but must be the lock file of the socket; remove it");
    place.in_the_way(name, trust::user(found), problem)
}

/// The process that holds the lock. It belongs to the owner of the file, because nobody else can open it. The contents
/// of another user's file are not trusted.
fn holder(file: &mut File, found: &Stat) -> Peer {
    let mut peer = Peer::new("unix").same_user_as(&own_user());
    if let Some(owner) = trust::user(found) {
        peer = peer.with_user(owner);
    }
    match read_pid(file).filter(|_| trust::is_own(found)) {
        Some(pid) => peer.with_pid(pid),
        None => peer,
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn is_same(found: &Stat, own: &Stat) -> bool {
    (found.st_dev, found.st_ino) == (own.st_dev, own.st_ino)
}
