//! How much environments take on disk.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::PoisonError;
use std::time::SystemTime;

use pegboard_model::Error;

use super::Environments;
use super::create::{MARKER, is_key};
use super::files::{blocking, environments, io_error};

/// One environment on disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EnvironmentSize {
    /// Directory name below `environments/`.
    pub key: String,
    /// Bytes of its files; files that it shares with the installer's cache count in full.
    pub bytes: u64,
    /// How many files.
    pub files: u64,
    /// When it was made, or last shared with a new plugin.
    pub used_at: Option<SystemTime>,
    /// Its interpreter, such as `Python 3.12.4`.
    pub python: String,
}

impl Environments {
    /// Every complete one, the largest first. A complete one does not change, so each is measured once.
    ///
    /// # Errors
    /// `data-directory` when the directory of environments cannot be read.
    pub async fn sizes(&self) -> Result<Vec<EnvironmentSize>, Error> {
        let (data, known) = (self.inner.options.data.clone(), self.known_sizes().clone());
        let shown = environments(&data);
        let found = blocking(move || look(&data, &known)).await.map_err(|error| io_error("cannot read", &shown, &error))?;
        *self.known_sizes() = found.iter().map(|one| (one.key.clone(), (one.bytes, one.files))).collect();
        Ok(found)
    }

    fn known_sizes(&self) -> std::sync::MutexGuard<'_, HashMap<String, (u64, u64)>> {
        self.inner.sizes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn look(data: &Path, known: &HashMap<String, (u64, u64)>) -> io::Result<Vec<EnvironmentSize>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(environments(data))? {
        let entry = entry?;
        let key = entry.file_name().to_string_lossy().into_owned();
        let marker = entry.path().join(MARKER);
        let Ok(about) = fs::metadata(&marker) else { continue };
        if !is_key(&key) {
            continue;
        }
        let (bytes, files) = match known.get(&key) {
            Some(size) => *size,
            None => measure(&entry.path()),
        };
        let python = fs::read_to_string(&marker).unwrap_or_default().trim().to_owned();
        found.push(EnvironmentSize { key, bytes, files, used_at: about.modified().ok(), python });
    }
    found.sort_by(|one, other| other.bytes.cmp(&one.bytes).then_with(|| one.key.cmp(&other.key)));
    Ok(found)
}

/// Whole blocks, as the disk counts. What goes away meanwhile does not count.
fn measure(folder: &Path) -> (u64, u64) {
    let (mut bytes, mut files, mut folders) = (0, 0, vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(about) = entry.metadata() else { continue };
            bytes += about.blocks() * 512;
            if about.is_dir() {
                folders.push(entry.path());
            } else {
                files += 1;
            }
        }
    }
    (bytes, files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complete_ones_are_measured_once() {
        let data = tempfile::tempdir().unwrap();
        let (key, half) = ("a".repeat(32), "b".repeat(32));
        for name in [key.as_str(), half.as_str(), ".scratch"] {
            fs::create_dir_all(environments(data.path()).join(name).join("lib")).unwrap();
        }
        let folder = environments(data.path()).join(&key);
        fs::write(folder.join("lib/module.py"), vec![b'x'; 10_000]).unwrap();
        fs::write(folder.join(MARKER), "Python 3.12.4\n").unwrap();
        let found = look(data.path(), &HashMap::new()).unwrap();
        assert_eq!((found.len(), found[0].files, found[0].python.as_str()), (1, 2, "Python 3.12.4"));
        assert!(found[0].bytes >= 10_000, "{found:?}");
        let known = HashMap::from([(key, (7, 1))]);
        assert_eq!(look(data.path(), &known).unwrap()[0].bytes, 7);
    }
}
