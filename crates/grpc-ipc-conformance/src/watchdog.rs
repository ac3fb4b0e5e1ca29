use std::io::{self, Write as _};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// Ends the process with the test's name if a test takes too long, so a test that hangs fails.
#[must_use = "the watchdog watches until it is dropped"]
pub struct Watchdog(#[expect(dead_code, reason = "dropping it ends the watch")] Sender<()>);

impl Watchdog {
    /// Watches `test` until the returned value is dropped.
    pub fn start(test: &str, limit: Duration) -> Self {
        let (alive, watched) = channel();
        let test = test.to_owned();
        std::thread::spawn(move || {
            if watched.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                // Not with `eprintln!`, whose output the harness keeps until the end of the test.
                _ = writeln!(io::stderr(), "watchdog: {test} did not finish within {limit:?}");
                std::process::exit(101);
            }
        });
        Self(alive)
    }
}
