//! Environments on disk: who uses them, how much they take, and removing what nobody uses.

use std::collections::BTreeMap;

use pegboard_model::Error;

use super::{Engine, Inner};
use crate::environment::EnvironmentSize;

/// One environment on disk and who uses it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EnvironmentUse {
    /// What is on disk.
    pub environment: EnvironmentSize,
    /// Plugins whose records name it, by name.
    pub plugins: Vec<String>,
    /// Whether anybody uses it: a plugin, a worker, a hosted script.
    pub is_used: bool,
}

impl Engine {
    /// Every complete environment. The first look at a large one takes a moment; its size is remembered.
    ///
    /// # Errors
    /// `data-directory` when they cannot be read.
    pub async fn environments(&self) -> Result<Vec<EnvironmentUse>, Error> {
        let inner = &self.inner;
        let used = inner.used_environments();
        let mut plugins: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for plugin in inner.directory.load().plugins.values() {
            let record = plugin.record();
            plugins.entry(record.environment).or_default().push(record.name.to_string());
        }
        let found = inner.environments.sizes().await?;
        let used_by = |environment: EnvironmentSize| EnvironmentUse {
            plugins: plugins.get(&environment.key).cloned().unwrap_or_default(),
            is_used: used.contains(&environment.key),
            environment,
        };
        Ok(found.into_iter().map(used_by).collect())
    }

    /// Removes those that nobody uses; what is gone.
    ///
    /// # Errors
    /// `environments-busy` while a plugin is being installed; `data-directory`.
    pub async fn prune_environments(&self) -> Result<Vec<EnvironmentSize>, Error> {
        let inner = std::sync::Arc::clone(&self.inner);
        self.finish(async move {
            let before = inner.environments.sizes().await?;
            if !inner.collect().await? {
                return Err(Error::conflict("environments-busy", "a plugin is being installed, or a script prepared")
                    .hint("try again when that is done"));
            }
            let left = inner.environments.sizes().await?;
            Ok(before.into_iter().filter(|one| !left.iter().any(|other| other.key == one.key)).collect())
        })
        .await
    }
}

impl Inner {
    fn used_environments(&self) -> Vec<String> {
        let mut used = self.sources.leased();
        used.extend(self.scripts.used());
        used.extend(self.directory.load().plugins.values().map(|plugin| plugin.record().environment));
        used
    }

    /// Whether it could: whoever installs has made an environment that no record names yet, and collects in the end; a script that
    /// is being prepared has made one that it has not named yet.
    pub(super) async fn collect(&self) -> Result<bool, Error> {
        let _turn = self.collecting.lock().await;
        let Ok(_quiet) = self.installing.try_write() else { return Ok(false) };
        if self.scripts.is_preparing() {
            return Ok(false);
        }
        self.environments.collect(&self.used_environments()).await.map(|()| true)
    }
}
