//! Remote plugins, their presets and sessions.

use std::collections::BTreeMap;

use pegboard_hub::{Presence, SessionView};
use pegboard_model::{Connector, Preset, RemotePlugin, SessionCause};
use pegboard_store::StoredSessionLine;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use utoipa::ToSchema;

/// A remote plugin.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct HubPluginAnswer {
    /// What its script connects with: 24 hexadecimal digits.
    pub id: String,
    /// Shown everywhere.
    pub name: String,
    /// `export`, `batch_model`, `model`, `file_explorer`, `markdown_generator` or `input`.
    #[serde(rename = "type")]
    pub plugin_type: String,
    /// Runs can be sent now.
    pub live: bool,
    /// Connections heard of lately.
    pub connections: usize,
    /// When one of them was heard of last.
    pub heard_at: Option<String>,
    /// How its script is, when this server runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosted: Option<super::HubHosted>,
    /// What its script may do, when this server runs it; only told of one plugin by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<super::PluginPermissions>,
    /// Sessions that it has.
    pub busy: usize,
    /// Sessions that wait for it.
    pub queued: usize,
    /// Heartbeats with its id and a wrong secret since the server started.
    pub refused: u64,
    /// One sentence.
    pub description: String,
    /// Markdown, as its author wrote it.
    pub details: String,
    /// The same as HTML that is safe to show.
    pub details_html: String,
    /// A square picture; empty: none.
    pub banner_url: String,
    /// Classes that a model knows.
    pub class_names: Vec<String>,
    /// May be listed beyond its organization.
    pub public: bool,
    /// Listed in the directory.
    pub listed: bool,
    /// Installed in the organization.
    pub installed: bool,
    /// The text of a JSON object, as it is sent when a run says nothing else.
    pub default_config: String,
    /// A JSON Schema that configs must follow.
    #[schema(value_type = Object)]
    pub config_schema: Option<Json>,
    /// Where a script of the REST connector listens.
    pub rest_url: Option<String>,
    /// Sessions at once on one connection, when its record says so.
    pub sessions: Option<u32>,
    /// Tasks of workflows at once on one connection, when its record says so.
    pub tasks: Option<u32>,
    /// Longest time of a session in milliseconds, when its record says so.
    pub timeout_ms: Option<u64>,
    /// Export: assets get the list `tasks` of the old shape, too.
    pub old_export: bool,
    /// Its organization.
    pub organization: String,
    /// When it was made.
    pub created_at: String,
    /// When its record changed last.
    pub updated_at: String,
}

impl HubPluginAnswer {
    pub(crate) fn new(plugin: RemotePlugin, presence: Option<Presence>, installed: bool) -> Self {
        let presence = presence.unwrap_or_default();
        Self {
            id: plugin.id.to_string(),
            plugin_type: plugin.plugin_type.as_str().to_owned(),
            live: presence.live,
            connections: presence.connections,
            heard_at: presence.heard_at.map(|time| time.to_string()),
            hosted: None,
            permissions: None,
            busy: presence.busy,
            queued: presence.queued,
            refused: presence.refused,
            details_html: crate::api::hub::details_html(&plugin.details),
            installed,
            rest_url: match plugin.connector {
                Connector::Rest { url } => Some(url),
                Connector::Socket => None,
            },
            sessions: plugin.limits.sessions,
            tasks: plugin.limits.tasks,
            timeout_ms: plugin.limits.timeout_ms,
            organization: plugin.organization.to_string(),
            created_at: plugin.created_at.to_string(),
            updated_at: plugin.updated_at.to_string(),
            name: plugin.name,
            description: plugin.description,
            details: plugin.details,
            banner_url: plugin.banner_url,
            class_names: plugin.class_names,
            public: plugin.public,
            listed: plugin.listed,
            default_config: plugin.default_config,
            config_schema: plugin.config_schema,
            old_export: plugin.old_export,
        }
    }
}

/// A plugin with its secret, which is told this once.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct HubPluginMade {
    /// Keep it like a password: nobody is told it again.
    pub secret: String,
    /// Scripts to begin with, the secret in them.
    #[serde(default)]
    pub scripts: Vec<HubScript>,
    /// The rest.
    #[serde(flatten)]
    pub plugin: HubPluginAnswer,
}

/// A script to begin with. It runs as it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct HubScript {
    /// What it imports: `imerit_ango` or `pegboard`.
    pub client: String,
    /// A name for its file.
    pub file_name: String,
    /// Lines of a requirements file: what its environment needs.
    pub requirements: String,
    /// Its Python. `HOST`, `PLUGIN_ID` and `PLUGIN_SECRET` among its variables count more than what stands in it.
    pub script: String,
}

/// Scripts to begin with.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct HubScriptList {
    /// One for each client.
    pub scripts: Vec<HubScript>,
}

