//! What an artifact is made of.
//!
//! A file is known by its role, a path of words: `data` of a table; `runs/<run>/predictions`, `runs/<run>/metrics`,
//! `runs/<run>/confusion_matrix`, `shap_importance`, `shap_values`, `shap_values/<label>`, `shap_feature_values` of a model;
//! `metrics` of an endpoint; `graph` of a graph; `model/<path>` for whatever else belongs to a model.

use serde::{Deserialize, Serialize};

/// How a file's bytes are to be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileFormat {
    /// A table, as Parquet.
    Parquet,
    /// One JSON value.
    Json,
    /// As it came; nobody reads it here.
    Raw,
}

/// A column of a table.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TableColumn {
    /// Its name.
    pub name: String,
    /// `bigint`, `double`, `string`, `boolean`, `timestamp` and so on, as SQL engines say it.
    pub sql_type: String,
}

/// One file of an artifact.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ArtifactFile {
    /// What it is for; unique within the artifact.
    pub role: String,
    /// How its bytes are to be read.
    pub format: FileFormat,
    /// Key of the object that holds it.
    pub object: String,
    /// Its length.
    pub bytes: u64,
    /// Blake3 of its bytes, hexadecimal.
    pub hash: String,
    /// Rows of a table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Columns of a table, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<TableColumn>,
}
