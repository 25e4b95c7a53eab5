//! Events, conditions, schedules, retention and draining, over the real store.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures::stream::{self, StreamExt};
use pegboard_flow::{Clock, Document, Flow, FlowOptions, Retention};
use pegboard_model::{
    CallEvent, Event, PluginRunner, Run, RunCause, RunState, Timestamp, TriggerRule, TriggerSpec, Workflow, WorkflowSpec,
};
use pegboard_store::{Change, RunFilter, Store};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::fake::{FakeRunner, raised, started};
use crate::world::{object, open, options, within};

/// A clock that a test sets; it goes on by itself.
#[derive(Clone)]
struct SetClock {
    ahead: Arc<AtomicI64>,
}

impl SetClock {
    fn new() -> Self {
        Self { ahead: Arc::default() }
    }

    fn set(&self, text: &str) {
        let time: Timestamp = text.parse().unwrap();
        self.ahead.store(time.0 - Clock::default().now().0, Ordering::SeqCst);
    }

    fn clock(&self) -> Clock {
        let ahead = Arc::clone(&self.ahead);
        Clock::new(move || Timestamp(Clock::default().now().0 + ahead.load(Ordering::SeqCst)))
    }
}

fn runner() -> FakeRunner {
    FakeRunner::new().returns("fake.hello", |_| json!("hello")).raises("fake.boom", "ValueError", "You goofed up")
}

async fn start(store: &Store, options: FlowOptions, runner: FakeRunner) -> Flow {
    Flow::start(options, store.clone(), Arc::new(runner) as Arc<dyn PluginRunner>).await.unwrap()
}

async fn apply(flow: &Flow, document: Json) {
    match Flow::parse(&document.to_string()).unwrap().remove(0) {
        Document::Workflow(document) => drop(flow.apply(document).await.unwrap()),
        Document::Config(document) => drop(flow.apply(document).await.unwrap()),
        Document::Trigger(document) => drop(flow.apply(document).await.unwrap()),
    }
}

/// A workflow of one stage that is called like its target.
async fn workflow(flow: &Flow, name: &str, target: &str) {
    let stages = json!([{ "name": "s", "target": format!("fake.{target}") }]);
    apply(flow, json!({ "kind": "workflow", "metadata": { "name": name }, "spec": { "stages": stages } })).await;
}

async fn trigger(flow: &Flow, name: &str, spec: Json) {
    apply(flow, json!({ "kind": "trigger_rule", "metadata": { "name": name }, "spec": spec })).await;
}

fn finished(workflow: &str) -> Json {
    json!({ "and": [
        { "eq": [{ "var": "type" }, "com.event.workflow.workflow_finished"] },
        { "eq": [{ "var": "data.workflow" }, workflow] },
    ] })
}

fn runs(workflow: &str) -> Json {
    json!({ "target": "run_workflow", "parameters": { "workflow": workflow, "input": { "who": "cond" } } })
}

async fn run(flow: &Flow, store: &Store, name: &str) -> Run {
    let workflow: Workflow = store.by_name::<WorkflowSpec>(&name.parse().unwrap()).await.unwrap().unwrap();
    let run = flow.run(&workflow, object(json!({})), None, RunCause::Api).await.unwrap();
    within(flow.wait(run.uid)).await.unwrap()
}

async fn runs_of(store: &Store, workflow: &str) -> Vec<Run> {
    store.runs(&RunFilter { workflow: Some(workflow.to_owned()), ..RunFilter::default() }).await.unwrap()
}

async fn stored(store: &Store, name: &str) -> TriggerRule {
    store.by_name::<TriggerSpec>(&name.parse().unwrap()).await.unwrap().unwrap()
}

