//! The nouns of labelling as the dialect's clients read them.

use pegboard_hub::labelling::answer::{self, milliseconds};
use pegboard_hub::labelling::{Labelling, schema};
use pegboard_model::{Asset, Comment, Error, HubId, Issue, LabelStage, LabelStageKind, PastStage, Project, Storage, Task, User};
use serde_json::{Map, Value as Json, json};

/// Keys of a stage that have a place of their own in the model.
const STAGE_KEYS: &[&str] = &["id", "type", "name", "next", "assignedTo", "pluginId", "consensusId"];
/// Between two stages that nobody has put anywhere.
const STAGE_WIDTH: usize = 300;

pub(crate) fn project(project: &Project, assets: u64) -> Json {
    let batches: Vec<Json> =
        project.batches.iter().map(|batch| json!({ "_id": batch.id.to_string(), "name": batch.name })).collect();
    let members: Vec<Json> = project.members.iter().map(|member| json!({ "email": member.email, "role": member.role })).collect();
    let mut record = json!({
        "_id": project.id.to_string(),
        "name": project.name,
        "description": project.description,
        "type": project.kind,
        "categorySchema": schema::write(&project.schema),
        "batches": batches,
        "tags": batches,
        "stages": project.stages.iter().enumerate().map(|(place, each)| stage(place, each)).collect::<Vec<_>>(),
        "assetBuilderTemplates": [],
        "organization": project.organization.to_string(),
        "owner": project.owner.to_string(),
        "createdAt": milliseconds(project.created_at),
        "updatedAt": milliseconds(project.updated_at),
        "assignedTo": members,
        "role": "Manager",
        "assetCount": assets,
        "benchmarkEnabled": false,
        "benchmarkRatio": 0,
        "instructions": null,
        "ocrLanguage": null,
        "idleTimeout": null,
        "projectPlugins": [],
        "queueVersion": 2,
    });
    if let Some(record) = record.as_object_mut() {
        record.extend(project.settings.clone());
    }
    record
}

/// The stage at this place of its project. One that nobody has put anywhere stands right of the one before, as scripts sort by that.
pub(crate) fn stage(place: usize, stage: &LabelStage) -> Json {
    let mut record = Map::new();
    record.insert("id".to_owned(), stage.id.as_str().into());
    record.insert("type".to_owned(), stage.kind.as_str().into());
    record.insert("name".to_owned(), stage.name.as_str().into());
    record.insert("position".to_owned(), json!({ "x": place * STAGE_WIDTH, "y": 0 }));
    record.insert("next".to_owned(), stage.next.clone().into());
    record.insert("assignedTo".to_owned(), stage.assigned_to.clone().into());
    if let Some(plugin) = stage.plugin {
        record.insert("pluginId".to_owned(), plugin.to_string().into());
    }
    if let Some(consensus) = &stage.consensus {
        record.insert("consensusId".to_owned(), consensus.as_str().into());
    }
    record.extend(stage.settings.clone());
    Json::Object(record)
}

