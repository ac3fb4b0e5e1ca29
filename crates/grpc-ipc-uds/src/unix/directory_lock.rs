use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use tokio::time::{Instant, timeout_at};

use grpc_ipc_core::Backoff;

/// How long another process may take to start its server.
const LIMIT: Duration = Duration::from_secs(5);

/// An exclusive flock(2) on a directory, until it is dropped.
pub(super) struct DirectoryLock(#[expect(dead_code, reason = "closing the file ends the lock")] File);

impl DirectoryLock {
    /// Waits until no other process holds one.
    pub(super) async fn acquire(directory: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let file = File::from(open(directory, flags, Mode::empty())?);
        let deadline = Instant::now() + LIMIT;
        let mut backoff = Backoff::connect();
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self(file)),
                Err(rustix::io::Errno::WOULDBLOCK) => {}
                Err(error) => return Err(error.into()),
            }
            if timeout_at(deadline, backoff.wait()).await.is_err() {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("another process holds a lock (flock) on the directory {}", directory.display()),
                ));
            }
        }
    }
}
