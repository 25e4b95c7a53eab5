//! Whether code that is installed in place is still what a generation has loaded.
//!
//! Invariant: only sources count (`*.py`: where, how long, when changed); what Python or a plugin writes beside them does not.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use pegboard_model::PluginSource;

/// Files beyond these are not looked at: a mistaken folder must not cost every start a minute.
const MOST_FILES: usize = 20_000;

/// The sources of one generation.
pub(super) struct Edition {
    folder: PathBuf,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    accepted: Option<blake3::Hash>,
    last: Option<blake3::Hash>,
}

impl Edition {
    /// Of a plugin that is installed in place; none for others, whose code does not change.
    pub(super) fn of(source: &PluginSource) -> Option<Self> {
        Some(Self { folder: folder(source)?, seen: Arc::default() })
    }

    /// Looks at the sources before they are loaded; the first look is what later ones are compared with.
    pub(super) async fn note(&self) {
        let first = self.seen.lock().unwrap_or_else(PoisonError::into_inner).accepted.is_none();
        if first {
            self.look().await;
            self.accept();
        }
    }

    /// Looks again.
    pub(super) async fn unchanged(&self) -> bool {
        self.look().await;
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.last == seen.accepted
    }

    /// Takes what was seen last as this generation's code.
    pub(super) fn accept(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.accepted = seen.last;
    }

    async fn look(&self) {
        let (folder, seen) = (self.folder.clone(), Arc::clone(&self.seen));
        let look = move || {
            let found = fingerprint(&folder);
            seen.lock().unwrap_or_else(PoisonError::into_inner).last = Some(found);
        };
        if tokio::task::spawn_blocking(look).await.is_err() {
            tracing::debug!(folder = %self.folder.display(), "the look at a plugin's sources was given up");
        }
    }
}

/// Where the sources are of a plugin that is installed in place.
pub(super) fn folder(source: &PluginSource) -> Option<PathBuf> {
    let PluginSource::Package { requirement, editable: true, .. } = source else { return None };
    // Extras may follow: `/folder[all]`.
    let folder = requirement.strip_suffix(']').and_then(|text| text.rsplit_once('[')).map_or(&**requirement, |(path, _)| path);
    Some(PathBuf::from(folder))
}

/// Of a folder of sources, or of one source.
pub(super) fn fingerprint(folder: &Path) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    if let Ok(metadata) = fs::metadata(folder)
        && metadata.is_file()
    {
        add(&mut hasher, folder, &metadata);
    }
    let (mut folders, mut files) = (vec![folder.to_owned()], 0);
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<_> = fs::read_dir(&folder).into_iter().flatten().flatten().collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let (name, Ok(kind)) = (entry.file_name(), entry.file_type()) else { continue };
            let name = name.to_string_lossy();
            if kind.is_dir() {
                // A virtual environment or a repository's own files are not the plugin's code.
                if !name.starts_with('.') && !matches!(&*name, "__pycache__" | "node_modules" | "venv") {
                    folders.push(entry.path());
                }
            } else if name.ends_with(".py") && files < MOST_FILES {
                files += 1;
                let Ok(metadata) = fs::metadata(entry.path()) else { continue };
                add(&mut hasher, &entry.path(), &metadata);
            }
        }
    }
    hasher.finalize()
}

fn add(hasher: &mut blake3::Hasher, path: &Path, metadata: &fs::Metadata) {
    let changed = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    hasher.update(path.as_os_str().as_encoded_bytes());
    hasher.update(&metadata.len().to_le_bytes());
    hasher.update(&changed.map_or(0, |since| since.as_nanos()).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(requirement: String, editable: bool) -> PluginSource {
        PluginSource::Package { requirement, editable, index_url: None }
    }

    #[tokio::test]
    async fn sees_changed_sources_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join("package").join(name);
        for made in ["__pycache__", ".venv", "deep"] {
            fs::create_dir_all(path(made)).unwrap();
        }
        fs::write(path("module.py"), "1").unwrap();
        let edition = Edition::of(&source(format!("{}[extra,more]", folder.path().display()), true)).unwrap();
        edition.note().await;
        assert!(edition.unchanged().await);
        for beside in ["__pycache__/module.pyc", "__pycache__/odd.py", ".venv/other.py", "data.csv"] {
            fs::write(path(beside), "beside").unwrap();
        }
        assert!(edition.unchanged().await);
        for (file, text) in [("module.py", "22"), ("deep/new.py", "")] {
            fs::write(path(file), text).unwrap();
            edition.note().await;
            assert!(!edition.unchanged().await, "{file}");
            edition.accept();
            assert!(edition.unchanged().await);
        }
        fs::remove_file(path("deep/new.py")).unwrap();
        assert!(!edition.unchanged().await);
    }

    #[test]
    fn only_code_that_is_installed_in_place_changes() {
        assert!(Edition::of(&source("/somewhere".to_owned(), false)).is_none());
        assert!(Edition::of(&PluginSource::Remote).is_none());
    }
}
