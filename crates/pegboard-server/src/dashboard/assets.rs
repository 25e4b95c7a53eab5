//! Files of the plugin folders' `assets/`, served as they are below `assets/plugins/`.
//!
//! Invariant: nothing outside of an `assets` folder is served, whatever links are in it.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Files beyond these are not looked at.
const MOST: usize = 5_000;

/// One file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Asset {
    /// Below `assets/plugins/`.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// Seconds.
    pub(crate) modified: u64,
    pub(crate) bytes: u64,
}

impl Asset {
    pub(crate) fn is_script(&self) -> bool {
        self.name.ends_with(".js")
    }

    pub(crate) fn is_style(&self) -> bool {
        self.name.ends_with(".css")
    }
}

/// The files of all folders; of two with one name, the first folder's. Blocking.
pub(crate) fn find(roots: &[PathBuf]) -> Vec<Asset> {
    let mut found: Vec<Asset> = Vec::new();
    for root in roots {
        let Ok(base) = root.join("assets").canonicalize() else { continue };
        if root.canonicalize().is_ok_and(|root| !base.starts_with(root)) {
            continue;
        }
        let mut open = vec![base.clone()];
        while let Some(folder) = open.pop() {
            let mut entries: Vec<_> = std::fs::read_dir(&folder).into_iter().flatten().flatten().collect();
            entries.sort_by_key(std::fs::DirEntry::file_name);
            for entry in entries {
                // A link may lead anywhere.
                let Ok(path) = entry.path().canonicalize() else { continue };
                if !path.starts_with(&base) || found.len() >= MOST {
                    continue;
                }
                let Ok(about) = path.metadata() else { continue };
                if about.is_dir() {
                    if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                        open.push(path);
                    }
                    continue;
                }
                let Some(name) = name(&base, &entry.path()) else { continue };
                if found.iter().any(|known| known.name == name) {
                    continue;
                }
                let modified = about.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
                found.push(Asset { name, path, modified: modified.map_or(0, |since| since.as_secs()), bytes: about.len() });
            }
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

fn name(base: &Path, path: &Path) -> Option<String> {
    path.strip_prefix(base).ok()?.to_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_lead_out_are_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let secret = tempfile::tempdir().unwrap();
        std::fs::write(secret.path().join("key"), "secret").unwrap();
        let assets = root.path().join("assets");
        std::fs::create_dir_all(assets.join("deep")).unwrap();
        std::fs::write(assets.join("deep/a.js"), "1").unwrap();
        std::fs::write(assets.join("b.css"), "1").unwrap();
        std::os::unix::fs::symlink(secret.path(), assets.join("out")).unwrap();
        std::os::unix::fs::symlink(secret.path().join("key"), assets.join("key")).unwrap();
        std::os::unix::fs::symlink(assets.join("b.css"), assets.join("c.css")).unwrap();
        let names: Vec<String> = find(&[root.path().to_owned()]).into_iter().map(|asset| asset.name).collect();
        assert_eq!(names, ["b.css", "c.css", "deep/a.js"]);
    }
}
