//! From the board's word to the plugin: keys, payloads, tasks of workflows.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use pegboard_model::{Connector, Error, HubId, LabelStage, PluginType, RemotePlugin, Session, SessionCause};
use serde_json::{Map, Value as Json};

use crate::board::Carrier;
use crate::failure;
use crate::hub::{Hub, now};
use crate::labelling::NewKey;
use crate::labelling::access::RUN_KEY;
use crate::labelling::plugin_tasks::{TaskOutcome, WaitingTask};
use crate::payload::{Subject, payload};
use crate::sessions::RunRequest;

/// How long a run's key is good beyond the run's longest time.
const MARGIN: Duration = Duration::from_secs(600);
/// How often tasks are looked for when nobody tells of any.
const LOOK: Duration = Duration::from_secs(2);
/// Tasks looked at in one go.
const PAGE: usize = 200;

impl Hub {
    /// Makes the run's key and payload, and hands it over.
    pub(crate) async fn prepare(self, session: Arc<Session>, plugin: Arc<RemotePlugin>, carrier: Carrier) {
        let id = session.id;
        let made = self.make(&session).await;
        let (text, mask, key) = match made {
            Ok(made) => made,
            Err(error) => {
                let failure = failure::refused(&error);
                return self.with(|board, effects| board.fail(id, failure, now(), effects));
            }
        };
        let secret = self.board().secret(plugin.id).unwrap_or_default();
        let masks = vec![secret.to_string(), mask];
        let sent = self.with(|board, effects| board.prepared(id, &text, masks, key, now(), effects));
        if let (true, Carrier::Rest, Connector::Rest { url }) = (sent, carrier, &plugin.connector) {
            self.call_rest(id, url, &secret, text, Duration::from_millis(session.timeout_ms)).await;
        }
    }

    async fn make(&self, session: &Session) -> Result<(String, String, Option<HubId>), Error> {
        let lifetime = Duration::from_millis(session.timeout_ms).saturating_add(MARGIN);
        let labelling = &self.inner.labelling;
        // A run without a project gets a key that opens nothing: scripts want one.
        let (key, secret) = match session.project {
            Some(project) => {
                let new = NewKey {
                    name: format!("{RUN_KEY}{}", session.id),
                    user: session.run_by,
                    role: None,
                    project: Some(project),
                    lifetime: Some(lifetime),
                };
                let (key, secret) = labelling.create_key(new).await?;
                (Some(key.id), secret)
            }
            None => (None, self.inner.keyring.derived("no project", session.id)),
        };
        let subject = match session.plugin_type {
            PluginType::Model => self.subject(session).await?,
            _ => None,
        };
        let payload = payload(session, &secret, subject.as_ref());
        Ok((Json::Object(payload).to_string(), secret, key))
    }

    async fn subject(&self, session: &Session) -> Result<Option<Subject>, Error> {
        let labelling = &self.inner.labelling;
        let Some(project) = session.project else { return Ok(None) };
        let named = |key: &str| session.parameters.get(key).and_then(Json::as_str).and_then(|text| text.parse::<HubId>().ok());
        let not_there = |what: &str| {
            Error::not_found("session-subject", format!("project `{project}` has no such {what}"))
                .hint("`pegboard project` lists assets and tasks")
        };
        let (asset, task) = match (named("taskId"), named("assetId")) {
            (Some(task), _) => {
                let (task, asset) = labelling.task(task).await?;
                if task.project != project {
                    return Err(not_there("task"));
                }
                (asset, Some(task))
            }
            (None, Some(asset)) => {
                let asset = labelling.asset(project, asset).await?.ok_or_else(|| not_there("asset"))?;
                let tasks = labelling.tasks_of(&[pegboard_store::Placed { ordinal: 0, record: asset.clone() }]).await?;
                let task = tasks.get(&asset.id).and_then(|tasks| tasks.first()).cloned();
                (asset, task)
            }
            (None, None) => return Ok(None),
        };
        let data_url = labelling.data_url(&self.inner.base_url, &asset);
        Ok(Some(Subject { asset, task, data_url }))
    }

    /// Takes tasks that entered Plugin stages, as many as their plugins have room for.
    pub(crate) async fn send_tasks(self) {
        self.release_taken().await;
        loop {
            if let Err(error) = self.send_waiting().await {
                tracing::error!("tasks cannot be sent to plugins: {error}");
                tokio::time::sleep(LOOK).await;
            }
            tokio::select! {
                () = self.inner.labelling.arrived() => {}
                () = self.inner.room.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
                () = self.stopping() => return,
            }
        }
    }