/// Nothing is under way any more and every event is handled.
async fn settled(store: &Store) {
    within(async {
        loop {
            let last = store.last_event().await.unwrap();
            let is_quiet = store.pending_events(1).await.unwrap().is_empty();
            let runs = store.runs(&RunFilter::default()).await.unwrap();
            let are_over = runs.iter().all(|run| run.state.is_final());
            // An end is stored together with its event, so nothing is to come when there was none meanwhile.
            if is_quiet && are_over && store.last_event().await.unwrap() == last {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

async fn events(store: &Store) -> Vec<Event> {
    store.events(0, 100_000).await.unwrap().into_iter().map(|stored| stored.event).collect()
}

#[tokio::test]
async fn a_failed_run_fires_its_trigger_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
    let flow = start(&store, options(), runner()).await;
    let mut told = flow.stored_events();
    for (name, target) in [("hello", "hello"), ("boom", "boom"), ("fallback", "hello")] {
        workflow(&flow, name, target).await;
    }
    let rule = json!({ "and": [
        { "eq": [{ "var": "type" }, "com.event.workflow.workflow_finished"] },
        { "eq": [{ "var": "data.workflow" }, "boom"] },
        { "eq": [{ "var": "data.state" }, "failed"] },
    ] });
    // One whose condition cannot be evaluated stands in front; it must not be in the way.
    trigger(&flow, "odd", json!({ "rule": { "gt": [{ "var": "data.state" }, 1] }, "action": runs("hello") })).await;
    trigger(&flow, "onfail", json!({ "rule": rule, "action": runs("fallback") })).await;
    let before = stored(&store, "onfail").await;
    run(&flow, &store, "hello").await;
    settled(&store).await;
    assert!(runs_of(&store, "fallback").await.is_empty());
    run(&flow, &store, "boom").await;
    settled(&store).await;

    let fallback = runs_of(&store, "fallback").await;
    assert_eq!(fallback.len(), 1);
    assert_eq!((fallback[0].source, fallback[0].state), (RunCause::Trigger, RunState::Finished));
    assert_eq!((Json::Object(fallback[0].input.clone()), fallback[0].namespace.as_str()), (json!({ "who": "cond" }), "default"));
    let after = stored(&store, "onfail").await;
    let last_run = &after.metadata.annotations["flowdapt.ai/last_run"];
    assert!(last_run.contains('T') && !last_run.ends_with('Z'), "{last_run}");
    assert!(after.metadata.updated_at > before.metadata.updated_at);
    assert_eq!(after.spec, before.spec);

    let status = flow.trigger_status();
    let names: Vec<(&str, u64)> = status.iter().map(|status| (status.name.as_str(), status.fired)).collect();
    assert_eq!(names, [("odd", 0), ("onfail", 1)]);
    assert_eq!(status[0].problem.as_ref().unwrap().1, "`>` cannot compare text with a number");

    let events = events(&store).await;
    let types: Vec<&str> = events.iter().map(|event| event.event_type.rsplit('.').next().unwrap()).collect();
    let pair = ["workflow_started", "workflow_finished"];
    assert_eq!(types, [&pair[..], &pair[..], &["run_workflow"], &pair[..]].concat());
    assert!(events.iter().all(|event| event.channel == "workflows"));
    assert_eq!(
        (events[4].source.as_str(), &events[4].data),
        ("trigger", &json!({ "identifier": "fallback", "payload": { "who": "cond" } }))
    );
    let keys = |event: &Event| event.data.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&events[0]), ["uid", "name", "workflow", "source", "started_at", "finished_at", "result", "state"]);
    assert_eq!((&events[0].data["state"], &events[0].data["finished_at"]), (&json!("running"), &json!(null)));
    assert_eq!((&events[3].data["state"], &events[3].data["result"]), (&json!("failed"), &json!(null)));
    assert!(!events[3].data["finished_at"].as_str().unwrap().ends_with('Z'));
    for (sequence, event) in (1..).zip(&events) {
        let told = within(told.recv()).await.unwrap();
        assert_eq!((told.sequence, &told.event), (sequence, event));
    }
}

#[tokio::test]
async fn a_trigger_that_triggers_itself_is_stopped_and_a_chain_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
    let flow = start(&store, options(), runner()).await;
    for index in 0..30 {
        workflow(&flow, &format!("chain-{index}"), "hello").await;
        let action = runs(&format!("chain-{}", index + 1));
        trigger(&flow, &format!("to-{}", index + 1), json!({ "rule": finished(&format!("chain-{index}")), "action": action }))
            .await;
    }
    workflow(&flow, "chain-30", "hello").await;
    run(&flow, &store, "chain-0").await;
    settled(&store).await;
    assert_eq!(runs_of(&store, "chain-30").await.len(), 1);

    workflow(&flow, "again", "hello").await;
    trigger(&flow, "circle", json!({ "rule": finished("again"), "action": runs("again") })).await;
    run(&flow, &store, "again").await;
    settled(&store).await;
    assert_eq!(runs_of(&store, "again").await.len(), 21);
    let status = flow.trigger_status().into_iter().find(|status| status.name == "circle").unwrap();
    let (_, problem) = status.problem.unwrap();
    assert!(problem.contains("triggers itself") && problem.contains("20 times"), "{problem}");
    assert!(status.held_back_until.unwrap() > Clock::default().now());
    // Somebody's own run still fires it, once.
    run(&flow, &store, "again").await;
    settled(&store).await;
    assert_eq!(runs_of(&store, "again").await.len(), 23);
}

#[tokio::test]
async fn an_unknown_workflow_is_said_and_harms_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
    let flow = start(&store, options(), runner()).await;
    workflow(&flow, "hello", "hello").await;
    for (name, action, expected) in [
        ("absent", runs("nobody"), "there is no workflow `nobody`"),
        ("nameless", json!({ "target": "run_workflow" }), "action `run_workflow` has no parameter `workflow`"),
        (
            "listed",
            json!({ "target": "run_workflow", "parameters": { "workflow": "hello", "input": [1] } }),
            "parameter `input` of action `run_workflow` is not an object",
        ),
    ] {
        trigger(&flow, name, json!({ "rule": finished("hello"), "action": action })).await;
        run(&flow, &store, "hello").await;
        settled(&store).await;
        let status = flow.trigger_status().into_iter().find(|status| status.name == name).unwrap();
        assert_eq!(status.problem.unwrap().1, expected);
    }
    assert_eq!(runs_of(&store, "hello").await.len(), 3);
}

