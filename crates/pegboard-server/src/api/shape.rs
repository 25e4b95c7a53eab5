//! What the API sends and takes. These shapes are the contract with clients; nouns of the model are turned into them here and
//! nowhere else, so that a noun can change without a client noticing.

mod administration;
mod asset;
mod catalog;
mod event;
mod host;
mod hub;
mod news;
mod people;
mod permissions;
mod plugin;
mod project;
mod resource;
mod run;
mod workflow;

pub use crate::error::{ErrorAnswer, ErrorBody};
pub use administration::{
    DetailsAnswer, EngineStatus, EnvironmentAnswer, EnvironmentList, EnvironmentsPruned, SecretAnswer, SecretBody, SecretList,
    SecretSet, StorageTest, StorageTestBody, StoreStatus,
};
pub use asset::{
    AssetDetail, AssignBody, CommentAnswer, IssueAnswer, PastStageAnswer, ReadAnswer, ReadBody, ReadPicture, TaskDetail,
};
pub use catalog::{
    ArtifactAnswer, ArtifactBody, ArtifactDetail, ArtifactFileAnswer, ArtifactFileBody, ArtifactList, ArtifactOriginAnswer,
    ArtifactVersion, CatalogUpload, LineageAnswer, LineageArtifact, TableColumnAnswer, TablePage, TableQueryBody,
};
pub use event::EventAnswer;
pub use host::{HubHostBody, HubHostFailure, HubHostLine, HubHostLog, HubHosted};
pub use hub::{
    HubFailureAnswer, HubLineAnswer, HubLogPage, HubPluginAnswer, HubPluginBody, HubPluginList, HubPluginMade, HubPresetAnswer,
    HubPresetList, HubPreview, HubPreviewBody, HubProgressAnswer, HubRunBody, HubRunCheck, HubScript, HubScriptList,
    HubSessionAnswer, HubSessionList,
};
pub use news::{InstallNews, Progress, StatusAnswer};
pub use people::{
    AuditAnswer, AuditList, LinkAnswer, OrganizationAnswer, OrganizationBody, OrganizationList, OrganizationMade, PasswordBody,
    RedeemBody, SessionAnswer, SignInAnswer, SignInBody, SignInList, UserAnswer, UserBody, UserChange, UserLink, UserList,
};
pub use permissions::{PluginLimit, PluginPermissions};
pub use plugin::{InstallBody, PluginAnswer, PluginContribution, PluginList, UpgradeBody, WorkerAnswer, WorkerList};
pub use project::{
    AssetAnswer, AssetList, BatchAnswer, BatchBody, ExportAnswer, ExportBody, ImportBody, ImportedAnswer, KeyAnswer, KeyBody,
    KeyList, LabelsAnswer, ProjectAnswer, ProjectBody, ProjectList, StorageAnswer, StorageBody, StorageList, TaskAnswer,
    TaskList, UploadAnswer, UploadBody,
};
pub use resource::{
    AppliedResource, ApplyAnswer, ConfigAnswer, ConfigList, DocumentAnswer, ResourceAnswer, TriggerActionAnswer, TriggerAnswer,
    TriggerList,
};
pub use run::{
    AppliedConfigAnswer, FailureAnswer, ItemsAnswer, LogAnswer, LogPage, RunAnswer, RunBody, RunList, StageAnswer,
    StagePluginAnswer,
};
pub use workflow::{
    ParameterAnswer, ParametersAnswer, PreviewAnswer, PreviewStage, RecentRun, WorkflowAnswer, WorkflowList, WorkflowStage,
};
