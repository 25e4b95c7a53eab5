//! Keeps files, workers and the site in line with what lies in the folders.
//!
//! Invariant: one task does this, so loads of one file take turns; a look that fails leaves what there is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use pegboard_model::{Error, ErrorKind, Failure};
use rust_embed::Embed;
use serde_json::Value as Json;

use super::environment::Environment;
use super::file::FileKind;
use super::folders::{Found, Stamp, Watch, left_out, outward_links, scan, stamps};
use super::requirements::{PanelRequirements, REQUIREMENTS_FILE, SWITCH, describe};
use super::site::{Part, can_swap};
use super::told::{Libraries, Loaded};
use super::{Change, PREFIX, PanelFile, Phase, Site, assets, remote};
use crate::app::App;
use crate::config::PluginFolder;

/// Files that load side by side.
const AT_ONCE: usize = 4;
/// How often folders are looked at although nothing was heard of them.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// After how long requirements that could not be met are tried again although they are the same.
const TRY_AGAIN: Duration = Duration::from_secs(60);
/// Files of more bytes are read anew by each of their workers.
const LONGEST_TEXT: u64 = 1 << 20;

/// The panels of the artifact pages: a plugin folder like any other.
#[derive(Embed)]
#[folder = "panels/"]
#[exclude = "**/__pycache__/**"]
#[exclude = "*.pyc"]
struct OwnPanels;

/// Until the server stops: waits for somebody who wants the dashboard, makes it, keeps it true.
pub async fn keep_dashboard(app: App) {
    let keep = async {
        if app.settings.dashboard.plugins.is_empty() {
            app.dashboard.wanted.notified().await;
        }
        remote::follow_all(&app);
        loop {
            app.dashboard.phase.send_replace(Phase::Preparing);
            match Keeper::start(&app).await {
                Ok(keeper) => break keeper.keep().await,
                Err(error) => {
                    tracing::error!(error = %error, "the dashboard cannot be made");
                    app.dashboard.phase.send_replace(Phase::Failed(error));
                    // The next who asks tries again.
                    app.dashboard.wanted.notified().await;
                }
            }
        }
    };
    tokio::select! {
        () = keep => {}
        () = app.shutdown.begun() => {}
    }
}

struct Keeper<'a> {
    app: &'a App,
    environment: Arc<Environment>,
    requirements: PanelRequirements,
    /// Requirements that could not be met.
    refused: Option<Refused>,
    /// Why nobody gets the original `workbench`, although it was asked for.
    unused: Option<Error>,
    own: PathBuf,
    watch: Watch,
    /// What each file was when it was loaded last.
    stamps: BTreeMap<PathBuf, BTreeMap<PathBuf, Stamp>>,
    assets: Vec<assets::Asset>,
    editions: u64,
}

impl<'a> Keeper<'a> {
    async fn start(app: &'a App) -> Result<Self, Error> {
        let own = unpack(app).await?;
        let mut keeper = Self {
            app,
            environment: Arc::default(),
            requirements: PanelRequirements::default(),
            refused: None,
            unused: None,
            own,
            watch: Watch::new()?,
            stamps: BTreeMap::new(),
            assets: Vec::new(),
            editions: 0,
        };
        for folder in &app.settings.dashboard.plugins {
            // Empty until its first copy is there, which is no reason to complain.
            if let PluginFolder::Remote(place) = folder {
                let copy = remote::copy_of(app, place);
                let made = tokio::fs::create_dir_all(&copy).await;
                made.map_err(|error| Error::internal("data-directory", format!("cannot make `{}`: {error}", copy.display())))?;
            }
        }
        let wanted = keeper.wanted(&keeper.roots()).await;
        let made = keeper.make(&wanted).await?;
        keeper.environment = Arc::new(made.0.clone());
        keeper.take(wanted, made);
        Ok(keeper)
    }

