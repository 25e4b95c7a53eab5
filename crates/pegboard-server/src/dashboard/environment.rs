//! What the environment of the panels has for browsers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use serde_json::{Map, Value as Json};

use super::told::{Libraries, Theme};

/// Versions, scripts, files and themes; the same for all viewers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    pub(crate) versions: BTreeMap<String, Option<String>>,
    pub(crate) children_props: Map<String, Json>,
    /// Package and path.
    pub(crate) before: Vec<(String, String)>,
    pub(crate) libraries: Vec<(String, String)>,
    pub(crate) after: Vec<(String, String)>,
    pub(crate) styles: Vec<(String, String)>,
    /// Package → path → file.
    pub(crate) files: BTreeMap<String, BTreeMap<String, SuiteFile>>,
    pub(crate) themes: Vec<Theme>,
}

/// A file of a package that browsers may have.
#[derive(Clone, Debug)]
pub(crate) struct SuiteFile {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    /// Seconds.
    pub(crate) modified: u64,
    pub(crate) version: String,
}

impl Environment {
    /// From what a worker said; looks at the files. Blocking.
    pub(crate) fn of(said: Libraries) -> Self {
        let mut scripts = said.libraries.scripts.clone();
        let behind = scripts.len().saturating_sub(said.libraries.after);
        let after = scripts.split_off(behind);
        let libraries = scripts.split_off(said.libraries.before.min(scripts.len()));
        let files = files(&said);
        Self {
            versions: said.versions,
            children_props: said.children_props,
            before: scripts,
            libraries,
            after,
            styles: said.libraries.styles,
            files,
            themes: said.themes,
        }
    }

    /// Adds what a file of panels uses beyond it. Blocking.
    pub(crate) fn add(&mut self, more: &Libraries) {
        let new = |known: &[(String, String)], all: &[(String, String)]| -> Vec<(String, String)> {
            all.iter().filter(|one| !known.contains(one)).cloned().collect()
        };
        self.libraries.extend(new(&self.libraries, &more.libraries.scripts));
        self.styles.extend(new(&self.styles, &more.libraries.styles));
        for (package, files) in files(more) {
            self.files.entry(package).or_default().extend(files);
        }
        for (namespace, props) in &more.children_props {
            self.children_props.entry(namespace.clone()).or_insert_with(|| props.clone());
        }
    }
}

fn files(said: &Libraries) -> BTreeMap<String, BTreeMap<String, SuiteFile>> {
    let mut packages = BTreeMap::new();
    for (name, package) in &said.packages {
        let each = package.files.iter().filter_map(|relative| {
            let path = package.folder.join(relative);
            let about = path.metadata().ok()?;
            let modified = about.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_secs();
            Some((relative.clone(), SuiteFile { path, bytes: about.len(), modified, version: package.version.clone() }))
        });
        packages.insert(name.clone(), each.collect());
    }
    packages
}
