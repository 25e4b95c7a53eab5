//! Events: in order, without gaps, each handled once.

use std::collections::BTreeSet;

use pegboard_model::{Event, RunState, Timestamp, TriggerSpec};
use pegboard_store::{Change, RunFilter, Store, StoreError};

use crate::back_end::on_each;
use crate::sample;

#[tokio::test(flavor = "multi_thread")]
async fn stored_listed_handled_and_deleted() {
    on_each(|world| async move {
        let store = world.store;
        assert_eq!(store.last_event().await.unwrap(), 0);
        assert_eq!(store.events(0, 10).await.unwrap(), []);
        let all: Vec<Event> = (0..6).map(sample::event).collect();
        for (event, sequence) in all[..4].iter().zip(1..) {
            assert_eq!(store.put_event(event).await.unwrap(), sequence);
        }
        // Refused: its number is the next one's.
        assert_eq!(store.put_event(&all[0]).await, Err(StoreError::AlreadyExists(all[0].id.to_string())));
        let changes = all[4..].iter().cloned().map(Change::EventStored);
        store.apply(changes.collect()).await.unwrap();
        assert_eq!(store.last_event().await.unwrap(), 6);

        let page = store.events(0, 100).await.unwrap();
        assert!(page.iter().zip(1..).all(|(stored, sequence)| stored.sequence == sequence && !stored.handled));
        assert_eq!(page.iter().map(|stored| stored.event.clone()).collect::<Vec<_>>(), all);
        assert_eq!(store.events(2, 2).await.unwrap(), page[2..4]);
        assert_eq!(store.events(6, 2).await.unwrap(), []);
        assert_eq!(store.events(0, 0).await.unwrap(), []);
        assert_eq!(store.events(u64::MAX, usize::MAX).await.unwrap(), []);

        let handled = [1, 2, 4].map(|sequence| Change::EventHandled { sequence });
        store.apply(handled.into()).await.unwrap();
        assert_eq!(sequences(&store).await, [3, 5, 6]);
        assert_eq!(store.pending_events(2).await.unwrap(), [page[2].clone(), page[4].clone()]);
        assert!(store.events(3, 1).await.unwrap()[0].handled);

        assert_eq!(store.delete_events_through(3).await.unwrap(), 2, "the third is not handled");
        assert_eq!(store.delete_events_through(u64::MAX).await.unwrap(), 1);
        assert_eq!(store.delete_events_through(u64::MAX).await.unwrap(), 0);
        assert_eq!(sequences(&store).await, [3, 5, 6]);
        let rest = [3, 5, 6].map(|sequence| Change::EventHandled { sequence });
        store.apply(rest.into()).await.unwrap();
        store.delete_events_through(6).await.unwrap();
        assert_eq!(store.last_event().await.unwrap(), 6);
        assert_eq!(store.put_event(&sample::event(7)).await.unwrap(), 7, "no number twice");
    })
    .await;
}

async fn sequences(store: &Store) -> Vec<u64> {
    store.pending_events(100).await.unwrap().iter().map(|stored| stored.sequence).collect()
}

/// Who reads on from the last number that he has seen misses none, however many write at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_follower_misses_nothing() {
    const WRITERS: usize = 8;
    const EACH: usize = 40;
    on_each(|world| async move {
        let store = world.store;
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let store = store.clone();
                tokio::spawn(async move {
                    let mut given = Vec::new();
                    for number in 0..EACH {
                        given.push(store.put_event(&sample::event(writer * EACH + number)).await.unwrap());
                    }
                    given
                })
            })
            .collect();
        let mut followed = Vec::new();
        while followed.len() < WRITERS * EACH {
            let after = followed.last().copied().unwrap_or(0);
            followed.extend(store.events(after, 7).await.unwrap().into_iter().map(|stored| stored.sequence));
        }
        assert_eq!(followed, (1..=(WRITERS * EACH) as u64).collect::<Vec<_>>());
        let mut given = BTreeSet::new();
        for writer in writers {
            let mine = writer.await.unwrap();
            assert!(mine.is_sorted());
            given.extend(mine);
        }
        assert!(given.into_iter().eq(followed), "each was told its own number");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_has_its_effects_once() {
    on_each(|world| async move {
        let store = world.store;
        let rule = sample::trigger("on-finish", 1);
        let uid = rule.metadata.uid;
        store.create(&rule).await.unwrap();
        let sequence = store.put_event(&sample::event(1)).await.unwrap();
        let effects = |number: i64| {
            // Each with a name of its own, so that nothing but the event's mark is in the way of the second.
            let run = sample::run(&format!("run-{number}"), "fired", RunState::Pending, 2);
            vec![
                Change::RunCreated(run.clone()),
                Change::Logged { run: run.uid, lines: sample::lines(0..2) },
                Change::EventHandled { sequence },
                Change::TriggerFired { trigger: uid, at: Timestamp(1000 + number) },
                Change::EventStored(sample::event(2)),
            ]
        };
        let handlers: Vec<_> = (0..8)
            .map(|number| {
                let (store, effects) = (store.clone(), effects(number));
                tokio::spawn(async move { store.apply(effects).await })
            })
            .collect();
        let mut winner = None;
        for (handler, number) in handlers.into_iter().zip(0..) {
            match handler.await.unwrap() {
                Ok(()) => assert_eq!(winner.replace(number), None, "two handled it"),
                Err(error) => assert_eq!(error, StoreError::AlreadyHandled(sequence.to_string())),
            }
        }
        let winner = winner.unwrap();
        let check = async |store: &Store| {
            let runs = store.runs(&RunFilter::default()).await.unwrap();
            assert_eq!(runs.iter().map(|run| run.name.clone()).collect::<Vec<_>>(), [format!("run-{winner}")]);
            let stored = store.by_uid::<TriggerSpec>(uid).await.unwrap().unwrap();
            assert_eq!(stored.metadata.updated_at, Timestamp(1000 + winner));
            assert_eq!(sequences(store).await, [sequence + 1]);
        };
        check(&store).await;
        // Later, after a restart for example, and within one batch, and one that never was.
        assert_eq!(store.apply(effects(100)).await, Err(StoreError::AlreadyHandled(sequence.to_string())));
        let twice = vec![Change::EventHandled { sequence: sequence + 1 }, Change::EventHandled { sequence: sequence + 1 }];
        assert_eq!(store.apply(twice).await, Err(StoreError::AlreadyHandled((sequence + 1).to_string())));
        let unknown = vec![Change::EventHandled { sequence: sequence + 1 }, Change::EventHandled { sequence: 999 }];
        assert_eq!(store.apply(unknown).await, Err(StoreError::AlreadyHandled("999".into())));
        check(&store).await;
        // A trigger that is gone refuses the batch as well, and the event waits for another try.
        let gone = uuid::Uuid::new_v4();
        let fired = Change::TriggerFired { trigger: gone, at: Timestamp(1) };
        let batch = vec![Change::EventHandled { sequence: sequence + 1 }, fired];
        assert_eq!(store.apply(batch).await, Err(StoreError::NotFound(gone.to_string())));
        check(&store).await;
    })
    .await;
}
