//! Values that pass between plugins. Nobody but a worker ever looks inside one.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

/// A reference to a large value that lives outside the message: counted, so that the last clone's drop releases the memory.
///
/// The engine is the only one that can open it; for everybody else it has a size and nothing more.
#[derive(Clone)]
pub struct ObjectHandle {
    size: u64,
    block: Arc<dyn Any + Send + Sync>,
}

impl ObjectHandle {
    /// Wraps the engine's own block; `size` in bytes.
    pub fn new<T: Any + Send + Sync>(block: Arc<T>, size: u64) -> Self {
        Self { size, block }
    }

    /// Size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The block, for whoever made it.
    #[must_use]
    pub fn downcast<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        Arc::clone(&self.block).downcast().ok()
    }
}

impl fmt::Debug for ObjectHandle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ObjectHandle({} bytes)", self.size)
    }
}

/// One Python value, pickled by a worker (protocol 5). The server passes it on and never unpickles it.
#[derive(Clone, Debug)]
pub enum Value {
    /// Small: the pickle itself.
    Inline(Bytes),
    /// Large: a sealed block of shared memory, or its spilled file.
    Object(ObjectHandle),
}

impl Value {
    /// Size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::Object(handle) => handle.size(),
        }
    }
}

/// What a stage receives in one position.
#[derive(Clone, Debug)]
pub enum Argument {
    /// One value.
    Single(Value),
    /// A list that the worker puts together from its items: the result of a parameterized stage. Shared, because every
    /// stage behind it gets the same one.
    List(Arc<Vec<Value>>),
}
