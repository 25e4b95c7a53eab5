//! The dashboard: panels, views and pages of plugin folders on the catalog's artifact pages, by the Dash protocol.
//!
//! Invariants: no plugin's code runs here, each file has a worker of its own; a site is made whole and swapped whole, so a request sees one
//! site from its beginning to its end; what one plugin does, lets be or breaks is seen on its panel and nowhere else.

mod artifacts;
mod assets;
mod call;
mod compressed;
mod environment;
mod events;
mod file;
mod folders;
mod index;
mod keeper;
mod mark;
mod memory;
mod node;
mod overview;
mod pages;
mod remote;
mod requirements;
mod rota;
mod routes;
mod site;
mod suites;
mod theme;
mod told;
mod update;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use pegboard_model::Error;
use tokio::sync::{Notify, broadcast, watch};

pub(crate) use call::{cookies, theme};
pub(crate) use events::{Change, changes};
pub(crate) use file::PanelFile;
pub use keeper::keep_dashboard;
pub(crate) use memory::Memory;
pub use overview::{DashboardPanel, DashboardPlugin, DashboardPlugins};
pub(crate) use overview::{no_such_file, overview, reload, worker_name};
pub use requirements::{PanelRequirements, REQUIREMENTS_FILE};
use rota::Rota;
pub(crate) use routes::{by_plain_path, routes};
pub(crate) use site::Site;
pub use told::{Message, PanelFailure};

/// Where the dashboard begins.
pub(crate) const PREFIX: &str = "/ui/dash/";
/// Changes that a slow browser may fall behind.
const CHANGES: usize = 256;

/// How far the dashboard is.
#[derive(Clone, Debug)]
pub(crate) enum Phase {
    /// Nobody asked for it yet.
    Asleep,
    /// The environment is being made, or the first files load.
    Preparing,
    /// It cannot be made.
    Failed(Error),
    /// There is a site.
    Ready,
}

/// The dashboard's state; see [`keep_dashboard`] for who changes it.
pub(crate) struct Dashboard {
    phase: watch::Sender<Phase>,
    site: RwLock<Option<Arc<Site>>>,
    files: Mutex<BTreeMap<PathBuf, Arc<PanelFile>>>,
    /// What is wrong with folders, by their place.
    folders: Mutex<BTreeMap<String, Error>>,
    /// What is wrong with folders in object storage.
    remote_errors: Mutex<BTreeMap<String, Error>>,
    changes: broadcast::Sender<Change>,
    /// Somebody wants the dashboard.
    wanted: Notify,
    /// Files to load again although they did not change.
    again: Mutex<Vec<PathBuf>>,
    look: Notify,
    /// Which files have workers.
    rota: Rota,
    memory: Memory,
}

impl Default for Dashboard {
    fn default() -> Self {
        Self {
            phase: watch::Sender::new(Phase::Asleep),
            site: RwLock::default(),
            files: Mutex::default(),
            folders: Mutex::default(),
            remote_errors: Mutex::default(),
            changes: broadcast::channel(CHANGES).0,
            wanted: Notify::new(),
            again: Mutex::default(),
            look: Notify::new(),
            rota: Rota::default(),
            memory: Memory::default(),
        }
    }
}

impl Dashboard {
    /// The present site, if there is one; asks for one when there is none.
    pub(crate) fn site(&self) -> Option<Arc<Site>> {
        let site = self.site.read().unwrap_or_else(PoisonError::into_inner).clone();
        if site.is_none() {
            self.wanted.notify_one();
        }
        site
    }

    /// The present site, if there is one; asks for nothing.
    pub(crate) fn loaded_site(&self) -> Option<Arc<Site>> {
        self.site.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How far it is.
    pub(crate) fn phase(&self) -> Phase {
        self.phase.borrow().clone()
    }

    /// Changes from now on.
    pub(crate) fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// Every file, by path.
    pub(crate) fn files(&self) -> Vec<Arc<PanelFile>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// What is wrong with folders.
    pub(crate) fn folder_errors(&self) -> Vec<(String, Error)> {
        let folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        let remote = self.remote_errors.lock().unwrap_or_else(PoisonError::into_inner);
        folders.iter().chain(remote.iter()).map(|(place, error)| (place.clone(), error.clone())).collect()
    }
}
