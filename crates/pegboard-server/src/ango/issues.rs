//! Issues.

use axum::extract::Path;
use pegboard_hub::labelling::issues::issue_not_found;
use pegboard_model::{Error, Issue, Project};
use serde_json::{Map, Value as Json, json};

use super::answer::{Answer, Refused, success};
use super::asked::{Asked, Sent};
use super::wire;

/// Keys that are kept as they are sent.
const DETAILS: &[&str] =
    &["position", "contentMentions", "pctDetails", "objectId", "errorCodes", "page", "pageEnd", "dataIndex", "plane"];
/// Issues that are read at once.
const PAGE: usize = 500;

fn details(sent: &Json) -> Map<String, Json> {
    let kept = DETAILS.iter().filter(|key| !sent[**key].is_null());
    kept.map(|key| ((*key).to_owned(), sent[*key].clone())).collect()
}

/// Issues of a project that fit.
pub(super) async fn list(asked: Asked) -> Answer {
    let project = asked.project(asked.query.text("project").unwrap_or_default()).await?;
    let fits = |issue: &Issue| {
        let same = |key: &str, value: String| asked.query.text(key).is_none_or(|wanted| wanted == value);
        same("asset", issue.asset.to_string())
            && same("labelTask", issue.task.to_string())
            && same("stage", issue.stage.clone())
            && same("createdBy", issue.created_by.clone())
    };
    let (mut found, mut after) = (Vec::new(), 0);
    loop {
        let page = asked.app.labelling.issues(project.id, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.ordinal;
        found.extend(page.iter().filter(|placed| fits(&placed.record)).map(|placed| wire::issue(&placed.record)));
    }
    let total = found.len();
    success(json!({ "issues": found, "total": total }))
}

/// Makes an issue about a task.
pub(super) async fn create(asked: Asked, sent: Sent) -> Answer {
    let (project, task, _) = asked.task(sent.text("labelTask").unwrap_or_default()).await?;
    let content = sent.text("content").unwrap_or_default();
    let issue = asked.app.labelling.create_issue(&project, task.id, content, details(&sent.0), asked.email()).await?;
    success(json!({ "issue": wire::issue(&issue) }))
}

async fn find(asked: &Asked, id: &str) -> Result<(Project, Issue), Refused> {
    let issue = asked.app.labelling.issue(id.parse().map_err(|_| issue_not_found(id))?).await?;
    let project = asked.project(&issue.project.to_string()).await?;
    Ok((project, issue))
}

/// Changes what the body has.
pub(super) async fn update(Path(id): Path<String>, asked: Asked, sent: Sent) -> Answer {
    let (_, issue) = find(&asked, &id).await?;
    let details = details(&sent.0);
    let issue = asked.app.labelling.update_issue(issue, sent.text("content"), sent.text("status"), details).await?;
    success(json!({ "issue": wire::issue(&issue) }))
}

/// Adds a remark.
pub(super) async fn comment(Path(id): Path<String>, asked: Asked, sent: Sent) -> Answer {
    let (_, issue) = find(&asked, &id).await?;
    let issue = asked.app.labelling.comment_issue(issue, sent.text("content").unwrap_or_default(), asked.email()).await?;
    success(json!({ "issue": wire::issue(&issue) }))
}

/// Deletes an issue.
pub(super) async fn remove(Path(id): Path<String>, asked: Asked) -> Answer {
    let (project, issue) = find(&asked, &id).await?;
    if asked.query.text("project").is_some_and(|wanted| wanted != project.id.to_string()) {
        return Err(Error::not_found("issue-not-found", format!("there is no issue `{id}` in that project")).into());
    }
    asked.app.labelling.delete_issue(issue.id).await?;
    success(json!({ "issue": { "_id": id, "deleted": true } }))
}
