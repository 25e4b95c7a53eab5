//! Variables that single plugins get besides those that everybody has: an administrator's secrets.
//!
//! Invariant: they are in the processes of their plugin and nowhere else. A plugin that has some forks from an interpreter of its
//! own, so that nobody who shares its environment inherits them.

use std::collections::HashMap;
use std::sync::Arc;

use super::Engine;
use super::source::Sources;

/// Names and values.
pub(super) type Variables = Vec<(String, String)>;

impl Engine {
    /// What plugins get from their next load on, by the plugin's name; replaces what was said before.
    pub fn grant(&self, variables: HashMap<String, Vec<(String, String)>>) {
        self.inner.sources.granted.store(Arc::new(variables));
    }

    /// What was granted under this name.
    #[must_use]
    pub fn granted(&self, name: &str) -> Vec<(String, String)> {
        self.inner.sources.granted_to(name)
    }
}

impl Sources {
    pub(super) fn granted_to(&self, name: &str) -> Variables {
        self.granted.load().get(name).cloned().unwrap_or_default()
    }
}

/// Who shares an interpreter: those of one environment with the same variables. Not the environment's name itself when there are some.
pub(super) fn shared_key(environment: &str, variables: &Variables) -> String {
    if variables.is_empty() {
        return environment.to_owned();
    }
    let mut hasher = blake3::Hasher::new();
    for text in variables.iter().flat_map(|(name, value)| [name, value]) {
        hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
    }
    format!("{environment}#{}", hasher.finalize().to_hex())
}

/// The environment of such a key.
pub(super) fn environment_of(key: &str) -> &str {
    key.split('#').next().unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpreters_are_shared_by_those_who_have_the_same() {
        let variables = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Variables>()
        };
        let key = |pairs: &[(&str, &str)]| shared_key("e", &variables(pairs));
        assert_eq!(key(&[]), "e");
        assert_eq!(key(&[("A", "1")]), key(&[("A", "1")]));
        assert_ne!(key(&[("A", "1")]), key(&[("A", "2")]));
        assert_ne!(key(&[("A", "1B"), ("C", "")]), key(&[("A", "1"), ("BC", "")]));
        assert_eq!(environment_of(&key(&[("A", "1")])), "e");
    }
}
