//! Builds the parts in order and serves them; stops them in the opposite order.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::serve::ListenerExt as _;
use pegboard_engine::{Engine, Environments};
use pegboard_flow::Flow;
use pegboard_hub::{Hub, HubParts, Keyring, Labelling};
use pegboard_model::{Error, PluginRecord, PluginState, Timestamp};
use pegboard_server::{App, LocalKeys, Parts, RunnerRouter, Settings, Shutdown, app, join, keep_dashboard, start_hosted};
use pegboard_store::Store;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::listen;

/// How long clients of the server before take to come back to a socket that was kept: they give up after five seconds.
const REUNION: Duration = Duration::from_secs(6);

/// A server that listens.
pub(crate) struct Server {
    /// The real one, also for port 0.
    pub(crate) address: SocketAddr,
    app: App,
    store: Store,
    engine: Engine,
    flow: Flow,
    hub: Hub,
    shutdown: Shutdown,
    settings: Settings,
    serving: JoinHandle<std::io::Result<()>>,
    joining: JoinHandle<()>,
    /// A second handle of the listening socket: keeps it open while the server becomes its successor.
    socket: OwnedFd,
}

impl Server {
    /// Opens everything and begins to answer. Starts no child process: environments and workers come with the first need.
    pub(crate) async fn start(mut settings: Settings) -> Result<Self, Error> {
        // One descriptor per shared value and several per worker: the soft limit of most machines is too low.
        if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
            tracing::warn!(error = %error, "cannot raise the limit of open files");
        }
        let (listener, was_kept) = listen::open(settings.server.listen).await?;
        let address = listener.local_addr().map_err(|error| listen::cannot_listen(settings.server.listen, &error))?;
        let socket = listener.as_fd().try_clone_to_owned().map_err(|error| listen::cannot_listen(address, &error))?;
        // What was passed to us may be another one than what was set, and who must sign in follows from the real one.
        settings.server.listen = address;
        let local_url = format!("http://{}", reachable(address));
        let store = Store::open(settings.store.clone()).await?;
        let (local_keys, workers_key) = local_keys(&settings, address).await?;
        let environments = Environments::open(settings.engine.environments.clone()).await?;
        let mut options = settings.engine.options.clone();
        // So that `pegboard.catalog` finds its server from inside of a stage.
        options.variables.push(("PEGBOARD_URL".to_owned(), local_url.clone()));
        if settings.server.needs_sign_in() {
            options.variables.push(("PEGBOARD_KEY".to_owned(), workers_key));
        }
        let engine = Engine::start(options, environments).await?;
        engine.activate(known_plugins(&store).await?);
        let (hub, labelling) = start_hub(&settings, &store, &local_url, was_kept).await?;
        let runner = Arc::new(RunnerRouter::new(engine.runner(), hub.clone()));
        let flow = Flow::start(settings.flow.clone(), store.clone(), runner).await?;
        let shutdown = Shutdown::default();
        let parts = Parts {
            store: store.clone(),
            engine: engine.clone(),
            flow: flow.clone(),
            hub: hub.clone(),
            labelling,
            settings: settings.clone(),
            shutdown: shutdown.clone(),
            local_url,
            local_keys,
        };
        let shared = App::new(parts);
        let joining = tokio::spawn(join(shared.clone()));
        let until = shutdown.clone();
        // An event stream's small writes must not wait for the reader's acknowledgement.
        let listener = listener.tap_io(|connection| {
            if let Err(error) = connection.set_nodelay(true) {
                tracing::debug!(error = %error, "a connection keeps its delay");
            }
        });
        let (hosting, dashboard, access) = (shared.clone(), shared.clone(), shared.clone());
        let service = axum::serve(listener, app(shared).into_make_service_with_connect_info::<SocketAddr>())
            .with_graceful_shutdown(async move { until.begun().await });
        let serving = tokio::spawn(service.into_future());
        // Their scripts connect at once, so we listen first.
        tokio::spawn(start_hosted(hosting));
        tokio::spawn(keep_dashboard(dashboard));
        tokio::spawn(access.clone().keep_access());
        Ok(Self { address, app: access, store, engine, flow, hub, shutdown, settings, serving, joining, socket })
    }

    /// Where it listens, as a URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A link with which the first admin comes in, when people have to sign in and nobody can yet.
    pub(crate) async fn first_link(&self) -> Result<Option<String>, Error> {
        self.app.first_link().await
    }

    /// Stops in order: no new requests, runs end as interrupted, workers stop, what was accepted is made durable. Whoever connects
    /// meanwhile waits as long as the socket that this returns is kept.
    pub(crate) async fn stop(self) -> OwnedFd {
        self.shutdown.begin();
        let orderly = async {
            self.flow.shutdown().await;
            self.engine.shutdown().await;
            // Both end by themselves once the stop has begun; a panic in them was logged when it happened.
            let _ = self.serving.await;
            let _ = self.joining.await;
            self.app.finish_record().await;
            // Last: until here answers of remote plugins are still taken.
            self.hub.shutdown().await;
        };
        if timeout(self.settings.server.shutdown_deadline, orderly).await.is_err() {
            tracing::warn!("the orderly stop took too long; what is left is ended");
        }
        self.store.close().await;
        self.socket
    }
}

/// Where programs on this machine reach a server that listens there.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// New keys for this machine and for our own workers.
async fn local_keys(settings: &Settings, address: SocketAddr) -> Result<(LocalKeys, String), Error> {
    let data = settings.server.data.clone();
    let made = tokio::task::spawn_blocking(move || LocalKeys::create(&data, address)).await;
    made.map_err(|error| Error::internal("local-key", format!("writing the key file ended early: {error}")))?
}

/// The hub with its labelling. `was_kept`: the listening socket is that of the server before, so its clients come back to it.
async fn start_hub(settings: &Settings, store: &Store, local_url: &str, was_kept: bool) -> Result<(Hub, Labelling), Error> {
    let data = settings.server.data.clone();
    let opened = tokio::task::spawn_blocking(move || Keyring::open(&data)).await;
    let keyring = opened.map_err(|error| Error::internal("key-file", format!("reading the key file ended early: {error}")))??;
    let labelling = Labelling::open(store.clone(), keyring.clone()).await?;
    let mut options = settings.hub.options.clone();
    options.reunion = was_kept.then_some(REUNION);
    let parts = HubParts {
        store: store.clone(),
        keyring,
        labelling: labelling.clone(),
        options,
        base_url: settings.server.public_url.clone().unwrap_or_else(|| local_url.to_owned()),
        message_limit: settings.hub.message_limit,
    };
    Ok((Hub::start(parts).await?, labelling))
}

/// The stored directory, without installs that a stop of the server cut short: those were never acknowledged.
async fn known_plugins(store: &Store) -> Result<Vec<PluginRecord>, Error> {
    let mut known = Vec::new();
    for mut record in store.plugins().await? {
        if record.state == PluginState::Installing {
            if record.environment.is_empty() {
                store.delete_plugin(&record.name).await?;
                continue;
            }
            record.state = PluginState::Ready;
            record.updated_at = Timestamp::from(SystemTime::now());
            store.put_plugin(&record).await?;
        }
        known.push(record);
    }
    Ok(known)
}
