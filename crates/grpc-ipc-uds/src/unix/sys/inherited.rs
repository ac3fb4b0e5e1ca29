use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// The first descriptor that systemd passes, SD_LISTEN_FDS_START.
const FIRST: RawFd = 3;

/// Takes the first `count` descriptors that systemd passed to this process, and closes them in programs that it starts.
/// They are returned once; a later call returns none. The error contains the number of the descriptor.
#[expect(unsafe_code, reason = "descriptors that a process inherits are numbers")]
pub(crate) fn passed_descriptors(count: usize) -> Result<Vec<OwnedFd>, (RawFd, io::Error)> {
    static GIVEN: AtomicBool = AtomicBool::new(false);
    if GIVEN.swap(true, Ordering::SeqCst) {
        return Err((FIRST, io::ErrorKind::NotFound.into()));
    }
    let mut descriptors = Vec::new();
    for number in (FIRST..).take(count) {
        // SAFETY: the call has no pointer. If nothing is open under the number, it fails.
        if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } == -1 {
            return Err((number, io::Error::last_os_error()));
        }
        // SAFETY: it is open. By its protocol, systemd opened it for the part of this process that uses the protocol,
        // and this runs only once.
        descriptors.push(unsafe { OwnedFd::from_raw_fd(number) });
    }
    Ok(descriptors)
}
