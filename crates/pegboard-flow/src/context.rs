//! What a stage can ask about its run, as JSON (Flowdapt specification, section 12.1).

use bytes::Bytes;
use pegboard_model::{Run, RunContext, Timestamp, Workflow};
use serde_json::{Map, Value as Json, json};

use crate::FlowOptions;

/// The context of a run that has begun.
pub(crate) fn context(run: &Run, workflow: &Workflow, config: &Map<String, Json>, options: &FlowOptions) -> RunContext {
    let metadata = &workflow.metadata;
    let json = json!({
        "input": run.input,
        "namespace": run.namespace,
        // Stages of the dialect compare this word.
        "executor": options.executor,
        "run": {
            "uid": run.uid.to_string(),
            "name": run.name,
            "workflow": run.workflow,
            "source": run.source,
            "started_at": run.started_at.map(zoneless),
            "finished_at": null,
            "result": null,
            "state": "running",
        },
        "definition": {
            "kind": workflow.kind,
            "metadata": {
                "uid": metadata.uid.to_string(),
                "name": metadata.name,
                "created_at": zoneless(metadata.created_at),
                "updated_at": zoneless(metadata.updated_at),
                "annotations": metadata.annotations,
            },
            "spec": workflow.spec,
        },
        "config": config,
        "storage": options.configuration.get("storage"),
        "configuration": options.configuration,
    });
    RunContext { id: run.uid.to_string(), json: Bytes::from(json.to_string()) }
}

/// ISO 8601 in UTC without a zone, the fraction left out when it is zero: the dialect's clients subtract these from a naive now.
pub(crate) fn zoneless(time: Timestamp) -> String {
    let text = time.to_string();
    let text = text.trim_end_matches('Z');
    text.strip_suffix(".000000").unwrap_or(text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_no_zone() {
        assert_eq!(zoneless(Timestamp(1_700_000_000_123_456)), "2023-11-14T22:13:20.123456");
        assert_eq!(zoneless(Timestamp(1_700_000_000_000_000)), "2023-11-14T22:13:20");
        assert_eq!(zoneless(Timestamp(1_700_000_000_100_000)), "2023-11-14T22:13:20.100000");
    }
}
