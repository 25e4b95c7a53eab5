//! Artifacts of the catalog.

use pegboard_model::{Artifact, ArtifactOrigin, FileFormat};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use utoipa::ToSchema;
use uuid::Uuid;

/// What is published, or changed: what is left out stays as it is, or takes its default.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ArtifactBody {
    /// Who answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// One or two sentences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `ready` unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// What is wrong with it, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Vec<String>>,
    /// What it was made from: kind and name, such as `feature_set:wine`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Vec<String>>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<ArtifactOriginAnswer>,
    /// What there is to know about it, by key; null forgets a key.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub facts: Map<String, Json>,
    /// Its files.
    #[serde(default)]
    pub files: Vec<ArtifactFileBody>,
}

/// A file that is published: an upload, or small content right here.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ArtifactFileBody {
    /// What it is for: `data`, `metrics`, `runs/RUN/predictions` and so on.
    pub role: String,
    /// Id of an upload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<Uuid>,
    /// How an uploaded table is written: `csv` (when left out), `parquet` or `json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Instead of an upload: JSON. A table is a list of objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    pub content: Option<Json>,
}

/// Who made an artifact.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ArtifactOriginAnswer {
    /// Uid of the run.
    #[serde(default)]
    pub run: Option<String>,
    /// Name of its workflow.
    #[serde(default)]
    pub workflow: Option<String>,
    /// Id of the session in which a remote plugin made it.
    #[serde(default)]
    pub session: Option<String>,
    /// Where it came from otherwise.
    #[serde(default)]
    pub source: Option<String>,
}

impl From<ArtifactOriginAnswer> for ArtifactOrigin {
    fn from(answer: ArtifactOriginAnswer) -> Self {
        Self { run: answer.run, workflow: answer.workflow, session: answer.session, source: answer.source }
    }
}

impl From<ArtifactOrigin> for ArtifactOriginAnswer {
    fn from(origin: ArtifactOrigin) -> Self {
        Self { run: origin.run, workflow: origin.workflow, session: origin.session, source: origin.source }
    }
}

/// One version of an artifact.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ArtifactAnswer {
    /// `data_source`, `feature_set`, `model`, `endpoint`, `graph`, `parameter` or `frame`.
    pub kind: String,
    /// Unique within its kind.
    pub name: String,
    /// Counted from 1.
    pub version: u64,
    /// Who answers for it.
    pub owner: String,
    /// One or two sentences.
    pub description: String,
    /// `ready` unless its publisher said otherwise.
    pub status: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// What is wrong with it, by name; empty: nothing.
    pub health: Vec<String>,
    /// What it was made from.
    pub inputs: Vec<String>,
    /// Who made it.
    pub origin: ArtifactOriginAnswer,
    /// What there is to know about it.
    #[schema(value_type = Object)]
    pub facts: Map<String, Json>,
    /// Its files.
    pub files: Vec<ArtifactFileAnswer>,
    /// Bytes of all files.
    pub bytes: u64,
    /// When its first version was published.
    pub created_at: String,
    /// When this version was published or changed last.
    pub modified_at: String,
}

/// One file of an artifact.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ArtifactFileAnswer {
    /// What it is for.
    pub role: String,
    /// `parquet`, `json` or `raw`.
    pub format: String,
    /// Its length.
    pub bytes: u64,
    /// Blake3 of its bytes, hexadecimal.
    pub hash: String,
    /// Rows of a table.
    pub rows: Option<u64>,
    /// Columns of a table, in order.
    pub columns: Vec<TableColumnAnswer>,
}

/// A column of a table.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct TableColumnAnswer {
    /// Its name.
    pub name: String,
    /// `bigint`, `double`, `string` and so on.
    pub sql_type: String,
}

/// Artifacts of one kind.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ArtifactList {
    /// Last versions, by name.
    pub artifacts: Vec<ArtifactAnswer>,
    /// The next page is what comes after this name; null: there is none.
    pub next: Option<String>,
}

/// One artifact, its versions and its lineage.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ArtifactDetail {
    /// The version that was asked for.
    #[serde(flatten)]
    pub artifact: ArtifactAnswer,
    /// All versions, the last one first.
    pub versions: Vec<ArtifactVersion>,
    /// What was made from it, as kind and name.
    pub used_by: Vec<String>,
}

/// What an artifact was made from, and what was made from it, over several steps.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct LineageAnswer {
    /// The artifact itself and its relatives.
    pub artifacts: Vec<LineageArtifact>,
    /// Pairs of places in `artifacts`: the second was made from the first.
    pub steps: Vec<(usize, usize)>,
    /// Whether there are more relatives than are told.
    pub is_cut: bool,
}

/// One artifact of a lineage.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct LineageArtifact {
    /// What it is.
    pub kind: String,
    /// How it is called.
    pub name: String,
    /// Its last version; null when it was removed since.
    pub version: Option<u64>,
    /// Name of the workflow that made it.
    pub workflow: Option<String>,
    /// Uid of the run that made it.
    pub run: Option<String>,
}

/// A version of an artifact.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ArtifactVersion {
    /// Counted from 1.
    pub version: u64,
    /// When it was published or changed last.
    pub modified_at: String,
    /// Bytes of all of its files.
    pub bytes: u64,
}

/// A question about tables of the catalog.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TableQueryBody {
    /// One `select`. Data sources, feature sets and frames are tables by name (`-` may be written as `_`), also with their kind as
    /// schema: `feature_set.wine`.
    pub sql: String,
    /// At most so many rows; 100 when left out, 10,000 at most, 100,000 as Arrow.
    #[serde(default)]
    pub limit: Option<u64>,
    /// After so many rows.
    #[serde(default)]
    pub offset: u64,
    /// `json` when left out, or `arrow`: an Arrow stream.
    #[serde(default)]
    pub format: Option<String>,
}

/// Rows of a table.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct TablePage {
    /// Columns, in order.
    pub columns: Vec<TableColumnAnswer>,
    /// One list per row, in the order of the columns.
    #[schema(value_type = Vec<Vec<Object>>)]
    pub rows: Vec<Vec<Json>>,
}

/// A file that waits to be published.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct CatalogUpload {
    /// To be named in what is published.
    pub upload: Uuid,
    /// Its length.
    pub bytes: u64,
}

impl From<Artifact> for ArtifactAnswer {
    fn from(artifact: Artifact) -> Self {
        let bytes = artifact.bytes();
        let file = |file: pegboard_model::ArtifactFile| ArtifactFileAnswer {
            role: file.role,
            format: match file.format {
                FileFormat::Parquet => "parquet",
                FileFormat::Json => "json",
                FileFormat::Raw => "raw",
            }
            .to_owned(),
            bytes: file.bytes,
            hash: file.hash,
            rows: file.rows,
            columns: file
                .columns
                .into_iter()
                .map(|column| TableColumnAnswer { name: column.name, sql_type: column.sql_type })
                .collect(),
        };
        Self {
            kind: artifact.kind.to_string(),
            name: artifact.name.to_string(),
            version: artifact.version,
            owner: artifact.owner,
            description: artifact.description,
            status: artifact.status,
            tags: artifact.tags,
            health: artifact.health,
            inputs: artifact.inputs.iter().map(ToString::to_string).collect(),
            origin: artifact.origin.into(),
            facts: artifact.facts,
            files: artifact.files.into_iter().map(file).collect(),
            bytes,
            created_at: artifact.created_at.to_string(),
            modified_at: artifact.modified_at.to_string(),
        }
    }
}
