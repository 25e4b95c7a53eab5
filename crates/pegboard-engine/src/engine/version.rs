//! What changes whenever the code behind a target may have changed.
//!
//! No plugin code is run and no file is read: where sources are, how long and how old they are says enough. A version that changes
//! without need costs a call that could have been saved; one that does not change when it should would give wrong results.

use std::path::{Path, PathBuf};

use pegboard_model::PluginRecord;

use super::{edition, user_modules};
use crate::environment::Environment;

/// Where the code of a target lies, and what it is installed as.
pub(super) struct Code {
    installed: String,
    place: Place,
}

enum Place {
    Folder(PathBuf),
    /// The top-level package, or module, of the name. Its siblings come with the environment, whose key says what is in it.
    Environment {
        python: PathBuf,
        top: String,
    },
}

impl Code {
    /// Of a target that an installed plugin owns.
    pub(super) fn of_plugin(record: &PluginRecord, environment: &Environment, target: &str) -> Self {
        let installed = format!("{} {} {}", record.name, record.metadata.version, record.environment);
        let place = match edition::folder(&record.source) {
            Some(folder) => Place::Folder(folder),
            None => {
                let top = target.split('.').next().unwrap_or_default().to_owned();
                Place::Environment { python: environment.python.clone(), top }
            }
        };
        Self { installed, place }
    }

    /// Of a module in the data directory; none for other targets without a plugin, of which nobody knows where they are.
    pub(super) fn of_user_module(data: &Path, target: &str) -> Option<Self> {
        let is_user_module = target.starts_with("user_modules.");
        is_user_module.then(|| Self { installed: "user_modules".to_owned(), place: Place::Folder(user_modules::folder(data)) })
    }

    /// None when there is no source.
    pub(super) async fn version(self) -> Option<String> {
        let Self { installed, place } = self;
        let look = move || {
            let sources = match place {
                Place::Folder(folder) => vec![folder],
                Place::Environment { python, top } => in_site_packages(&python, &top),
            };
            let there = sources.iter().filter(|path| path.exists());
            let found: Vec<String> = there.map(|path| edition::fingerprint(path).to_string()).collect();
            (!found.is_empty()).then(|| format!("{installed} {}", found.join(" ")))
        };
        tokio::task::spawn_blocking(look).await.ok().flatten()
    }
}

fn in_site_packages(python: &Path, top: &str) -> Vec<PathBuf> {
    let Some(root) = python.parent().and_then(Path::parent).filter(|_| !top.is_empty()) else { return Vec::new() };
    let versions = std::fs::read_dir(root.join("lib")).into_iter().flatten().flatten();
    let packages = versions.map(|version| version.path().join("site-packages")).filter(|folder| folder.is_dir());
    packages.flat_map(|folder| [folder.join(top), folder.join(format!("{top}.py"))]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn user_modules_have_the_version_of_their_folder() {
        let data = tempfile::tempdir().unwrap();
        let version = async || Code::of_user_module(data.path(), "user_modules.a.f").unwrap().version().await;
        assert_eq!(version().await, None, "there is nothing");
        std::fs::create_dir(data.path().join("user_modules")).unwrap();
        std::fs::write(data.path().join("user_modules/a.py"), "1").unwrap();
        let first = version().await.unwrap();
        assert_eq!(version().await.as_deref(), Some(&*first));
        std::fs::write(data.path().join("user_modules/a.py"), "12").unwrap();
        assert_ne!(version().await.unwrap(), first);
        assert!(Code::of_user_module(data.path(), "json.dumps").is_none());
    }
}
