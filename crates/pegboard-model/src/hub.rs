//! Nouns of the hub: remote plugins, their sessions and presets.
//!
//! A remote plugin is a script that connects to us with an id and a secret. One run of it is a session. Field meanings follow the
//! Ango specification, section 1.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::error::Error;
use crate::log::LogLevel;
use crate::time::Timestamp;

/// Identity of anything in the hub (plugin, organization, user, project, task, session, …): 24 hexadecimal digits, 96 random bits,
/// so that knowing one does not help to guess another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HubId([u8; 12]);

impl HubId {
    /// A new random identity.
    #[must_use]
    pub fn random() -> Self {
        // Bytes 6 and 8 of a version 4 UUID are not random throughout: they are left out.
        let (random, mut bytes) = (Uuid::new_v4().into_bytes(), [0; 12]);
        let free = [0, 1, 2, 3, 4, 5, 7, 9, 10, 11, 12, 13];
        bytes.iter_mut().zip(free).for_each(|(byte, position)| *byte = random[position]);
        Self(bytes)
    }

    /// The identity made of these bytes: for identities that follow from something else.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 12]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for HubId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for HubId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for HubId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error::invalid("hub-id", format!("`{text}` is not an id")).hint("an id is 24 hexadecimal digits");
        if text.len() != 24 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut bytes = [0; 12];
        for (byte, at) in bytes.iter_mut().zip((0..24).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for HubId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<HubId> for String {
    fn from(id: HubId) -> Self {
        id.to_string()
    }
}

/// What a plugin does with one run; decides the run's payload and what counts as its result.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PluginType {
    /// Converts one project export into a file.
    Export,
    /// Answers for one asset or task.
    Model,
    /// Works through many assets of a project by itself.
    BatchModel,
    /// Lists a bucket, or imports from it.
    FileExplorer,
    /// Makes assets of one CSV file and one template.
    MarkdownGenerator,
    /// Makes assets of something else.
    Input,
}

impl PluginType {
    /// All, in the order of the original's dialog.
    pub const ALL: [Self; 6] =
        [Self::Export, Self::BatchModel, Self::Model, Self::FileExplorer, Self::MarkdownGenerator, Self::Input];

    /// As it is stored and as clients send it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Export => "export",
            Self::Model => "model",
            Self::BatchModel => "batch_model",
            Self::FileExplorer => "file_explorer",
            Self::MarkdownGenerator => "markdown_generator",
            Self::Input => "input",
        }
    }
}

impl FromStr for PluginType {
    type Err = Error;

    /// Hyphens are as good as underscores.
    fn from_str(text: &str) -> Result<Self, Error> {
        let word = text.to_ascii_lowercase().replace(['-', ' '], "_");
        Self::ALL.into_iter().find(|one| one.as_str() == word).ok_or_else(|| {
            Error::invalid("plugin-type", format!("`{text}` is not a type of plugin"))
                .hint("choose export, model, batch-model, file-explorer, markdown-generator or input")
        })
    }
}

/// How runs reach the script.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Connector {
    /// The script connects to us.
    #[default]
    Socket,
    /// The script listens; we call it.
    Rest {
        /// Where, without `/plugin` at the end.
        url: String,
    },
}

/// What a plugin may have under way at once, and for how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PluginLimits {
    /// Sessions at once on one connection; none: the hub's own limit.
    pub sessions: Option<u32>,
    /// Tasks of workflows at once on one connection; none: one, as the clients expect.
    pub tasks: Option<u32>,
    /// Longest time of one session in milliseconds; none: the hub's own limit for the type.
    pub timeout_ms: Option<u64>,
}

/// A plugin that lives somewhere else. Stored as a versioned document.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RemotePlugin {
    /// What the script connects with.
    pub id: HubId,
    /// Whose it is.
    pub organization: HubId,
    /// Shown everywhere.
    pub name: String,
    /// One sentence.
    pub description: String,
    /// Markdown as its author wrote it; sanitised when it is shown.
    pub details: String,
    /// A square picture; empty: none.
    pub banner_url: String,
    /// What a run is.
    pub plugin_type: PluginType,
    /// Classes that a model knows.
    pub class_names: Vec<String>,
    /// May be listed beyond its organization.
    pub public: bool,
    /// Listed in the directory.
    pub listed: bool,
    /// The text of a JSON object; what the run dialog begins with.
    pub default_config: String,
    /// A JSON Schema that configs must follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_schema: Option<Json>,
    /// How runs reach it.
    pub connector: Connector,
    /// What it may have under way.
    #[serde(default)]
    pub limits: PluginLimits,
    /// Export: add the list `tasks` of the old shape to each asset, for scripts that still read it.
    #[serde(default)]
    pub old_export: bool,
    /// BLAKE3 of the secret, hexadecimal.
    pub secret_hash: String,
    /// The secret, encrypted with the server's key: we have to say it to scripts that we call or host.
    pub sealed_secret: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the record changed last.
    pub updated_at: Timestamp,
}

