//! Wine 10, out of a Debian 13 root: Debian 12's is too old to run Rust programs as they are.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use crate::Result;
use crate::command::{command, works};

/// Where `cargo xtask setup` puts it.
fn cache() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(std::env::home_dir()?.join(".cache")));
    cache.unwrap_or_else(std::env::temp_dir).join("grpc-ipc")
}

/// The Debian 13 root.
pub(crate) fn root() -> PathBuf {
    cache().join("wine-root")
}

/// The Windows that the programs see.
pub(crate) fn prefix() -> PathBuf {
    cache().join("wine-prefix")
}

/// What exists once the prefix is complete.
pub(crate) fn ready() -> PathBuf {
    prefix().join("ready")
}

/// Why no Windows program can be run here, if so.
pub(crate) fn missing() -> Option<String> {
    (!ready().exists()).then(|| "Wine is missing; run `cargo xtask setup`".to_owned())
}

/// This program. It is asked for when the program starts: later, cargo may have put another file at its path.
pub(crate) static PROGRAM: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::current_exe().unwrap_or_else(|_| "xtask".into()));

/// What cargo is told to run Windows programs with.
pub(crate) fn runner() -> OsString {
    let mut runner = PROGRAM.clone().into_os_string();
    runner.push(" wine");
    runner
}

/// `cargo xtask wine`: becomes the program.
#[cfg(unix)]
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result {
    use std::os::unix::process::CommandExt as _;

    let mut wine = wine(program, arguments);
    if let Ok(directory) = std::env::current_dir() {
        wine.current_dir(directory);
    }
    Err(wine.exec().into())
}

/// `cargo xtask wine`, which Windows does not need.
#[cfg(not(unix))]
pub(crate) fn run(_: &str, _: &[&str]) -> Result {
    Err("Wine runs on Linux only".into())
}

/// `program` under Wine. Only `/usr` is swapped for the Debian 13 root's, in a mount namespace of this process's own:
/// all other paths, the working directory, the environment and the process id stay as they are.
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

/// Keeps Wine's server alive, which saves each program seconds of starting it. It ends when this is dropped.
pub(crate) struct Session(Child);

impl Session {
    /// Starts it; once more if that fails, because the server of an earlier program may be about to end, and takes a
    /// program that starts just then with it.
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
