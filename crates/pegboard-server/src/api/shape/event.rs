//! Events.

use pegboard_store::StoredEvent;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use utoipa::ToSchema;

/// Something that happened, as it is stored.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct EventAnswer {
    /// Place in the log of events, from 1, growing. Give it as `after` to go on behind it.
    pub sequence: u64,
    /// Identity: a UUID.
    pub id: String,
    /// When it happened.
    pub time: String,
    /// `workflows`.
    pub channel: String,
    /// Who says it: `compute`, `trigger` or `api`.
    pub source: String,
    /// `com.event.workflow.workflow_started`, `…workflow_finished` or `…run_workflow`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// What it is about: a run, or what is to be run.
    #[schema(value_type = Object)]
    pub data: Json,
}

impl From<StoredEvent> for EventAnswer {
    fn from(stored: StoredEvent) -> Self {
        let event = stored.event;
        Self {
            sequence: stored.sequence,
            id: event.id.to_string(),
            time: event.time.to_string(),
            channel: event.channel,
            source: event.source,
            event_type: event.event_type,
            data: event.data,
        }
    }
}