fn asks(identifier: &str) -> Event {
    Event {
        id: Uuid::new_v4(),
        time: Clock::default().now(),
        channel: "workflows".to_owned(),
        source: "api".to_owned(),
        event_type: "com.event.workflow.run_workflow".to_owned(),
        data: json!({ "identifier": identifier, "payload": { "k": 1 } }),
    }
}

#[tokio::test]
async fn published_events_start_runs_by_name_and_by_uid() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
    let flow = start(&store, options(), runner()).await;
    workflow(&flow, "hello", "hello").await;
    let uid = store.by_name::<WorkflowSpec>(&"hello".parse().unwrap()).await.unwrap().unwrap().metadata.uid;
    let (by_name, by_uid) = (asks("hello"), asks(&uid.to_string().to_uppercase()));
    flow.publish(by_name.clone()).await.unwrap();
    flow.publish(by_uid).await.unwrap();
    assert_eq!(flow.publish(by_name).await.unwrap_err().code, "already-exists");
    settled(&store).await;
    let runs = runs_of(&store, "hello").await;
    assert_eq!(runs.len(), 2);
    assert!(runs.iter().all(|run| run.source == RunCause::Api && run.input["k"] == json!(1)));
}

#[tokio::test]
async fn a_restart_neither_loses_nor_doubles_an_event() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
    let flow = start(&store, options(), runner()).await;
    workflow(&flow, "hello", "hello").await;
    workflow(&flow, "boom", "boom").await;
    trigger(&flow, "onfail", json!({ "rule": finished("boom"), "action": runs("hello") })).await;
    for _ in 0..5 {
        run(&flow, &store, "boom").await;
    }
    settled(&store).await;
    flow.shutdown().await;
    drop(flow);
    assert_eq!(runs_of(&store, "hello").await.len(), 5);
    // Stored, and then the server was gone: before any trigger saw it, and after a trigger fired but before its run began.
    let failed = events(&store).await.into_iter().find(|event| event.data["state"] == "failed").unwrap();
    store.put_event(&Event { id: Uuid::new_v4(), ..failed }).await.unwrap();
    store.put_event(&asks("hello")).await.unwrap();
    for _ in 0..3 {
        let flow = start(&store, options(), runner()).await;
        settled(&store).await;
        flow.shutdown().await;
    }
    assert_eq!(runs_of(&store, "hello").await.len(), 7);
}

