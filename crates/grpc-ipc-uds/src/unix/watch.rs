//! What tells a listener that its files may have been removed.

use std::ffi::OsStr;
use std::time::Duration;

use super::directory::Directory;

pub(super) use platform::Watch;

/// How long nobody may notice, where the system tells of no change.
const SLOW: Duration = Duration::from_secs(10);

#[cfg(any(target_os = "linux", target_os = "android"))]
mod platform {
    use std::os::fd::OwnedFd;
    use std::path::Path;

    use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    use super::super::sys;
    use super::{Directory, OsStr, SLOW};

    /// An inotify(7) of the files and their directory; `None` where there is no more of it to be had.
    pub(crate) struct Watch(Option<AsyncFd<OwnedFd>>);

    impl Watch {
        /// Watches the files called `names` in `directory`, which this process has made.
        pub(crate) fn new<'a>(directory: &Directory, names: impl IntoIterator<Item = &'a OsStr>) -> Self {
            let watch = || {
                let inotify = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
                let watch = |path: &Path, flags| {
                    let flags = flags | WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF;
                    add_watch(&inotify, path, flags)
                };
                watch(directory.path(), WatchFlags::ONLYDIR)?;
                for name in names {
                    // The number of its names is an attribute. A socket that is open is not deleted when it has none.
                    watch(&directory.path_of(name), WatchFlags::ATTRIB | WatchFlags::DONT_FOLLOW)?;
                }
                sys::register(inotify, Interest::READABLE)
            };
            Self(watch().ok())
        }

        /// As where the system has no more of them to give.
        #[cfg(test)]
        pub(crate) fn absent() -> Self {
            Self(None)
        }

        /// Waits until something may have changed.
        ///
        /// # Cancel safety
        /// Dropping the future loses no change.
        pub(crate) async fn changed(&self) {
            let Some(inotify) = &self.0 else { return tokio::time::sleep(SLOW).await };
            // An event of a file itself has 16 bytes.
            let mut events = [0_u8; 256];
            let read =
                inotify.async_io(Interest::READABLE, |inotify| Ok(rustix::io::read(inotify, &mut events)?));
            if read.await.is_err() {
                // It cannot be read; so this is as without it.
                tokio::time::sleep(SLOW).await;
            }
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod platform {
    use super::{Directory, OsStr, SLOW};

    /// Looks again every 10 seconds.
    pub(crate) struct Watch;

    impl Watch {
        pub(crate) fn new<'a>(_: &Directory, _: impl IntoIterator<Item = &'a OsStr>) -> Self {
            Self
        }

        pub(crate) async fn changed(&self) {
            tokio::time::sleep(SLOW).await;
        }
    }
}
