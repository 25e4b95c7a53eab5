//! Answers on their way in: from plugins and people, and imported before anybody works.

use axum::extract::Path;
use pegboard_hub::labelling::assets::NewAsset;
use pegboard_hub::labelling::prelabels::Prelabel;
use pegboard_hub::labelling::tasks::{Annotated, Annotation};
use pegboard_model::{Error, HubId, Project};
use serde_json::{Map, Value as Json, json};

use super::answer::{Answer, success};
use super::asked::{Asked, Sent};
use super::wire;
use crate::app::App;

/// Replaces a task's answer; with `nextStage=true` the task goes on.
pub(super) async fn annotate(Path(id): Path<String>, asked: Asked, sent: Sent) -> Answer {
    let (project, task, asset) = asked.task(&id).await?;
    let Some(body) = sent.0.as_object() else {
        return Err(Error::invalid("body", "the request's body is not an object with `answer`").into());
    };
    let recognise = |key: &str| {
        let url = body.get(key).and_then(Json::as_str).filter(|url| !url.is_empty())?;
        Some(asked.app.labelling.recognise(&asked.base, &project, url))
    };
    if !body.contains_key("answer") {
        return Err(Error::invalid("body", "the request's body has no `answer`").into());
    }
    let annotation = Annotation {
        answer: body.get("answer").cloned().unwrap_or_default(),
        brush_data_url: recognise("brushDataUrl"),
        medical_brush_data_url: recognise("medicalBrushDataUrl"),
        duration_ms: body.get("duration").and_then(Json::as_u64).unwrap_or(0),
        next_stage: asked.query.flag("nextStage"),
        is_plugin: asked.query.flag("isPlugin"),
    };
    let outcome = match asked.app.labelling.annotate(&project, task.id, &annotation, asked.email()).await {
        Ok(outcome) => outcome,
        Err(error) => {
            // The last thing that a plugin says of a workflow's task: nothing else would end its session.
            if annotation.next_stage && asked.app.hub.plugin_of_key(asked.caller.key).is_some() {
                asked.app.hub.answer_refused(task.id, &error);
            }
            return Err(error.into());
        }
    };
    // The echo of a failed run is answered like any other: old clients end their process at a refusal.
    // The session that has this task of a workflow ends with its answer, or without one.
    match &outcome {
        Annotated::Stored(task) if annotation.next_stage => asked.app.hub.annotated(task.id),
        Annotated::Stored(_) => {}
        Annotated::Failed(task) => asked.app.hub.not_annotated(task.id),
    }
    let (Annotated::Stored(task) | Annotated::Failed(task)) = outcome;
    success(json!({ "label": wire::task(&asked.app.labelling, &asked.base, &project, &task, &asset) }))
}

/// Stores answers in tasks that nobody has worked on.
pub(super) async fn import(asked: Asked, sent: Sent) -> Answer {
    let project = asked.project(sent.text("project").unwrap_or_default()).await?;
    let entries = [&sent.0["jsonContent"], &sent.0["labels"]].into_iter().find_map(Json::as_array);
    let entries = entries.ok_or_else(|| Error::invalid("body", "the request's body has no list `jsonContent`"))?;
    let prelabels: Vec<Prelabel> = entries.iter().map(|entry| prelabel(&asked.app, &asked.base, &project, entry)).collect();
    let outcome = asked.app.labelling.import_labels(&project, &prelabels).await?;
    let summary = format!("{} / {} tasks are labeled.", outcome.stored, outcome.sent);
    success(json!({ "project": summary, "problems": outcome.problems }))
}

/// Reads one answer and whom it is for.
pub(crate) fn prelabel(app: &App, base: &str, project: &Project, entry: &Json) -> Prelabel {
    let text = |key: &str| entry[key].as_str().filter(|text| !text.is_empty());
    let recognise = |key: &str| text(key).map(|url| app.labelling.recognise(base, project, url));
    Prelabel {
        external_id: text("externalId").map(str::to_owned),
        data: recognise("data"),
        answer: entry.clone(),
        brush_data_url: recognise("brushDataUrl"),
        medical_brush_data_url: recognise("medicalBrushDataUrl"),
    }
}

/// Reads one asset of an import. `batches` are ids or names of the project's.
pub(crate) fn new_asset(
    app: &App,
    base: &str,
    project: &Project,
    entry: &Json,
    position: usize,
    batches: &[HubId],
) -> Result<NewAsset, Error> {
    let wrong = |why: String| Error::invalid("asset", format!("asset {position} is wrong: {why}"));
    if !entry.is_object() {
        return Err(wrong("it is not an object".to_owned()));
    }
    let data = match &entry["data"] {
        Json::String(data) => data.as_str(),
        Json::Null => {
            return Err(Error::invalid("asset-data", format!("asset {position} has no `data`"))
                .hint("`data` is a URL, or the text itself"));
        }
        _ => return Err(wrong("`data` is not a text".to_owned())),
    };
    let own = [&entry["batches"], &entry["tags"]].into_iter().find_map(Json::as_array);
    let batches = match own {
        None => batches.to_vec(),
        Some(own) => {
            let each = own.iter().filter(|one| !one.is_null()).map(|one| {
                let word = one.as_str().unwrap_or_default();
                project
                    .batch_called(word)
                    .map(|batch| batch.id)
                    .ok_or_else(|| wrong(format!("the project has no batch `{word}`")))
            });
            each.collect::<Result<Vec<_>, _>>()?
        }
    };
    let storage = match entry["storage"].as_str().filter(|text| !text.is_empty()) {
        None => None,
        Some(id) => Some(id.parse().map_err(|_| wrong(format!("`{id}` is not the id of a storage")))?),
    };
    let external_id = match &entry["externalId"] {
        Json::String(text) => text.clone(),
        Json::Number(number) => number.to_string(),
        _ => String::new(),
    };
    Ok(NewAsset {
        data: app.labelling.recognise(base, project, data),
        external_id,
        batches,
        storage,
        metadata: entry["metadata"].clone(),
        context: entry["contextData"].clone(),
        attachments: entry["attachments"].as_array().cloned().unwrap_or_default(),
        prelabel: given_answer(entry),
    })
}

/// An answer that stands in an asset's entry.
fn given_answer(entry: &Json) -> Option<Json> {
    let mut answer = Map::new();
    for key in ["objects", "tools", "classifications", "relations"] {
        if let Some(list) = entry[key].as_array().filter(|list| !list.is_empty()) {
            answer.insert(key.to_owned(), list.clone().into());
        }
    }
    (!answer.is_empty()).then_some(Json::Object(answer))
}
