//! Things to store.

use pegboard_model::{
    Contribution, Dialect, LogLevel, LogLine, LogStream, Metadata, PluginRecord, PluginSource, PluginState, Run, RunCause, RunId,
    RunState, Stage, StageRun, StageType, Timestamp, Workflow, WorkflowSpec,
};
use serde_json::{Map, json};

pub(crate) fn plugin(name: &str) -> PluginRecord {
    PluginRecord {
        name: name.parse().unwrap(),
        dialect: Dialect::Flowdapt,
        source: PluginSource::Package { requirement: name.to_owned(), editable: true, index_url: None },
        metadata: Default::default(),
        entry_points: vec![format!("{name}.stages")],
        modules: vec![name.to_owned()],
        contributions: vec![Contribution { kind: "stage".into(), name: "stages".into() }],
        data_files: Vec::new(),
        environment: String::new(),
        state: PluginState::Ready,
        failure: None,
        installed_at: Timestamp(1),
        updated_at: Timestamp(2),
    }
}

pub(crate) fn workflow(name: &str, updated_at: i64) -> Workflow {
    Workflow {
        kind: "workflow".into(),
        metadata: Metadata {
            uid: uuid::Uuid::new_v4(),
            name: name.parse().unwrap(),
            created_at: Timestamp(1),
            updated_at: Timestamp(updated_at),
            annotations: Default::default(),
        },
        spec: WorkflowSpec {
            stages: vec![Stage {
                stage_type: StageType::Parameterized,
                target: "a.b".into(),
                name: "one".into(),
                description: String::new(),
                version: String::new(),
                depends_on: Vec::new(),
                options: Map::new(),
                resources: Map::new(),
                priority: None,
                retries: None,
                timeout: None,
                cache: None,
                concurrency: None,
            }],
        },
    }
}

pub(crate) fn run(name: &str, workflow: &str, state: RunState, stages: usize) -> Run {
    Run {
        uid: RunId::random(),
        name: name.to_owned(),
        workflow: workflow.to_owned(),
        namespace: "default".into(),
        source: RunCause::Api,
        state,
        input: Map::from_iter([("n".to_owned(), json!([1, "zwei", null]))]),
        created_at: Timestamp(1_700_000_000_000_001),
        started_at: None,
        finished_at: None,
        stages: (0..stages).map(|position| stage(&format!("stage-{position}"), state)).collect(),
        result: json!(null),
        result_object: None,
        failure: None,
    }
}

pub(crate) fn stage(name: &str, state: RunState) -> StageRun {
    StageRun { name: name.into(), target: "a.b".into(), state, started_at: None, finished_at: None, items: None, failure: None }
}

pub(crate) fn lines(range: std::ops::Range<usize>) -> Vec<LogLine> {
    const STREAMS: [LogStream; 4] = [LogStream::Stdout, LogStream::Stderr, LogStream::Logger, LogStream::Pegboard];
    const LEVELS: [LogLevel; 4] = [LogLevel::Debug, LogLevel::Info, LogLevel::Warning, LogLevel::Error];
    range
        .map(|number| LogLine {
            time: Timestamp(number as i64),
            stage: (number % 2 == 0).then(|| "stage-0".to_owned()),
            stream: STREAMS[number % 4],
            level: LEVELS[number / 4 % 4],
            text: format!("line {number} – ü"),
        })
        .collect()
}
