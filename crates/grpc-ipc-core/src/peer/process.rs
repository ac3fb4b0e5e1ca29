use std::any::Any;
use std::fmt;
use std::io;
use std::sync::{Arc, LazyLock};

/// A handle of the operating system to a process, implemented by a backend.
pub trait Process: fmt::Debug + Any + Send + Sync {
    /// The id that the process has or had; `None` if this process cannot see one.
    fn id(&self) -> Option<u32>;

    /// Whether the process is still running.
    ///
    /// # Errors
    /// The error of the operating system.
    fn is_running(&self) -> io::Result<bool>;
}

/// A handle to one process. Unlike a process id, it never comes to refer to another process.
///
/// It keeps an operating system object open (a file descriptor, a handle) until the last clone is dropped. The
/// backend's own type gives access to that object: `handle.downcast_ref::<PidFd>()` on Linux.
#[derive(Clone, Debug)]
pub struct ProcessHandle(Arc<dyn Process>);

impl ProcessHandle {
    /// Wraps a handle that a backend has opened.
    pub fn new(process: impl Process) -> Self {
        Self(Arc::new(process))
    }

    /// The id that the process has or had; `None` if this process cannot see one.
    pub fn id(&self) -> Option<u32> {
        self.0.id()
    }

    /// Whether the process is still running. While this is true, its id is not reused.
    ///
    /// # Errors
    /// The error of the operating system.
    pub fn is_running(&self) -> io::Result<bool> {
        self.0.is_running()
    }

    /// The handle as the backend's own type.
    pub fn downcast_ref<P: Process>(&self) -> Option<&P> {
        let process: &dyn Any = &*self.0;
        process.downcast_ref()
    }
}

/// Clones of one handle are equal.
impl PartialEq for ProcessHandle {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for ProcessHandle {}

/// A handle that is opened on first use. Clones share it.
#[derive(Clone)]
pub(super) struct LazyHandle(Arc<LazyLock<Option<ProcessHandle>, Open>>);

type Open = Box<dyn FnOnce() -> Option<ProcessHandle> + Send>;

impl LazyHandle {
    pub(super) fn new(open: impl FnOnce() -> Option<ProcessHandle> + Send + 'static) -> Self {
        Self(Arc::new(LazyLock::new(Box::new(open))))
    }

    pub(super) fn get(&self) -> Option<&ProcessHandle> {
        LazyLock::force(&self.0).as_ref()
    }
}

/// Formatting does not open the handle.
impl fmt::Debug for LazyHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(opened on first use)")
    }
}

/// Clones of one handle are equal. Comparing does not open the handle.
impl PartialEq for LazyHandle {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for LazyHandle {}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Ended(u32);

    impl Process for Ended {
        fn id(&self) -> Option<u32> {
            Some(self.0)
        }

        fn is_running(&self) -> io::Result<bool> {
            Ok(false)
        }
    }

    #[derive(Debug)]
    struct Other;

    impl Process for Other {
        fn id(&self) -> Option<u32> {
            None
        }

        fn is_running(&self) -> io::Result<bool> {
            Ok(true)
        }
    }

    #[test]
    fn a_handle_is_what_it_was_made_of() {
        let handle = ProcessHandle::new(Ended(7));
        assert_eq!((handle.id(), handle.is_running().unwrap()), (Some(7), false));
        assert_eq!(handle.downcast_ref::<Ended>().unwrap().0, 7);
        assert!(handle.downcast_ref::<Other>().is_none());
        assert_eq!(handle, handle.clone());
        assert_ne!(handle, ProcessHandle::new(Ended(7)));
    }
}
