//! What a run does when plugins behave.

use std::sync::Arc;

use futures::stream::{self, StreamExt};
use pegboard_flow::{Flow, RunEvent};
use pegboard_model::{CallEvent, ItemOutcome, PluginRunner, RunCause, RunState, WorkflowSpec};
use serde_json::{Value as Json, json};

use crate::fake::{FakeRunner, finished, ok, pickle, raised, said, started};
use crate::world::{mapped, object, options, simple, stage, within, workflow_document, world};

#[tokio::test]
async fn a_chain_passes_values_on() {
    let runner = FakeRunner::new()
        .returns("fake.one", |arguments| {
            assert_eq!(arguments, None);
            json!(1)
        })
        .returns("fake.two", |arguments| json!(arguments.unwrap()[0].as_i64().unwrap() + 1));
    let world = world(runner).await;
    let run = world.run(&[simple("one", &[]), simple("two", &["one"])], json!({})).await;
    assert_eq!((run.state, &run.result, &run.failure), (RunState::Finished, &json!(2), &None));
    assert!(run.started_at.is_some() && run.finished_at >= run.started_at);
    assert!(run.stages.iter().all(|stage| stage.state == RunState::Finished && stage.finished_at >= stage.started_at));
    assert_eq!(run.namespace, "default");
    assert_eq!(world.runner.calls(), ["fake.one", "fake.two", "encode"]);
}

#[tokio::test]
async fn arguments_come_in_order_and_twice_when_listed_twice() {
    let runner = FakeRunner::new()
        .returns("fake.a", |_| json!("a"))
        .returns("fake.b", |_| json!("b"))
        .returns("fake.c", |arguments| json!(arguments));
    let world = world(runner).await;
    let run = world.run(&[simple("a", &[]), simple("b", &[]), simple("c", &["b", "a", "b"])], json!({})).await;
    assert_eq!(run.result, json!(["b", "a", "b"]));
}

#[tokio::test]
async fn the_result_is_the_last_of_the_last_group_in_definition_order() {
    let mut runner = FakeRunner::new();
    for name in ["a", "x", "y", "z"] {
        runner = runner.returns(&format!("fake.{name}"), move |_| json!(name));
    }
    let world = world(runner).await;
    // Groups: {a, z}, {x, y}.
    let run = world.run(&[simple("x", &["a"]), simple("y", &["a"]), simple("a", &[]), simple("z", &[])], json!({})).await;
    assert_eq!(run.result, json!("y"));
    assert_eq!(run.stages.len(), 4);
}

#[tokio::test]
async fn of_two_stages_with_one_name_the_later_runs_and_the_log_says_so() {
    let world = world(FakeRunner::new().returns("fake.second", |_| json!(2))).await;
    let stages = [stage("a", &[], json!({ "target": "fake.first" })), stage("a", &[], json!({ "target": "fake.second" }))];
    let run = world.run(&stages, json!({})).await;
    assert_eq!((run.result, run.stages.len()), (json!(2), 1));
    assert_eq!(world.log(run.uid).await, ["stage 1 is never run: stage 2 has the same name, `a`"]);
}

#[tokio::test]
async fn fan_outs_keep_order_and_pass_lists_on() {
    let runner = FakeRunner::new()
        .returns("fake.make", |_| json!((0..1000).collect::<Vec<_>>()))
        .returns("fake.factor", |_| json!(2))
        .item("fake.double", |_, item| ItemOutcome::Value(pickle(&json!(item.as_i64().unwrap() * 2))))
        .item("fake.add", |_, item| ItemOutcome::Value(pickle(&json!(item.as_i64().unwrap() + 1))))
        .returns("fake.sum", |arguments| {
            json!(arguments.unwrap()[0].as_array().unwrap().iter().map(|item| item.as_i64().unwrap()).sum::<i64>())
        });
    let world = world(runner).await;
    let stages = [
        simple("make", &[]),
        simple("factor", &[]),
        mapped("double", &["make", "factor"], json!({})),
        mapped("add", &["double"], json!({})),
        simple("sum", &["add"]),
    ];
    let run = world.run(&stages, json!({})).await;
    assert_eq!(run.result, json!(999 * 1000 + 1000));
    let counts = run.stages[2].items.unwrap();
    assert_eq!((counts.total, counts.done, counts.failed), (1000, 1000, 0));
    // The second fan-out runs over a list of ours: nobody has to take it apart.
    assert_eq!(world.runner.calls().iter().filter(|call| *call == "expand").count(), 1);
}

