//! Every noun of Pegboard.
//!
//! This crate says what a plugin, a workflow, a run, a call and a value are, and owns the one port through which the rest
//! of the house calls plugins ([`PluginRunner`]). It touches nothing: no runtime, no SQL, no HTTP, no file, no clock.

#![forbid(unsafe_code)]

pub mod call;
pub mod catalog;
pub mod config;
pub mod error;
pub mod hub;
pub mod id;
pub mod labelling;
pub mod log;
pub mod plugin;
pub mod resource;
pub mod run;
pub mod runner;
pub mod script;
pub mod time;
pub mod trigger;
pub mod value;
pub mod worker;
pub mod workflow;

pub use call::{Call, CallEvent, Failure, FailureKind, ItemOutcome, Operation, RunContext};
pub use catalog::artifact::{Artifact, ArtifactOrigin};
pub use catalog::file::{ArtifactFile, FileFormat, TableColumn};
pub use catalog::name::{ArtifactKind, ArtifactName, ArtifactReference};
pub use config::{Config, ConfigSpec, Selector, SelectorType, SelectorValue};
pub use error::{Error, ErrorKind};
pub use hub::{
    ClassPair, Connector, HubId, PluginLimits, PluginType, Preset, RemotePlugin, Session, SessionCause, SessionFailure,
    SessionLine, SessionLog, SessionProgress, SessionState,
};
pub use id::{CallId, PluginName, ResourceName, RunId};
pub use labelling::access::{
    ApiKey, AuditEntry, LinkPurpose, OneTimeLink, Organization, OrganizationRole, Password, SignIn, SignInMethod, User,
};
pub use labelling::asset::{Asset, OWN_FILE};
pub use labelling::issue::{Comment, Issue};
pub use labelling::project::{Batch, CategorySchema, Member, Project};
pub use labelling::stage::{LabelStage, LabelStageKind};
pub use labelling::storage::{Storage, StorageProvider};
pub use labelling::task::{Answer, PastStage, PluginWait, Task};
pub use log::{LogLevel, LogLine, LogStream};
pub use plugin::{Contribution, Dialect, PluginRecord, PluginSource, PluginState};
pub use resource::{Metadata, Resource, ResourceSpec};
pub use run::{Run, RunCause, RunState, StageRun};
pub use runner::PluginRunner;
pub use script::{Script, ScriptState, ScriptStatus};
pub use time::Timestamp;
pub use trigger::{Event, TriggerAction, TriggerRule, TriggerSpec, TriggerType};
pub use value::{Argument, ObjectHandle, Value};
pub use worker::{WorkerState, WorkerStatus};
pub use workflow::{Retries, Stage, StageType, Workflow, WorkflowSpec};