    /// Has the environments made: what browsers get from ours, and which files run where. The error says why the original `workbench`
    /// is not used, although it was to be.
    async fn make(&self, wanted: &PanelRequirements) -> Result<(Environment, PanelRequirements, Option<Error>), Error> {
        let mut used = wanted.clone();
        let tried = used.try_original(&self.app.engine).await;
        let said = describe(&self.app.engine, used.ours()).await.map_err(cannot_make)?;
        let mut environment = tokio::task::spawn_blocking(move || Environment::of(said)).await.unwrap_or_default();
        let refusal = match tried {
            Ok(None) => None,
            Ok(version) => {
                environment.versions.insert("original_workbench".to_owned(), version);
                None
            }
            Err(error) => Some(error),
        };
        Ok((environment, used, refusal))
    }

    async fn keep(mut self) {
        loop {
            self.look().await;
            self.app.dashboard.phase.send_replace(Phase::Ready);
            tokio::select! {
                () = self.watch.changed() => {}
                () = self.app.dashboard.look.notified() => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
    }

    /// Folders on this machine, in order.
    fn roots(&self) -> Vec<PathBuf> {
        let local = |folder: &PluginFolder| match folder {
            PluginFolder::Local(path) => path.clone(),
            PluginFolder::Remote(place) => remote::copy_of(self.app, place),
        };
        self.app.settings.dashboard.plugins.iter().map(local).collect()
    }

    /// Compares folders with workers and brings them in line.
    async fn look(&mut self) {
        let roots = self.roots();
        for root in &roots {
            self.watch.add(root);
        }
        let (mut found, errors, links) = self.scan(&roots).await;
        // What a folder that cannot be read for a moment needs is not known: nobody loses a package for it.
        let is_other_environment = errors.is_empty() && self.renew_environment(&roots).await;
        found.sort_by_key(|found| found.kind);
        for (root, _) in &errors {
            self.watch.forget(root);
        }
        {
            let mut folders = self.app.dashboard.folders.lock().unwrap_or_else(PoisonError::into_inner);
            *folders = errors.iter().chain(&links).map(|(path, error)| (path.display().to_string(), error.clone())).collect();
            folders.extend(self.refused.iter().map(|refused| (REQUIREMENTS_FILE.to_owned(), refused.error.clone())));
            folders.extend(self.unused.iter().map(|error| (SWITCH.to_owned(), error.clone())));
        }
        // A folder that cannot be read for a moment keeps its panels.
        let is_kept = |file: &PanelFile| errors.iter().any(|(root, _)| *root == file.root);
        let present: BTreeSet<&PathBuf> = found.iter().map(|found| &found.path).collect();
        let gone: Vec<_> =
            self.app.dashboard.files().into_iter().filter(|file| !present.contains(&file.path) && !is_kept(file)).collect();
        for file in &gone {
            self.forget(file).await;
        }
        let due = self.due(&found, is_other_environment).await;
        let loaded = self.load_all(&roots, due).await;
        let assets = {
            let roots = roots.clone();
            tokio::task::spawn_blocking(move || assets::find(&roots)).await.unwrap_or_default()
        };
        let other_assets = assets != self.assets;
        self.assets = assets;
        if self.editions == 0 || !gone.is_empty() || other_assets || !loaded.is_empty() {
            self.publish(&found, &loaded, !gone.is_empty() || other_assets).await;
        }
    }

    /// Makes other environments when the folders' requirements are others; whether it did. When they cannot be met, the old ones go on
    /// serving.
    async fn renew_environment(&mut self, roots: &[PathBuf]) -> bool {
        let wanted = self.wanted(roots).await;
        if wanted == self.requirements {
            self.refused = None;
            return false;
        }
        let is_refused = |refused: &Refused| refused.requirements == wanted && refused.when.elapsed() < TRY_AGAIN;
        if self.refused.as_ref().is_some_and(is_refused) {
            return false;
        }
        match self.make(&wanted).await {
            Ok(made) => self.take(wanted, made),
            Err(error) => {
                tracing::warn!(error = %error, "the panels keep their environment");
                self.refused = Some(Refused { requirements: wanted, error, when: Instant::now() });
                false
            }
        }
    }

    /// What the folders ask for now.
    async fn wanted(&mut self, roots: &[PathBuf]) -> PanelRequirements {
        let (wanted, unused) = PanelRequirements::read(roots, self.app.settings.dashboard.original_workbench).await;
        if let Some(error) = unused.as_ref().filter(|error| self.unused.as_ref() != Some(error)) {
            tracing::warn!("{}", error.message);
        }
        self.unused = unused;
        wanted
    }

    /// Uses what was made; whether it is another one.
    fn take(&mut self, wanted: PanelRequirements, made: (Environment, PanelRequirements, Option<Error>)) -> bool {
        let (environment, used, refusal) = made;
        if let Some(error) = &refusal {
            tracing::warn!(error = %error, "the panels have Pegboard's own `workbench`");
        }
        self.refused = refusal.map(|error| Refused { requirements: wanted, error, when: Instant::now() });
        if used == self.requirements {
            return false;
        }
        self.environment = Arc::new(environment);
        self.requirements = used;
        true
    }

    /// Plugin files, folders that cannot be read, links that lead out of them.
    async fn scan(&self, roots: &[PathBuf]) -> (Vec<Found>, Vec<(PathBuf, Error)>, Vec<(PathBuf, Error)>) {
        let all: Vec<PathBuf> = std::iter::once(self.own.clone()).chain(roots.iter().cloned()).collect();
        let scan_all = move || {
            let (mut found, mut errors, mut links) = (Vec::new(), Vec::new(), Vec::new());
            for root in all {
                match scan(&root) {
                    Ok(files) => {
                        found.extend(files);
                        links.extend(outward_links(&root));
                    }
                    Err(error) => errors.push((root, error)),
                }
            }
            (found, errors, links)
        };
        tokio::task::spawn_blocking(scan_all).await.unwrap_or_default()
    }

    async fn forget(&mut self, file: &PanelFile) {
        self.app.dashboard.files.lock().unwrap_or_else(PoisonError::into_inner).remove(&file.path);
        self.stamps.remove(&file.path);
        self.app.engine.unhost(&file.name).await;
        self.app.dashboard.rota.forget(file);
    }

    /// Files that are new or are not what they were when they were loaded, or all.
    async fn due(&mut self, found: &[Found], all: bool) -> Vec<Arc<PanelFile>> {
        let asked = std::mem::take(&mut *self.app.dashboard.again.lock().unwrap_or_else(PoisonError::into_inner));
        let mut due = Vec::new();
        for one in found {
            if let Some(target) = &one.leads_to {
                self.refuse(one, &left_out(&one.path, target)).await;
                continue;
            }
            let known = self.app.dashboard.files.lock().unwrap_or_else(PoisonError::into_inner).get(&one.path).cloned();
            let Some(file) = known else {
                due.push(self.begin(one));
                continue;
            };
            let Some(before) = self.stamps.get(&one.path).cloned() else {
                due.push(file);
                continue;
            };
            let paths: Vec<PathBuf> = before.keys().cloned().collect();
            let now = tokio::task::spawn_blocking(move || stamps(&paths)).await.unwrap_or_default();
            if all || now != before || asked.contains(&one.path) {
                due.push(file);
            }
        }
        due
    }

    fn begin(&self, found: &Found) -> Arc<PanelFile> {
        let deadline = self.app.settings.dashboard.load_deadline;
        let file = PanelFile::new(found.root.clone(), found.path.clone(), found.kind, found.root == self.own, deadline);
        let mut files = self.app.dashboard.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.insert(found.path.clone(), Arc::clone(&file));
        file
    }

    /// A file that is not loaded at all, with the reason in its place. What it was before goes on.
    async fn refuse(&mut self, found: &Found, error: &Error) {
        let known = self.app.dashboard.files.lock().unwrap_or_else(PoisonError::into_inner).get(&found.path).cloned();
        let file = known.unwrap_or_else(|| self.begin(found));
        // Looked at again when it is no such link any more.
        self.stamps.remove(&found.path);
        if file.refuse(error) {
            tracing::warn!("{}", error.message);
            // No page is open.
            let _ = self.app.dashboard.changes.send(Change::Site);
        }
    }

    /// Loads files; what there was before and is now, of those that took over.
    async fn load_all(&mut self, roots: &[PathBuf], due: Vec<Arc<PanelFile>>) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let mut open = due;
        // A second round for those that chose the same id at the same time.
        for _ in 0..2 {
            let known = self.known_ids(&open);
            let each = open.drain(..).map(|file| {
                let known = known.clone();
                let this = &*self;
                async move { this.load(roots, file, &known).await }
            });
            let done: Vec<_> = stream::iter(each).buffered(AT_ONCE).collect().await;
            for (file, stamps, change) in done {
                self.stamps.insert(file.path.clone(), stamps);
                outcomes.retain(|other: &Outcome| other.file.key != file.key);
                outcomes.push(Outcome { file, change });
            }
            open = self.twins(&outcomes);
            if open.is_empty() {
                break;
            }
        }
        outcomes
    }

    async fn load(&self, roots: &[PathBuf], file: Arc<PanelFile>, known: &[String]) -> Loading {
        let started = Instant::now();
        let own = [self.own.clone()];
        let roots = if file.is_ours { &own[..] } else { roots };
        // Before the worker reads them: a save in between is seen at the next look.
        let mut paths = vec![file.path.clone()];
        paths.extend(file.loaded().map(|(loaded, _)| loaded.files.clone()).unwrap_or_default());
        let before = tokio::task::spawn_blocking(move || stamps(&paths)).await.unwrap_or_default();
        let plugin = file.begin(roots, known, PREFIX, text_of(&file.path).await, self.requirements.of(&file.root));
        let outcome = self.app.engine.host(plugin, &PanelRequirements::preload()).await;
        let took = started.elapsed();
        match &outcome {
            Ok(()) => tracing::info!(file = %file.path.display(), took = ?took, "loaded"),
            Err(failure) => tracing::warn!(file = %file.path.display(), failure = failure.message, "does not load"),
        }
        let change = file.end(started, outcome);
        if let Some((former, _)) = &change {
            self.app.dashboard.rota.loaded(self.app, &file, former.is_none());
        }
        let mut stamped = before;
        if let Some((_, loaded)) = &change {
            let new: Vec<PathBuf> = loaded.files.iter().filter(|path| !stamped.contains_key(*path)).cloned().collect();
            stamped.retain(|path, _| *path == file.path || loaded.files.contains(path));
            stamped.extend(tokio::task::spawn_blocking(move || stamps(&new)).await.unwrap_or_default());
        }
        (file, stamped, change)
    }

    /// Ids of components in all files but these.
    fn known_ids(&self, but: &[Arc<PanelFile>]) -> Vec<String> {
        let others = self.app.dashboard.files().into_iter().filter(|file| but.iter().all(|one| one.key != file.key));
        others.filter_map(|file| file.loaded()).flat_map(|(loaded, _)| ids(&loaded)).collect()
    }

    /// Files of this round whose ids another file has, too.
    fn twins(&self, outcomes: &[Outcome]) -> Vec<Arc<PanelFile>> {
        let mut seen: BTreeMap<String, u64> = BTreeMap::new();
        let mut twins = Vec::new();
        let round = |key: u64| outcomes.iter().any(|outcome| outcome.file.key == key);
        let mut files = self.app.dashboard.files();
        // Those that were there before keep their ids.
        files.sort_by_key(|file| (round(file.key), !file.is_ours, file.path.clone()));
        for file in files.into_iter().filter(|file| file.kind == FileKind::Component) {
            let Some((loaded, _)) = file.loaded() else { continue };
            let ids = ids(&loaded);
            if round(file.key) && ids.iter().any(|id| seen.get(id).is_some_and(|other| *other != file.key)) {
                twins.push(file);
                continue;
            }
            seen.extend(ids.into_iter().map(|id| (id, file.key)));
        }
        twins
    }

    /// Makes the site and tells open pages.
    async fn publish(&mut self, found: &[Found], loaded: &[Outcome], is_other: bool) {
        let files = self.app.dashboard.files.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut order: Vec<Arc<PanelFile>> = found.iter().filter_map(|found| files.get(&found.path)).cloned().collect();
        order.extend(files.values().filter(|file| found.iter().all(|found| found.path != file.path)).cloned());
        let parts: Vec<Part> =
            order.into_iter().filter_map(|file| file.loaded().map(|(loaded, edition)| Part { file, loaded, edition })).collect();
        self.editions += 1;
        let libraries: Vec<Libraries> = parts.iter().map(|part| part.loaded.libraries.clone()).collect();
        let mut environment = (*self.environment).clone();
        let add_all = move || {
            libraries.iter().for_each(|more| environment.add(more));
            environment
        };
        let environment = tokio::task::spawn_blocking(add_all).await.unwrap_or_default();
        let site = Site::merge(Arc::new(environment), &parts, self.assets.clone());
        for message in site.problems.values().flatten() {
            tracing::warn!(file = message.file, "{}", message.text);
        }
        let changes = changes(&site, loaded, is_other);
        *self.app.dashboard.site.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(site));
        for change in changes {
            // No page is open.
            let _ = self.app.dashboard.changes.send(change);
        }
    }
}

