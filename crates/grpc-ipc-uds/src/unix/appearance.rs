//! What tells a client that a server may have appeared.

use std::path::PathBuf;

/// Waits until a file may have appeared at one of `paths`, or a directory on the way to it. Begins to watch when it is
/// polled first. Never ready where the system does not tell of it.
///
/// # Cancel safety
/// Dropping the future ends the watch.
pub(super) async fn wait(paths: Vec<PathBuf>) {
    if paths.is_empty() || platform::wait(&paths).await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod platform {
    use std::collections::HashMap;
    use std::ffi::OsString;
    use std::io;
    use std::mem::MaybeUninit;
    use std::os::fd::OwnedFd;
    use std::os::unix::ffi::OsStrExt as _;
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init};
    use rustix::io::Errno;
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    use super::super::endpoint::parent;
    use super::super::sys;

    /// How long changes of others collect in a directory before they are looked at.
    const REST: Duration = Duration::from_millis(5);

    /// Changes that are looked at in one go.
    const AT_ONCE: usize = 1_024;

    /// Ready when something has appeared; pending for ever, or an error, if that cannot be told.
    pub(super) async fn wait(paths: &[PathBuf]) -> io::Result<()> {
        match Watch::new(paths)? {
            Some(watch) => watch.appeared().await,
            None => Ok(()),
        }
    }

    /// An inotify(7) of the directories of some paths, or of the nearest that exist.
    struct Watch {
        inotify: AsyncFd<OwnedFd>,
        /// What is to appear in each.
        names: HashMap<i32, Vec<OsString>>,
    }

    impl Watch {
        /// `None` if something has appeared while this began to watch.
        fn new(paths: &[PathBuf]) -> io::Result<Option<Self>> {
            let inotify = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
            let mut names = HashMap::<i32, Vec<OsString>>::new();
            for path in paths {
                let (directory, name) = nearest(path);
                let changes = WatchFlags::CREATE
                    | WatchFlags::MOVED_TO
                    | WatchFlags::DELETE_SELF
                    | WatchFlags::MOVE_SELF
                    | WatchFlags::ONLYDIR;
                let watch = match add_watch(&inotify, directory, changes) {
                    Ok(watch) => watch,
                    // It was removed meanwhile.
                    Err(Errno::NOENT) => return Ok(None),
                    Err(error) => return Err(error.into()),
                };
                // What is to be watched instead may have been made before this was watched.
                if directory != parent(path) && directory.join(&name).is_dir() {
                    return Ok(None);
                }
                names.entry(watch).or_default().push(name);
            }
            Ok(Some(Self { inotify: sys::register(inotify, Interest::READABLE)?, names }))
        }

        async fn appeared(&self) -> io::Result<()> {
            while !self.inotify.async_io(Interest::READABLE, |inotify| self.read(inotify)).await? {
                tokio::time::sleep(REST).await;
            }
            Ok(())
        }

        /// Whether something has appeared, as the changes tell that have come.
        fn read(&self, inotify: &OwnedFd) -> io::Result<bool> {
            let mut buffer = [MaybeUninit::uninit(); 4_096];
            let mut changes = Reader::new(inotify, &mut buffer);
            for read in 0..AT_ONCE {
                let change = match changes.next() {
                    Ok(change) => change,
                    Err(Errno::AGAIN) if read > 0 => return Ok(false),
                    Err(error) => return Err(error.into()),
                };
                // Some may be lost when the queue is full. A directory that is gone has to be looked for.
                let all = ReadFlags::QUEUE_OVERFLOW | ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF;
                if change.events().intersects(all | ReadFlags::IGNORED) {
                    return Ok(true);
                }
                let name = change.file_name().map(|name| name.to_bytes());
                let expected = self.names.get(&change.wd());
                if expected
                    .is_some_and(|names| names.iter().any(|expected| Some(expected.as_bytes()) == name))
                {
                    return Ok(true);
                }
            }
            Ok(false)
        }
    }

    /// The nearest directory on the way to `path` that exists, and what is missing in it, or is at the path itself.
    fn nearest(path: &Path) -> (&Path, OsString) {
        let mut path = path;
        loop {
            let directory = parent(path);
            let name = path.file_name().map(ToOwned::to_owned).unwrap_or_default();
            let ends = directory == path || directory == Path::new(".") || directory == Path::new("/");
            if ends || directory.is_dir() {
                return (directory, name);
            }
            path = directory;
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod platform {
    use std::io;
    use std::path::PathBuf;

    /// kqueue(2) tells of changes, but rustix's is unsafe to use: a client tries from time to time.
    pub(super) async fn wait(_: &[PathBuf]) -> io::Result<()> {
        std::future::pending().await
    }
}
