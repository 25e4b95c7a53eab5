//! Sessions: asked for, watched, cancelled, tried again.

use std::time::Duration;

use bytes::Bytes;
use pegboard_model::{
    ClassPair, Error, HubId, PluginType, RemotePlugin, Session, SessionCause, SessionLog, SessionState, Timestamp,
};
use pegboard_store::{SessionFilter, StoredSessionLine};
use serde_json::{Map, Value as Json};

use crate::board::Board;
use crate::hub::{Hub, now};
use crate::labelling::links::LinkVerb;
use crate::{config, parameters};

/// What somebody wants run.
#[derive(Clone, Debug)]
pub struct RunRequest {
    /// Which plugin.
    pub plugin: HubId,
    /// On which project; file explorers and calls may do without one.
    pub project: Option<HubId>,
    /// For whom.
    pub organization: HubId,
    /// Who asks.
    pub run_by: HubId,
    /// Why.
    pub cause: SessionCause,
    /// The text of a JSON object; none: the plugin's default.
    pub config: Option<String>,
    /// The plugin's classes and the project's tools.
    pub classes: Vec<ClassPair>,
    /// What the type takes besides, as in the run's payload.
    pub parameters: Map<String, Json>,
    /// Longest time; none: the plugin's, or the hub's.
    pub timeout: Option<Duration>,
}

/// A session, and where it stands now.
#[derive(Clone, Debug)]
pub struct SessionView {
    /// As it is.
    pub session: Session,
    /// Place in the queue, from 1.
    pub position: Option<usize>,
    /// The plugin's name, while there is one.
    pub plugin_name: Option<String>,
}

impl Hub {
    /// Stores a session and puts it into its plugin's queue.
    ///
    /// # Errors
    /// `hub-plugin-not-found`, `plugin-not-live`, `hub-config`, `session-parameter`, `project-not-found`, and those of the store.
    pub async fn run(&self, request: RunRequest) -> Result<SessionView, Error> {
        let plugin = self.plugin(request.plugin)?;
        let session = self.new_session(&plugin, request).await?;
        if session.cause == SessionCause::User && !self.presence(plugin.id).is_some_and(|presence| presence.live) {
            return Err(Error::unavailable("plugin-not-live", format!("plugin `{}` is not connected", plugin.name))
                .hint("start its script with this server's address, the plugin's id and its secret"));
        }
        self.admit(session).await
    }

    /// Whether [`Self::run`] would take it, were the plugin connected; the session is what it would make. Nothing is stored.
    ///
    /// # Errors
    /// Those of [`Self::run`], but `plugin-not-live`.
    pub async fn check_run(&self, request: RunRequest) -> Result<Session, Error> {
        let plugin = self.plugin(request.plugin)?;
        self.new_session(&plugin, request).await
    }

    async fn new_session(&self, plugin: &RemotePlugin, request: RunRequest) -> Result<Session, Error> {
        let config = request.config.unwrap_or_else(|| plugin.default_config.clone());
        config::check(&config, plugin.config_schema.as_ref())?;
        let is_task = matches!(request.cause, SessionCause::Stage { .. });
        let project = match request.project {
            Some(project) => Some(self.inner.labelling.project(project).await?),
            None if request.cause == SessionCause::User && plugin.plugin_type != PluginType::FileExplorer => {
                return Err(Error::invalid("session-parameter", "the run names no project")
                    .hint("say on which one with `--project`; `pegboard project ls` lists them"));
            }
            None => None,
        };
        if request.cause == SessionCause::User
            && plugin.organization != request.organization
            && !self.is_installed(request.organization, plugin.id)
        {
            return Err(crate::plugins::plugin_not_found(&plugin.id.to_string()));
        }
        let parameters = parameters::check(plugin.plugin_type, request.parameters, project.as_ref())?;
        let waits = Board::is_interactive(plugin.plugin_type, &parameters);
        let limit = request
            .timeout
            .or(plugin.limits.timeout_ms.map(Duration::from_millis))
            .unwrap_or_else(|| self.inner.options.limits.of(plugin.plugin_type, waits, is_task));
        Ok(Session {
            id: HubId::random(),
            plugin: plugin.id,
            plugin_type: plugin.plugin_type,
            organization: request.organization,
            project: request.project,
            run_by: request.run_by,
            cause: request.cause,
            state: SessionState::Queued,
            config,
            classes: request.classes,
            parameters,
            created_at: now(),
            started_at: None,
            finished_at: None,
            timeout_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
            attempts: 0,
            not_before: None,
            result: Json::Null,
            result_object: None,
            download: None,
            failure: None,
            progress: None,
            last_error: None,
            log: SessionLog::default(),
            retry_of: None,
        })
    }

