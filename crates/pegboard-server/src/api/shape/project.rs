//! Projects, their assets and tasks, keys and storages.

use std::collections::BTreeMap;

use pegboard_hub::labelling::answer;
use pegboard_hub::labelling::media::media;
use pegboard_model::{ApiKey, Asset, Project, Storage, Task};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use utoipa::ToSchema;

use crate::ango::stage_record;

/// A set of assets of one project.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct BatchAnswer {
    /// Identity: 24 hexadecimal digits.
    pub id: String,
    /// Unique in its project.
    pub name: String,
}

/// A project.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ProjectAnswer {
    /// Identity: 24 hexadecimal digits.
    pub id: String,
    /// For people; not unique.
    pub name: String,
    /// For people.
    pub description: String,
    /// `ango`, `pct` or `iframe`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whose it is.
    pub organization: String,
    /// Classes: `tools`, `classifications`, `relations`.
    #[schema(value_type = Object)]
    pub schema: Json,
    /// The way of a task: objects with `id`, `type`, `name` and `next`.
    #[schema(value_type = Vec<Object>)]
    pub stages: Vec<Json>,
    /// Sets of assets.
    pub batches: Vec<BatchAnswer>,
    /// How many assets it has.
    pub assets: Option<u64>,
    /// How many tasks are in each stage.
    pub tasks: BTreeMap<String, u64>,
    /// Grows with each change of the project itself: what `If-Match` names.
    pub revision: u64,
    /// When it was made.
    pub created_at: String,
    /// When it was changed last.
    pub updated_at: String,
}

impl ProjectAnswer {
    pub(crate) fn new(project: &Project, assets: Option<u64>, tasks: BTreeMap<String, u64>) -> Self {
        let batches = project.batches.iter().map(|batch| BatchAnswer { id: batch.id.to_string(), name: batch.name.clone() });
        Self {
            id: project.id.to_string(),
            name: project.name.clone(),
            description: project.description.clone(),
            kind: project.kind.clone(),
            organization: project.organization.to_string(),
            schema: pegboard_hub::labelling::schema::write(&project.schema),
            stages: project.stages.iter().enumerate().map(|(place, stage)| stage_record(place, stage)).collect(),
            batches: batches.collect(),
            assets,
            tasks,
            revision: project.revision,
            created_at: project.created_at.to_string(),
            updated_at: project.updated_at.to_string(),
        }
    }
}

/// A page of projects.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ProjectList {
    /// In the order in which they were made.
    pub projects: Vec<ProjectAnswer>,
    /// How many there are over all pages.
    pub total: u64,
}

/// A project to make.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ProjectBody {
    /// For people.
    pub name: String,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// `ango`, `pct` or `iframe`.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
}

/// A batch to make.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct BatchBody {
    /// Unique in its project; the batch of that name when there is one.
    pub name: String,
}

/// Assets to make, or answers to import.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ImportBody {
    /// Objects. Assets have `data` (a URL, a text, or the `data` of an upload), `externalId`, `batches`, `metadata`, `contextData` and,
    /// with an answer to begin with, `objects`, `classifications`, `relations`. Answers have `externalId` or `data`, and the same three.
    #[schema(value_type = Vec<Object>)]
    pub items: Vec<Json>,
    /// Names of batches that all assets go to; they are made when they do not exist.
    #[serde(default)]
    pub batches: Vec<String>,
}

/// What became of an import of assets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ImportedAnswer {
    /// Assets made, each with a task.
    pub assets: usize,
    /// Answers that were given along.
    pub answers: usize,
    /// Those of them that fit the project's classes and were stored.
    pub stored: usize,
}

/// What became of an import of answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct LabelsAnswer {
    /// Answers that were sent.
    pub sent: usize,
    /// Those that were stored.
    pub stored: usize,
    /// Why others were not, the first few.
    pub problems: Vec<String>,
}

/// A file to upload.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct UploadBody {
    /// The file's name, without folders.
    pub name: String,
}

/// Where a file goes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct UploadAnswer {
    /// PUT the bytes here; no key is needed.
    pub url: String,
    /// What to give as `data` of the asset.
    pub data: String,
}

