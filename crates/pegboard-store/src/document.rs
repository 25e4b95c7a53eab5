//! The stored JSON and its versions: the only file that knows both.
//!
//! Every document is an object with `"version"` first. Today's version is the model's own serde form plus that key; the
//! golden files in `fixtures/stored/` hold one document per version, and a test compares them with what is written now. So
//! whoever changes the shape of a model type adds a golden file, a version here, and the step from the version before.

use std::borrow::Cow;

use pegboard_model::{
    ApiKey, Artifact, Asset, AuditEntry, Event, Issue, OneTimeLink, Organization, Password, PastStage, PluginRecord, Preset,
    Project, RemotePlugin, Resource, ResourceSpec, Run, Session, SignIn, StageRun, Storage, Task, User,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;

/// A type that is stored as a versioned document.
pub(crate) trait Document: Serialize + DeserializeOwned {
    /// What it is called in messages, and its folder in `fixtures/stored/`.
    const KIND: &'static str;
}

impl Document for PluginRecord {
    const KIND: &'static str = "plugin";
}

/// Workflows, configs, trigger rules.
impl<S: ResourceSpec> Document for Resource<S> {
    const KIND: &'static str = S::KIND;
}

impl Document for Event {
    const KIND: &'static str = "event";
}

/// The run's own document holds an empty list of stages: each stage has a row and a document of its own.
impl Document for Run {
    const KIND: &'static str = "run";
}

impl Document for StageRun {
    const KIND: &'static str = "stage_run";
}

impl Document for Artifact {
    const KIND: &'static str = "artifact";
}

impl Document for RemotePlugin {
    const KIND: &'static str = "remote_plugin";
}

impl Document for Preset {
    const KIND: &'static str = "preset";
}

impl Document for Session {
    const KIND: &'static str = "session";
}

/// Labelling. Every one by itself: an asset does not hold its tasks, nor a task its history.
macro_rules! documents {
    ($($noun:ty: $kind:literal),* $(,)?) => {
        $(impl Document for $noun {
            const KIND: &'static str = $kind;
        })*
    };
}

documents! {
    Organization: "organization",
    User: "user",
    ApiKey: "api_key",
    Project: "project",
    Asset: "asset",
    Task: "task",
    PastStage: "past_stage",
    Issue: "issue",
    Storage: "storage",
    Password: "password",
    SignIn: "sign_in",
    OneTimeLink: "one_time_link",
    AuditEntry: "audit_entry",
}

/// The version that is written.
const CURRENT: &str = "v1";

#[derive(Serialize)]
struct Versioned<'a, T> {
    version: &'static str,
    #[serde(flatten)]
    document: &'a T,
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    version: Cow<'a, str>,
}

/// As it is stored now.
pub(crate) fn write<T: Document>(document: &T) -> Result<String, StoreError> {
    serde_json::to_string(&Versioned { version: CURRENT, document })
        .map_err(|error| StoreError::Corrupt(format!("a {} has no JSON form: {error}", T::KIND)))
}

/// From any version that was ever stored; `subject` says which one it is when it cannot be read.
pub(crate) fn read<T: Document>(text: &str, subject: &str) -> Result<T, StoreError> {
    let corrupt = |error: serde_json::Error| StoreError::Corrupt(format!("{} `{subject}`: {error}", T::KIND));
    let head: Head<'_> = serde_json::from_str(text).map_err(corrupt)?;
    match head.version.as_ref() {
        "v1" => serde_json::from_str(text).map_err(corrupt),
        other => Err(StoreError::Corrupt(format!("{} `{subject}`: version `{other}` is not known", T::KIND))),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use pegboard_model::{Config, TriggerRule, Workflow};
    use serde_json::Value as Json;

    use super::*;

    /// All golden files of a kind: read by today's code; the newest is also what today's code writes.
    fn check<T: Document>() {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/stored").join(T::KIND);
        let mut versions = 0;
        while let Ok(text) = std::fs::read_to_string(folder.join(format!("v{}.json", versions + 1))) {
            versions += 1;
            let document: T = read(&text, "golden").unwrap();
            if format!("v{versions}") == CURRENT {
                let written: Json = serde_json::from_str(&write(&document).unwrap()).unwrap();
                let golden: Json = serde_json::from_str(&text).unwrap();
                assert_eq!(written, golden, "{} is written in another shape: add a version", T::KIND);
            }
        }
        assert_eq!(format!("v{versions}"), CURRENT, "{}: one golden file per version", T::KIND);
    }

    #[test]
    fn golden_files() {
        check::<PluginRecord>();
        check::<Workflow>();
        check::<Config>();
        check::<TriggerRule>();
        check::<Event>();
        check::<Run>();
        check::<StageRun>();
        check::<Organization>();
        check::<User>();
        check::<ApiKey>();
        check::<Project>();
        check::<Asset>();
        check::<Task>();
        check::<PastStage>();
        check::<Issue>();
        check::<Storage>();
        check::<Artifact>();
        check::<RemotePlugin>();
        check::<Preset>();
        check::<Session>();
        check::<Password>();
        check::<SignIn>();
        check::<OneTimeLink>();
        check::<AuditEntry>();
    }

    #[test]
    fn unreadable_documents_say_which() {
        for (text, expected) in [
            ("", "stage_run `x`: EOF"),
            ("{}", "stage_run `x`: missing field `version`"),
            (r#"{"version":"v9"}"#, "stage_run `x`: version `v9` is not known"),
            (r#"{"version":"v1","name":1}"#, "stage_run `x`: invalid type"),
        ] {
            let error = read::<StageRun>(text, "x").unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