#[tokio::test]
async fn servers_that_are_dropped_in_the_middle_lose_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
    let flow = start(&store, options(), runner()).await;
    workflow(&flow, "hello", "hello").await;
    flow.shutdown().await;
    const ASKED: usize = 200;
    let mut starts = 0;
    for round in 0..20 {
        for _ in 0..ASKED / 20 {
            store.put_event(&asks("hello")).await.unwrap();
        }
        let flow = start(&store, options(), runner()).await;
        starts += 1;
        tokio::time::sleep(Duration::from_millis(round % 7)).await;
        flow.shutdown().await;
    }
    let flow = start(&store, options(), runner()).await;
    settled(&store).await;
    assert_eq!((starts, runs_of(&store, "hello").await.len()), (20, ASKED));
    drop(flow);
}

#[tokio::test]
async fn schedules_fire_on_time_once_and_not_for_the_past() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
    let clock = SetClock::new();
    clock.set("2026-11-20T09:59:00Z");
    let options = || FlowOptions { clock: clock.clock(), ..options() };
    let flow = start(&store, options(), runner()).await;
    workflow(&flow, "hello", "hello").await;
    let mut rule: TriggerRule = serde_json::from_value(json!({
        "kind": "trigger_rule",
        "metadata": {
            "uid": Uuid::new_v4(), "name": "hourly",
            "created_at": "2026-11-20T09:00:00Z", "updated_at": "2026-11-20T09:00:00Z",
        },
        "spec": { "type": "schedule", "rule": ["0 * * * *"], "action": runs("hello") },
    }))
    .unwrap();
    store.create(&rule).await.unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(runs_of(&store, "hello").await.is_empty(), "10:00 is not yet");
    clock.set("2026-11-20T09:59:59.900Z");
    let count = |expected: usize| {
        let store = store.clone();
        async move {
            within(async {
                while runs_of(&store, "hello").await.len() < expected {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            })
            .await;
            tokio::time::sleep(Duration::from_millis(700)).await;
            assert_eq!(runs_of(&store, "hello").await.len(), expected);
        }
    };
    count(1).await;
    let fired = stored(&store, "hourly").await.metadata.annotations["flowdapt.ai/last_run"].clone();
    let late = format!("{fired}Z").parse::<Timestamp>().unwrap().0 - "2026-11-20T10:00:00Z".parse::<Timestamp>().unwrap().0;
    assert!((0..1_000_000).contains(&late), "{fired}");
    assert_eq!(runs_of(&store, "hello").await[0].source, RunCause::Trigger);
    // The clock is set back over the instant, in the same server and in the next one.
    clock.set("2026-11-20T09:59:59.500Z");
    count(1).await;
    flow.shutdown().await;
    clock.set("2026-11-20T09:59:59.500Z");
    let flow = start(&store, options(), runner()).await;
    count(1).await;
    // Down over three instants: not caught up. Then one while it drains.
    flow.shutdown().await;
    clock.set("2026-11-20T13:59:59.000Z");
    let flow = start(&store, options(), runner()).await;
    flow.set_draining(true);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    flow.set_draining(false);
    count(1).await;
    // A change: nothing for the instant that is over.
    rule = stored(&store, "hourly").await;
    rule.spec.rule = json!(["0 * * * *", "30 * * * *"]);
    rule.metadata.updated_at = "2026-11-20T14:30:01Z".parse().unwrap();
    clock.set("2026-11-20T14:30:01Z");
    store.update(&rule, None).await.unwrap();
    count(1).await;
    clock.set("2026-11-20T15:00:00Z");
    count(2).await;
    flow.shutdown().await;
}

