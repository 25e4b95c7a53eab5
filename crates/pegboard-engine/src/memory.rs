//! Cluster memory: what plugins put under a key for one another, shared by all workers of this server.
//!
//! Invariant: values stay as a worker pickled them; large ones are blocks, small ones are counted in the same budget.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pegboard_model::Value;

use crate::shm::Blocks;

/// Values by namespace and key, gone with the server.
#[derive(Debug)]
pub struct ClusterMemory {
    blocks: Arc<Blocks>,
    namespaces: Mutex<HashMap<String, HashMap<String, Value>>>,
}

impl ClusterMemory {
    /// An empty one.
    #[must_use]
    pub fn new(blocks: Arc<Blocks>) -> Arc<Self> {
        Arc::new(Self { blocks, namespaces: Mutex::default() })
    }

    /// Puts a value, in the place of one with the same key.
    pub fn put(&self, namespace: &str, key: &str, value: Value) {
        self.blocks.charge(inline_size(&value));
        let old = self.namespaces().entry(namespace.to_owned()).or_default().insert(key.to_owned(), value);
        self.forget(old);
    }

    /// The value under a key.
    #[must_use]
    pub fn get(&self, namespace: &str, key: &str) -> Option<Value> {
        self.namespaces().get(namespace)?.get(key).cloned()
    }

    /// Whether the key is there.
    #[must_use]
    pub fn exists(&self, namespace: &str, key: &str) -> bool {
        self.namespaces().get(namespace).is_some_and(|values| values.contains_key(key))
    }

    /// Removes a key; whether it was there.
    pub fn delete(&self, namespace: &str, key: &str) -> bool {
        let old = {
            let mut namespaces = self.namespaces();
            let Some(values) = namespaces.get_mut(namespace) else { return false };
            let old = values.remove(key);
            if values.is_empty() {
                namespaces.remove(namespace);
            }
            old
        };
        let found = old.is_some();
        self.forget(old);
        found
    }

    /// Removes every key of a namespace; whether there was one.
    pub fn clear(&self, namespace: &str) -> bool {
        let old = self.namespaces().remove(namespace);
        let found = old.is_some();
        self.forget(old.into_iter().flat_map(HashMap::into_values));
        found
    }

    /// Dropped without the lock: a block's end takes locks of its own.
    fn forget(&self, values: impl IntoIterator<Item = Value>) {
        self.blocks.discharge(values.into_iter().map(|value| inline_size(&value)).sum());
    }

    fn namespaces(&self) -> MutexGuard<'_, HashMap<String, HashMap<String, Value>>> {
        self.namespaces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn inline_size(value: &Value) -> u64 {
    match value {
        Value::Inline(bytes) => bytes.len() as u64,
        Value::Object(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::shm::BlocksOptions;

    #[test]
    fn keys_live_in_their_namespace_and_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let options = BlocksOptions { spill: folder.path().to_owned(), memory_budget: 1 << 20 };
        let blocks = Blocks::open(options).unwrap();
        let memory = ClusterMemory::new(Arc::clone(&blocks));
        let value = |text: &'static str| Value::Inline(Bytes::from_static(text.as_bytes()));
        memory.put("a", "k", value("four"));
        memory.put("a", "k", value("seven!!"));
        memory.put("b", "k", value("x"));
        assert_eq!(blocks.in_memory(), 8);
        assert_eq!(memory.get("a", "k").unwrap().size(), 7);
        assert!(memory.exists("b", "k") && !memory.exists("b", "l") && memory.get("c", "k").is_none());
        assert!(memory.delete("b", "k") && !memory.delete("b", "k"));
        assert!(memory.clear("a") && !memory.clear("a"));
        assert_eq!(blocks.in_memory(), 0);
    }
}