/// An export to write.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ExportBody {
    /// `json` (default) or `ndjson`.
    #[serde(default)]
    pub format: Option<String>,
    /// Ids or names of stages; empty: all.
    #[serde(default)]
    pub stages: Vec<String>,
    /// Ids or names of batches; empty: all.
    #[serde(default)]
    pub batches: Vec<String>,
    /// With the stages that tasks have left.
    #[serde(default)]
    pub history: bool,
    /// Issues instead of tasks.
    #[serde(default)]
    pub issues: bool,
}

/// A written export.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ExportAnswer {
    /// A zip with one entry; no key is needed, and it is gone after two days.
    pub url: String,
    /// Records in it.
    pub records: u64,
    /// Bytes of the zip.
    pub bytes: u64,
}

/// An asset.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct AssetAnswer {
    /// Identity: 24 hexadecimal digits.
    pub id: String,
    /// The client's own name.
    pub external_id: String,
    /// Where it can be fetched, or the text itself.
    pub data: String,
    /// Of a file of this server: the link without scheme and host, good wherever the server is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What it is, told by its name: `image`, `video`, `audio`, `pdf`, `csv`, `markdown`, `text` or `other`.
    #[serde(default)]
    pub media: String,
    /// Names of batches.
    pub batches: Vec<String>,
    /// Width and height and the like.
    #[schema(value_type = Object)]
    pub metadata: Json,
    /// When it was made.
    pub created_at: String,
    /// Its tasks, when they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<TaskAnswer>,
}

impl AssetAnswer {
    /// `link` makes a link of stored data; an empty base makes one without scheme and host.
    pub(crate) fn new(project: &Project, asset: &Asset, base: &str, link: impl Fn(&str, &str) -> String) -> Self {
        Self {
            id: asset.id.to_string(),
            external_id: asset.external_id.clone(),
            data: link(base, &asset.data),
            path: asset.own_file().map(|_| link("", &asset.data)),
            media: media(asset).to_owned(),
            tasks: Vec::new(),
            batches: project.batch_names(&asset.batches).into_iter().map(str::to_owned).collect(),
            metadata: asset.metadata.clone(),
            created_at: asset.created_at.to_string(),
        }
    }
}

/// A page of assets.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct AssetList {
    /// Oldest first.
    pub assets: Vec<AssetAnswer>,
    /// How many there are over all pages.
    pub total: u64,
    /// Where the next page begins: its `after`. Null on the last page, and where assets are chosen by name or batch.
    #[serde(default)]
    pub next: Option<u64>,
}

/// A task.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct TaskAnswer {
    /// Identity: 24 hexadecimal digits.
    pub id: String,
    /// Its asset.
    pub asset: String,
    /// The asset's name.
    pub external_id: String,
    /// Id of the stage that it is in.
    pub stage: String,
    /// `Todo` or `Completed`.
    pub status: String,
    /// Email.
    pub assignee: Option<String>,
    /// -1000 to 1000.
    pub priority: i64,
    /// In a plugin stage: `waiting`, `taken`, `held` or `failed`.
    pub plugin: Option<String>,
    /// Why the plugin failed, or whose turn it is.
    pub plugin_note: Option<String>,
    /// `tools`, `classifications`, `relations`.
    #[schema(value_type = Object)]
    pub answer: Json,
    /// A picture of what was painted: a link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brush: Option<String>,
    /// Milliseconds of work, in all stages.
    #[serde(default)]
    pub duration_ms: u64,
    /// When it was changed last.
    pub updated_at: String,
    /// Who answered last.
    pub updated_by: Option<String>,
}

impl TaskAnswer {
    /// `link` makes a link of stored data; an empty base makes one without scheme and host.
    pub(crate) fn new(task: &Task, asset: &Asset, link: impl Fn(&str, &str) -> String) -> Self {
        Self {
            id: task.id.to_string(),
            asset: asset.id.to_string(),
            external_id: asset.external_id.clone(),
            stage: task.stage.clone(),
            status: task.status.clone(),
            assignee: task.assignee.clone(),
            priority: task.priority,
            plugin: task.plugin.map(|state| state.as_str().to_owned()),
            plugin_note: task.plugin_note.clone(),
            answer: answer::write(&task.answer),
            brush: task.brush_data_url.as_deref().map(|data| link("", data)),
            duration_ms: task.duration_ms + task.past_duration_ms,
            updated_at: task.updated_at.to_string(),
            updated_by: task.updated_by.clone(),
        }
    }
}

