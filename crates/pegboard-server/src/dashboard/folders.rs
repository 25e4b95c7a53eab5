//! What lies in the plugin folders, and when it changes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use pegboard_model::Error;
use tokio::sync::mpsc;

use super::file::FileKind;

/// Silence after which a save is over.
const QUIET: Duration = Duration::from_millis(25);
/// Longest time that saves are gathered.
const LONGEST: Duration = Duration::from_millis(300);
/// Files of `packages` and `assets` beyond these are not looked at.
const MOST_LOOKED_AT: usize = 5_000;

/// When a file changed last, and how long it is.
pub(crate) type Stamp = Option<(SystemTime, u64)>;

/// A plugin file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Found {
    pub(crate) root: PathBuf,
    pub(crate) path: PathBuf,
    pub(crate) kind: FileKind,
    /// Where it leads, when that is outside of the folder.
    pub(crate) leads_to: Option<PathBuf>,
}

/// The plugin files of a folder, kind by kind, by name. Blocking.
///
/// # Errors
/// When the folder is not there or cannot be read.
pub(crate) fn scan(root: &Path) -> Result<Vec<Found>, Error> {
    let gone = |error: std::io::Error| {
        Error::not_found("plugin-folder", format!("cannot read the plugin folder `{}`: {error}", root.display()))
            .hint("make it, or correct `dashboard.plugins`; it is looked at again as soon as it is there")
    };
    std::fs::read_dir(root).map_err(gone)?;
    let real = root.canonicalize().map_err(gone)?;
    let mut found = Vec::new();
    for kind in FileKind::ALL {
        let folder = root.join(kind.folder());
        if leads_out(&real, &folder).is_some() {
            continue;
        }
        let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| is_plugin(path))
            .collect();
        paths.sort();
        found.extend(paths.into_iter().map(|path| {
            let leads_to = leads_out(&real, &path);
            Found { root: root.to_owned(), path, kind, leads_to }
        }));
    }
    Ok(found)
}

/// Where a path leads, when that is outside of the folder, whose own path has no links in it. Blocking.
pub(crate) fn leads_out(real_root: &Path, path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok().filter(|real| !real.starts_with(real_root))
}

/// What is said of a path that leads out of its folder.
pub(crate) fn left_out(path: &Path, target: &Path) -> Error {
    Error::invalid(
        "plugin-link",
        format!("`{}` is a link that leads out of the plugin folder, to `{}`", path.display(), target.display()),
    )
    .hint("put the file itself there, or name the other folder in `dashboard.plugins`, too")
}

/// Links in `packages` and `assets`, and whole folders that are links, that lead out: nothing is taken from there. Blocking.
pub(crate) fn outward_links(root: &Path) -> Vec<(PathBuf, Error)> {
    let Ok(real) = root.canonicalize() else { return Vec::new() };
    let mut found = Vec::new();
    let kinds = FileKind::ALL.map(FileKind::folder);
    for name in kinds.into_iter().chain(["packages", "assets"]) {
        let folder = root.join(name);
        if let Some(target) = leads_out(&real, &folder) {
            found.push((folder.clone(), left_out(&folder, &target)));
            continue;
        }
        let mut open = if kinds.contains(&name) { Vec::new() } else { vec![folder] };
        let mut seen = 0;
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                let Ok(kind) = entry.file_type() else { continue };
                seen += 1;
                if seen > MOST_LOOKED_AT {
                    return found;
                }
                if kind.is_dir() {
                    open.push(entry.path());
                } else if kind.is_symlink()
                    && let Some(target) = leads_out(&real, &entry.path())
                {
                    found.push((entry.path(), left_out(&entry.path(), &target)));
                }
            }
        }
    }
    found
}

fn is_plugin(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.ends_with(".py") && !name.starts_with(['_', '.']) && path.is_file()
}

/// Stamp of each of these files. Blocking.
pub(crate) fn stamps<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> BTreeMap<PathBuf, Stamp> {
    let stamp = |path: &PathBuf| {
        let about = std::fs::metadata(path).ok()?;
        Some((about.modified().ok()?, about.len()))
    };
    paths.into_iter().map(|path| (path.clone(), stamp(path))).collect()
}

/// Listens to folders.
pub(crate) struct Watch {
    watcher: RecommendedWatcher,
    events: mpsc::UnboundedReceiver<()>,
    watched: Vec<PathBuf>,
}

impl Watch {
    pub(crate) fn new() -> Result<Self, Error> {
        let (sender, events) = mpsc::unbounded_channel();
        let listener = move |event: notify::Result<notify::Event>| {
            let counts = event.is_ok_and(|event| {
                let by_python = event.paths.iter().all(|path| path.iter().any(|part| part == "__pycache__"));
                !matches!(event.kind, EventKind::Access(_)) && !by_python
            });
            if counts {
                // Nobody listens any more: the server stops.
                let _ = sender.send(());
            }
        };
        let watcher = notify::recommended_watcher(listener)
            .map_err(|error| Error::unavailable("cannot-watch", format!("cannot watch plugin folders: {error}")))?;
        Ok(Self { watcher, events, watched: Vec::new() })
    }

    /// Listens to this folder from now on, if it is there. Blocking.
    pub(crate) fn add(&mut self, root: &Path) {
        if self.watched.iter().any(|known| known == root) {
            return;
        }
        match self.watcher.watch(root, RecursiveMode::Recursive) {
            Ok(()) => self.watched.push(root.to_owned()),
            Err(error) => tracing::debug!(folder = %root.display(), %error, "a plugin folder cannot be watched yet"),
        }
    }

    /// This folder is away: when it comes back, it is another one.
    pub(crate) fn forget(&mut self, root: &Path) {
        if self.watched.iter().any(|known| known == root) {
            // It may be unknown already, because it is gone.
            let _ = self.watcher.unwatch(root);
            self.watched.retain(|known| known != root);
        }
    }

    /// Waits for a save and for its end.
    pub(crate) async fn changed(&mut self) {
        if self.events.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
        let end = tokio::time::Instant::now() + LONGEST;
        while let Ok(Some(())) = tokio::time::timeout_at(end.min(tokio::time::Instant::now() + QUIET), self.events.recv()).await {
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plugin_files_count() {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("components/b.py", ""),
            ("components/a.py", ""),
            ("components/_base.py", ""),
            ("components/README.md", ""),
            ("components/deep/c.py", ""),
            ("pages/p.py", ""),
            ("views/v.py", ""),
            ("transforms/t.py", ""),
            ("x.py", ""),
        ] {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let names: Vec<String> = scan(root.path())
            .unwrap()
            .iter()
            .map(|found| found.path.strip_prefix(root.path()).unwrap().display().to_string())
            .collect();
        assert_eq!(names, ["components/a.py", "components/b.py", "views/v.py", "pages/p.py"]);
        let error = scan(&root.path().join("nowhere")).unwrap_err();
        assert!(error.message.contains("nowhere") && error.hint.is_some());
    }
}