    /// A task whose session was not stored any more, or is over, waits again.
    async fn release_taken(&self) {
        let mut after = 0;
        loop {
            let Ok(page) = self.inner.labelling.taken_tasks(after, PAGE).await else { return };
            let Some((last, _)) = page.last() else { return };
            after = last.ordinal;
            for (task, note) in &page {
                let session = note.as_deref().and_then(|note| note.parse::<HubId>().ok());
                let is_open = session.is_some_and(|id| self.board().session(id).is_some_and(|session| !session.state.is_final()));
                if !is_open && let Err(error) = self.inner.labelling.finish_task(task.task, &TaskOutcome::Again).await {
                    tracing::error!(task.id = %task.task, "a task stays with a session that is over: {error}");
                }
            }
        }
    }

    async fn send_waiting(&self) -> Result<(), Error> {
        let (mut after, mut stages) = (0, HashMap::<(HubId, String), Option<LabelStage>>::new());
        loop {
            let page = self.inner.labelling.waiting_tasks(after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.ordinal;
            let mut any = false;
            for task in page {
                let key = (task.project, task.stage.clone());
                if !stages.contains_key(&key) {
                    let project = self.inner.labelling.project(task.project).await;
                    let stage = project.ok().and_then(|project| project.stage(&task.stage).cloned());
                    stages.insert(key.clone(), stage);
                }
                if let Some(Some(stage)) = stages.get(&key) {
                    any |= self.send_task(&task, stage).await?;
                }
            }
            if !any && stages.len() < 2 {
                // One stage, and its plugin is full or away: what follows waits as well.
                return Ok(());
            }
        }
    }

    /// Whether the task was taken.
    async fn send_task(&self, task: &WaitingTask, stage: &LabelStage) -> Result<bool, Error> {
        let Some(plugin) = stage.plugin else { return Ok(false) };
        let (slots, with_it) = {
            let board = self.board();
            (board.task_slots(plugin, now()), board.tasks_of(plugin))
        };
        // One more than it works on, so that it never waits for us.
        if slots == 0 || with_it > slots {
            return Ok(false);
        }
        let request = match self.task_request(task, stage, plugin).await {
            Ok(request) => request,
            Err(error) => {
                let id = HubId::random();
                if self.inner.labelling.take_task(task.task, id).await? {
                    self.inner.labelling.finish_task(task.task, &TaskOutcome::Failed(error.message)).await?;
                }
                return Ok(false);
            }
        };
        let record = self.plugin(plugin)?;
        let session = self.new_task_session(&record, request).await?;
        if !self.inner.labelling.take_task(task.task, session.id).await? {
            return Ok(false);
        }
        if let Err(error) = self.admit(session).await {
            self.inner.labelling.finish_task(task.task, &TaskOutcome::Again).await?;
            return Err(error);
        }
        Ok(true)
    }

    async fn task_request(&self, task: &WaitingTask, stage: &LabelStage, plugin: HubId) -> Result<RunRequest, Error> {
        let record = self.plugin(plugin)?;
        let project = self.inner.labelling.project(task.project).await?;
        if record.plugin_type != PluginType::Model {
            return Err(Error::invalid(
                "session-parameter",
                format!(
                    "stage `{}` needs a model plugin, and `{}` is of type {}",
                    stage.id,
                    record.name,
                    record.plugin_type.as_str()
                ),
            ));
        }
        let mut parameters = Map::new();
        let mut request = RunRequest {
            plugin,
            project: Some(task.project),
            organization: project.organization,
            run_by: self.inner.labelling.acting_user(&project).await?,
            cause: SessionCause::Stage { stage: stage.id.clone(), task: task.task },
            config: None,
            classes: Vec::new(),
            parameters: Map::new(),
            timeout: None,
        };
        // The stage's own settings, or a preset that it names.
        let text = |key: &str| stage.settings.get(key).and_then(Json::as_str);
        if let Some(word) = text("preset").or_else(|| text("presetId")) {
            let presets = self.presets(task.project, Some(plugin)).await?;
            let preset =
                presets.into_iter().find(|preset| preset.name == word || preset.id.to_string() == word).ok_or_else(|| {
                    Error::not_found("preset-not-found", format!("the plugin has no preset `{word}` in this project"))
                })?;
            (request.config, request.classes, parameters) = (Some(preset.config), preset.classes, preset.parameters);
        }
        if let Some(config) = text("configJSON") {
            request.config = Some(config.to_owned());
        }
        if let Some(classes) = stage.settings.get("categorySchema").and_then(|value| serde_json::from_value(value.clone()).ok()) {
            request.classes = classes;
        }
        if let Some(Json::Bool(overwrite)) = stage.settings.get("overwrite") {
            parameters.insert("overwrite".to_owned(), (*overwrite).into());
        }
        parameters.insert("taskId".to_owned(), task.task.to_string().into());
        parameters.insert("assetId".to_owned(), task.asset.to_string().into());
        request.parameters = parameters;
        Ok(request)
    }
}
