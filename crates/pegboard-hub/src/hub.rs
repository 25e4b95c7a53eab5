//! The hub as a value: the board behind a lock, and what carries out its effects.
//!
//! Invariant: the lock is never held across an await. What the board wants stored goes through one task in order
//! ([`crate::recorder`]), so that the store sees each session's changes as they happened.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use pegboard_model::{Error, HubId, RemotePlugin, Timestamp};
use pegboard_store::Store;
use tokio::sync::{Notify, broadcast, mpsc, watch};
use tokio::task::JoinHandle;

use crate::board::{Board, Effect};
use crate::keyring::Keyring;
use crate::labelling::Labelling;
use crate::labelling::links::LinkVerb;
use crate::link::{Ending, Order};
use crate::news::{HubNews, WAITING_ROOM};
use crate::options::HubOptions;
use crate::presence::Presence;
use crate::recorder::{self, Job};
use crate::rest::RestCaller;
use crate::wire::event::{Heartbeat, Line, Outcome, Progress, Response};

/// How often the board looks at the clock.
const TICK: Duration = Duration::from_millis(100);
/// How often, and how long between, connections are asked to close.
const FAREWELLS: u32 = 40;
const FAREWELL: Duration = Duration::from_millis(25);
/// Plugins read at once from the store.
const PAGE: usize = 500;

/// All remote plugins and their sessions. Cheap to clone.
#[derive(Clone)]
pub struct Hub {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    board: Mutex<Board>,
    jobs: mpsc::UnboundedSender<Job>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    stop: watch::Sender<bool>,
    pub(crate) news: broadcast::Sender<HubNews>,
    /// A task's session ended, or a plugin came: more tasks may be sent.
    pub(crate) room: Notify,
    /// Organizations with the plugins that they have installed.
    pub(crate) installs: Mutex<Vec<(HubId, HubId)>>,
    pub(crate) store: Store,
    pub(crate) keyring: Keyring,
    pub(crate) labelling: Labelling,
    pub(crate) options: HubOptions,
    pub(crate) rest: RestCaller,
    /// Where plugins reach this server: `http://host:port`.
    pub(crate) base_url: String,
    /// Largest message that a connection takes, in bytes.
    pub(crate) message_limit: usize,
}

/// What a hub is made of.
#[derive(Clone)]
pub struct HubParts {
    /// Durable state.
    pub store: Store,
    /// Seals the plugins' secrets.
    pub keyring: Keyring,
    /// Projects and tasks.
    pub labelling: Labelling,
    /// How long it waits.
    pub options: HubOptions,
    /// Where plugins reach this server: `http://host:port`.
    pub base_url: String,
    /// Largest message that a connection takes, in bytes.
    pub message_limit: usize,
}

