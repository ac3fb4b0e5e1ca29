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

/// The right to the socket at a path, from before it is looked at until the listener is dropped: an exclusive flock(2)
/// on the file `PATH.lock`. So of two servers that start at the same time one wins, and none takes another, which has
/// bound its socket and does not listen yet, for dead.
///
/// It is a file of its own, because who may lock a file is who may open it: a lock on the directory could be held by
/// anybody who can read that. It belongs to the user of the process and has the mode 0600, whatever those of the socket
/// are, so nobody else can lock it, or write to it. In a directory such as `/tmp` others can take its name before; that
/// is found out and said, and what they have put there is not written to: nothing that a symbolic link leads to, no file
/// of another user, and none that has another name (a hard link).
pub(super) struct LockFile {
    directory: Arc<Directory>,
    name: OsString,
    file: File,
    process: u32,
    leave: Leave,
}

/// How long the lock of a server that does not listen is waited for.
const ENDING: Duration = Duration::from_secs(1);

impl LockFile {
    /// Locks the file called `name`; the error names the process that holds the lock.
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
            // Its last owner removes the file; then this lock is on one that nobody else can find.
            if !place.directory.stat(&name).is_ok_and(|there| is_same(&there, &found)) {
                continue;
            }
            if !trust::is_own(&found) {
                return Err(place.foreign(&name, &found));
            }
            if found.st_nlink != 1 {
                let problem = "is a hard link to another file; remove it, if no server is running".to_owned();
                return Err(place.in_the_way(&name, None, problem));
            }
            let (directory, process) = (place.directory.clone(), std::process::id());
            let lock = Self { directory, name, file, process, leave: Leave::default() };
            lock.sign();
            return Ok(lock);
        }
    }

    /// As [`acquire`](Self::acquire), for a server that starts: it waits a moment for one that ends, or that is about to
    /// listen.
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

    /// The lock that the server before this one holds; both have the same open file.
    pub(super) fn taken(place: &Place<'_>, lock: OwnedFd, leave: Leave) -> Self {
        let (directory, name) = (place.directory.clone(), place.lock_name());
        Self { directory, name, file: lock.into(), process: std::process::id(), leave }
    }

    /// Leaves the file and the lock as they are for as long as `leave` says so.
    pub(super) fn left_by(self, leave: Leave) -> Self {
        let mut lock = self;
        lock.leave = leave;
        lock
    }

    /// A second descriptor of the same open file, which has the lock with this one.
    pub(super) fn try_clone(&self) -> io::Result<OwnedFd> {
        Ok(self.file.try_clone()?.into())
    }

    /// Writes down whose it is, for whoever wonders; the lock is as good without, as on a disk that is full.
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
    /// Lets another server have the path.
    pub(super) fn release(&self) {
        // A process forked off this one has not locked it.
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
    // Without waiting for the other end, should it be a FIFO.
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(openat(&place.directory, name, flags, Mode::RUSR | Mode::WUSR)?.into())
}

/// Why it was not opened: something else is there, or another user's file. Then who serves there may be known.
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
    let problem = format!("is {kind}, where the lock file of the socket has to be; remove it");
    place.in_the_way(name, trust::user(found), problem)
}

/// Who holds the lock: the owner of the file, because nobody else can open it. What stands in the file of another user
/// is not believed.
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
