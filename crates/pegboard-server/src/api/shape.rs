//! What the API sends and takes. These shapes are the contract with clients; nouns of the model are turned into them here and
//! nowhere else, so that a noun can change without a client noticing.

mod catalog;
mod event;
mod host;
mod hub;
mod news;
mod people;
mod plugin;
mod project;
mod resource;
mod run;
mod workflow;

pub use crate::error::{ErrorAnswer, ErrorBody};
pub use catalog::{
    ArtifactAnswer, ArtifactBody, ArtifactDetail, ArtifactFileAnswer, ArtifactFileBody, ArtifactList, ArtifactOriginAnswer,
    ArtifactVersion, CatalogUpload, TableColumnAnswer, TablePage, TableQueryBody,
};
pub use event::EventAnswer;
pub use host::{HubHostBody, HubHostFailure, HubHostLine, HubHostLog, HubHosted};
pub use hub::{
    HubFailureAnswer, HubLineAnswer, HubLogPage, HubPluginAnswer, HubPluginBody, HubPluginList, HubPluginMade, HubPresetAnswer,
    HubPresetList, HubProgressAnswer, HubRunBody, HubSessionAnswer, HubSessionList,
};
pub use news::{InstallNews, Progress, StatusAnswer};
pub use people::{
    AuditAnswer, AuditList, LinkAnswer, OrganizationAnswer, OrganizationBody, OrganizationList, OrganizationMade, PasswordBody,
    RedeemBody, SessionAnswer, SignInAnswer, SignInBody, SignInList, UserAnswer, UserBody, UserChange, UserLink, UserList,
};
pub use plugin::{InstallBody, PluginAnswer, PluginContribution, PluginList, UpgradeBody, WorkerAnswer, WorkerList};
pub use project::{
    AssetAnswer, AssetList, BatchAnswer, BatchBody, ExportAnswer, ExportBody, ImportBody, ImportedAnswer, KeyAnswer, KeyBody,
    KeyList, LabelsAnswer, ProjectAnswer, ProjectBody, ProjectList, StorageAnswer, StorageBody, StorageList, TaskAnswer,
    TaskList, UploadAnswer, UploadBody,
};
pub use resource::{
    AppliedResource, ApplyAnswer, ConfigAnswer, ConfigList, ResourceAnswer, TriggerActionAnswer, TriggerAnswer, TriggerList,
};
pub use run::{FailureAnswer, ItemsAnswer, LogAnswer, LogPage, RunAnswer, RunBody, RunList, StageAnswer};
pub use workflow::{WorkflowAnswer, WorkflowList, WorkflowStage};