impl Hub {
    /// Reads plugins and sessions that are not over, and begins to dispatch.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn start(parts: HubParts) -> Result<Self, Error> {
        let HubParts { store, keyring, labelling, options, base_url, message_limit } = parts;
        let now = now();
        let (jobs, queue) = mpsc::unbounded_channel();
        let board = Mutex::new(Board::new(options.clone()));
        let installs = Mutex::new(store.installed_remote_plugins().await?);
        let inner = Inner {
            board,
            jobs,
            tasks: Mutex::default(),
            stop: watch::Sender::new(false),
            news: broadcast::Sender::new(WAITING_ROOM),
            room: Notify::new(),
            installs,
            store: store.clone(),
            keyring,
            labelling,
            options,
            rest: RestCaller::new()?,
            base_url,
            message_limit,
        };
        let hub = Self { inner: Arc::new(inner) };
        let mut from = Some(0);
        while let Some(place) = from {
            let (plugins, next) = store.remote_plugins(place, PAGE).await?;
            plugins.into_iter().for_each(|plugin| hub.know(plugin));
            from = next;
        }
        let unfinished = store.unfinished_sessions().await?;
        hub.with(|board, effects| unfinished.into_iter().for_each(|session| board.resume(session, now, effects)));
        hub.keep(tokio::spawn(recorder::record(hub.clone(), queue)));
        hub.keep(tokio::spawn(hub.clone().watch_the_clock()));
        hub.keep(tokio::spawn(hub.clone().send_tasks()));
        hub.keep(tokio::spawn(hub.clone().poll_rest_plugins()));
        hub.keep(tokio::spawn(hub.clone().forget_old_sessions()));
        Ok(hub)
    }

    /// Closes the connections, stores what is left and stops. Sessions that are under way stay as they are: the next start finds
    /// them.
    pub async fn shutdown(&self) {
        self.inner.stop.send_replace(true);
        // What has arrived is handled first: a connection closes after that.
        for _ in 0..FAREWELLS {
            if self.board().close_all() == 0 {
                break;
            }
            tokio::time::sleep(FAREWELL).await;
        }
        let _ = self.inner.jobs.send(Job::Stop);
        let tasks: Vec<_> = std::mem::take(&mut *lock(&self.inner.tasks));
        for task in tasks {
            let _ = task.await;
        }
    }

    /// How a plugin is; none for an unknown one.
    #[must_use]
    pub fn presence(&self, plugin: HubId) -> Option<Presence> {
        self.board().presence(plugin, now())
    }

    /// Whether another connection of this address makes sense: false while many of it said wrong secrets.
    #[must_use]
    pub fn admits(&self, address: IpAddr) -> bool {
        self.board().admits(address)
    }

    /// Largest message that a connection takes, in bytes.
    #[must_use]
    pub fn message_limit(&self) -> usize {
        self.inner.message_limit
    }

    /// Takes a plugin's record as it is stored now.
    pub(crate) fn know(&self, plugin: RemotePlugin) {
        // A secret that cannot be read is only missed where we would have to say it.
        let secret = self.inner.keyring.open_sealed(&plugin.sealed_secret).unwrap_or_else(|error| {
            tracing::error!(plugin.id = %plugin.id, "{error}");
            String::new()
        });
        self.with(|board, _| board.put_plugin(Arc::new(plugin), secret.into()));
    }

    pub(crate) fn board(&self) -> MutexGuard<'_, Board> {
        lock(&self.inner.board)
    }

    /// Changes the board and carries out what follows.
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut Board, &mut Vec<Effect>) -> T) -> T {
        let mut effects = Vec::new();
        // Effects are queued under the lock, so that the order of changes is the order of records.
        let mut board = self.board();
        let result = change(&mut board, &mut effects);
        for effect in effects {
            match effect {
                Effect::Record { session, lines } => self.job(Job::Change { session, lines }),
                Effect::Append { session, lines } => self.job(Job::Append { session, lines }),
                Effect::Forget { key } => self.job(Job::Forget { key }),
                Effect::Room => self.inner.room.notify_one(),
                Effect::Light { plugin, live } => self.announce(HubNews::Light { plugin, live }),
                Effect::Prepare { session, plugin, carrier } => {
                    tokio::spawn(self.clone().prepare(session, plugin, carrier));
                }
            }
        }
        drop(board);
        result
    }

    pub(crate) fn arrived(&self, address: IpAddr, orders: mpsc::UnboundedSender<Order>) -> u64 {
        self.board().arrived(address, orders, now())
    }

    pub(crate) fn heartbeat(&self, link: u64, said: Option<Heartbeat>) {
        self.with(|board, effects| board.heartbeat(link, said, now(), effects));
    }

    pub(crate) fn line(&self, link: u64, line: Line) {
        self.with(|board, effects| board.line(link, line, now(), effects));
    }

    pub(crate) fn response(&self, link: u64, mut response: Response) {
        self.sign_export(&mut response);
        self.with(|board, effects| board.response(link, response, now(), effects));
    }

    /// The oldest clients answer with the bare address that they uploaded to: whoever ran the export gets a link that opens it.
    fn sign_export(&self, response: &mut Response) {
        let Outcome::Export(url) = &mut response.outcome else { return };
        let (labelling, base) = (&self.inner.labelling, &self.inner.base_url);
        let Some(place) = labelling.own(base, url).filter(|_| !url.contains('?')) else { return };
        let owners = response.session.and_then(|id| {
            let board = self.board();
            board.session(id).map(|session| (session.project, session.organization))
        });
        let Some((project, organization)) = owners else { return };
        let is_of = |owner: HubId| owner.to_string() == place.owner();
        // They do not say either what the file is for. The run's key opens the project's files anyway.
        if is_of(organization) || project.is_some_and(is_of) {
            *url = labelling.link(base, &place, LinkVerb::Read);
        }
    }

    pub(crate) fn progress(&self, link: u64, said: Progress) {
        self.board().progress(link, &said, now());
    }

    pub(crate) fn response_in_ack(&self, link: u64, response: Response) {
        self.with(|board, effects| board.response_in_ack(link, response, now(), effects));
    }

    pub(crate) fn handled(&self, link: u64, session: HubId) {
        self.board().handled(link, session, now());
    }

    pub(crate) fn left(&self, link: u64, received_at: Timestamp, ending: &Ending) {
        let limit = self.inner.message_limit;
        self.with(|board, effects| board.left(link, received_at, ending, limit, now(), effects));
    }

    /// Waits until the hub stops.
    pub(crate) async fn stopping(&self) {
        let mut stop = self.inner.stop.subscribe();
        // Ends also when the hub is gone.
        let _ = stop.wait_for(|stop| *stop).await;
    }

    fn job(&self, job: Job) {
        // Fails only after the stop: then the next start finds things as they were recorded last.
        let _ = self.inner.jobs.send(job);
    }

    fn keep(&self, task: JoinHandle<()>) {
        lock(&self.inner.tasks).push(task);
    }

    async fn watch_the_clock(self) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => self.with(|board, effects| board.tick(now(), effects)),
                () = self.stopping() => return,
            }
        }
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Hub({} plugins)", self.board().plugins().count())
    }
}

/// The time as the store knows it.
pub(crate) fn now() -> Timestamp {
    SystemTime::now().into()
}

/// Locks, whatever happened to an earlier holder: what is behind these locks is whole after every statement.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
