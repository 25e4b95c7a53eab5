//! Large values: from worker to worker without a copy, and without the server looking inside.

use std::sync::Arc;

use pegboard_engine::worker::WorkerOptions;
use pegboard_model::{Argument, Operation};
use serde_json::{Value as Json, json};

use super::world::{World, eventually, run, stage, stage_of};

fn own_resident_bytes() -> u64 {
    let own = std::fs::read_to_string("/proc/self/statm").unwrap();
    own.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_megabytes_have_one_resident_copy() {
    let world = World::new().await;
    let (mut maker, mut reader) = (world.worker().await, world.worker().await);
    let before = own_resident_bytes();
    let array = run(&mut maker, stage("misbehaving.values.make"), json!({"megabytes": 200})).await.value();
    assert_eq!(array.size() >> 20, 200);
    let own = own_resident_bytes().saturating_sub(before);
    assert!(own < 100 << 20, "the server grew by {} MiB", own >> 20);
    let told = run(&mut reader, stage_of("misbehaving.values.look", &array), json!({})).await;
    let seen = told.json(&mut reader).await;
    assert_eq!((&seen[0], &seen[1], &seen[2]), (&json!("head"), &json!("tail"), &json!(200 << 20)));
    let own = seen[3].as_u64().unwrap();
    assert!(own < 60 << 20, "the reader has {} MiB of its own after reading all of it", own >> 20);
    assert_eq!(seen[4], json!(reader.status().process_id));
    assert_eq!((world.blocks.count(), world.blocks.in_memory() >> 20), (1, 200));
    drop(array);
    drop(told);
    eventually("the block is gone with its last handle", || world.blocks.count() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_reader_writes_nobody_else_sees() {
    let world = World::new().await;
    let (mut one, mut other) = (world.worker().await, world.worker().await);
    let array = run(&mut one, stage("misbehaving.values.make"), json!({"megabytes": 1})).await.value();
    let told = run(&mut one, stage_of("misbehaving.values.scribble", &array), json!({})).await;
    assert_eq!(told.json(&mut one).await, json!("mine"));
    let told = run(&mut other, stage_of("misbehaving.values.look", &array), json!({})).await;
    assert_eq!(told.json(&mut other).await[0], json!("head"));
    let mut careful = world.worker_with(|options: &mut WorkerOptions| options.read_only = true).await;
    let failure = run(&mut careful, stage_of("misbehaving.values.scribble", &array), json!({})).await.failure();
    assert_eq!(failure.class, "TypeError", "{failure:?}");
    let told = run(&mut careful, stage_of("misbehaving.values.look", &array), json!({})).await;
    assert_eq!(told.json(&mut careful).await[0], json!("head"));
}

#[tokio::test(flavor = "multi_thread")]
async fn spilled_values_are_read_back_and_removed() {
    let world = World::with(|_| {}, 5 << 20).await;
    let mut worker = world.worker().await;
    let mut arrays = Vec::new();
    for _ in 0..4 {
        arrays.push(run(&mut worker, stage("misbehaving.values.make"), json!({"megabytes": 2})).await.value());
    }
    eventually("some are spilled", || world.blocks.spilled() >> 20 == 4 && world.blocks.in_memory() >> 20 == 4).await;
    for array in &arrays {
        let told = run(&mut worker, stage_of("misbehaving.values.look", array), json!({})).await;
        let seen = told.json(&mut worker).await;
        assert_eq!((&seen[0], &seen[1]), (&json!("head"), &json!("tail")));
        let told = run(&mut worker, stage_of("misbehaving.values.scribble", array), json!({})).await;
        assert_eq!(told.json(&mut worker).await, json!("mine"), "a spilled one is mapped copy-on-write as well");
    }
    arrays.clear();
    let spill = world.folder.path().join("spill");
    eventually("the files are gone", || std::fs::read_dir(&spill).unwrap().count() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_more_values_than_one_message_carries_descriptors() {
    let world = World::new().await;
    let mut worker = world.worker_with(|options| options.inline_limit = 100).await;
    let batch = Operation::Items {
        target: "misbehaving.calls.double".to_owned(),
        map_on: Some("x".to_owned()),
        arguments: None,
        first: 0,
        items: {
            let expand = Operation::Expand { map_on: Some("xs".to_owned()), arguments: None };
            let texts: Vec<Json> = (0..500).map(|index| json!("y".repeat(200 + index))).collect();
            run(&mut worker, expand, json!({"xs": texts})).await.values()
        },
        stop_on_failure: false,
    };
    let told = run(&mut worker, batch, json!({"x": []})).await;
    assert!(told.values().is_empty());
    let values: Vec<_> = told
        .outcomes()
        .into_iter()
        .map(|outcome| match outcome {
            pegboard_model::ItemOutcome::Value(value) => value,
            pegboard_model::ItemOutcome::Failure(failure) => panic!("{failure:?}"),
        })
        .collect();
    assert_eq!((values.len(), world.blocks.count()), (500, 500), "every one is a block");
    let list = Argument::List(Arc::new(values));
    let told = run(
        &mut worker,
        Operation::Stage { target: "misbehaving.calls.length".to_owned(), arguments: Some(vec![list]) },
        json!({}),
    )
    .await;
    assert_eq!(told.json(&mut worker).await, json!(500));
}