/// Reads a list of stages as clients send it.
pub(crate) fn read_stages(sent: &Json) -> Result<Vec<LabelStage>, Error> {
    let wrong = |why: String| {
        Error::invalid("stages", format!("the stages are wrong: {why}"))
            .hint("each stage has `id`, `type`, `name` and `next`, a list of the ids of stages")
    };
    let sent =
        sent.as_array().filter(|sent| !sent.is_empty()).ok_or_else(|| wrong("a project needs a list of stages".to_owned()))?;
    let mut stages: Vec<LabelStage> = Vec::with_capacity(sent.len());
    for (position, one) in sent.iter().enumerate() {
        let text = |key: &str| one[key].as_str().filter(|text| !text.trim().is_empty());
        let id = text("id").ok_or_else(|| wrong(format!("stage {position} has no `id`")))?;
        let kind = text("type").ok_or_else(|| wrong(format!("stage `{id}` has no `type`")))?;
        if stages.iter().any(|stage| stage.id == id) {
            return Err(wrong(format!("two stages have the id `{id}`")));
        }
        let list = |key: &str| match &one[key] {
            Json::Null => Ok(Vec::new()),
            Json::Array(all) => all.iter().map(|one| one.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>().ok_or(()),
            _ => Err(()),
        };
        let next = list("next").map_err(|()| wrong(format!("`next` of stage `{id}` is not a list of ids")))?;
        let plugin = match text("pluginId") {
            None => None,
            Some(plugin) => Some(plugin.parse::<HubId>().map_err(|error| wrong(format!("stage `{id}`: {error}")))?),
        };
        let settings = one.as_object().into_iter().flatten().filter(|(key, _)| !STAGE_KEYS.contains(&key.as_str()));
        stages.push(LabelStage {
            id: id.to_owned(),
            kind: serde_json::from_value::<LabelStageKind>(kind.into()).map_err(|error| wrong(error.to_string()))?,
            name: text("name").unwrap_or(id).to_owned(),
            next,
            assigned_to: list("assignedTo").unwrap_or_default(),
            plugin,
            consensus: text("consensusId").map(str::to_owned),
            settings: settings.map(|(key, value)| (key.clone(), value.clone())).collect(),
        });
    }
    for stage in &stages {
        if let Some(lost) = stage.next.iter().find(|next| !stages.iter().any(|other| other.id == **next)) {
            return Err(wrong(format!("`{lost}` follows `{}`, but there is no such stage", stage.id)));
        }
        if let Some(condition) = stage.settings.get("condition").filter(|_| stage.kind == LabelStageKind::Logic) {
            pegboard_hub::labelling::filter::Filter::read(condition)?;
        }
    }
    Ok(stages)
}

pub(crate) fn asset(
    labelling: &Labelling,
    base: &str,
    project: &Project,
    asset: &Asset,
    tasks: &[Task],
    history: &[PastStage],
) -> Json {
    let label_tasks: Vec<Json> = tasks
        .iter()
        .map(|task| {
            let past: Vec<Json> = history.iter().filter(|past| past.task == task.id).map(past_stage_head).collect();
            json!({
                "_id": task.id.to_string(), "stage": task.stage, "status": task.status, "assignee": task.assignee,
                "isPreLabeled": task.is_prelabeled, "stageHistory": past,
            })
        })
        .collect();
    json!({
        "_id": asset.id.to_string(),
        "project": asset.project.to_string(),
        "externalId": asset.external_id,
        "data": labelling.data_url(base, asset),
        "storage": asset.storage.map(|id| id.to_string()),
        "batches": project.batch_names(&asset.batches),
        "tags": project.batch_names(&asset.batches),
        "metadata": asset.metadata,
        "contextData": asset.context,
        "attachments": asset.attachments,
        "isPreLabeled": tasks.iter().any(|task| task.is_prelabeled),
        "labelTasks": label_tasks,
        "createdAt": milliseconds(asset.created_at),
        "createdBy": asset.created_by,
    })
}

/// A task. The three lists of the answer are always there: clients merge into them, whatever they asked for.
pub(crate) fn task(labelling: &Labelling, base: &str, project: &Project, task: &Task, asset: &Asset) -> Json {
    let shown = |url: &Option<String>| url.as_ref().map(|url| labelling.shown(base, url));
    json!({
        "_id": task.id.to_string(),
        "project": task.project.to_string(),
        "asset": {
            "_id": asset.id.to_string(), "externalId": asset.external_id, "data": labelling.data_url(base, asset),
            "metadata": asset.metadata, "batches": project.batch_names(&asset.batches),
        },
        "externalId": asset.external_id,
        "stage": task.stage,
        "stageName": project.stage(&task.stage).map_or(task.stage.as_str(), |stage| stage.name.as_str()),
        "status": task.status,
        "reviewStatus": task.review_status,
        "type": if task.is_benchmark { "benchmark" } else { "default" },
        "assignee": task.assignee,
        "batches": project.batch_names(&asset.batches),
        "tags": project.batch_names(&asset.batches),
        "priority": task.priority,
        "answer": answer::write(&task.answer),
        "brushDataUrl": shown(&task.brush_data_url),
        "medicalBrushDataUrl": shown(&task.medical_brush_data_url),
        "isPreLabeled": task.is_prelabeled,
        "isBenchmark": task.is_benchmark,
        "isSkipped": false,
        "isDraft": false,
        "duration": task.duration_ms,
        "totalDuration": task.past_duration_ms + task.duration_ms,
        "plugin": task.plugin.map(|state| state.as_str()),
        "pluginNote": task.plugin_note,
        "createdAt": milliseconds(task.created_at),
        "createdBy": task.created_by,
        "updatedAt": milliseconds(task.updated_at),
        "updatedBy": task.updated_by,
    })
}

fn past_stage_head(past: &PastStage) -> Json {
    json!({
        "_id": past.id.to_string(),
        "stage": past.stage_name,
        "stageId": past.stage,
        "duration": past.duration_ms,
        "completedAt": milliseconds(past.completed_at),
        "completedBy": past.completed_by,
        "reviewStatus": past.review_status,
    })
}

pub(crate) fn past_stage(past: &PastStage) -> Json {
    let mut record = past_stage_head(past);
    record["task"] = past.task.to_string().into();
    record["answer"] = answer::write(&past.answer);
    record
}

pub(crate) fn issue(issue: &Issue) -> Json {
    let comment = |comment: &Comment| json!({ "createdBy": comment.created_by, "createdAt": milliseconds(comment.created_at), "content": comment.content });
    let mut record = json!({
        "_id": issue.id.to_string(),
        "project": issue.project.to_string(),
        "asset": issue.asset.to_string(),
        "labelTask": issue.task.to_string(),
        "stage": issue.stage,
        "stageId": issue.stage,
        "status": issue.status,
        "content": issue.content,
        "comments": issue.comments.iter().map(comment).collect::<Vec<_>>(),
        "createdBy": issue.created_by,
        "createdAt": milliseconds(issue.created_at),
        "updatedAt": milliseconds(issue.updated_at),
    });
    if let Some(record) = record.as_object_mut() {
        for (key, value) in &issue.details {
            record.entry(key.as_str()).or_insert_with(|| value.clone());
        }
    }
    record
}

/// A storage with what is secret about it: its user's scripts hand that to clients of the provider.
pub(crate) fn storage(labelling: &Labelling, storage: &Storage) -> Result<Json, Error> {
    let secret = labelling.credentials(storage)?;
    Ok(json!({
        "_id": storage.id.to_string(),
        "name": storage.name,
        "provider": storage.provider.as_str(),
        "type": storage.provider.as_str(),
        "bucket": null,
        "region": storage.region,
        "endpoint": storage.endpoint,
        "publicKey": secret.public_key,
        "privateKey": secret.private_key,
        "credentials": secret.credentials,
        "organization": storage.organization.to_string(),
        "createdAt": milliseconds(storage.created_at),
    }))
}

pub(crate) fn user(user: &User) -> Json {
    json!({
        "_id": user.id.to_string(), "email": user.email, "organizationRole": user.role, "organization": user.organization.to_string(),
        "createdAt": milliseconds(user.created_at),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_come_back_as_they_were_sent() {
        let sent = json!([
            { "id": "Start", "type": "Start", "name": "Start", "position": { "x": 1, "y": 2 }, "next": ["p"], "assignedTo": [] },
            { "id": "p", "type": "Plugin", "name": "Detect", "position": { "x": 0, "y": 0 }, "next": ["Complete"], "assignedTo": ["a@b"],
              "pluginId": "64e5b8f1a2c3d4e5f6012345", "consensusId": "c", "mine": { "deep": [1] } },
            { "id": "Complete", "type": "Complete", "name": "Complete", "position": { "x": 0, "y": 0 }, "next": [], "assignedTo": [] },
        ]);
        let stages = read_stages(&sent).unwrap();
        assert_eq!(Json::from(stages.iter().enumerate().map(|(place, each)| stage(place, each)).collect::<Vec<_>>()), sent);
    }

    #[test]
    fn wrong_stages_say_which() {
        for (sent, words) in [
            (json!([]), "needs a list"),
            (json!({}), "needs a list"),
            (json!([{ "type": "Start" }]), "stage 0 has no `id`"),
            (json!([{ "id": "a" }]), "`a` has no `type`"),
            (json!([{ "id": "a", "type": "Start" }, { "id": "a", "type": "Label" }]), "two stages"),
            (json!([{ "id": "a", "type": "Start", "next": ["b"] }]), "`b` follows `a`"),
            (json!([{ "id": "a", "type": "Start", "next": "b" }]), "not a list"),
            (json!([{ "id": "a", "type": "Plugin", "pluginId": "x" }]), "`x` is not an id"),
        ] {
            let error = read_stages(&sent).unwrap_err();
            assert!(error.message.contains(words), "{sent}: {}", error.message);
        }
        let condition = json!([{ "id": "a", "type": "Logic", "condition": { "x": { "$near": 1 } } }]);
        assert_eq!(read_stages(&condition).unwrap_err().code, "filter");
    }
}