    /// A session for a workflow's task.
    pub(crate) async fn new_task_session(&self, plugin: &RemotePlugin, request: RunRequest) -> Result<Session, Error> {
        self.new_session(plugin, request).await
    }

    /// Durable first, then queued: what is acknowledged is never lost.
    pub(crate) async fn admit(&self, session: Session) -> Result<SessionView, Error> {
        self.inner.store.create_session(&session).await?;
        let id = session.id;
        self.tell_session(&session);
        self.with(|board, effects| board.enqueue(session, now(), effects));
        self.session(id).await
    }

    /// The session of that id.
    ///
    /// # Errors
    /// `session-not-found`, and those of the store.
    pub async fn session(&self, id: HubId) -> Result<SessionView, Error> {
        let open = {
            let board = self.board();
            let session = board.session(id).filter(|session| !session.state.is_final()).cloned();
            session.map(|session| SessionView { plugin_name: board.name(session.plugin), session, position: board.position(id) })
        };
        if let Some(view) = open {
            return Ok(view);
        }
        let stored = self.inner.store.session(id).await?.ok_or_else(|| session_not_found(&id.to_string()))?;
        let plugin_name = self.board().name(stored.plugin);
        Ok(SessionView { session: self.with_fresh_link(stored), position: None, plugin_name })
    }

    /// A link to a file of ours is good for some hours: whoever looks later gets a new one.
    fn with_fresh_link(&self, mut session: Session) -> Session {
        let labelling = &self.inner.labelling;
        let place = session.download.as_deref().and_then(|url| labelling.own(&self.inner.base_url, url));
        // Only to what the session's own project owns: the address is the script's word.
        let project = session.project.map(|project| project.to_string()).unwrap_or_default();
        if let Some(place) = place.filter(|place| place.owner() == project) {
            session.download = Some(labelling.link(&self.inner.base_url, &place, LinkVerb::Read));
        }
        session
    }

    /// A page of sessions, newest first.
    pub async fn sessions(&self, filter: &SessionFilter) -> Result<Vec<SessionView>, Error> {
        let stored = self.inner.store.sessions(filter).await?;
        let board = self.board();
        let view = |stored: Session| {
            let open = board.session(stored.id).filter(|session| !session.state.is_final() && !stored.state.is_final());
            let position = board.position(stored.id);
            let session = open.cloned().unwrap_or_else(|| self.with_fresh_link(stored));
            SessionView { plugin_name: board.name(session.plugin), session, position }
        };
        Ok(stored.into_iter().map(view).collect())
    }

    /// The session at its end, or as it is after `patience`.
    ///
    /// # Errors
    /// `session-not-found`, and those of the store.
    pub async fn wait(&self, id: HubId, patience: Duration) -> Result<SessionView, Error> {
        let waiting = async {
            loop {
                let watch = self.board().watch(id);
                let view = self.session(id).await?;
                if view.session.state.is_final() {
                    return Ok(view);
                }
                self.changed(watch).await;
            }
        };
        match tokio::time::timeout(patience, waiting).await {
            Ok(view) => view,
            Err(_) => self.session(id).await,
        }
    }

    /// Told at every change of a session and of its log; none when it is over. To be asked before what is shown is read.
    #[must_use]
    pub fn watch(&self, id: HubId) -> Option<tokio::sync::watch::Receiver<u64>> {
        self.board().watch(id)
    }

    /// Waits for a change of the watched session; a little while when it is about to end.
    pub async fn changed(&self, watch: Option<tokio::sync::watch::Receiver<u64>>) {
        const MOMENT: Duration = Duration::from_millis(10);
        match watch {
            // Fails when the session has been let go of: it is over.
            Some(mut watch) => {
                let _ = tokio::time::timeout(Duration::from_secs(5), watch.changed()).await;
            }
            None => tokio::time::sleep(MOMENT).await,
        }
    }

    /// Waits until something about the session, or its log, has changed; false when it is over.
    ///
    /// # Errors
    /// `session-not-found`, and those of the store.
    pub async fn next_change(&self, id: HubId) -> Result<bool, Error> {
        let watch = self.board().watch(id);
        if self.session(id).await?.session.state.is_final() {
            return Ok(false);
        }
        self.changed(watch).await;
        Ok(true)
    }

