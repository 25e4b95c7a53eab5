//! Which plugin owns a dotted target.
//!
//! Invariant: an [`Owners`] is made whole from the records and never changed, so that readers need no lock. Code that no
//! plugin owns belongs to [`PluginName::base`].

use std::collections::HashMap;

use pegboard_model::{PluginName, PluginRecord};

/// Importable module → owner.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    modules: HashMap<String, PluginName>,
}

impl Owners {
    /// From all records. Of two plugins that claim one module, the one installed first has it.
    pub(crate) fn of<'a>(records: impl IntoIterator<Item = &'a PluginRecord>) -> Self {
        let mut records: Vec<_> = records.into_iter().collect();
        records.sort_by_key(|record| (record.installed_at, &record.name));
        let mut modules = HashMap::new();
        for record in records {
            for module in &record.modules {
                let owner = modules.entry(module.clone()).or_insert_with(|| record.name.clone());
                if *owner != record.name {
                    tracing::warn!(
                        plugin.name = %record.name, plugin.owner = %owner, module,
                        "module belongs to a plugin that was installed earlier; targets below it go there"
                    );
                }
            }
        }
        Self { modules }
    }

    /// The plugin with the longest module that `target` lies below, or is.
    pub(crate) fn owner(&self, target: &str) -> PluginName {
        let mut module = target.trim();
        loop {
            if let Some(name) = self.modules.get(module) {
                return name.clone();
            }
            match module.rfind('.') {
                Some(dot) => module = &module[..dot],
                None => return PluginName::base(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use pegboard_model::{Dialect, PluginSource, PluginState, Timestamp};

    use super::*;

    fn record(name: &str, installed_at: i64, modules: &[&str]) -> PluginRecord {
        PluginRecord {
            name: name.parse().unwrap(),
            dialect: Dialect::Flowdapt,
            source: PluginSource::Remote,
            metadata: Default::default(),
            entry_points: Vec::new(),
            modules: modules.iter().map(ToString::to_string).collect(),
            contributions: Vec::new(),
            data_files: Vec::new(),
            environment: String::new(),
            state: PluginState::Ready,
            failure: None,
            installed_at: Timestamp(installed_at),
            updated_at: Timestamp(installed_at),
        }
    }

    #[test]
    fn the_longest_module_wins_and_the_rest_is_base() {
        let owners = Owners::of(&[
            record("late", 9, &["space", "shared"]),
            record("one", 1, &["space.one", "shared", "plain"]),
            record("deep", 2, &["space.one.deep"]),
        ]);
        for (target, owner) in [
            ("space.one.run", "one"),
            ("space.one.deep.stage.run", "deep"),
            ("space.two.run", "late"),
            ("space.onerous.run", "late"),
            ("shared.run", "one"),
            (" plain.run\n", "one"),
            ("plain", "one"),
            ("plainer.run", "pegboard-base"),
            ("platform.python_version", "pegboard-base"),
            ("", "pegboard-base"),
            (".", "pegboard-base"),
        ] {
            assert_eq!(owners.owner(target).as_str(), owner, "{target:?}");
        }
    }
}
