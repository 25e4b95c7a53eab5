//! What clients get: key order, and times as they know them.

use std::collections::BTreeMap;

use pegboard_model::{FailureKind, Metadata, Resource, Run, RunCause, RunState, Timestamp};
use pegboard_store::Store;
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::answer::Refused;

/// UTC without a zone; the fraction is left out when it is zero. Clients subtract it from a time without a zone.
pub(super) fn naive(time: Timestamp) -> String {
    let text = time.to_string();
    let text = text.strip_suffix('Z').unwrap_or(&text);
    text.strip_suffix(".000000").unwrap_or(text).to_owned()
}

/// A resource as it is sent.
#[derive(Serialize)]
pub(super) struct ResourceWire<'a, S> {
    kind: &'a str,
    metadata: MetadataWire<'a>,
    spec: &'a S,
}

#[derive(Serialize)]
struct MetadataWire<'a> {
    uid: Uuid,
    name: &'a str,
    created_at: String,
    updated_at: String,
    annotations: &'a BTreeMap<String, String>,
}

impl<'a, S> From<&'a Resource<S>> for ResourceWire<'a, S> {
    fn from(resource: &'a Resource<S>) -> Self {
        let Metadata { uid, name, created_at, updated_at, annotations } = &resource.metadata;
        let metadata = MetadataWire {
            uid: *uid,
            name: name.as_str(),
            created_at: naive(*created_at),
            updated_at: naive(*updated_at),
            annotations,
        };
        Self { kind: &resource.kind, metadata, spec: &resource.spec }
    }
}

/// A run as it is sent: exactly these keys.
#[derive(Serialize)]
pub(super) struct RunWire {
    uid: String,
    name: String,
    workflow: String,
    started_at: String,
    finished_at: Option<String>,
    result: Option<Box<RawValue>>,
    state: &'static str,
    source: RunCause,
}

impl RunWire {
    /// Fetches the result when it lies apart. A result that is gone is null: one run never breaks a list.
    pub(super) async fn of(run: Run, store: &Store) -> Result<Self, Refused> {
        let result = match (&run.result_object, run.state) {
            (Some(key), RunState::Finished) => {
                let bytes = store.object(key).await?.unwrap_or_default();
                String::from_utf8(bytes.into()).ok().and_then(|text| RawValue::from_string(text).ok())
            }
            (None, RunState::Finished) => serde_json::value::to_raw_value(&run.result).ok(),
            _ => serde_json::value::to_raw_value(&ended(&run)).ok(),
        };
        Ok(Self {
            uid: run.uid.to_string(),
            name: run.name,
            workflow: run.workflow,
            // The moment of the request: it never changes, and is there before the first stage begins.
            started_at: naive(run.created_at),
            finished_at: run.finished_at.map(naive),
            result,
            state: state(run.state),
            source: run.source,
        })
    }
}

/// The four states that the dialect has.
fn state(state: RunState) -> &'static str {
    match state {
        RunState::Pending | RunState::Running | RunState::Finished | RunState::Failed => state.as_str(),
        RunState::Cancelled | RunState::Interrupted => RunState::Failed.as_str(),
    }
}

/// Class and message of a run that did not end well.
fn ended(run: &Run) -> Option<[String; 2]> {
    let said = |message: &str| Some(["WorkflowExecutionError".to_owned(), message.to_owned()]);
    match (run.state, &run.failure) {
        (RunState::Pending | RunState::Running | RunState::Finished, _) => None,
        (RunState::Cancelled, None) => said("The run was cancelled"),
        (RunState::Interrupted, None) => said("Server stopped while the run was in progress"),
        (_, None) => said("The run failed"),
        // A target that does not resolve is an import error to those who know only Python.
        (_, Some(failure)) if failure.class.is_empty() => said(&failure.message),
        (RunState::Cancelled, Some(failure)) if failure.kind == FailureKind::Cancelled => said(&failure.message),
        (_, Some(failure)) => Some([failure.class.clone(), failure.message.clone()]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_no_zone_and_no_idle_fraction() {
        for (micros, text) in [
            (1_700_000_000_123_456, "2023-11-14T22:13:20.123456"),
            (1_700_000_000_100_000, "2023-11-14T22:13:20.100000"),
            (1_700_000_000_000_000, "2023-11-14T22:13:20"),
        ] {
            assert_eq!(naive(Timestamp(micros)), text);
        }
    }
}
