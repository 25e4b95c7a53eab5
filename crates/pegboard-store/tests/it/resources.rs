//! Workflows, configs and trigger rules: every kind alike, each by itself.

use std::fmt::Debug;

use pegboard_model::{ConfigSpec, Resource, ResourceSpec, Timestamp, TriggerSpec, WorkflowSpec};
use pegboard_store::{Change, Store, StoreError};

use crate::back_end::on_each;
use crate::sample;

#[tokio::test(flavor = "multi_thread")]
async fn a_life_of_every_kind() {
    on_each(|world| async move {
        let store = world.store;
        // The same names in every kind: none sees the others.
        live(&store, sample::workflow).await;
        live(&store, sample::config).await;
        live(&store, sample::trigger).await;
        assert_eq!(names(&store.resources::<WorkflowSpec>().await.unwrap()), ["theta", "alpha"]);
        assert_eq!(names(&store.resources::<ConfigSpec>().await.unwrap()), ["theta", "alpha"]);
        assert_eq!(names(&store.resources::<TriggerSpec>().await.unwrap()), ["theta", "alpha"]);

        // So do uids: the same one in two kinds is two resources.
        let workflow = sample::workflow("twin", 1);
        let mut config = sample::config("twin", 1);
        config.metadata.uid = workflow.metadata.uid;
        store.create(&workflow).await.unwrap();
        store.create(&config).await.unwrap();
        assert!(store.delete::<ConfigSpec>(config.metadata.uid).await.unwrap());
        assert!(!store.delete::<TriggerSpec>(config.metadata.uid).await.unwrap());
        assert_eq!(store.by_uid(workflow.metadata.uid).await.unwrap(), Some(workflow));
    })
    .await;
}

/// Leaves `theta` and `alpha`.
async fn live<S: ResourceSpec + PartialEq + Debug>(store: &Store, make: fn(&str, i64) -> Resource<S>) {
    let (one, two) = (make("zeta", 1), make("eta", 1));
    assert_eq!(store.resources::<S>().await.unwrap(), []);
    store.create(&one).await.unwrap();
    store.create(&two).await.unwrap();
    let again = make("zeta", 1);
    assert_eq!(store.create(&again).await, Err(StoreError::AlreadyExists("zeta".into())));
    assert_eq!(store.resources::<S>().await.unwrap(), [one.clone(), two.clone()]);
    assert_eq!(store.by_name::<S>(&one.metadata.name).await.unwrap(), Some(one.clone()));
    assert_eq!(store.by_uid::<S>(two.metadata.uid).await.unwrap(), Some(two.clone()));
    assert_eq!(store.by_uid::<S>(again.metadata.uid).await.unwrap(), None);

    let mut renamed = two.clone();
    renamed.metadata.name = "zeta".parse().unwrap();
    assert_eq!(store.update(&renamed, None).await, Err(StoreError::AlreadyExists("zeta".into())));
    renamed.metadata.name = "theta".parse().unwrap();
    renamed.metadata.updated_at = Timestamp(2);
    assert_eq!(store.update(&renamed, Some(Timestamp(7))).await, Err(StoreError::ChangedMeanwhile("theta".into())));
    store.update(&renamed, Some(Timestamp(1))).await.unwrap();
    assert_eq!(store.by_name::<S>(&two.metadata.name).await.unwrap(), None);
    assert_eq!(store.resources::<S>().await.unwrap(), [one.clone(), renamed.clone()]);

    assert!(store.delete::<S>(one.metadata.uid).await.unwrap());
    assert!(!store.delete::<S>(one.metadata.uid).await.unwrap());
    let missing = Err(StoreError::NotFound("zeta".into()));
    assert_eq!(store.update(&one, None).await, missing);
    assert_eq!(store.update(&one, Some(Timestamp(1))).await, missing);
    let last = make("alpha", 1);
    store.create(&last).await.unwrap();
    assert_eq!(store.resources::<S>().await.unwrap(), [renamed, last]);
}

