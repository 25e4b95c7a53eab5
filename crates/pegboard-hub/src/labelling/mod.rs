//! Labelling: projects, assets, tasks on their way through stages, answers, exports.
//!
//! [`Labelling`] is the way in. Rules are pure functions over the model's nouns (`moves`, `answer`, `schema`, `filter`,
//! `formats`); the rest reads, decides by them, and writes what they say in one transaction. Nothing here knows HTTP: a URL is
//! made of a base that the caller gives and a signature.
//!
//! Invariant: a task changes only from the revision that was read, and its move, the stages that it left and its answer are one
//! transaction. So whoever is second sees what the first one did.

pub mod access;
pub mod answer;
pub mod assets;
pub mod export;
pub mod filter;
pub mod formats;
pub mod issues;
pub mod links;
pub mod moves;
pub mod plugin_tasks;
pub mod prelabels;
pub mod projects;
pub mod schema;
pub mod storages;
pub mod tasks;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use pegboard_model::{Error, HubId, Organization, OrganizationRole, Project, Timestamp, User};
use pegboard_store::Store;
use tokio::sync::{Mutex, MutexGuard, Notify};

use crate::keyring::Keyring;

pub use access::{Caller, NewKey};
pub use links::FileKind;

/// The email of the user that exists from the start.
pub const ADMIN: &str = "admin@pegboard.local";

/// Everything about labelling. Cheap to clone.
#[derive(Clone)]
pub struct Labelling {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    keyring: Keyring,
    organization: Organization,
    arrived: Notify,
    /// Held while users change, so that two admins cannot take the role from each other.
    people: Mutex<()>,
    /// Grows with each change after which somebody may do less.
    people_changes: AtomicU64,
}

impl Labelling {
    /// Founds the organization and its admin when the store has none.
    pub async fn open(store: Store, keyring: Keyring) -> Result<Self, Error> {
        let organization = match store.organization().await? {
            Some(organization) => organization,
            None => found(&store).await?,
        };
        let inner = Arc::new(Inner {
            store,
            keyring,
            organization,
            arrived: Notify::new(),
            people: Mutex::default(),
            people_changes: AtomicU64::default(),
        });
        Ok(Self { inner })
    }

    /// The organization that was there first: the server's own.
    #[must_use]
    pub fn organization(&self) -> &Organization {
        &self.inner.organization
    }

    /// The project of that id.
    ///
    /// # Errors
    /// `project-not-found`.
    pub async fn project(&self, id: HubId) -> Result<Project, Error> {
        self.store().project(id).await?.ok_or_else(|| project_not_found(&id.to_string()))
    }

    /// Waits until a task has entered a plugin stage since the last wait.
    pub async fn arrived(&self) {
        self.inner.arrived.notified().await;
    }

    /// Grows whenever a user or a key goes, or a role changes, by this server: what is known of people from before is old then.
    #[must_use]
    pub fn people_changes(&self) -> u64 {
        self.inner.people_changes.load(Ordering::Acquire)
    }

    pub(crate) fn people_changed(&self) {
        self.inner.people_changes.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) async fn people(&self) -> MutexGuard<'_, ()> {
        self.inner.people.lock().await
    }

    pub(crate) fn store(&self) -> &Store {
        &self.inner.store
    }

    pub(crate) fn keyring(&self) -> &Keyring {
        &self.inner.keyring
    }

    /// Wakes whoever sends tasks to plugins.
    pub(crate) fn tell_arrival(&self) {
        self.inner.arrived.notify_one();
    }
}

impl fmt::Debug for Labelling {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Labelling({})", self.inner.organization.id)
    }
}

/// There is no such project, or no longer.
#[must_use]
pub fn project_not_found(word: &str) -> Error {
    Error::not_found("project-not-found", format!("there is no project `{word}`")).hint("`pegboard project ls` lists them")
}

pub(crate) fn now() -> Timestamp {
    SystemTime::now().into()
}

async fn found(store: &Store) -> Result<Organization, Error> {
    let created_at = now();
    let organization = Organization { id: HubId::random(), name: "Pegboard".to_owned(), created_at };
    let admin = User {
        id: HubId::random(),
        organization: organization.id,
        email: ADMIN.to_owned(),
        role: OrganizationRole::Admin,
        created_at,
    };
    if store.found_organization(&organization, &admin).await? {
        return Ok(organization);
    }
    // Another server of this database was faster.
    let found = store.organization().await?;
    found.ok_or_else(|| Error::internal("organization-gone", "the database lost its organization"))
}
