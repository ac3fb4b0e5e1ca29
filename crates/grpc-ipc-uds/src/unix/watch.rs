//! Notifies a listener that its files may have been removed.

use std::ffi::OsStr;
use std::time::Duration;

use super::directory::Directory;

pub(super) use platform::Watch;

/// How long a removal may go unnoticed on a system without notification.
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

    /// An inotify(7) instance that watches the files and their directory; `None` if no instance is left.
    pub(crate) struct Watch(Option<AsyncFd<OwnedFd>>);

    impl Watch {
        /// Watches the files called `names` in `directory`, all created by this process.
        pub(crate) fn new<'a>(directory: &Directory, names: impl IntoIterator<Item = &'a OsStr>) -> Self {
            let watch = || {
                let inotify = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
                let watch = |path: &Path, flags| {
                    let flags = flags | WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF;
                    add_watch(&inotify, path, flags)
                };
                watch(directory.path(), WatchFlags::ONLYDIR)?;
                for name in names {
                    // The number of links is an attribute. An open socket without links is not deleted, so it only
                    // sends this event.
                    watch(&directory.path_of(name), WatchFlags::ATTRIB | WatchFlags::DONT_FOLLOW)?;
                }
                sys::register(inotify, Interest::READABLE)
            };
            Self(watch().ok())
        }

        /// As on a system without any inotify instances left.
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
            // An event for the file itself has 16 bytes.
            let mut events = [0_u8; 256];
            let read =
                inotify.async_io(Interest::READABLE, |inotify| Ok(rustix::io::read(inotify, &mut events)?));
            if read.await.is_err() {
                // Reading fails, so wait as on a system without notification.
                tokio::time::sleep(SLOW).await;
            }
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod platform {
    use super::{Directory, OsStr, SLOW};

    /// Checks every 10 seconds.
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
