//! What can be changed about assets and tasks in one transaction, and records with their place in the order of insertion.

use pegboard_model::{Asset, HubId, PastStage, Task};

/// One durable change. A batch of them is one transaction.
#[derive(Clone, Debug)]
pub enum LabelChange {
    /// Insert the asset.
    AssetCreated(Asset),
    /// Replace the asset of that id.
    AssetChanged(Asset),
    /// Delete the asset with its tasks, their history and their issues.
    AssetDeleted(HubId),
    /// Insert the task.
    TaskCreated(Task),
    /// Replace the task of that id, if its stored revision is still the one in the document; it becomes the next one.
    TaskChanged(Task),
    /// Insert a stage that a task has left.
    StageLeft(PastStage),
    /// Forget the stages that this task has left.
    HistoryForgotten(HubId),
}

/// A record and its place in the order of insertion; lists go on after a place.
#[derive(Clone, PartialEq, Debug)]
pub struct Placed<T> {
    /// Grows with every insertion.
    pub ordinal: u64,
    /// The record.
    pub record: T,
}

/// Which assets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AssetQuery {
    /// All of the project.
    All,
    /// Those with this external id.
    ExternalId(String),
    /// Those with this data.
    Data(String),
}