#[tokio::test]
async fn map_on_runs_over_the_input() {
    let runner = FakeRunner::new().item("fake.each", |index, item| ItemOutcome::Value(pickle(&json!([index, item]))));
    let world = world(runner).await;
    let stages = [mapped("each", &[], json!({ "map_on": "rows" }))];
    let run = world.run(&stages, json!({ "rows": ["a", "b"] })).await;
    assert_eq!(run.result, json!([[0, "a"], [1, "b"]]));
    let empty = world.run(&stages, json!({ "rows": [] })).await;
    assert_eq!((empty.state, &empty.result), (RunState::Finished, &json!([])));
    let missing = world.run(&stages, json!({})).await;
    assert_eq!((missing.state, missing.failure.unwrap().class.as_str()), (RunState::Failed, "KeyError"));
}

#[tokio::test]
async fn failing_items_are_dropped_and_said() {
    let runner =
        FakeRunner::new().returns("fake.make", |_| json!((0..100).collect::<Vec<_>>())).item("fake.odd", |index, item| {
            if index % 2 == 0 { ItemOutcome::Failure(raised("ValueError", "even")) } else { ItemOutcome::Value(pickle(&item)) }
        });
    let world = world(runner).await;
    let run = world.run(&[simple("make", &[]), mapped("odd", &["make"], json!({}))], json!({})).await;
    assert_eq!(run.state, RunState::Finished);
    assert_eq!(run.result.as_array().unwrap()[..2], [json!(1), json!(3)]);
    let counts = run.stages[1].items.unwrap();
    assert_eq!((counts.done, counts.failed), (50, 50));
    let log = world.log(run.uid).await;
    assert_eq!(log[..3], ["item 0 is dropped: ValueError: even", "Traceback: …", "item 2 is dropped: ValueError: even"]);
    assert_eq!(log.len(), 22, "{log:?}");
    assert_eq!(log[21], "30 more items are dropped; 50 of 100 remain");
}

#[tokio::test]
async fn the_first_failing_item_fails_the_run_when_it_should() {
    let runner =
        FakeRunner::new().returns("fake.make", |_| json!((0..10_000).collect::<Vec<_>>())).item("fake.strict", |index, item| {
            if index == 5 { ItemOutcome::Failure(raised("ValueError", "five")) } else { ItemOutcome::Value(pickle(&item)) }
        });
    let world = world(runner).await;
    let stages = [simple("make", &[]), mapped("strict", &["make"], json!({ "allow_partial_failure": false }))];
    let run = world.run(&stages, json!({})).await;
    assert_eq!(run.state, RunState::Failed);
    let failure = run.failure.unwrap();
    assert_eq!((failure.class.as_str(), failure.message.as_str()), ("ValueError", "five"));
    assert_eq!(run.stages[1].failure.as_ref().unwrap().traceback.as_deref(), Some("Traceback: …"));
    assert!(world.runner.calls().len() < 10, "items were submitted after the failure");
}

#[tokio::test]
async fn large_results_become_objects() {
    let runner = FakeRunner::new().returns("fake.large", |_| json!("x".repeat(5000)));
    let world = world(runner).await;
    let run = world.run(&[simple("large", &[])], json!({})).await;
    assert_eq!((run.state, &run.result), (RunState::Finished, &Json::Null));
    let key = run.result_object.unwrap();
    assert_eq!(key, format!("results/{}.json", run.uid));
    assert_eq!(world.store.object(&key).await.unwrap().unwrap().len(), 5002);
}