fn names<S>(resources: &[Resource<S>]) -> Vec<&str> {
    resources.iter().map(|resource| resource.metadata.name.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_writers_of_one_resource() {
    on_each(|world| async move {
        let store = world.store;
        let seen = sample::config("contested", 1);
        store.create(&seen).await.unwrap();
        let writers = (2..10).map(|time| {
            let mut mine = seen.clone();
            mine.metadata.updated_at = Timestamp(time);
            let store = store.clone();
            tokio::spawn(async move { (store.update(&mine, Some(Timestamp(1))).await, mine) })
        });
        let mut winners = Vec::new();
        for writer in writers.collect::<Vec<_>>() {
            match writer.await.unwrap() {
                (Ok(()), mine) => winners.push(mine),
                (Err(error), _) => assert_eq!(error, StoreError::ChangedMeanwhile("contested".into())),
            }
        }
        assert_eq!(winners.len(), 1);
        assert_eq!(store.by_uid(seen.metadata.uid).await.unwrap(), winners.pop());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_says_when_it_fired() {
    on_each(|world| async move {
        let store = world.store;
        let mut rule = sample::trigger("tick", 1_700_000_000_000_000);
        rule.metadata.annotations.insert("team".to_owned(), "vision".to_owned());
        store.create(&rule).await.unwrap();
        // Times in a batch may come in any order; a clock that was set back is shown, but never makes an older version.
        for (fired, shown, updated_at) in [
            (vec![1_700_000_001_000_002], "2023-11-14T22:13:21.000002", 1_700_000_001_000_002),
            (vec![1_700_000_003_000_000, 1_700_000_002_000_000], "2023-11-14T22:13:23.000000", 1_700_000_003_000_000),
            (vec![1_600_000_000_000_000], "2020-09-13T12:26:40.000000", 1_700_000_003_000_001),
        ] {
            let changes = fired.into_iter().map(|at| Change::TriggerFired { trigger: rule.metadata.uid, at: Timestamp(at) });
            store.apply(changes.collect()).await.unwrap();
            rule.metadata.annotations.insert("flowdapt.ai/last_run".to_owned(), shown.to_owned());
            rule.metadata.updated_at = Timestamp(updated_at);
            assert_eq!(store.by_name(&rule.metadata.name).await.unwrap(), Some(rule.clone()));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn firing_and_changing_a_trigger_lose_nothing() {
    on_each(|world| async move {
        let store = world.store;
        let rule = sample::trigger("busy", 1);
        let uid = rule.metadata.uid;
        store.create(&rule).await.unwrap();
        let firing = (0..8).map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                for at in 0..10 {
                    store.apply(vec![Change::TriggerFired { trigger: uid, at: Timestamp(number * 10 + at) }]).await.unwrap();
                }
            })
        });
        let changing = (0..4).map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                loop {
                    let mut mine = store.by_uid::<TriggerSpec>(uid).await.unwrap().unwrap();
                    let seen = mine.metadata.updated_at;
                    mine.metadata.annotations.insert(format!("writer-{number}"), "was here".to_owned());
                    mine.metadata.updated_at = Timestamp(seen.0 + 1);
                    match store.update(&mine, Some(seen)).await {
                        Ok(()) => return,
                        Err(error) => assert_eq!(error, StoreError::ChangedMeanwhile("busy".into())),
                    }
                }
            })
        });
        for task in firing.chain(changing).collect::<Vec<_>>() {
            task.await.unwrap();
        }
        let stored = store.by_uid::<TriggerSpec>(uid).await.unwrap().unwrap();
        assert_eq!(stored.metadata.annotations.len(), 5, "{:?}", stored.metadata);
        assert!(stored.metadata.updated_at >= Timestamp(85), "each of 84 changes is a version: {:?}", stored.metadata);
        assert_eq!(stored.spec, rule.spec);

        assert!(store.delete::<TriggerSpec>(uid).await.unwrap());
        let fired = Change::TriggerFired { trigger: uid, at: Timestamp(1) };
        assert_eq!(store.apply(vec![fired]).await, Err(StoreError::NotFound(uid.to_string())));
    })
    .await;
}
