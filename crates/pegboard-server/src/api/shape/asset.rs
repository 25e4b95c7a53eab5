//! One asset with all that is known of it, and files of other forms that are read into items.

use pegboard_hub::labelling::answer;
use pegboard_model::{Issue, PastStage};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use utoipa::ToSchema;

use super::{AssetAnswer, TaskAnswer};

/// A stage that a task has left.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct PastStageAnswer {
    /// Id of the stage.
    pub stage: String,
    /// Its name at that time.
    pub stage_name: String,
    /// Milliseconds of work.
    pub duration_ms: u64,
    /// When it was left.
    pub completed_at: String,
    /// Email of who sent it on.
    pub completed_by: Option<String>,
    /// What a review said.
    pub review_status: Option<String>,
    /// The answer at that time: `tools`, `classifications`, `relations`.
    #[schema(value_type = Object)]
    pub answer: Json,
}

impl From<&PastStage> for PastStageAnswer {
    fn from(past: &PastStage) -> Self {
        Self {
            stage: past.stage.clone(),
            stage_name: past.stage_name.clone(),
            duration_ms: past.duration_ms,
            completed_at: past.completed_at.to_string(),
            completed_by: past.completed_by.clone(),
            review_status: past.review_status.clone(),
            answer: answer::write(&past.answer),
        }
    }
}

/// A remark under an issue.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct CommentAnswer {
    /// Email.
    pub created_by: String,
    /// When it was made.
    pub created_at: String,
    /// What it says.
    pub content: String,
}

/// Something that somebody found wrong with a task.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct IssueAnswer {
    /// Identity: 24 hexadecimal digits.
    pub id: String,
    /// Which task.
    pub task: String,
    /// Id of the stage that the task was in.
    pub stage: String,
    /// `Open`, or what clients have made of it.
    pub status: String,
    /// What it says.
    pub content: String,
    /// Remarks, oldest first.
    pub comments: Vec<CommentAnswer>,
    /// Email.
    pub created_by: String,
    /// When it was made.
    pub created_at: String,
}

impl From<&Issue> for IssueAnswer {
    fn from(issue: &Issue) -> Self {
        let comments = issue.comments.iter().map(|comment| CommentAnswer {
            created_by: comment.created_by.clone(),
            created_at: comment.created_at.to_string(),
            content: comment.content.clone(),
        });
        Self {
            id: issue.id.to_string(),
            task: issue.task.to_string(),
            stage: issue.stage.clone(),
            status: issue.status.clone(),
            content: issue.content.clone(),
            comments: comments.collect(),
            created_by: issue.created_by.clone(),
            created_at: issue.created_at.to_string(),
        }
    }
}

/// A task with its past.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct TaskDetail {
    /// The task.
    #[serde(flatten)]
    pub task: TaskAnswer,
    /// Stages that it has left, oldest first.
    pub history: Vec<PastStageAnswer>,
    /// What was found wrong with it, oldest first.
    pub issues: Vec<IssueAnswer>,
}

/// An asset with all that is known of it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct AssetDetail {
    /// The asset.
    pub asset: AssetAnswer,
    /// What the client gave along.
    #[schema(value_type = Object)]
    pub context: Json,
    /// Shown beside it: objects with `type` and `value`.
    #[schema(value_type = Vec<Object>)]
    pub attachments: Vec<Json>,
    /// Who made it: an email.
    pub created_by: String,
    /// Units of work on it, oldest first.
    pub tasks: Vec<TaskDetail>,
    /// Id of the project's asset before it.
    pub previous: Option<String>,
    /// Id of the project's asset after it.
    pub next: Option<String>,
}

/// Assets to put into a batch.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct AssignBody {
    /// Ids of assets.
    pub assets: Vec<String>,
}

/// A picture that YOLO's text speaks of.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ReadPicture {
    /// The text's or the picture's file name.
    pub file: String,
    /// Pixels; 0: that of the project's asset of that name.
    #[serde(default)]
    pub width: u64,
    /// Pixels; 0: that of the project's asset of that name.
    #[serde(default)]
    pub height: u64,
    /// What the text file of the picture says.
    #[serde(default)]
    pub text: String,
}

/// A file of another form.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ReadBody {
    /// `json`, `ndjson`, `coco` or `yolo`; none: told by what the file says.
    #[serde(default)]
    pub format: Option<String>,
    /// What the file says. For YOLO: `data.yaml` or `classes.txt`.
    pub text: String,
    /// For YOLO: the pictures and their texts.
    #[serde(default)]
    pub pictures: Vec<ReadPicture>,
}

/// What was read. Nothing is stored: put the schema when something was added to it, then import the items.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ReadAnswer {
    /// Which form it was.
    pub format: String,
    /// To import as assets (`data` is missing where the file names a picture) or as labels.
    #[schema(value_type = Vec<Object>)]
    pub items: Vec<Json>,
    /// The project's classes with those that the file has and the project lacks.
    #[schema(value_type = Object)]
    pub schema: Json,
    /// Titles of the classes that the project lacks.
    pub added: Vec<String>,
    /// Objects of a form that is not known here.
    pub left_out: usize,
}