#[tokio::test]
async fn a_result_that_cannot_be_said_fails_nothing() {
    let unsayable =
        FakeRunner::new().returns("fake.odd", |_| json!(1)).encode(|_| crate::fake::failed(raised("TypeError", "no JSON form")));
    let garbage = FakeRunner::new().returns("fake.odd", |_| json!(1)).encode(|_| {
        let values = vec![pegboard_model::Value::Inline(bytes::Bytes::from_static(b"{oops"))];
        started().chain(stream::iter([CallEvent::Finished { values, busy: std::time::Duration::ZERO }])).boxed()
    });
    for (runner, expected) in [(unsayable, "TypeError: no JSON form"), (garbage, "the result is stored as null: key must be")] {
        let world = world(runner).await;
        let run = world.run(&[simple("odd", &[])], json!({})).await;
        assert_eq!((run.state, &run.result), (RunState::Finished, &Json::Null));
        let log = world.log(run.uid).await;
        assert!(log[0].contains(expected), "{log:?}");
    }
}

#[tokio::test]
async fn logs_are_kept_up_to_their_limit() {
    let runner = FakeRunner::new().script("fake.chatty", |_| {
        let lines = stream::iter((0..200).map(|_| said(&"x".repeat(100))));
        started().chain(lines).chain(stream::iter([finished(&json!(null))])).boxed()
    });
    let world = world(runner).await;
    let run = world.run(&[simple("chatty", &[])], json!({})).await;
    let log = world.log(run.uid).await;
    assert_eq!(log.len(), 101);
    assert_eq!(log[100], "100 later lines (10000 bytes) are not kept: the log of a run is limited to 10000 bytes");
}