/// Markdown to be shown.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HubPreviewBody {
    /// The text.
    pub markdown: String,
}

/// Markdown as it will be shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct HubPreview {
    /// Cleaned of everything that could do harm.
    pub html: String,
}

/// What a run would be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct HubRunCheck {
    /// The plugin is connected: the run would begin now.
    pub live: bool,
    /// The text of a JSON object, as the plugin would be sent it.
    pub config: String,
    /// By the plugin's class: schemaId of the project's tool or classification.
    pub classes: BTreeMap<String, String>,
    /// Its longest time.
    pub timeout_ms: u64,
}

/// A page of plugins, by name.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct HubPluginList {
    /// The plugins.
    pub plugins: Vec<HubPluginAnswer>,
    /// Give it as `after` for the next page; absent on the last one.
    pub next: Option<String>,
}

/// What can be said about a plugin. What is absent is left as it is, or takes its default.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HubPluginBody {
    /// Only when it is made: `export`, `batch-model`, `model`, `file-explorer`, `markdown-generator` or `input`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub plugin_type: Option<String>,
    /// Shown everywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// One sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Markdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
    /// A square picture; empty: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub banner_url: Option<String>,
    /// Classes that a model knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_names: Option<Vec<String>>,
    /// May be listed beyond its organization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public: Option<bool>,
    /// Listed in the directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listed: Option<bool>,
    /// A JSON object, or its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    pub default_config: Option<Json>,
    /// A JSON Schema that configs must follow; `false`: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    pub config_schema: Option<Json>,
    /// Where a script of the REST connector listens; empty: it connects to us.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rest_url: Option<String>,
    /// Sessions at once on one connection; 0: the server's own limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<u32>,
    /// Tasks of workflows at once on one connection; 0: one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tasks: Option<u32>,
    /// Longest time of a session in milliseconds; 0: the server's own limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Export: add the list `tasks` of the old shape to each asset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_export: Option<bool>,
}

/// What is to be run.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HubRunBody {
    /// Id or name of the project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// A JSON object, or its text; absent: the preset's, or the plugin's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    pub config: Option<Json>,
    /// By the plugin's class: title or schemaId of the project's tool or classification.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub classes: BTreeMap<String, String>,
    /// What the type takes besides: `stage`, `batches`, `assetId`, `taskId`, `overwrite`, `bucket`, `storageId`, `folder`,
    /// `upload`, `files`, `scrollToken`, `inputFile`, `markdownText`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    pub parameters: Map<String, Json>,
    /// Name or id of a preset of the project and the plugin: what the request does not say is taken from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// Longest time in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// One run of a remote plugin.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct HubSessionAnswer {
    /// Identity.
    pub id: String,
    /// The plugin's id.
    pub plugin: String,
    /// The plugin's name; null when it was deleted.
    #[serde(default)]
    pub plugin_name: Option<String>,
    /// The plugin's type when the session was made.
    #[serde(rename = "type")]
    pub plugin_type: String,
    /// Id of the project.
    pub project: Option<String>,
    /// `queued`, `running`, `finished`, `failed` or `cancelled`.
    pub state: String,
    /// Place in the plugin's queue, from 1, while it waits.
    pub position: Option<usize>,
    /// `user`, `stage` (of a workflow, for one task) or `call`.
    pub cause: String,
    /// The task of a workflow that it is about.
    pub task: Option<String>,
    /// The text of a JSON object.
    pub config: String,
    /// By the plugin's class: schemaId of the project's tool or classification.
    #[serde(default)]
    pub classes: BTreeMap<String, String>,
    /// What the type took besides.
    #[schema(value_type = Object)]
    pub parameters: Map<String, Json>,
    /// When it was asked for.
    pub created_at: String,
    /// When it was sent to the plugin first.
    pub started_at: Option<String>,
    /// When it ended.
    pub finished_at: Option<String>,
    /// From the start, or until now.
    pub duration_ms: Option<u64>,
    /// How often it was sent.
    pub attempts: u32,
    /// What the plugin returned; null when that is large, when it returned nothing, and before the end.
    #[schema(value_type = Object)]
    pub result: Json,
    /// The result is too large to stand here: `…/result` has it.
    pub result_is_large: bool,
    /// Export: where the file can be fetched.
    pub download: Option<String>,
    /// Why it failed.
    pub failure: Option<HubFailureAnswer>,
    /// Units in all and units done, as its log says.
    pub progress: Option<HubProgressAnswer>,
    /// Lines kept of its log.
    pub log_lines: u64,
    /// Lines beyond the limit, counted and not kept.
    pub log_dropped: u64,
    /// The session that this one repeats.
    pub retry_of: Option<String>,
}

