use std::io;
use std::os::windows::io::{AsHandle, BorrowedHandle, OwnedHandle};
use std::time::Instant;

use grpc_ipc_core::{Process, ProcessHandle};

use grpc_ipc_win32 as win32;

/// A handle to a client's process: the handle behind [`Peer::process`](grpc_ipc_core::Peer::process) on Windows.
///
/// To wait for the process or query it (`SYNCHRONIZE`, `PROCESS_QUERY_LIMITED_INFORMATION`), use
/// `peer.process()?.downcast_ref::<ClientProcess>()?.as_handle()`.
#[derive(Debug)]
pub struct ClientProcess {
    handle: OwnedHandle,
    pid: u32,
}

impl ClientProcess {
    /// Opens the process that connected as `pid`, if it is certainly the one that has this id now. That is the case if
    /// it is older than `before`, when nobody had connected yet: it then had the id when the connection was made, and
    /// an id is not reused while a handle is open. A younger process may have taken over the client's id.
    pub(super) fn open(pid: u32, before: &Moment) -> io::Result<Option<ProcessHandle>> {
        let handle = win32::open_process(pid)?;
        let certain = before.is_after(win32::creation_time(&handle)?, &Moment::now());
        Ok(certain.then(|| ProcessHandle::new(Self { handle, pid })))
    }
}

impl AsHandle for ClientProcess {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.handle.as_handle()
    }
}

impl Process for ClientProcess {
    fn id(&self) -> Option<u32> {
        Some(self.pid)
    }

    fn is_running(&self) -> io::Result<bool> {
        win32::is_running(&self.handle)
    }
}

/// A moment on two clocks: the one that dates processes, and one that is never set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// In steps of 100 ns.
    system: u64,
    monotonic: Instant,
}

impl Moment {
    pub(super) fn now() -> Self {
        Self { system: win32::system_time(), monotonic: Instant::now() }
    }

    /// Whether a process that was created at `created` is certainly older than this moment, even if the clock was set
    /// between this moment and `now`.
    fn is_after(&self, created: u64, now: &Self) -> bool {
        let passed = now.monotonic.saturating_duration_since(self.monotonic).as_nanos() / 100;
        let shown = i128::from(now.system) - i128::from(self.system);
        let set_by = shown.abs_diff(i128::try_from(passed).unwrap_or(i128::MAX));
        u128::from(created) + set_by < u128::from(self.system)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_what_is_older_for_certain_is_older() {
        const SECOND: u64 = 10_000_000;
        let start = Instant::now();
        let at = |seconds: u64, shown: u64| Moment {
            system: shown * SECOND,
            monotonic: start + Duration::from_secs(seconds),
        };
        let listening = at(0, 1000);
        assert!(listening.is_after(999 * SECOND, &at(60, 1060)));
        assert!(
            !listening.is_after(1000 * SECOND, &at(60, 1060)),
            "at the same moment, for all that is known"
        );
        assert!(!listening.is_after(1030 * SECOND, &at(60, 1060)));
        // The clock was set back by 100 seconds, and shows 940 when a process starts that seems to be older.
        assert!(!listening.is_after(940 * SECOND, &at(60, 960)));
        assert!(listening.is_after(899 * SECOND, &at(60, 960)));
    }
}
