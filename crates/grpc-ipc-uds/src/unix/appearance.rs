//! Notifies a client that a server may have appeared.

use std::path::PathBuf;

/// Waits until a file may have appeared at one of `paths`, or a directory on the way to one. Starts to watch at the
/// first poll. Never completes on systems without notification.
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

    /// How long unrelated changes collect in a directory before they are read.
    const REST: Duration = Duration::from_millis(5);

    /// The maximum number of changes read at once.
    const AT_ONCE: usize = 1_024;

    /// Completes when something has appeared. Stays pending, or returns an error, if that cannot be detected.
    pub(super) async fn wait(paths: &[PathBuf]) -> io::Result<()> {
        match Watch::new(paths)? {
            Some(watch) => watch.appeared().await,
            None => Ok(()),
        }
    }

    /// An inotify(7) instance that watches the directories of some paths, or their nearest existing ancestors.
    struct Watch {
        inotify: AsyncFd<OwnedFd>,
        /// The names that are expected in each directory.
        names: HashMap<i32, Vec<OsString>>,
    }

    impl Watch {
        /// Returns `None` if something appeared before the watch was complete.
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
                    // It was removed in the meantime.
                    Err(Errno::NOENT) => return Ok(None),
                    Err(error) => return Err(error.into()),
                };
                // The next directory may have been created before this one was watched.
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

        /// Reads the changes, and returns whether something has appeared.
        fn read(&self, inotify: &OwnedFd) -> io::Result<bool> {
            let mut buffer = [MaybeUninit::uninit(); 4_096];
            let mut changes = Reader::new(inotify, &mut buffer);
            for read in 0..AT_ONCE {
                let change = match changes.next() {
                    Ok(change) => change,
                    Err(Errno::AGAIN) if read > 0 => return Ok(false),
                    Err(error) => return Err(error.into()),
                };
                // A full queue may have lost changes. After a directory is removed, its nearest ancestor has to be
                // found again.
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

    /// The nearest existing directory on the way to `path`, and the name that is expected in it: the next missing
    /// component, or the last one.
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

    /// kqueue(2) would report changes, but rustix's binding is unsafe. The client retries from time to time instead.
    pub(super) async fn wait(_: &[PathBuf]) -> io::Result<()> {
        std::future::pending().await
    }
}
