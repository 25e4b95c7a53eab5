//! Which files of a plugin's folder are saved.
//!
//! Folders are watched one by one, those apart that are not the plugin's own: a data directory or a virtual environment inside has
//! thousands. A save is several events, and a check-out is many saves: what comes in quick succession is told together.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use notify::event::ModifyKind;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use pegboard_model::Error;
use tokio::sync::mpsc;

/// Silence after which a save is over.
const QUIET: Duration = Duration::from_millis(25);
/// Longest time that saves are gathered.
const LONGEST: Duration = Duration::from_millis(500);
/// Folders that are no part of the plugin, besides those that begin with a dot.
const APART: [&str; 7] = ["__pycache__", "venv", "node_modules", "target", "dist", "build", "pegboard-data"];
/// What describes the package: it is installed anew when one changes.
const PROJECT: [&str; 3] = ["pyproject.toml", "setup.cfg", "setup.py"];

/// What was saved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// The description of the package.
    pub(crate) project: bool,
    /// Code, or data that it may have read.
    pub(crate) code: bool,
    /// Documents below a folder `workflows`.
    pub(crate) documents: BTreeSet<PathBuf>,
}

impl Changes {
    pub(crate) fn merge(&mut self, other: Self) {
        self.project |= other.project;
        self.code |= other.code;
        self.documents.extend(other.documents);
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Sorts a path in; what no run can see is left out.
    fn add(&mut self, root: &Path, path: &Path) {
        let Ok(inside) = path.strip_prefix(root) else { return };
        let parts: Vec<&str> = inside.iter().filter_map(|part| part.to_str()).collect();
        let Some((name, folders)) = parts.split_last() else { return };
        let is_scratch = name.starts_with(['.', '#']) || name.ends_with(['~', '#']) || *name == "4913" || name.starts_with("__");
        let is_scratch = is_scratch && !name.ends_with(".py");
        if is_scratch || folders.iter().any(|folder| is_apart(folder)) || folders.first() == Some(&"tests") {
            return;
        }
        let ending = name.rsplit_once('.').map(|(_, ending)| ending);
        match ending {
            Some("md" | "rst" | "pyc" | "swp" | "swx" | "tmp" | "log" | "lock") => {}
            Some("yaml" | "yml") if folders.contains(&"workflows") => {
                self.documents.insert(path.to_owned());
            }
            _ if folders.is_empty() && PROJECT.contains(name) => self.project = true,
            // A file at the top without an ending is no package's.
            None if folders.is_empty() => {}
            _ => self.code = true,
        }
    }
}

fn is_apart(folder: &str) -> bool {
    folder.starts_with('.') || folder.ends_with(".egg-info") || APART.contains(&folder)
}

/// Listens from its start on.
pub(crate) struct Watch {
    root: PathBuf,
    watcher: RecommendedWatcher,
    events: mpsc::UnboundedReceiver<(Instant, notify::Event)>,
}

impl Watch {
    pub(crate) fn start(root: &Path) -> Result<Self, Error> {
        let (sender, events) = mpsc::unbounded_channel();
        let listener = move |event: notify::Result<notify::Event>| {
            if let Ok(event) = event {
                // Nobody listens any more: the end is near.
                let _ = sender.send((Instant::now(), event));
            }
        };
        let watcher = notify::recommended_watcher(listener).map_err(|error| cannot_watch(root, &error))?;
        let mut watch = Self { root: root.to_owned(), watcher, events };
        watch.add(root)?;
        Ok(watch)
    }

    /// Waits for a save: when it began, and what was saved.
    pub(crate) async fn next(&mut self) -> (Instant, Changes) {
        loop {
            let Some((begun, first)) = self.events.recv().await else { std::future::pending().await };
            let mut changes = Changes::default();
            self.take(first, &mut changes);
            if changes.is_empty() {
                continue;
            }
            let end = tokio::time::Instant::now() + LONGEST;
            while let Ok(Some((_, event))) =
                tokio::time::timeout_at(end.min(tokio::time::Instant::now() + QUIET), self.events.recv()).await
            {
                self.take(event, &mut changes);
            }
            return (begun, changes);
        }
    }