/// Why a session failed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct HubFailureAnswer {
    /// Stable, kebab-case.
    pub code: String,
    /// What happened.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// How far a session is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct HubProgressAnswer {
    /// Units in all.
    pub total: u64,
    /// Units done.
    pub done: u64,
}

/// A page of sessions, newest first.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct HubSessionList {
    /// The sessions.
    pub sessions: Vec<HubSessionAnswer>,
    /// Give it as `before` for the next page; absent on the last one.
    #[serde(default)]
    pub next: Option<String>,
}

/// A page of a session's log.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct HubLogPage {
    /// Oldest first.
    pub lines: Vec<HubLineAnswer>,
    /// Give it as `after` for what follows.
    pub next: u64,
    /// Nothing more will follow behind this page.
    pub over: bool,
    /// Give it as `before` for what was said before these lines; null when they are the first ones, or were not asked for from the end.
    #[serde(default)]
    pub earlier: Option<u64>,
}

/// One line of a session's log.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct HubLineAnswer {
    /// From 1, without gaps.
    pub sequence: u64,
    /// When it arrived.
    pub time: String,
    /// `debug`, `info`, `warning` or `error`.
    pub level: String,
    /// What was said.
    pub text: String,
    /// What else the script's logger was given.
    #[schema(value_type = Object)]
    pub more: Map<String, Json>,
}

/// A preset.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct HubPresetAnswer {
    /// Identity; set by the server.
    #[serde(default)]
    pub id: String,
    /// Id of the project; when it is sent, its name will do.
    pub project: String,
    /// Id of the plugin.
    pub plugin: String,
    /// Unique for the two.
    pub name: String,
    /// A JSON object, or its text.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub config: Json,
    /// By the plugin's class: title or schemaId of the project's tool or classification.
    #[serde(default)]
    pub classes: BTreeMap<String, String>,
    /// What the type takes besides.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub parameters: Map<String, Json>,
}

/// Presets of a project, by plugin and name.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct HubPresetList {
    /// The presets.
    pub presets: Vec<HubPresetAnswer>,
}

impl From<Preset> for HubPresetAnswer {
    fn from(preset: Preset) -> Self {
        Self {
            id: preset.id.to_string(),
            project: preset.project.to_string(),
            plugin: preset.plugin.to_string(),
            name: preset.name,
            config: preset.config.into(),
            classes: preset.classes.into_iter().map(|pair| (pair.model_class, pair.schema_id)).collect(),
            parameters: preset.parameters,
        }
    }
}

impl From<StoredSessionLine> for HubLineAnswer {
    fn from(stored: StoredSessionLine) -> Self {
        let line = stored.line;
        let level = serde_json::to_value(line.level).ok().and_then(|level| level.as_str().map(str::to_owned));
        Self {
            sequence: stored.sequence,
            time: line.time.to_string(),
            level: level.unwrap_or_default(),
            text: line.text,
            more: line.more,
        }
    }
}

impl From<SessionView> for HubSessionAnswer {
    fn from(view: SessionView) -> Self {
        let session = view.session;
        let until = session.finished_at.unwrap_or_else(|| std::time::SystemTime::now().into());
        let (cause, task) = match &session.cause {
            SessionCause::User => ("user", None),
            SessionCause::Stage { task, .. } => ("stage", Some(task.to_string())),
            SessionCause::Call => ("call", None),
        };
        let mut parameters = session.parameters;
        if let Some(file) = parameters.get_mut("inputFile") {
            // The file itself would fill every list of sessions.
            *file = format!("{} characters of base64", file.as_str().map_or(0, str::len)).into();
        }
        Self {
            id: session.id.to_string(),
            plugin: session.plugin.to_string(),
            plugin_name: view.plugin_name,
            plugin_type: session.plugin_type.as_str().to_owned(),
            project: session.project.map(|project| project.to_string()),
            state: session.state.as_str().to_owned(),
            position: view.position,
            cause: cause.to_owned(),
            task,
            config: session.config,
            classes: session.classes.into_iter().map(|pair| (pair.model_class, pair.schema_id)).collect(),
            parameters,
            created_at: session.created_at.to_string(),
            started_at: session.started_at.map(|time| time.to_string()),
            finished_at: session.finished_at.map(|time| time.to_string()),
            duration_ms: session.started_at.map(|started_at| until.milliseconds_since(started_at)),
            attempts: session.attempts,
            result_is_large: session.result_object.is_some(),
            result: session.result,
            download: session.download,
            failure: session.failure.map(|failure| HubFailureAnswer {
                code: failure.code,
                message: failure.message,
                hint: failure.hint,
            }),
            progress: session.progress.map(|progress| HubProgressAnswer { total: progress.total, done: progress.done }),
            log_lines: session.log.lines,
            log_dropped: session.log.dropped,
            retry_of: session.retry_of.map(|session| session.to_string()),
        }
    }
}