/// A page of tasks.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct TaskList {
    /// Oldest first.
    pub tasks: Vec<TaskAnswer>,
    /// How many there are over all pages.
    pub total: u64,
}

/// A key of the HTTP API.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct KeyAnswer {
    /// Names the key where it must not be shown.
    pub id: String,
    /// For people.
    pub name: String,
    /// Whose it is: an email.
    pub user: String,
    /// The only project that it is good for.
    pub project: Option<String>,
    /// When it was made.
    pub created_at: String,
    /// Useless from then on.
    pub expires_at: Option<String>,
    /// No more than this, whatever its user may; none: what the user may.
    #[serde(default)]
    pub role: Option<String>,
    /// When it was used last, to a few minutes.
    #[serde(default)]
    pub last_used_at: Option<String>,
    /// Its text, only in the answer that makes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl KeyAnswer {
    pub(crate) fn new(key: &ApiKey, user: String, text: Option<String>) -> Self {
        Self {
            id: key.id.to_string(),
            name: key.name.clone(),
            user,
            project: key.project.map(|id| id.to_string()),
            created_at: key.created_at.to_string(),
            expires_at: key.expires_at.map(|time| time.to_string()),
            role: key.role.map(|role| role.as_str().to_owned()),
            last_used_at: key.last_used_at.map(|time| time.to_string()),
            key: text,
        }
    }
}

/// All keys.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct KeyList {
    /// In the order in which they were made.
    pub keys: Vec<KeyAnswer>,
}

/// A key to make.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct KeyBody {
    /// For people.
    #[serde(default)]
    pub name: String,
    /// Whose: an email; made when nobody has it. None: whoever asks.
    #[serde(default)]
    pub user: Option<String>,
    /// `viewer`, `member` or `admin`: no more than this, whatever its user may.
    #[serde(default)]
    pub role: Option<String>,
    /// Only for this project.
    #[serde(default)]
    pub project: Option<String>,
    /// Useless after so many seconds; none: never.
    #[serde(default)]
    pub lifetime_seconds: Option<u64>,
}

/// A storage. What is secret about it is never sent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct StorageAnswer {
    /// Identity: 24 hexadecimal digits.
    pub id: String,
    /// For people.
    pub name: String,
    /// `AWS`, `GCP`, `AZURE` or `LOCAL`.
    pub provider: String,
    /// For example `eu-central-1`.
    pub region: String,
    /// Address of a service that is not the provider's own.
    pub endpoint: Option<String>,
    /// For a local one: the folder.
    pub folder: Option<String>,
    /// When it was made.
    pub created_at: String,
}

impl From<&Storage> for StorageAnswer {
    fn from(storage: &Storage) -> Self {
        Self {
            id: storage.id.to_string(),
            name: storage.name.clone(),
            provider: storage.provider.as_str().to_owned(),
            region: storage.region.clone(),
            endpoint: storage.endpoint.clone(),
            folder: storage.folder.clone(),
            created_at: storage.created_at.to_string(),
        }
    }
}

/// All storages.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct StorageList {
    /// In the order in which they were made.
    pub storages: Vec<StorageAnswer>,
}

/// A storage to make.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct StorageBody {
    /// For people.
    pub name: String,
    /// `AWS`, `GCP`, `AZURE` or `LOCAL`.
    pub provider: String,
    /// For example `eu-central-1`.
    #[serde(default)]
    pub region: String,
    /// Address of a service that is not the provider's own.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// For a local one: the absolute path of a folder of the server's machine.
    #[serde(default)]
    pub folder: Option<String>,
    /// Access key id.
    #[serde(default)]
    pub public_key: String,
    /// Secret access key.
    #[serde(default)]
    pub private_key: String,
    /// What the provider gives as one text.
    #[serde(default)]
    pub credentials: String,
}