#[tokio::test]
async fn the_context_says_what_stages_ask_for() {
    let seen = Arc::new(std::sync::Mutex::new(Json::Null));
    struct Listening(Arc<std::sync::Mutex<Json>>, FakeRunner);
    impl PluginRunner for Listening {
        fn call(&self, call: pegboard_model::Call) -> futures::stream::BoxStream<'static, CallEvent> {
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
    let world = world(FakeRunner::new()).await;
    let runner = Listening(Arc::clone(&seen), FakeRunner::new().returns("fake.s", |_| json!(1)));
    let flow = Flow::start(options(), world.store.clone(), Arc::new(runner)).await.unwrap();
    let workflow = world.workflow(&[stage("s", &[], json!({ "priority": 3 }))]).await;
    let run = flow.run(&workflow, object(json!({ "k": 1 })), Some("ns".to_owned()), RunCause::Trigger).await.unwrap();
    within(flow.wait(run.uid)).await.unwrap();
    let context = seen.lock().unwrap().clone();
    assert_eq!(context["input"], json!({ "k": 1 }));
    assert_eq!((&context["namespace"], &context["executor"], &context["config"]), (&json!("ns"), &json!("local"), &json!({})));
    assert_eq!(context["storage"], json!({ "protocol": "file", "base_path": "/data/artifacts" }));
    assert_eq!(context["run"]["uid"], json!(run.uid.to_string()));
    assert_eq!((&context["run"]["source"], &context["run"]["state"]), (&json!("trigger"), &json!("running")));
    assert!(!context["run"]["started_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(context["definition"]["metadata"]["name"], json!("w"));
    let keys: Vec<&str> = context["definition"]["spec"]["stages"][0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys.len(), 9);
}

#[tokio::test]
async fn news_come_in_order_and_after_they_are_durable() {
    let world = world(FakeRunner::new().returns("fake.a", |_| json!(1)).returns("fake.b", |_| json!(2))).await;
    let mut events = world.flow.events();
    let run = world.run(&[simple("a", &[]), simple("b", &["a"])], json!({})).await;
    let mut states = Vec::new();
    let mut stages = vec![RunState::Pending; 2];
    loop {
        match within(events.recv()).await.unwrap() {
            RunEvent::Run(news) => {
                assert!(news.stages.is_empty());
                states.push(news.state);
                if news.state.is_final() {
                    assert_eq!(news.result, json!(2));
                    break;
                }
            }
            RunEvent::Stage { position, stage, .. } => stages[position] = stage.state,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(states, [RunState::Pending, RunState::Running, RunState::Finished]);
    assert_eq!(stages, [RunState::Finished; 2]);
    assert_eq!(run.state, RunState::Finished);
}

#[tokio::test]
async fn progress_is_news() {
    let runner = FakeRunner::new().script("fake.slow", |_| {
        let progress = CallEvent::Progress { done: 1.0, total: Some(2.0), message: "half".to_owned() };
        started().chain(stream::iter([progress, finished(&json!(null))])).boxed()
    });
    let world = world(runner).await;
    let mut events = world.flow.events();
    world.run(&[simple("slow", &[])], json!({})).await;
    loop {
        if let RunEvent::Progress { position, done, total, message, .. } = within(events.recv()).await.unwrap() {
            assert_eq!((position, done, total, message.as_str()), (0, 1.0, Some(2.0), "half"));
            break;
        }
    }
}

#[tokio::test]
async fn applying_twice_replaces_the_spec_and_keeps_the_servers_annotations() {
    let world = world(FakeRunner::new()).await;
    let text = |group: &str, stage: &str| {
        format!("metadata: {{name: w, annotations: {{group: {group}}}}}\nspec: {{stages: [{{name: {stage}, target: t.t}}]}}")
    };
    let (first, is_new) = world.flow.apply(workflow_document(&text("a", "one"))).await.unwrap();
    assert!(is_new);
    let mut marked = first.clone();
    marked.metadata.annotations.insert("flowdapt.ai/x".to_owned(), "kept".to_owned());
    world.store.update(&marked, None).await.unwrap();
    let (second, is_new) = world.flow.apply(workflow_document(&text("b", "two"))).await.unwrap();
    assert!(!is_new);
    assert_eq!((second.metadata.uid, second.metadata.created_at), (first.metadata.uid, first.metadata.created_at));
    assert_eq!(second.spec.stages[0].name, "two");
    assert_eq!(second.metadata.annotations["group"], "b");
    assert_eq!(second.metadata.annotations["flowdapt.ai/x"], "kept");
    assert_eq!(world.store.by_uid::<WorkflowSpec>(first.metadata.uid).await.unwrap().unwrap(), second);
}

#[tokio::test]
async fn many_apply_at_once_and_all_succeed() {
    let world = world(FakeRunner::new()).await;
    let applies = (0..8).map(|index| {
        let flow = world.flow.clone();
        let text = format!("metadata: {{name: w}}\nspec: {{stages: [{{name: s{index}, target: t.t}}]}}");
        async move { flow.apply(workflow_document(&text)).await }
    });
    let outcomes = futures::future::join_all(applies).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.as_ref().unwrap().1).count(), 1);
    assert_eq!(world.store.resources::<WorkflowSpec>().await.unwrap().len(), 1);
}

#[tokio::test]
async fn runs_are_found_by_id_and_by_name() {
    let world = world(FakeRunner::new().returns("fake.a", |_| json!(1))).await;
    let run = world.run(&[simple("a", &[])], json!({})).await;
    for identifier in [run.uid.to_string(), run.uid.to_string().to_uppercase(), run.name.clone()] {
        assert_eq!(world.flow.run_find(&identifier).await.unwrap(), run, "{identifier}");
    }
    for identifier in ["nobody", "00000000-0000-4000-8000-000000000000"] {
        assert_eq!(world.flow.run_find(identifier).await.unwrap_err().code, "run-not-found");
    }
    let unknown = "00000000-0000-4000-8000-000000000000".parse().unwrap();
    assert_eq!(world.flow.wait(unknown).await.unwrap_err().code, "run-not-found");
    assert_eq!(world.flow.cancel(unknown).await.unwrap_err().code, "run-not-found");
    // A run that is over stays as it is.
    assert_eq!(world.flow.cancel(run.uid).await.unwrap(), run);
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_a_run_with_a_driver() {
    let world = world(FakeRunner::new().script("fake.a", |_| ok(json!(1)))).await;
    let workflow = world.workflow(&[simple("a", &[])]).await;
    let mut starting = Box::pin(world.flow.run(&workflow, object(json!({})), None, RunCause::Api));
    let _ = futures::poll!(&mut starting);
    drop(starting);
    let uid = within(async {
        loop {
            if let Some(run) = world.store.runs(&pegboard_store::RunFilter::default()).await.unwrap().pop() {
                return run.uid;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(within(world.flow.wait(uid)).await.unwrap().state, RunState::Finished);
}
