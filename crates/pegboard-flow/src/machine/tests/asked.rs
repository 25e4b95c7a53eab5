//! What stages ask beyond the dialect: further attempts, limits of time, earlier results.

use super::*;

fn failed(stage: usize, batch: Option<u64>, kind: FailureKind) -> Event {
    let failure = Failure { class: "ValueError".to_owned(), ..Failure::noticed(kind, "no") };
    Event::Failed { stage, batch, failure }
}

fn items(batch: u64, first: u64, outcomes: &[Option<&str>]) -> Event {
    let outcome = |outcome: &Option<&str>| match outcome {
        Some(text) => ItemOutcome::Value(value(text)),
        None => ItemOutcome::Failure(raised("ValueError")),
    };
    Event::Items { stage: 0, batch, first, outcomes: outcomes.iter().map(outcome).collect() }
}

fn ended(batch: u64) -> Event {
    Event::BatchEnded { stage: 0, batch, busy: Duration::from_micros(1) }
}

fn expanded(count: usize) -> Event {
    Event::Expanded { stage: 0, items: values(count) }
}

fn mapped(options: Json) -> Json {
    let mut stage = json!({ "name": "a", "target": "t", "type": "parameterized", "options": { "map_on": "k" } });
    stage["options"].as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    json!([stage])
}

#[test]
fn a_failed_call_is_made_again_with_the_same_arguments() {
    use Event::{Again, Begin, Returned};
    let retries = json!({ "count": 2, "delay": 1.0, "jitter": 0.5 });
    let stages = json!([
        { "name": "a", "target": "t" },
        { "name": "b", "target": "t", "depends_on": ["a"], "retries": retries },
    ]);
    check(
        "until it returns",
        &stages,
        vec![
            (Begin, &["call 0 (-)"]),
            (Returned { stage: 0, value: value("A") }, &["ended 0 finished", "call 1 (A)"]),
            (failed(1, None, FailureKind::Raised), &["log 1 attempt 2 of 3 in 1.2 s: ValueError: no", "later 1 - 1.25"]),
            (Again { stage: 1, group: None }, &["call 1 (A)"]),
            (failed(1, None, FailureKind::Died), &["log 1 attempt 3 of 3 in 2.5 s: ValueError: no", "later 1 - 2.5"]),
            (Again { stage: 1, group: None }, &["call 1 (A)"]),
            (Returned { stage: 1, value: value("B") }, &["ended 1 finished", "encode 1 B"]),
        ],
    );
    check(
        "until there are no more attempts; what cannot pass is not tried again",
        &json!([{ "name": "a", "target": "t", "options": { "retries": { "count": 1, "delay": 0 } } }]),
        vec![
            (Begin, &["call 0 (-)"]),
            (failed(0, None, FailureKind::Memory), &["log 0 attempt 2 of 2 in 0.0 s: ValueError: no", "later 0 - 0"]),
            (Again { stage: 0, group: None }, &["call 0 (-)"]),
            (
                failed(0, None, FailureKind::Raised),
                &["started 0", "cancel 0", "ended 0 failed", "let go", "end failed ValueError"],
            ),
        ],
    );
    check(
        "a target that does not resolve ends the run at once",
        &json!([{ "name": "a", "target": "t", "retries": { "count": 5 } }]),
        vec![
            (Begin, &["call 0 (-)"]),
            (
                failed(0, None, FailureKind::Target),
                &["started 0", "cancel 0", "ended 0 failed", "let go", "end failed ValueError"],
            ),
            (Again { stage: 0, group: None }, &[]),
        ],
    );
}

#[test]
fn failed_items_of_a_batch_are_tried_again_together() {
    use Event::{Again, Begin};
    let retries = json!({ "retries": { "count": 1, "delay": 3 } });
    check(
        "order is kept, and what fails again is dropped",
        &mapped(retries.clone()),
        vec![
            (Begin, &["expand 0 k (-)"]),
            (expanded(6), &["counts 0 0/0/6", "items 0 0+1 (-)", "items 0 1+1 (-)"]),
            (items(0, 0, &[Some("A")]), &["counts 0 1/0/6"]),
            (ended(0), &["items 0 2+2 (-)"]),
            (items(2, 2, &[None, None]), &["counts 0 1/0/6"]),
            (ended(2), &["log 0 items 2, 3: attempt 2 of 2 in 3.0 s: ValueError: no", "later 0 0 3", "items 0 4+1 (-)"]),
            (items(1, 1, &[Some("B")]), &["counts 0 2/0/6"]),
            (ended(1), &["items 0 5+1 (-)"]),
            (items(3, 4, &[Some("E")]), &["counts 0 3/0/6"]),
            (ended(3), &[]),
            (items(4, 5, &[Some("F")]), &["counts 0 4/0/6"]),
            (ended(4), &[]),
            // Over all workers, as every item.
            (Again { stage: 0, group: Some(0) }, &["items 0 2+1 (-)", "items 0 3+1 (-)"]),
            (items(6, 3, &[None]), &["counts 0 4/1/6", "log 0 item 3 is dropped: ValueError: no"]),
            (ended(6), &[]),
            (items(5, 2, &[Some("C")]), &["counts 0 5/1/6"]),
            (ended(5), &["ended 0 finished", "encode 0 [A,B,C,E,F]"]),
        ],
    );
    let mut strict = retries;
    strict["allow_partial_failure"] = json!(false);
    check(
        "where a failure ends the run the worker goes on with the others, and the last attempt ends it",
        &mapped(strict),
        vec![
            (Begin, &["expand 0 k (-)"]),
            (expanded(1), &["counts 0 0/0/1", "items 0 0+1 (-)"]),
            (items(0, 0, &[None]), &["counts 0 0/0/1"]),
            (ended(0), &["log 0 item 0: attempt 2 of 2 in 3.0 s: ValueError: no", "later 0 0 3"]),
            (Again { stage: 0, group: Some(0) }, &["items 0 0+1 (-)"]),
            (
                items(1, 0, &[None]),
                &["counts 0 0/1/1", "started 0", "cancel 0", "ended 0 failed", "let go", "end failed ValueError"],
            ),
        ],
    );
}