    fn take(&mut self, event: notify::Event, changes: &mut Changes) {
        let counts = match event.kind {
            EventKind::Create(_) | EventKind::Remove(_) => true,
            EventKind::Modify(kind) => !matches!(kind, ModifyKind::Metadata(_)),
            EventKind::Access(_) | EventKind::Any | EventKind::Other => false,
        };
        if !counts {
            return;
        }
        for path in event.paths {
            if path.is_dir() {
                // What was written before it is watched is found by looking.
                if self.add(&path).is_ok() {
                    files(&path).iter().for_each(|file| changes.add(&self.root, file));
                }
            } else {
                changes.add(&self.root, &path);
            }
        }
    }

    fn add(&mut self, folder: &Path) -> Result<(), Error> {
        let inside = folder.strip_prefix(&self.root).unwrap_or(Path::new(""));
        if inside.iter().filter_map(|part| part.to_str()).any(is_apart) {
            return Ok(());
        }
        for folder in std::iter::once(folder.to_owned()).chain(below(folder).0) {
            self.watcher.watch(&folder, RecursiveMode::NonRecursive).map_err(|error| cannot_watch(&folder, &error))?;
        }
        Ok(())
    }
}

/// Documents in folders named `workflows` below this one, by path.
pub(crate) fn documents(root: &Path) -> BTreeSet<PathBuf> {
    let mut changes = Changes::default();
    files(root).iter().for_each(|file| changes.add(root, file));
    changes.documents
}

fn files(folder: &Path) -> Vec<PathBuf> {
    below(folder).1
}

/// Folders and files below this one, those apart left out.
fn below(folder: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let (mut folders, mut files, mut open) = (Vec::new(), Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => {
                    if !is_apart(&entry.file_name().to_string_lossy()) {
                        folders.push(path.clone());
                        open.push(path);
                    }
                }
                Ok(_) => files.push(path),
                Err(_) => {}
            }
        }
    }
    (folders, files)
}

fn cannot_watch(folder: &Path, error: &notify::Error) -> Error {
    Error::unavailable("cannot-watch", format!("cannot watch `{}`: {error}", folder.display()))
        .hint("raise `fs.inotify.max_user_watches`, or choose a smaller folder with `--directory`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_as_a_save() {
        let root = Path::new("/plugin");
        for (path, project, code, document) in [
            ("pyproject.toml", true, false, false),
            ("pkg/stages.py", false, true, false),
            ("pkg/__init__.py", false, true, false),
            ("pkg/data.csv", false, true, false),
            ("workflows/a.yaml", false, false, true),
            ("pkg/workflows/a.yml", false, false, true),
            ("pkg/settings.yaml", false, true, false),
            ("tests/test_a.py", false, false, false),
            ("README.md", false, false, false),
            (".pegboard/host/x.py", false, false, false),
            ("pkg/__pycache__/a.pyc", false, false, false),
            ("pkg/.stages.py.swp", false, false, false),
            ("pkg/stages.py~", false, false, false),
            ("pkg.egg-info/PKG-INFO", false, false, false),
            ("4913", false, false, false),
        ] {
            let mut changes = Changes::default();
            changes.add(root, &root.join(path));
            assert_eq!((changes.project, changes.code, !changes.documents.is_empty()), (project, code, document), "{path}");
        }
    }

    #[tokio::test]
    async fn saves_are_told_together_and_new_folders_are_watched() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for made in ["pkg", ".pegboard/deep"] {
            std::fs::create_dir_all(root.join(made)).unwrap();
        }
        let mut watch = Watch::start(&root).unwrap();
        std::fs::write(root.join(".pegboard/deep/x.py"), "1").unwrap();
        std::fs::write(root.join("pkg/a.py"), "1").unwrap();
        std::fs::create_dir(root.join("workflows")).unwrap();
        std::fs::write(root.join("workflows/a.yaml"), "1").unwrap();
        let (_, changes) = watch.next().await;
        assert!(changes.code && !changes.project);
        assert_eq!(changes.documents, BTreeSet::from([root.join("workflows/a.yaml")]));
        assert_eq!(documents(&root), changes.documents);
        std::fs::write(root.join("workflows/b.yaml"), "1").unwrap();
        assert_eq!(watch.next().await.1.documents, BTreeSet::from([root.join("workflows/b.yaml")]));
    }
}
