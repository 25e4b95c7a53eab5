//! Things to store.

use pegboard_model::{
    Config, ConfigSpec, Contribution, Dialect, Event, LogLevel, LogLine, LogStream, Metadata, PluginRecord, PluginSource,
    PluginState, Resource, ResourceSpec, Retries, Run, RunCause, RunId, RunState, Selector, SelectorType, SelectorValue, Stage,
    StageRun, StageType, Timestamp, TriggerAction, TriggerRule, TriggerSpec, TriggerType, Workflow, WorkflowSpec,
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

fn resource<S: ResourceSpec>(name: &str, updated_at: i64, spec: S) -> Resource<S> {
    let metadata = Metadata {
        uid: uuid::Uuid::new_v4(),
        name: name.parse().unwrap(),
        created_at: Timestamp(1),
        updated_at: Timestamp(updated_at),
        annotations: Default::default(),
    };
    Resource { kind: S::KIND.to_owned(), metadata, spec }
}

pub(crate) fn workflow(name: &str, updated_at: i64) -> Workflow {
    let stage = Stage {
        stage_type: StageType::Parameterized,
        target: "a.b".into(),
        name: "one".into(),
        description: String::new(),
        version: String::new(),
        depends_on: Vec::new(),
        options: Map::new(),
        resources: Map::new(),
        priority: None,
        retries: Some(Retries { count: 2, delay: 0.5, factor: 2.0, longest: 60.0, jitter: 0.1 }),
        timeout: Some(1.5),
        cache: None,
        concurrency: None,
    };
    resource(name, updated_at, WorkflowSpec { stages: vec![stage] })
}

pub(crate) fn config(name: &str, updated_at: i64) -> Config {
    let value = Some(SelectorValue::Name("train".to_owned()));
    let selector = Selector { kind: Some("workflow".to_owned()), selector_type: SelectorType::Name, value };
    let data = Map::from_iter([("z".to_owned(), json!({"b": 1, "a": ["\0", null]})), ("a".to_owned(), json!("ü"))]);
    resource(name, updated_at, ConfigSpec { selector: Some(selector), data })
}

pub(crate) fn trigger(name: &str, updated_at: i64) -> TriggerRule {
    let parameters = Map::from_iter([("workflow".to_owned(), json!("train"))]);
    let action = TriggerAction { target: "run_workflow".to_owned(), parameters };
    resource(name, updated_at, TriggerSpec { trigger_type: TriggerType::Schedule, rule: json!(["* * * * *"]), action })
}

pub(crate) fn event(number: usize) -> Event {
    Event {
        id: uuid::Uuid::new_v4(),
        time: Timestamp(number as i64),
        channel: "workflows".to_owned(),
        source: "compute".to_owned(),
        event_type: "com.event.workflow.workflow_finished".to_owned(),
        data: json!({"number": number, "text": "ü\0"}),
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
        configs: Vec::new(),
        failure: None,
    }
}

pub(crate) fn stage(name: &str, state: RunState) -> StageRun {
    StageRun {
        name: name.into(),
        target: "a.b".into(),
        state,
        started_at: None,
        finished_at: None,
        items: None,
        failure: None,
        cached: false,
        depends_on: Vec::new(),
        plugin: None,
    }
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
