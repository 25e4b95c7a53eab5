//! Issues and the remarks under them.

use pegboard_model::{Comment, Error, HubId, Issue, Project};
use pegboard_store::Placed;
use serde_json::{Map, Value as Json};

use super::{Labelling, now};

/// Longest text of an issue or a remark, in characters.
const LONGEST: usize = 20_000;

/// There is no such issue, or no longer.
#[must_use]
pub fn issue_not_found(word: &str) -> Error {
    Error::not_found("issue-not-found", format!("there is no issue `{word}`"))
}

impl Labelling {
    /// Makes an open issue about a task.
    ///
    /// # Errors
    /// `issue-content`.
    pub async fn create_issue(
        &self,
        project: &Project,
        task: HubId,
        content: &str,
        details: Map<String, Json>,
        by: &str,
    ) -> Result<Issue, Error> {
        let (task, asset) = self.task(task).await?;
        let created_at = now();
        let issue = Issue {
            id: HubId::random(),
            project: project.id,
            asset: asset.id,
            task: task.id,
            stage: task.stage,
            status: "Open".to_owned(),
            content: checked(content)?,
            details,
            comments: Vec::new(),
            created_by: by.to_owned(),
            created_at,
            updated_at: created_at,
        };
        self.store().create_issue(&issue).await?;
        Ok(issue)
    }

    /// The issue of that id.
    ///
    /// # Errors
    /// `issue-not-found`.
    pub async fn issue(&self, id: HubId) -> Result<Issue, Error> {
        self.store().issue(id).await?.ok_or_else(|| issue_not_found(&id.to_string()))
    }

    /// Issues of the project behind a place, oldest first.
    pub async fn issues(&self, project: HubId, after: u64, most: usize) -> Result<Vec<Placed<Issue>>, Error> {
        Ok(self.store().issues(project, after, most).await?)
    }

    /// Issues of the task, oldest first.
    pub async fn issues_of_task(&self, task: HubId) -> Result<Vec<Issue>, Error> {
        Ok(self.store().issues_of_task(task).await?)
    }

    /// Changes text, state and details; what is not given stays.
    pub async fn update_issue(
        &self,
        mut issue: Issue,
        content: Option<&str>,
        status: Option<&str>,
        details: Map<String, Json>,
    ) -> Result<Issue, Error> {
        if let Some(content) = content {
            issue.content = checked(content)?;
        }
        if let Some(status) = status {
            issue.status = status.chars().take(100).collect();
        }
        issue.details.extend(details);
        issue.updated_at = now();
        self.store().update_issue(&issue).await?;
        Ok(issue)
    }

    /// Adds a remark.
    pub async fn comment_issue(&self, mut issue: Issue, content: &str, by: &str) -> Result<Issue, Error> {
        let created_at = now();
        issue.comments.push(Comment { created_by: by.to_owned(), created_at, content: checked(content)? });
        issue.updated_at = created_at;
        self.store().update_issue(&issue).await?;
        Ok(issue)
    }

    /// Whether there was one.
    pub async fn delete_issue(&self, id: HubId) -> Result<bool, Error> {
        Ok(self.store().delete_issue(id).await?)
    }
}

fn checked(content: &str) -> Result<String, Error> {
    if content.trim().is_empty() || content.chars().count() > LONGEST {
        return Err(Error::invalid("issue-content", "an issue needs a text of 1 to 20,000 characters"));
    }
    Ok(content.to_owned())
}