#[tokio::test]
async fn draining_refuses_runs_and_lets_events_wait() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
    let flow = start(&store, options(), runner()).await;
    workflow(&flow, "hello", "hello").await;
    let found: Workflow = store.by_name::<WorkflowSpec>(&"hello".parse().unwrap()).await.unwrap().unwrap();
    assert!(!flow.is_draining());
    flow.set_draining(true);
    assert!(flow.is_draining());
    let refused = flow.run(&found, object(json!({})), None, RunCause::Api).await.unwrap_err();
    assert_eq!(
        (refused.code.as_str(), refused.message.as_str()),
        ("draining", "Service is draining, no new workflow runs accepted")
    );
    let mut told = flow.stored_events();
    flow.publish(asks("hello")).await.unwrap();
    assert_eq!(within(told.recv()).await.unwrap().sequence, 1);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(runs_of(&store, "hello").await.is_empty());
    assert_eq!(store.pending_events(10).await.unwrap().len(), 1);
    flow.set_draining(false);
    settled(&store).await;
    assert_eq!(runs_of(&store, "hello").await.len(), 1);
}

#[tokio::test]
async fn actions_of_plugins_are_called_once_with_their_parameters() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
    let calls = Arc::new(std::sync::Mutex::new(0));
    let counted = Arc::clone(&calls);
    let runner = runner().script("fake.notify", move |arguments| {
        assert_eq!(arguments, None);
        *counted.lock().unwrap() += 1;
        started().chain(stream::iter([CallEvent::Failed(raised("OSError", "no network"))])).boxed()
    });
    let flow = start(&store, options(), runner).await;
    workflow(&flow, "hello", "hello").await;
    trigger(
        &flow,
        "tell",
        json!({ "rule": finished("hello"), "action": { "target": "fake.notify", "parameters": { "to": "me" } } }),
    )
    .await;
    trigger(&flow, "print", json!({ "rule": finished("hello"), "action": { "target": "print_event" } })).await;
    run(&flow, &store, "hello").await;
    settled(&store).await;
    within(async {
        while flow.trigger_status().iter().all(|status| status.problem.is_none()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let status = flow.trigger_status();
    assert_eq!((status[0].name.as_str(), status[0].fired, status[1].name.as_str(), status[1].fired), ("print", 1, "tell", 1));
    assert_eq!(status[1].problem.as_ref().unwrap().1, "action `fake.notify` failed: OSError: no network");
    assert_eq!(*calls.lock().unwrap(), 1);
}

#[tokio::test]
async fn runs_get_their_configs() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
    let seen = Arc::new(std::sync::Mutex::new(Json::Null));
    struct Listening(Arc<std::sync::Mutex<Json>>, FakeRunner);
    impl PluginRunner for Listening {
        fn call(&self, call: pegboard_model::Call) -> stream::BoxStream<'static, CallEvent> {
            *self.0.lock().unwrap() = serde_json::from_slice(&call.context.json).unwrap();
            self.1.call(call)
        }
        fn slots(&self, plugin: &pegboard_model::PluginName) -> usize {
            self.1.slots(plugin)
        }
        fn owner(&self, target: &str) -> pegboard_model::PluginName {
            self.1.owner(target)
        }
    }
    let listening = Listening(Arc::clone(&seen), runner());
    let flow = Flow::start(options(), store.clone(), Arc::new(listening)).await.unwrap();
    workflow(&flow, "hello", "hello").await;
    for (name, selector, data) in [
        ("one", json!({ "value": "hello" }), json!({ "a": 1, "b": { "x": 1 } })),
        ("two", json!({ "value": "hello" }), json!({ "b": { "y": 2 } })),
        ("three", json!({ "value": "other" }), json!({ "c": 3 })),
    ] {
        let spec = json!({ "selector": selector, "data": data });
        apply(&flow, json!({ "kind": "config", "metadata": { "name": name }, "spec": spec })).await;
    }
    run(&flow, &store, "hello").await;
    assert_eq!(seen.lock().unwrap()["config"], json!({ "a": 1, "b": { "y": 2 } }));
}