/// Requirements that could not be met.
struct Refused {
    requirements: PanelRequirements,
    error: Error,
    when: Instant,
}

/// The file's text, for the workers that come later; none of a file that is too long to be kept, or is no text.
async fn text_of(path: &Path) -> Option<String> {
    let length = tokio::fs::metadata(path).await.ok()?.len();
    if length > LONGEST_TEXT {
        return None;
    }
    tokio::fs::read_to_string(path).await.ok()
}

type Loading = (Arc<PanelFile>, BTreeMap<PathBuf, Stamp>, Option<(Option<Arc<Loaded>>, Arc<Loaded>)>);

/// How a load ended.
struct Outcome {
    file: Arc<PanelFile>,
    change: Option<(Option<Arc<Loaded>>, Arc<Loaded>)>,
}

fn changes(site: &Site, loaded: &[Outcome], is_other: bool) -> Vec<Change> {
    let keys = |file: &PanelFile| -> Vec<String> {
        site.panels.iter().filter(|panel| panel.file.key == file.key).map(|panel| panel.key.clone()).collect()
    };
    let mut changes = vec![Change::State];
    for outcome in loaded {
        match &outcome.change {
            Some((Some(old), new)) if can_swap(old, new) => {
                changes.push(Change::Panels { keys: keys(&outcome.file) });
                let paths = new.pages.iter().filter_map(|page| page.path_template.clone().or(page.path.clone()));
                changes.push(Change::Pages { paths: paths.collect() });
            }
            Some(_) => changes.push(Change::Site),
            // Nothing of it is on any page yet; its failure is.
            None if outcome.file.loaded().is_none() => changes.push(Change::Site),
            None => changes.push(Change::Notices { keys: keys(&outcome.file) }),
        }
    }
    if is_other || changes.contains(&Change::Site) {
        return vec![Change::Site];
    }
    changes
}