    /// Lines behind `after`, oldest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn session_log(&self, id: HubId, after: u64, limit: usize) -> Result<Vec<StoredSessionLine>, Error> {
        Ok(self.inner.store.session_log(id, after, limit).await?)
    }

    /// The last lines before the one of this sequence, or of all; oldest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn session_log_end(&self, id: HubId, before: Option<u64>, limit: usize) -> Result<Vec<StoredSessionLine>, Error> {
        Ok(self.inner.store.session_log_end(id, before, limit).await?)
    }

    /// JSON text of what the plugin returned; none when it returned nothing.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn result(&self, session: &Session) -> Result<Option<Bytes>, Error> {
        match &session.result_object {
            Some(key) => Ok(self.inner.store.object(key).await?),
            None if session.result.is_null() => Ok(None),
            None => Ok(Some(session.result.to_string().into())),
        }
    }

    /// Stops a session. The plugin is not told, because its clients know no such message: what it still answers is ignored.
    ///
    /// # Errors
    /// `session-not-found`, `session-over`.
    pub async fn cancel(&self, id: HubId) -> Result<SessionView, Error> {
        if !self.with(|board, effects| board.cancel(id, now(), effects)) {
            let view = self.session(id).await?;
            return Err(Error::conflict("session-over", format!("session `{id}` is {} already", view.session.state.as_str())));
        }
        self.wait(id, Duration::from_secs(30)).await
    }

    /// Runs again what a session ran, as a new session.
    ///
    /// # Errors
    /// `session-not-found`, `session-not-over`, and those of [`Self::run`].
    pub async fn retry(&self, id: HubId, run_by: HubId) -> Result<SessionView, Error> {
        let old = self.session(id).await?.session;
        if !old.state.is_final() {
            return Err(Error::conflict("session-not-over", format!("session `{id}` is {}", old.state.as_str()))
                .hint("wait for its end, or cancel it first"));
        }
        if let SessionCause::Stage { .. } = old.cause {
            return Err(Error::conflict("session-of-stage", format!("session `{id}` belongs to a workflow's stage"))
                .hint("run the stage again: `pegboard project rerun`"));
        }
        let plugin = self.plugin(old.plugin)?;
        let request = RunRequest {
            plugin: old.plugin,
            project: old.project,
            organization: old.organization,
            run_by,
            cause: SessionCause::User,
            config: Some(old.config),
            classes: old.classes,
            parameters: old.parameters,
            timeout: Some(Duration::from_millis(old.timeout_ms)),
        };
        let mut session = self.new_session(&plugin, request).await?;
        session.retry_of = Some(id);
        if !self.presence(plugin.id).is_some_and(|presence| presence.live) {
            return Err(Error::unavailable("plugin-not-live", format!("plugin `{}` is not connected", plugin.name))
                .hint("start its script with this server's address, the plugin's id and its secret"));
        }
        self.admit(session).await
    }

    /// Deletes sessions that ended long enough ago, with their results, again and again.
    pub(crate) async fn forget_old_sessions(self) {
        const PAUSE: Duration = Duration::from_secs(60);
        const PAGE: usize = 500;
        let Some(retention) = self.inner.options.retention else { return };
        let span = i64::try_from(retention.as_micros()).unwrap_or(i64::MAX);
        loop {
            let before = Timestamp(now().0.saturating_sub(span));
            match self.inner.store.delete_sessions_ended_before(before, PAGE).await {
                Ok(deleted) => {
                    for key in deleted.iter().filter_map(|session| session.result_object.as_deref()) {
                        if let Err(error) = self.inner.store.delete_object(key).await {
                            tracing::warn!("a result of a deleted session stays: {error}");
                        }
                    }
                    if deleted.len() == PAGE {
                        continue;
                    }
                }
                Err(error) => tracing::error!("old sessions cannot be deleted: {error}"),
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = self.stopping() => return,
            }
        }
    }

    /// The answer for a workflow's task was stored: ends its session, if it is with a plugin.
    pub fn annotated(&self, task: HubId) {
        self.with(|board, effects| {
            if let Some(session) = board.session_of_task(task) {
                board.annotated(session, now(), effects);
            }
        });
    }

    /// A workflow's task came back without an answer (specification, trap 19): ends its session as failed.
    pub fn not_annotated(&self, task: HubId) {
        self.with(|board, effects| {
            if let Some(id) = board.session_of_task(task) {
                let cause = board.session(id).and_then(|session| session.last_error.clone());
                board.fail(id, crate::failure::raised(cause.as_deref()), now(), effects);
            }
        });
    }

    /// The plugin's answer for a workflow's task was refused: ends its session as failed, so that the next task has its turn.
    pub fn answer_refused(&self, task: HubId, error: &Error) {
        self.with(|board, effects| {
            if let Some(id) = board.session_of_task(task) {
                board.fail(id, crate::failure::answer_refused(error), now(), effects);
            }
        });
    }

    /// A task has left its stage by another way: nobody waits for the plugin's answer any more.
    pub fn task_left(&self, task: HubId) {
        self.with(|board, effects| {
            if let Some(id) = board.session_of_task(task) {
                board.cancel(id, now(), effects);
            }
        });
    }
}

/// There is no such session, or no longer.
#[must_use]
pub fn session_not_found(word: &str) -> Error {
    Error::not_found("session-not-found", format!("there is no session `{word}`")).hint("`pegboard hub sessions` lists them")
}
