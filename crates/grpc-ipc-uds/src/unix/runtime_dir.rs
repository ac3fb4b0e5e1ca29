//! The private directory of the user for `local:NAME`.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

/// Whether the directory for `local:NAME` may be created. Servers create it, clients do not.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Create {
    Yes,
    No,
}

/// The socket's path for `local:name`, or why there is none.
///
/// A server and a client of one user must find each other even if they were started in different sessions. So a server
/// takes the first directory that exists, and a client checks all of them. For root, it is always the same one, because
/// `sudo` may leave the environment variables of another user in place.
pub(super) fn socket_path(name: &str, create: Create) -> Result<PathBuf, String> {
    let file = file_name(name);
    if geteuid().is_root() {
        return Ok(run_directory().join(file));
    }
    let mut directories = private_session_directories();
    match create {
        Create::Yes => {
            let directory = directories.next().map_or_else(make_home_directory, Ok)?;
            Ok(directory.join(file))
        }
        Create::No => {
            let home = home_directory().ok().filter(|directory| is_private(directory));
            let paths: Vec<_> = directories.chain(home).map(|directory| directory.join(&file)).collect();
            let found = paths.iter().find(|path| path.symlink_metadata().is_ok());
            match found.or(paths.first()) {
                Some(path) => Ok(path.clone()),
                // No server of this user has a directory. Connecting then reports that there is no server, or that it
                // belongs to someone else.
                None => Ok(home_directory()?.join(file)),
            }
        }
    }
}

/// The paths where a server may create the socket for `local:name`.
pub(super) fn candidates(name: &str) -> Vec<PathBuf> {
    let file = file_name(name);
    if geteuid().is_root() {
        return vec![run_directory().join(file)];
    }
    private_session_directories().chain(home_directory()).map(|directory| directory.join(&file)).collect()
}

fn file_name(name: &str) -> String {
    format!("{name}.sock")
}

fn run_directory() -> &'static Path {
    Path::new(if Path::new("/run").is_dir() { "/run" } else { "/var/run" })
}

fn private_session_directories() -> impl Iterator<Item = PathBuf> {
    session_directories().into_iter().filter(|directory| is_private(directory))
}

/// The fallback directory, created if it is missing.
fn make_home_directory() -> Result<PathBuf, String> {
    let directory = home_directory()?;
    match DirBuilder::new().mode(0o700).create(&directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(no_directory(&format!("{} cannot be created: {error}", directory.display())));
        }
        _ => {}
    }
    if !is_private(&directory) {
        let problem = format!("{} is not a private directory of this user (mode 0700)", directory.display());
        return Err(no_directory(&problem));
    }
    Ok(directory)
}

fn home_directory() -> Result<PathBuf, String> {
    let home = std::env::home_dir().filter(|home| home.is_absolute());
    Ok(home.ok_or_else(|| no_directory("there is no home directory"))?.join(".grpc-ipc"))
}

/// The runtime directory of the XDG Base Directory Specification, systemd's default for it (the variable may not be
/// set), and macOS's temporary directory, which is private to the user.
fn session_directories() -> Vec<PathBuf> {
    let mut directories = Vec::new();
    directories.extend(std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from));
    directories.push(format!("/run/user/{}", geteuid().as_raw()).into());
    if cfg!(target_vendor = "apple") {
        directories.push(std::env::temp_dir());
    }
    directories
}

/// Whether `directory` is a directory that belongs to this user and that nobody else can enter. A symbolic link does
/// not count.
fn is_private(directory: &Path) -> bool {
    let own = geteuid().as_raw();
    directory.is_absolute()
        && directory
            .symlink_metadata()
            .is_ok_and(|meta| meta.is_dir() && meta.uid() == own && meta.mode() & 0o077 == 0)
}

fn no_directory(problem: &str) -> String {
    format!(
        "XDG_RUNTIME_DIR names no private directory of this user, and {problem}; set XDG_RUNTIME_DIR to one of mode \
         0700, or use unix:PATH"
    )
}
