//! Artifacts on every back end.

use pegboard_model::{Artifact, ArtifactKind, ArtifactOrigin, Timestamp};
use pegboard_store::StoreError;
use serde_json::{Map, json};

use crate::back_end::on_each;

fn artifact(kind: ArtifactKind, name: &str, version: u64, inputs: &[&str]) -> Artifact {
    Artifact {
        kind,
        name: name.parse().unwrap(),
        version,
        owner: "größer".to_owned(),
        description: "with a zero \0".to_owned(),
        status: "ready".to_owned(),
        tags: vec!["a".to_owned()],
        health: Vec::new(),
        inputs: inputs.iter().map(|input| input.parse().unwrap()).collect(),
        origin: ArtifactOrigin::default(),
        facts: Map::from_iter([("n".to_owned(), json!(version))]),
        files: Vec::new(),
        created_at: Timestamp(1),
        modified_at: Timestamp(i64::try_from(version).unwrap() * 10),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_and_changes() {
    on_each(|world| async move {
        let store = world.store;
        let kind = ArtifactKind::Model;
        let mut all: Vec<Artifact> = (1..=3).map(|version| artifact(kind, "wine", version, &[])).collect();
        for version in &all {
            store.publish_artifact(version).await.unwrap();
        }
        let name = all[0].name.clone();
        assert!(matches!(store.publish_artifact(&all[2]).await, Err(StoreError::AlreadyExists(named)) if named == "wine"));
        assert_eq!(store.artifact(kind, &name, None).await.unwrap().as_ref(), Some(&all[2]));
        assert_eq!(store.artifact(kind, &name, Some(1)).await.unwrap().as_ref(), Some(&all[0]));
        assert_eq!(store.artifact(kind, &name, Some(9)).await.unwrap(), None);
        assert_eq!(store.artifact(ArtifactKind::Endpoint, &name, None).await.unwrap(), None);

        all[2].tags.push("b".to_owned());
        all[2].modified_at = Timestamp(31);
        store.amend_artifact(&all[2], Timestamp(30)).await.unwrap();
        let late = store.amend_artifact(&all[2], Timestamp(30)).await;
        assert_eq!(late, Err(StoreError::ChangedMeanwhile("wine".to_owned())));
        all.reverse();
        assert_eq!(store.artifact_versions(kind, &name).await.unwrap(), all);

        assert!(store.delete_artifact(kind, &name).await.unwrap());
        assert!(!store.delete_artifact(kind, &name).await.unwrap());
        assert_eq!(store.artifact_versions(kind, &name).await.unwrap(), []);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_lineage() {
    on_each(|world| async move {
        let store = world.store;
        for name in ["b", "a", "B", "ä", "c/d"] {
            store.publish_artifact(&artifact(ArtifactKind::DataSource, name, 1, &[])).await.unwrap();
        }
        let page = async |after: &str, most| {
            let found = store.artifacts(ArtifactKind::DataSource, after, most).await.unwrap();
            found.into_iter().map(|artifact| artifact.name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(page("", 3).await, ["B", "a", "b"]);
        assert_eq!(page("b", 9).await, ["c/d", "ä"]);
        assert_eq!(page("ä", 9).await, Vec::<String>::new());

        store.publish_artifact(&artifact(ArtifactKind::FeatureSet, "f", 1, &["data_source:a", "data_source:b"])).await.unwrap();
        store.publish_artifact(&artifact(ArtifactKind::Model, "m", 1, &["data_source:a", "data_source:a"])).await.unwrap();
        let users = async |name: &str| {
            let found = store.artifact_users(ArtifactKind::DataSource, &name.parse().unwrap(), 10).await.unwrap();
            found.into_iter().map(|artifact| artifact.reference().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(users("a").await, ["feature_set:f", "model:m"]);
        assert_eq!(users("b").await, ["feature_set:f"]);
        // The last version counts.
        store.publish_artifact(&artifact(ArtifactKind::FeatureSet, "f", 2, &["data_source:b"])).await.unwrap();
        assert_eq!(users("a").await, ["model:m"]);
        store.delete_artifact(ArtifactKind::Model, &"m".parse().unwrap()).await.unwrap();
        assert_eq!(users("a").await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_on_this_machine_are_files() {
    on_each(|world| async move {
        let store = world.store;
        store.put_object("catalog/one", "bytes".into()).await.unwrap();
        let file = store.object_file("catalog/one").unwrap();
        assert_eq!(file.is_none(), world.options.s3.is_some());
        if let Some(file) = file {
            assert_eq!(std::fs::read_to_string(file).unwrap(), "bytes");
        }
    })
    .await;
}
