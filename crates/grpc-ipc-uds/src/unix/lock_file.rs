use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};

/// The right to the socket at a path, from before it is looked at until the listener is dropped: an exclusive flock(2)
/// on the file `PATH.lock`. So of two servers that start at the same time one wins, and none takes another, which has
/// bound its socket and does not listen yet, for dead.
///
/// It is a file of its own, because who may lock a file is who may open it: a lock on the directory could be held by
/// anybody who can read that.
pub(super) struct LockFile {
    path: PathBuf,
    file: File,
    process: u32,
}

impl LockFile {
    /// The lock; or, if another listener has it, that one's process id, where that can be read.
    pub(super) fn acquire(socket: &Path) -> io::Result<Result<Self, Option<u32>>> {
        let mut path = std::path::absolute(socket)?.into_os_string();
        path.push(".lock");
        let path = PathBuf::from(path);
        loop {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags(OFlags::NOFOLLOW.bits() as i32)
                .open(&path)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => return Ok(Err(read_pid(&mut file))),
                Err(error) => return Err(error.into()),
            }
            // Its last owner removes the file; then this lock is on one that nobody else can find.
            let lock = Self { path: path.clone(), file, process: std::process::id() };
            if lock.is_at_its_path() {
                // For whoever wonders; the lock is as good without, as on a disk that is full.
                _ = lock.file.set_len(0);
                _ = writeln!(&lock.file, "{}", lock.process);
                return Ok(Ok(lock));
            }
        }
    }

    fn is_at_its_path(&self) -> bool {
        let (Ok(found), Ok(own)) = (fs::symlink_metadata(&self.path), self.file.metadata()) else {
            return false;
        };
        (found.dev(), found.ino()) == (own.dev(), own.ino())
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // A process forked off this one has not locked it.
        if self.process == std::process::id() && self.is_at_its_path() {
            _ = fs::remove_file(&self.path);
        }
    }
}
