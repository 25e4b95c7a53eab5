//! Stored documents with kind, metadata and spec (Flowdapt specification, section 2).

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::id::ResourceName;
use crate::time::Timestamp;

/// What every resource says about itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Metadata {
    /// Version 4, set by the server on create.
    pub uid: Uuid,
    /// Unique per kind.
    pub name: ResourceName,
    /// Set by the server.
    pub created_at: Timestamp,
    /// Set by the server at every change.
    pub updated_at: Timestamp,
    /// Free text by key; keys that begin with `flowdapt.ai/` belong to the server.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

/// A stored document with kind, metadata and spec.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Resource<Spec> {
    /// The spec's [`ResourceSpec::KIND`].
    pub kind: String,
    /// Identity.
    pub metadata: Metadata,
    /// What it says.
    pub spec: Spec,
}

/// What can be the spec of a resource.
pub trait ResourceSpec: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// The resource's `kind`.
    const KIND: &'static str;
}