#[tokio::test]
async fn runs_are_kept_as_long_as_asked() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
    let clock = SetClock::new();
    let kept = Retention::For(Duration::from_secs(1));
    let flow = start(&store, FlowOptions { retention: kept, ..options() }, runner().hangs("fake.hang")).await;
    workflow(&flow, "hello", "hello").await;
    workflow(&flow, "hang", "hang").await;
    let ended = run(&flow, &store, "hello").await;
    let hanging = store.by_name::<WorkflowSpec>(&"hang".parse().unwrap()).await.unwrap().unwrap();
    let hanging = flow.run(&hanging, object(json!({})), None, RunCause::Api).await.unwrap();
    store.put_object(&format!("results/{}.json", ended.uid), bytes::Bytes::from_static(b"1")).await.unwrap();
    assert!(store.run(ended.uid).await.unwrap().is_some());
    within(async {
        while store.run(ended.uid).await.unwrap().is_some() || !store.object_keys("results/").await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert!(store.run(hanging.uid).await.unwrap().is_some(), "a run that is under way was deleted");
    flow.shutdown().await;
    // Events that were handled a week ago.
    settled_events(&store).await;
    clock.set("2100-01-01T00:00:00Z");
    let flow = start(&store, FlowOptions { clock: clock.clock(), ..options() }, runner()).await;
    within(async {
        while !store.events(0, 10).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    drop(flow);
}

/// What is pending is handled by a server that is started for it.
async fn settled_events(store: &Store) {
    let flow = start(store, options(), runner()).await;
    settled(store).await;
    flow.shutdown().await;
}

#[tokio::test]
async fn runs_that_are_not_kept_end_all_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
    let never = FlowOptions { retention: Retention::Never, result_limit: 10, ..options() };
    let flow = start(&store, never, FakeRunner::new().returns("fake.long", |_| json!("x".repeat(100)))).await;
    workflow(&flow, "long", "long").await;
    let ended = run(&flow, &store, "long").await;
    assert_eq!((ended.state, &ended.result), (RunState::Finished, &json!("x".repeat(100))));
    assert_eq!(ended.result_object, None);
    assert_eq!(flow.run_find(&ended.uid.to_string()).await.unwrap_err().code, "run-not-found");
    assert!(runs_of(&store, "long").await.is_empty());
    assert!(store.object_keys("").await.unwrap().is_empty());
    settled(&store).await;
    let events = events(&store).await;
    assert_eq!(events.len(), 2, "its events are stored all the same");
    assert_eq!(events[1].data["state"], json!("finished"));
}

#[tokio::test]
async fn a_run_whose_record_was_removed_still_tells_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
    let gate = Arc::new(tokio::sync::Notify::new());
    let opened = Arc::clone(&gate);
    let runner = FakeRunner::new().script("fake.slow", move |_| {
        let gate = Arc::clone(&opened);
        let rest =
            stream::once(async move { gate.notified().await }).flat_map(|()| stream::iter([crate::fake::finished(&json!(1))]));
        started().chain(rest).boxed()
    });
    let flow = start(&store, options(), runner).await;
    workflow(&flow, "slow", "slow").await;
    let found = store.by_name::<WorkflowSpec>(&"slow".parse().unwrap()).await.unwrap().unwrap();
    let slow = flow.run(&found, object(json!({})), None, RunCause::Api).await.unwrap();
    within(async {
        while events(&store).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    store.delete_run(slow.uid).await.unwrap();
    gate.notify_one();
    within(flow.wait(slow.uid)).await.unwrap();
    within(async {
        while events(&store).await.len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_eq!(events(&store).await[1].data["state"], json!("finished"));
}

#[tokio::test]
async fn an_interrupted_run_ends_with_an_event() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
    let flow = start(&store, options(), runner()).await;
    workflow(&flow, "hello", "hello").await;
    let mut killed = run(&flow, &store, "hello").await;
    settled(&store).await;
    flow.shutdown().await;
    let count = events(&store).await.len();
    (killed.state, killed.finished_at) = (RunState::Running, None);
    store.apply(vec![Change::RunChanged(killed)]).await.unwrap();
    let flow = start(&store, options(), runner()).await;
    settled(&store).await;
    let events = events(&store).await;
    assert_eq!(events.len(), count + 1);
    assert_eq!(events[count].data["state"], json!("failed"));
    drop(flow);
}
