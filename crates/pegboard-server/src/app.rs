//! The app is a value: parts in, router out. Tests drive it without a socket.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use pegboard_engine::Engine;
use pegboard_flow::Flow;
use pegboard_hub::{Hub, Labelling};
use pegboard_model::Error;
use pegboard_store::Store;
use tokio::sync::Mutex;

use crate::access::{Accounts, Audit, Credentials, LocalKeys, Openid};
use crate::api::shape::StoreStatus;
use crate::config::Settings;
use crate::dashboard::{Dashboard, Memory};
use crate::flowdapt::Sampler;
use crate::hub::Polls;
use crate::metrics::Metrics;
use crate::router;
use crate::shutdown::Shutdown;
use crate::ui::Pages;

/// What the app is made of. The rooms are started before they come here.
pub struct Parts {
    /// Durable state.
    pub store: Store,
    /// Local plugins.
    pub engine: Engine,
    /// Runs.
    pub flow: Flow,
    /// Remote plugins.
    pub hub: Hub,
    /// Projects, assets, tasks.
    pub labelling: Labelling,
    /// How the server was set.
    pub settings: Settings,
    /// Ends event streams, so that an orderly stop does not wait for them.
    pub shutdown: Shutdown,
    /// Where programs on this machine reach the server: `http://127.0.0.1:port`.
    pub local_url: String,
    /// Keys that are good as long as this server runs.
    pub local_keys: LocalKeys,
}

/// The parts, shared by all handlers. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Shared>);

/// What handlers reach through an [`App`].
pub struct Shared {
    pub(crate) store: Store,
    pub(crate) engine: Engine,
    pub(crate) flow: Flow,
    pub(crate) hub: Hub,
    pub(crate) labelling: Labelling,
    pub(crate) settings: Settings,
    pub(crate) shutdown: Shutdown,
    /// Where programs on this machine reach the server.
    pub(crate) local_url: String,
    /// Nobody is answered who is not known.
    pub(crate) needs_sign_in: bool,
    /// Who asks.
    pub(crate) credentials: Credentials,
    /// People coming in.
    pub(crate) accounts: Accounts,
    /// Who did what.
    pub(crate) audit: Audit,
    /// Signing in by another server.
    pub(crate) openid: Openid,
    pub(crate) metrics: Metrics,
    /// Numbers over time, for clients of the Flowdapt dialect.
    pub(crate) flowdapt: Sampler,
    /// Connections of clients that poll.
    pub(crate) polls: Polls,
    /// Panels, views and pages.
    pub(crate) dashboard: Dashboard,
    /// Memory of the workers.
    pub(crate) memory: Memory,
    /// Templates of the pages.
    pub(crate) pages: Pages,
    /// What the store held when it was counted last.
    pub(crate) counted: Mutex<Option<(Instant, StoreStatus)>>,
    pub(crate) started: Instant,
    /// Held while a plugin's record is copied from the engine to the store, so that an older copy never lands last.
    pub(crate) directory: Mutex<()>,
}

impl App {
    /// Shares the parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { store, engine, flow, hub, labelling, settings, shutdown, local_url, local_keys } = parts;
        let (metrics, flowdapt, started) = (Metrics::default(), Sampler::default(), Instant::now());
        let (directory, polls) = (Mutex::new(()), Polls::default());
        let accounts = Accounts::new(store.clone(), labelling.clone(), &settings.server);
        let audit = Audit::new(store.clone());
        Self(Arc::new(Shared {
            needs_sign_in: settings.server.needs_sign_in(),
            credentials: Credentials::new(local_keys),
            accounts,
            audit,
            openid: Openid::default(),
            store,
            engine,
            flow,
            hub,
            labelling,
            settings,
            shutdown,
            local_url,
            metrics,
            flowdapt,
            polls,
            dashboard: Dashboard::default(),
            memory: Memory::default(),
            pages: Pages::default(),
            counted: Mutex::default(),
            started,
            directory,
        }))
    }
}

impl App {
    /// A link with which the first admin chooses a password, when people have to sign in and nobody can yet.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn first_link(&self) -> Result<Option<String>, Error> {
        if !self.needs_sign_in {
            return Ok(None);
        }
        let issued = self.accounts.first_link().await?;
        let base = self.settings.server.public_url.as_deref().unwrap_or(&self.local_url);
        Ok(issued.map(|issued| link_to(base, &issued.token)))
    }

    /// Deletes what is over, again and again, until the server stops. Run it as a task of its own.
    pub async fn keep_access(self) {
        const PAUSE: Duration = Duration::from_secs(3600);
        loop {
            if let Err(error) = self.accounts.clean().await {
                tracing::error!(error = %error, "cannot delete what is over of sessions and records");
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = self.shutdown.begun() => return,
            }
        }
    }

    /// Waits until the record of who did what is written. For the end, when no requests come any more.
    pub async fn finish_record(&self) {
        self.audit.finish().await;
    }
}

/// Where somebody chooses a password.
pub(crate) fn link_to(base: &str, token: &str) -> String {
    format!("{base}/ui/link/{token}")
}

impl std::ops::Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// The router over the app.
pub fn app(app: App) -> Router {
    router::router(app)
}
