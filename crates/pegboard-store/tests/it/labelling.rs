//! Projects, assets, tasks, keys: the same on every back end.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use futures::TryStreamExt as _;
use pegboard_model::{ApiKey, Asset, HubId, Issue, Organization, PastStage, PluginWait, Project, Storage, Task, Timestamp, User};
use pegboard_store::{AssetQuery, LabelChange, Store, StoreError};
use serde::de::DeserializeOwned;

use crate::back_end::on_each;

/// The golden document of a kind: a whole one, with every key.
fn golden<T: DeserializeOwned>(kind: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/stored").join(kind).join("v1.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn project() -> Project {
    Project { id: HubId::random(), deleted_at: None, revision: 0, ..golden("project") }
}

fn asset(project: HubId, external_id: &str, data: &str) -> Asset {
    Asset { id: HubId::random(), project, external_id: external_id.to_owned(), data: data.to_owned(), ..golden("asset") }
}

fn task(asset: &Asset, stage: &str, plugin: Option<PluginWait>) -> Task {
    Task {
        id: HubId::random(),
        project: asset.project,
        asset: asset.id,
        stage: stage.to_owned(),
        plugin,
        revision: 0,
        ..golden("task")
    }
}

fn past(task: &Task) -> PastStage {
    PastStage { id: HubId::random(), task: task.id, ..golden("past_stage") }
}

async fn add(store: &Store, assets: &[Asset], tasks: &[Task]) {
    let mut changes: Vec<LabelChange> = assets.iter().cloned().map(LabelChange::AssetCreated).collect();
    changes.extend(tasks.iter().cloned().map(LabelChange::TaskCreated));
    store.apply_labels(changes).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn people_and_keys() {
    on_each(|world| async move {
        let store = world.store;
        assert_eq!(store.organization().await.unwrap(), None);
        let organization: Organization = golden("organization");
        let admin: User = golden("user");
        assert!(store.found_organization(&organization, &admin).await.unwrap());
        let late = Organization { id: HubId::random(), ..organization.clone() };
        let other = User { id: HubId::random(), email: "other@example.org".to_owned(), ..admin.clone() };
        assert!(!store.found_organization(&late, &other).await.unwrap(), "there is one");
        assert_eq!(store.users().await.unwrap(), std::slice::from_ref(&admin), "all or nothing");
        store.put_user(&other).await.unwrap();
        assert_eq!(store.user_by_email("other@example.org").await.unwrap(), Some(other.clone()));
        let twin = User { id: HubId::random(), ..other.clone() };
        assert_eq!(store.put_user(&twin).await, Err(StoreError::AlreadyExists("other@example.org".into())));
        assert!(store.delete_user(other.id, &[]).await.unwrap() && !store.delete_user(other.id, &[]).await.unwrap());

        let first = ApiKey { expires_at: Some(Timestamp(10)), ..golden("api_key") };
        let second = ApiKey { id: HubId::random(), hash: "b".repeat(64), expires_at: None, ..first.clone() };
        store.create_key(&first).await.unwrap();
        store.create_key(&second).await.unwrap();
        assert_eq!(store.key_by_hash(&first.hash).await.unwrap(), Some(first.clone()));
        assert_eq!(store.delete_keys_ended_before(Timestamp(10)).await.unwrap(), 0);
        assert_eq!(store.delete_keys_ended_before(Timestamp(11)).await.unwrap(), 1);
        assert_eq!(store.keys().await.unwrap(), std::slice::from_ref(&second));
        assert!(store.delete_key(second.id).await.unwrap());
        assert_eq!(store.key_by_hash(&second.hash).await.unwrap(), None);

        let storage: Storage = golden("storage");
        store.create_storage(&storage).await.unwrap();
        assert_eq!(store.storages().await.unwrap(), std::slice::from_ref(&storage));
        assert!(store.delete_storage(storage.id).await.unwrap());
        assert_eq!(store.storage(storage.id).await.unwrap(), None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_changes_from_the_revision_that_was_seen() {
    on_each(|world| async move {
        let store = world.store;
        let (one, two) = (project(), project());
        store.create_project(&one).await.unwrap();
        store.create_project(&two).await.unwrap();
        assert_eq!(store.project(one.id).await.unwrap(), Some(one.clone()));
        assert_eq!(store.projects(one.organization, 1, 10).await.unwrap(), std::slice::from_ref(&two));
        assert_eq!(store.count_projects(one.organization).await.unwrap(), 2);
        assert_eq!(store.projects(HubId::random(), 0, 10).await.unwrap(), []);
        let mut changed = Project { name: "changed".to_owned(), ..one.clone() };
        changed.revision = store.update_project(&changed).await.unwrap();
        assert_eq!((changed.revision, store.project(one.id).await.unwrap()), (1, Some(changed.clone())));
        assert_eq!(store.update_project(&one).await, Err(StoreError::ChangedMeanwhile(one.id.to_string())));
        changed.deleted_at = Some(Timestamp(5));
        store.update_project(&changed).await.unwrap();
        assert_eq!(store.project(one.id).await.unwrap(), None);
        assert_eq!(store.projects(one.organization, 0, 10).await.unwrap(), std::slice::from_ref(&two));

        let a = asset(two.id, "a", "x");
        let t = task(&a, "Label", None);
        add(&store, std::slice::from_ref(&a), std::slice::from_ref(&t)).await;
        let issue = Issue { project: two.id, task: t.id, ..golden("issue") };
        store.create_issue(&issue).await.unwrap();
        store.purge_project(two.id).await.unwrap();
        assert_eq!((store.asset(a.id).await.unwrap(), store.task(t.id).await.unwrap()), (None, None));
        assert_eq!(store.issue(issue.id).await.unwrap(), None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn assets_are_found_by_what_they_are_called() {
    on_each(|world| async move {
        let (store, p) = (world.store, HubId::random());
        let long = "ü".repeat(5000);
        let assets = [
            asset(p, "a", "https://x/1"),
            asset(p, "a", "https://x/2"),
            asset(p, &format!("{long}1"), &format!("{long}1")),
            asset(p, &format!("{long}2"), "zero \0 byte"),
            asset(HubId::random(), "a", "https://x/1"),
        ];
        add(&store, &assets, &[]).await;
        let find = async |query: AssetQuery| {
            let found = store.assets(p, &query, 0, 10).await.unwrap();
            found.into_iter().map(|placed| placed.record.id).collect::<Vec<_>>()
        };
        assert_eq!(find(AssetQuery::All).await, assets[..4].iter().map(|asset| asset.id).collect::<Vec<_>>());
        assert_eq!(find(AssetQuery::ExternalId("a".into())).await, [assets[0].id, assets[1].id]);
        assert_eq!(find(AssetQuery::ExternalId(format!("{long}2"))).await, [assets[3].id], "the whole text counts");
        assert_eq!(find(AssetQuery::Data("https://x/2".into())).await, [assets[1].id]);
        assert_eq!(find(AssetQuery::Data(format!("{long}1"))).await, [assets[2].id]);
        let named = async |part: &str, skipped: u64| {
            let (found, total) = store.assets_named(p, part, skipped, 10).await.unwrap();
            (found.into_iter().map(|placed| placed.record.id).collect::<Vec<_>>(), total)
        };
        assert_eq!(named("A", 0).await, (vec![assets[0].id, assets[1].id], 2));
        assert_eq!(named("üüü", 1).await, (vec![assets[3].id], 2));
        assert_eq!((named("%", 0).await, named("_", 0).await), ((Vec::new(), 0), (Vec::new(), 0)), "nothing stands for anything");
        let in_batch = async |batch: HubId| {
            let (found, total) = store.assets_in_batch(p, batch, 1, 2).await.unwrap();
            (found.len(), total)
        };
        assert_eq!(in_batch(assets[0].batches[0]).await, (2, 4), "the golden asset is in it");
        assert_eq!(in_batch(HubId::random()).await, (0, 0));
        assert_eq!(store.asset_neighbours(p, assets[1].id).await.unwrap(), (Some(assets[0].id), Some(assets[2].id)));
        assert_eq!(store.asset_neighbours(p, assets[3].id).await.unwrap(), (Some(assets[2].id), None), "another project follows");
        assert_eq!(store.count_assets(p).await.unwrap(), 4);
        for (skipped, most, expected) in
            [(0, 2, 0..2), (1, 2, 1..3), (2, 9, 2..4), (3, 1, 3..4), (3, 9, 3..4), (4, 2, 4..4), (9, 2, 4..4)]
        {
            let (page, total) = store.assets_from(p, skipped, most).await.unwrap();
            let page = page.into_iter().map(|placed| placed.record).collect::<Vec<_>>();
            assert_eq!(page, assets[expected], "{skipped}, {most}");
            assert_eq!(total, 4);
        }
        let (page, _) = store.assets_from(p, 1, 2).await.unwrap();
        let after = store.assets(p, &AssetQuery::All, page[1].ordinal, 10).await.unwrap();
        assert_eq!(after.len(), 1);

        let mut renamed = assets[0].clone();
        renamed.external_id = "b".to_owned();
        store.apply_labels(vec![LabelChange::AssetChanged(renamed.clone())]).await.unwrap();
        assert_eq!(find(AssetQuery::ExternalId("b".into())).await, [renamed.id]);
        let gone = LabelChange::AssetChanged(asset(p, "x", "x"));
        assert!(matches!(store.apply_labels(vec![gone]).await, Err(StoreError::NotFound(_))));

        let another = asset(p, "c", "y");
        add(&store, std::slice::from_ref(&another), &[task(&another, "Label", None)]).await;
        assert_eq!((store.count_assets(p).await.unwrap(), store.count_tasks(p, None).await.unwrap()), (5, 1), "counted anew");
        store.apply_labels(vec![LabelChange::AssetDeleted(another.id)]).await.unwrap();
        assert_eq!((store.count_assets(p).await.unwrap(), store.count_tasks(p, Some("Label")).await.unwrap()), (4, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_and_the_stages_that_it_left_are_one_transaction() {
    on_each(|world| async move {
        let (store, p) = (world.store, HubId::random());
        let assets = [asset(p, "a", "1"), asset(p, "b", "2")];
        let tasks = [task(&assets[0], "Label", None), task(&assets[1], "Detect", Some(PluginWait::Waiting))];
        add(&store, &assets, &tasks).await;

        let mut moved = Task { stage: "Review".to_owned(), ..tasks[0].clone() };
        let left = past(&moved);
        store.apply_labels(vec![LabelChange::TaskChanged(moved.clone()), LabelChange::StageLeft(left.clone())]).await.unwrap();
        moved.revision = 1;
        assert_eq!(store.task(moved.id).await.unwrap(), Some(moved.clone()));
        assert_eq!(store.past_stages(moved.id).await.unwrap(), std::slice::from_ref(&left));
        assert_eq!(store.past_stage(left.id).await.unwrap(), Some(left.clone()));
        // From the revision that was seen before: nothing of it happens.
        let late = vec![LabelChange::StageLeft(past(&tasks[0])), LabelChange::TaskChanged(tasks[0].clone())];
        assert_eq!(store.apply_labels(late).await, Err(StoreError::ChangedMeanwhile(moved.id.to_string())));
        assert_eq!(store.past_stages(moved.id).await.unwrap().len(), 1);

        assert_eq!(store.count_tasks(p, None).await.unwrap(), 2);
        assert_eq!(store.count_tasks(p, Some("Review")).await.unwrap(), 1);
        let by_stage: Vec<(String, u64)> = store.count_tasks_by_stage(p).await.unwrap().into_iter().collect();
        assert_eq!(by_stage, [("Detect".to_owned(), 1), ("Review".to_owned(), 1)]);
        assert_eq!(store.tasks(p, Some("Review"), 0, 9).await.unwrap()[0].record, moved);
        assert_eq!(store.tasks_from(p, None, 1, 9).await.unwrap()[0].record, tasks[1]);
        assert_eq!(store.tasks_from(p, Some("Detect"), 0, 9).await.unwrap().len(), 1);
        let together = store.tasks_with_assets(p, 0, 9).await.unwrap();
        assert_eq!(together[0].record, (moved.clone(), assets[0].clone()));
        let (first, last) = (together[0].ordinal, together[1].ordinal);
        assert_eq!(store.past_stages_of(p, first, last).await.unwrap(), [left]);
        assert_eq!(store.past_stages_of(p, last, last).await.unwrap(), []);
        let (places, _) = store.assets_from(p, 0, 9).await.unwrap();
        assert_eq!(
            store.tasks_of_assets(p, places[1].ordinal, places[1].ordinal).await.unwrap(),
            std::slice::from_ref(&tasks[1])
        );
        assert_eq!(store.tasks_of_asset(assets[1].id).await.unwrap(), std::slice::from_ref(&tasks[1]));

        let waiting = store.tasks_by_plugin(PluginWait::Waiting, 0, 9).await.unwrap();
        assert_eq!(waiting.iter().map(|placed| placed.record.id).collect::<Vec<_>>(), [tasks[1].id]);
        let taken = Task { plugin: Some(PluginWait::Taken), ..tasks[1].clone() };
        store.apply_labels(vec![LabelChange::TaskChanged(taken)]).await.unwrap();
        assert!(store.tasks_by_plugin(PluginWait::Waiting, 0, 9).await.unwrap().is_empty());

        let issue = Issue { project: p, task: moved.id, ..golden("issue") };
        store.create_issue(&issue).await.unwrap();
        let mut said = Issue { status: "Resolved".to_owned(), ..issue.clone() };
        store.update_issue(&said).await.unwrap();
        assert_eq!(store.issues(p, 0, 9).await.unwrap()[0].record, said);
        assert_eq!(store.issues_of_task(moved.id).await.unwrap(), std::slice::from_ref(&said));
        said.id = HubId::random();
        assert!(matches!(store.update_issue(&said).await, Err(StoreError::NotFound(_))));

        store.apply_labels(vec![LabelChange::HistoryForgotten(moved.id)]).await.unwrap();
        assert_eq!(store.past_stages(moved.id).await.unwrap(), []);
        store.apply_labels(vec![LabelChange::AssetDeleted(assets[0].id)]).await.unwrap();
        assert_eq!((store.task(moved.id).await.unwrap(), store.issue(issue.id).await.unwrap()), (None, None));
        let again = store.apply_labels(vec![LabelChange::AssetDeleted(assets[0].id)]).await;
        assert!(matches!(again, Err(StoreError::NotFound(_))));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_in_pieces() {
    on_each(|world| async move {
        let store = world.store;
        let key = format!("files/{}", HubId::random());
        // More than one part of an upload to a bucket.
        let piece = Bytes::from(vec![7; 3 << 20]);
        let mut writer = store.write_object(&key).await.unwrap();
        for _ in 0..4 {
            writer.write(piece.clone()).await.unwrap();
        }
        assert_eq!(store.object(&key).await.unwrap(), None, "it appears when it is whole");
        assert_eq!(writer.finish().await.unwrap(), 12 << 20);
        let (length, pieces) = store.read_object(&key).await.unwrap().unwrap();
        let read: Vec<Bytes> = pieces.try_collect().await.unwrap();
        assert_eq!((length, read.iter().map(Bytes::len).sum::<usize>()), (12 << 20, 12 << 20));
        assert!(read.iter().all(|piece| piece.iter().all(|byte| *byte == 7)));

        let mut dropped = store.write_object(&format!("{key}-dropped")).await.unwrap();
        dropped.write(piece).await.unwrap();
        drop(dropped);
        assert!(store.read_object(&format!("{key}-dropped")).await.unwrap().is_none());
        let empty = store.write_object(&format!("{key}-empty")).await.unwrap();
        assert_eq!(empty.finish().await.unwrap(), 0);
        assert_eq!(store.object(&format!("{key}-empty")).await.unwrap(), Some(Bytes::new()));
    })
    .await;
}