#[test]
fn a_worker_that_dies_takes_one_attempt_of_one_item() {
    use Event::{Again, Begin};
    let mut machine = machine(&mapped(json!({ "retries": { "count": 1, "delay": 0 } })));
    machine.slots = vec![1];
    let mut step = |event: Event| words(&machine.step(event));
    step(Begin);
    assert_eq!(step(expanded(9)), ["counts 0 0/0/9", "items 0 0+1 (-)"]);
    step(items(0, 0, &[Some("A")]));
    assert_eq!(step(ended(0)), ["items 0 1+8 (-)"]);
    step(items(1, 1, &[Some("B"), None]));
    // Item 2 raised before, item 3 was on: both are tried again; 4 to 8 travel as if nothing had happened.
    let died = step(failed(0, Some(1), FailureKind::Died));
    assert_eq!(died[0], "counts 0 2/0/9");
    assert_eq!(died[1], "log 0 items 2, 3: attempt 2 of 2 in 0.0 s: ValueError: no");
    assert_eq!(died[2..], ["later 0 0 0", "items 0 4+5 (-)"]);
    assert_eq!(step(items(2, 4, &[Some("E"), Some("F"), Some("G"), Some("H"), Some("I")])), ["counts 0 7/0/9"]);
    assert_eq!(step(ended(2)), [""; 0]);
    assert_eq!(step(Again { stage: 0, group: Some(0) }), ["items 0 2+2 (-)"]);
    assert_eq!(step(items(3, 2, &[Some("C"), Some("D")])), ["counts 0 9/0/9"]);
    assert_eq!(step(ended(3)), ["ended 0 finished", "encode 0 [A,B,C,D,E,F,G,H,I]"]);
}

#[test]
fn an_item_that_takes_too_long_fails_alone() {
    use Event::Begin;
    check(
        "each item travels alone; the late one is dropped",
        &mapped(json!({ "timeout": 2 })),
        vec![
            (Begin, &["expand 0 k (-)"]),
            (expanded(4), &["counts 0 0/0/4", "items 0 0+1 (-)", "items 0 1+1 (-)"]),
            (items(0, 0, &[Some("A")]), &["counts 0 1/0/4"]),
            (ended(0), &["items 0 2+1 (-)"]),
            (
                failed(0, Some(1), FailureKind::Deadline),
                &[
                    "counts 0 1/1/4",
                    "log 0 item 1 is dropped: TimeoutError: it took longer than its `timeout` of 2 s",
                    "items 0 3+1 (-)",
                ],
            ),
            (items(2, 2, &[Some("C")]), &["counts 0 2/1/4"]),
            (ended(2), &[]),
            (items(3, 3, &[Some("D")]), &["counts 0 3/1/4"]),
            (ended(3), &["ended 0 finished", "encode 0 [A,C,D]"]),
        ],
    );
    check(
        "or ends the run, where failures do",
        &mapped(json!({ "timeout": 2, "allow_partial_failure": false })),
        vec![
            (Begin, &["expand 0 k (-)"]),
            (expanded(1), &["counts 0 0/0/1", "items 0 0+1 (-) strict"]),
            (
                failed(0, Some(0), FailureKind::Deadline),
                &["counts 0 0/1/1", "started 0", "cancel 0", "ended 0 failed", "let go", "end failed TimeoutError"],
            ),
        ],
    );
    check(
        "as a simple stage does",
        &json!([{ "name": "a", "target": "t", "timeout": 0.5 }]),
        vec![
            (Begin, &["call 0 (-)"]),
            (
                failed(0, None, FailureKind::Deadline),
                &["started 0", "cancel 0", "ended 0 failed", "let go", "end failed TimeoutError"],
            ),
        ],
    );
}

#[test]
fn an_earlier_result_takes_the_place_of_a_call() {
    use Event::{Begin, Looked, Returned};
    let stages = json!([
        { "name": "a", "target": "t", "cache": true },
        { "name": "b", "target": "t", "depends_on": ["a"], "type": "parameterized", "cache": true },
    ]);
    let cached = "log 1 its result is that of an earlier call with the same inputs";
    check(
        "what was not there is kept, what was there is taken",
        &stages,
        vec![
            (Begin, &["look 0 (-)"]),
            (Looked { stage: 0, found: None }, &["call 0 (-)"]),
            (Returned { stage: 0, value: value("A") }, &["keep 0 A", "ended 0 finished", "look 1 (A)"]),
            (
                Looked { stage: 1, found: Some(Argument::List(Arc::new(values(2)))) },
                &["started 1", cached, "cached 1", "ended 1 finished", "encode 1 [0,1]"],
            ),
        ],
    );
}
