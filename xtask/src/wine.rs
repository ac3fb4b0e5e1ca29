//! Wine 10, from a Debian 13 root, because Debian 12's version is too old to run Rust programs unmodified.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use crate::Result;
use crate::command::{command, works};

/// The directory where `cargo xtask setup` installs it.
fn cache() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(std::env::home_dir()?.join(".cache")));
    cache.unwrap_or_else(std::env::temp_dir).join("grpc-ipc")
}

/// The Debian 13 root.
pub(crate) fn root() -> PathBuf {
    cache().join("wine-root")
}

/// The Windows installation that the programs see.
pub(crate) fn prefix() -> PathBuf {
    cache().join("wine-prefix")
}

/// Exists once the prefix is complete.
pub(crate) fn ready() -> PathBuf {
    prefix().join("ready")
}

/// Why no Windows program can be run here, if so.
pub(crate) fn missing() -> Option<String> {
    (!ready().exists()).then(|| "Wine is missing; run `cargo xtask setup`".to_owned())
}

/// This program. The path is read at startup, because cargo may replace the file later.
pub(crate) static PROGRAM: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::current_exe().unwrap_or_else(|_| "xtask".into()));

/// The runner for Windows programs, for cargo.
pub(crate) fn runner() -> OsString {
    let mut runner = PROGRAM.clone().into_os_string();
    runner.push(" wine");
    runner
}

/// `cargo xtask wine`: replaces this process with the program.
#[cfg(unix)]
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result {
    use std::os::unix::process::CommandExt as _;

    let mut wine = wine(program, arguments);
    if let Ok(directory) = std::env::current_dir() {
        wine.current_dir(directory);
    }
    Err(wine.exec().into())
}

/// `cargo xtask wine`, which is not needed on Windows.
#[cfg(not(unix))]
pub(crate) fn run(_: &str, _: &[&str]) -> Result {
    Err("Wine runs on Linux only".into())
}

/// Runs `program` under Wine. Only `/usr` is replaced by that of the Debian 13 root, in a private mount namespace. All
/// other paths, the working directory, the environment and the process id stay the same.
pub(crate) fn wine(program: &str, arguments: &[&str]) -> Command {
    const SWAP_AND_RUN: &str = "mount --bind \"$0/usr\" /usr && exec /usr/lib/wine/wine64 \"$@\"";
    let mut unshare = command("unshare");
    unshare.args(["--mount", "--propagation", "slave"]);
    if !works(command("test").args(["-w", "/root"])) {
        unshare.args(["--map-current-user", "--keep-caps"]);
    }
    unshare.args(["sh", "-c", SWAP_AND_RUN]).arg(root()).arg(program).args(arguments);
    unshare.env("WINEPREFIX", prefix()).env_remove("LD_LIBRARY_PATH").env_remove("DISPLAY");
    if std::env::var_os("WINEDEBUG").is_none() {
        unshare.env("WINEDEBUG", "-all");
    }
    unshare
}

/// Keeps the Wine server running, which saves each program seconds of startup. It ends when this is dropped.
pub(crate) struct Session(Child);

impl Session {
    /// Starts the server. Retries once on failure, because the server of an earlier program may be about to end, and
    /// would end a program that starts at that moment.
    pub(crate) fn start() -> Result<Self> {
        Self::start_once().or_else(|_| Self::start_once())
    }

    fn start_once() -> Result<Self> {
        let mut wait = wine("cmd", &["/c", "echo ready & pause >nul"]);
        let mut session = Self(wait.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
        let mut line = String::new();
        BufReader::new(session.0.stdout.take().ok_or("no standard output")?).read_line(&mut line)?;
        if line.trim() == "ready" {
            return Ok(session);
        }
        Err("Wine does not start; it needs a mount namespace (root, or unprivileged user namespaces)".into())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        _ = self.0.wait();
    }
}
