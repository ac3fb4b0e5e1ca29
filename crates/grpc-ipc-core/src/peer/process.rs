use std::any::Any;
use std::fmt;
use std::io;
use std::sync::{Arc, LazyLock};

/// A process by a handle of the operating system's, which a backend implements.
pub trait Process: fmt::Debug + Any + Send + Sync {
    /// The id that the process has, or had; `None` if it has none that this process can see.
    fn id(&self) -> Option<u32>;

    /// Whether it has not ended yet.
    ///
    /// # Errors
    /// As the operating system says.
    fn is_running(&self) -> io::Result<bool>;
}

/// A process, for certain: unlike its id, a handle never comes to name another one.
///
/// It keeps something of the operating system open (a file descriptor, a handle) until the last clone is dropped. What
/// that is, the backend's own type gives out: `handle.downcast_ref::<PidFd>()` on Linux.
#[derive(Clone, Debug)]
pub struct ProcessHandle(Arc<dyn Process>);

impl ProcessHandle {
    /// A handle that a backend has opened.
    pub fn new(process: impl Process) -> Self {
        Self(Arc::new(process))
    }

    /// The id that the process has, or had; `None` if it has none that this process can see.
    pub fn id(&self) -> Option<u32> {
        self.0.id()
    }

    /// Whether the process has not ended yet: as long as this is true, its id is its own.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn is_running(&self) -> io::Result<bool> {
        self.0.is_running()
    }

    /// The handle as the type of the backend that opened it.
    pub fn downcast_ref<P: Process>(&self) -> Option<&P> {
        let process: &dyn Any = &*self.0;
        process.downcast_ref()
    }
}

/// Equal are clones of one handle.
impl PartialEq for ProcessHandle {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for ProcessHandle {}

/// A handle that is opened when it is first asked for. Clones share it.
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

/// Opens nothing.
impl fmt::Debug for LazyHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(opened when it is asked for)")
    }
}

/// Equal are clones of one; nothing is opened to compare them.
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
