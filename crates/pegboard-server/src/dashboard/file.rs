//! One file of a plugin folder and its worker.
//!
//! Invariants: what is served was told by a worker that has loaded; a file that does not load leaves the former worker serving; a worker
//! that takes the place of a lost one hears the last successful update of each panel before it serves.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use pegboard_engine::{HostedPlugin, Invocation, PanelEnvironment, Preparation};
use pegboard_model::{Error, Failure, FailureKind, PluginName};
use serde_json::json;

use super::mark::Mark;
use super::site;
use super::told::{Loaded, PanelFailure};

/// What a file holds, by its folder.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum FileKind {
    /// `components/`.
    Component,
    /// `views/`.
    View,
    /// `pages/`.
    Page,
}

impl FileKind {
    pub(crate) const ALL: [Self; 3] = [Self::Component, Self::View, Self::Page];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Component => "component",
            Self::View => "view",
            Self::Page => "page",
        }
    }

    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Component => "components",
            Self::View => "views",
            Self::Page => "pages",
        }
    }
}

/// A file with its worker.
pub(crate) struct PanelFile {
    /// Made of its path: the same for every server.
    pub(crate) key: u64,
    pub(crate) name: PluginName,
    pub(crate) path: PathBuf,
    pub(crate) root: PathBuf,
    pub(crate) kind: FileKind,
    /// Comes with the server: the panels of the artifact pages.
    pub(crate) is_ours: bool,
    pub(crate) load_deadline: Duration,
    state: Mutex<State>,
    loads: AtomicU64,
}

#[derive(Default)]
struct State {
    /// What the serving worker told.
    loaded: Option<Arc<Loaded>>,
    /// What the last one told that was asked.
    told: Option<Arc<Loaded>>,
    failure: Option<PanelFailure>,
    is_loading: bool,
    took: Duration,
    loaded_at: Option<SystemTime>,
    edition: u64,
    /// By class: the payload of its last update that went well.
    updates: BTreeMap<String, Bytes>,
}

/// How a file stands, for people.
pub(crate) struct Standing {
    pub(crate) loaded: Option<Arc<Loaded>>,
    pub(crate) failure: Option<PanelFailure>,
    pub(crate) is_loading: bool,
    pub(crate) took: Duration,
    pub(crate) loaded_at: Option<SystemTime>,
}

impl PanelFile {
    pub(crate) fn new(root: PathBuf, path: PathBuf, kind: FileKind, is_ours: bool, load_deadline: Duration) -> Arc<Self> {
        let hash = blake3::hash(path.as_os_str().as_encoded_bytes());
        let mut first = [0; 8];
        first.copy_from_slice(&hash.as_bytes()[..8]);
        let key = u64::from_le_bytes(first);
        let (state, loads) = (Mutex::default(), AtomicU64::new(0));
        Arc::new(Self { key, name: PluginName::panel(key), path, root, kind, is_ours, load_deadline, state, loads })
    }

    /// How people and URLs name it.
    pub(crate) fn id(&self) -> String {
        format!("{:016x}", self.key)
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark::new(format!("{:08x}", self.key & 0xffff_ffff))
    }

    pub(crate) fn is_marked(&self) -> bool {
        self.state().loaded.as_ref().is_some_and(|loaded| site::needs_marks(loaded))
    }

    pub(crate) fn loaded(&self) -> Option<(Arc<Loaded>, u64)> {
        let state = self.state();
        state.loaded.clone().map(|loaded| (loaded, state.edition))
    }

    pub(crate) fn standing(&self) -> Standing {
        let state = self.state();
        Standing {
            loaded: state.loaded.clone(),
            failure: state.failure.clone(),
            is_loading: state.is_loading,
            took: state.took,
            loaded_at: state.loaded_at,
        }
    }

    /// Why the last change does not serve, while something else does.
    pub(crate) fn trouble(&self) -> Option<PanelFailure> {
        let state = self.state();
        state.loaded.as_ref().and(state.failure.clone())
    }

