use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// A value attached by the program. Tags are equal if they are the same value in memory.
#[derive(Clone)]
pub(super) struct Tag(Arc<dyn Any + Send + Sync>);

impl Tag {
    pub(super) fn new(tag: impl Any + Send + Sync) -> Self {
        Self(Arc::new(tag))
    }

    pub(super) fn get<T: Any>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }
}

impl PartialEq for Tag {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Tag {}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tag")
    }
}