/// A named set of settings for one plugin in one project. Stored as a versioned document.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Preset {
    /// Identity.
    pub id: HubId,
    /// The project.
    pub project: HubId,
    /// The plugin.
    pub plugin: HubId,
    /// Unique for the pair.
    pub name: String,
    /// The text of a JSON object.
    pub config: String,
    /// The plugin's classes and the project's tools.
    #[serde(default)]
    pub classes: Vec<ClassPair>,
    /// More of the run dialog: filters, bucket, folder.
    #[serde(default)]
    pub parameters: Map<String, Json>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// One class of a model and the project's tool that its results get.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassPair {
    /// The project's tool or classification.
    pub schema_id: String,
    /// The plugin's class.
    pub model_class: String,
}

/// State of a session. The last three are final.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// Waits for its turn.
    Queued,
    /// Sent to the plugin.
    Running,
    /// Ended well.
    Finished,
    /// Failed; the session's `failure` says why.
    Failed,
    /// A user stopped it; what the plugin still answers is ignored.
    Cancelled,
}

impl SessionState {
    /// Nothing more will happen.
    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }

    /// As stored and printed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What started a session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SessionCause {
    /// Somebody asked for it.
    User,
    /// A task entered a Plugin stage.
    Stage {
        /// The stage's id.
        stage: String,
        /// The task.
        task: HubId,
    },
    /// A stage of a run, or another part of the server.
    Call,
}

/// Why a session failed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SessionFailure {
    /// Stable, kebab-case.
    pub code: String,
    /// What happened.
    pub message: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// How far a session is, as its log lines said last: `[total/done]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SessionProgress {
    /// Units in all.
    pub total: u64,
    /// Units done.
    pub done: u64,
}

/// What was said during a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SessionLog {
    /// Lines kept.
    pub lines: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Lines beyond the limit, counted and not kept.
    pub dropped: u64,
}

/// One line of a session's log.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SessionLine {
    /// When it arrived.
    pub time: Timestamp,
    /// How bad it is.
    pub level: LogLevel,
    /// What was said; cut when it is long.
    pub text: String,
    /// What else the script's logger was given.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub more: Map<String, Json>,
}

/// One run of a remote plugin. Stored as a versioned document; its log lies beside it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Session {
    /// Identity; the plugin says it with every log line and answer.
    pub id: HubId,
    /// The plugin.
    pub plugin: HubId,
    /// Its type when the session was made.
    pub plugin_type: PluginType,
    /// For whom.
    pub organization: HubId,
    /// On which project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<HubId>,
    /// The user who asked.
    pub run_by: HubId,
    /// What started it.
    pub cause: SessionCause,
    /// Its state.
    pub state: SessionState,
    /// The text of a JSON object.
    pub config: String,
    /// The plugin's classes and the project's tools; empty: nothing was mapped.
    #[serde(default)]
    pub classes: Vec<ClassPair>,
    /// What the type takes besides: `stage`, `batches`, `assetId`, `bucket`, `folder`, … as in the run's payload.
    #[serde(default)]
    pub parameters: Map<String, Json>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it was sent to the plugin first.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Longest time from its start, in milliseconds.
    pub timeout_ms: u64,
    /// How often it was sent.
    pub attempts: u32,
    /// Not sent before this: after a plugin said that it was busy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// What the plugin returned, when that is small; null before the end and when it returned nothing.
    pub result: Json,
    /// Key of the result among the objects when it is too large to stand here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_object: Option<String>,
    /// Export: where the file can be fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub download: Option<String>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<SessionFailure>,
    /// How far it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<SessionProgress>,
    /// The last line of level ERROR: the cause, when it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// What was said.
    #[serde(default)]
    pub log: SessionLog,
    /// The session that this one repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<HubId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip_and_refuse_what_is_none() {
        let id = HubId::random();
        assert_eq!(id.to_string().len(), 24);
        assert_eq!(id.to_string().parse::<HubId>().unwrap(), id);
        assert_ne!(HubId::random(), id);
        assert_eq!("64E5f00d0000000000000001".parse::<HubId>().unwrap().to_string(), "64e5f00d0000000000000001");
        for bad in [
            "",
            "64e5",
            "64e5f00d000000000000000g",
            "+4e5f00d0000000000000001",
            "ä4e5f00d000000000000001",
            "64e5f00d00000000000000012",
        ] {
            assert!(bad.parse::<HubId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn types_are_read_as_people_write_them() {
        for (text, expected) in [
            ("batch-model", PluginType::BatchModel),
            ("Batch Model", PluginType::BatchModel),
            ("file_explorer", PluginType::FileExplorer),
            ("export", PluginType::Export),
        ] {
            assert_eq!(text.parse::<PluginType>().unwrap(), expected);
        }
        assert!("batchmodel".parse::<PluginType>().is_err());
    }
}