    /// Keeps an update that went well, for the next worker.
    pub(crate) fn keep(&self, class: &str, payload: Bytes) {
        self.state().updates.insert(class.to_owned(), payload);
    }

    /// Notes that a load begins; the name under which its worker runs.
    pub(crate) fn begin(
        self: &Arc<Self>,
        roots: &[PathBuf],
        known_ids: &[String],
        prefix: &str,
        text: Option<String>,
        environment: PanelEnvironment,
    ) -> HostedPlugin {
        let request = json!({
            "roots": roots, "file": self.path, "kind": self.kind.as_str(), "known_ids": known_ids, "prefix": prefix, "text": text,
        });
        self.state().is_loading = true;
        let request = Bytes::from(request.to_string());
        let preparation = Arc::new(Load { file: Arc::clone(self), request, is_accepted: AtomicBool::new(false) });
        HostedPlugin { name: self.name.clone(), environment, preparation }
    }

    /// Notes why it is not loaded; whether that is news.
    pub(crate) fn refuse(&self, error: &Error) -> bool {
        let failure = PanelFailure { message: error.message.clone(), hint: error.hint.clone(), ..PanelFailure::default() };
        self.state().failure.replace(failure.clone()) != Some(failure)
    }

    /// Notes how it ended. The former and the present lists of a load that went well.
    pub(crate) fn end(&self, started: Instant, outcome: Result<(), Failure>) -> Option<(Option<Arc<Loaded>>, Arc<Loaded>)> {
        let mut state = self.state();
        state.is_loading = false;
        state.took = started.elapsed();
        match outcome {
            Ok(()) => {
                let told = state.told.take()?;
                let former = state.loaded.replace(Arc::clone(&told));
                state.failure = None;
                state.loaded_at = Some(SystemTime::now());
                state.edition = self.loads.fetch_add(1, Ordering::Relaxed) + 1;
                let classes: Vec<String> = told.panels.iter().map(|panel| panel.class.clone()).collect();
                state.updates.retain(|class, _| classes.contains(class));
                Some((former, told))
            }
            Err(failure) => {
                let told = state.told.take().and_then(|told| told.error.clone());
                state.failure = Some(told.unwrap_or_else(|| failure.into()));
                None
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Loads the file into a worker, as it was when it was loaded first: a worker that comes later may find another file there, which
/// has not been tried, or has been and does not load.
struct Load {
    file: Arc<PanelFile>,
    request: Bytes,
    /// A worker of it has taken over.
    is_accepted: AtomicBool,
}

impl Preparation for Load {
    fn first(&self) -> Invocation {
        Invocation { target: "pegboard.panels.load".to_owned(), payload: self.request.clone(), deadline: self.file.load_deadline }
    }

    fn accept(&self, answer: Bytes) -> Result<(), Failure> {
        let loaded: Loaded = serde_json::from_slice(&answer).map_err(|error| {
            Failure::noticed(FailureKind::Protocol, format!("the worker's answer about a file cannot be read: {error}"))
        })?;
        let error = loaded.error.clone();
        // A later worker tells nothing new, and the file may be asked about another text just now.
        if !self.is_accepted.load(Ordering::Relaxed) {
            self.file.state().told = Some(Arc::new(loaded));
        }
        match error {
            None => {
                self.is_accepted.store(true, Ordering::Relaxed);
                Ok(())
            }
            Some(error) => {
                let failure = Failure::noticed(FailureKind::Load, error.message);
                Err(Failure { traceback: error.traceback, hint: error.hint, ..failure })
            }
        }
    }

    fn again(&self) -> Vec<Invocation> {
        let deadline = self.file.load_deadline;
        let updates = self.file.state().updates.clone();
        let again = |payload| Invocation { target: "pegboard.panels.update".to_owned(), payload, deadline };
        updates.into_values().map(again).collect()
    }
}