fn ids(loaded: &Loaded) -> Vec<String> {
    let each = loaded.panels.iter().flat_map(|panel| &panel.ids);
    each.filter_map(Json::as_str).filter(|id| *id != "error").map(str::to_owned).collect()
}

fn cannot_make(failure: Failure) -> Error {
    let error = Error::new(
        ErrorKind::Unavailable,
        "dashboard-environment",
        format!("the environment of the dashboard's panels cannot be made: {}", failure.message),
    );
    let error = match failure.hint {
        Some(hint) => error.hint(hint),
        None => error,
    };
    match failure.traceback {
        Some(traceback) => error.detail(traceback),
        None => error,
    }
}

/// Writes our own panels where workers can read them.
async fn unpack(app: &App) -> Result<PathBuf, Error> {
    let root = app.settings.server.data.join("dashboard").join("own");
    let root = std::path::absolute(&root).unwrap_or(root);
    let target = root.clone();
    let app = app.clone();
    let write = move || -> std::io::Result<()> {
        super::compressed::forget_all(&app);
        for name in OwnPanels::iter() {
            let Some(file) = OwnPanels::get(&name) else { continue };
            let path = target.join(name.as_ref());
            if std::fs::read(&path).is_ok_and(|known| known == *file.data) {
                continue;
            }
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::write(path, &file.data)?;
        }
        Ok(())
    };
    let written = tokio::task::spawn_blocking(write).await.unwrap_or_else(|panic| Err(std::io::Error::other(panic)));
    written.map_err(|error| Error::internal("data-directory", format!("cannot write `{}`: {error}", root.display())))?;
    Ok(root)
}
