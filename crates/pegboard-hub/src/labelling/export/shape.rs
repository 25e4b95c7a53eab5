//! Records of exports, in the current form and in the old one.

use pegboard_model::{Asset, Issue, LabelStageKind, PastStage, Project, Task};
use serde_json::{Map, Value as Json, json};

use super::{ExportRequest, ExportShape, frames};
use crate::labelling::Labelling;
use crate::labelling::answer::milliseconds;

/// What all records of one export have in common.
pub(super) struct Shaper<'a> {
    pub(super) labelling: &'a Labelling,
    pub(super) base: &'a str,
    pub(super) project: &'a Project,
    pub(super) request: &'a ExportRequest,
}

impl Shaper<'_> {
    pub(super) fn record(&self, mut task: Task, asset: &Asset, history: Vec<PastStage>) -> Json {
        if !self.request.key_frames_only {
            frames::fill_in(&mut task.answer.tools, &asset.metadata);
        }
        let mut record = Map::new();
        record.insert("asset".to_owned(), self.labelling.data_url(self.base, asset).into());
        record.insert("assetId".to_owned(), asset.id.to_string().into());
        record.insert("externalId".to_owned(), asset.external_id.as_str().into());
        if self.request.metadata && !asset.metadata.is_null() {
            record.insert("metadata".to_owned(), asset.metadata.clone());
        }
        let batches = Json::from(self.project.batch_names(&asset.batches));
        record.insert("batches".to_owned(), batches.clone());
        if !asset.context.is_null() {
            record.insert("contextData".to_owned(), asset.context.clone());
        }
        match self.request.shape {
            ExportShape::Current => {
                record.insert("task".to_owned(), self.task(task, history));
            }
            ExportShape::Old => {
                record.insert("tags".to_owned(), batches);
                self.old_form(&mut record, &task, &history);
            }
            ExportShape::Both => {
                self.old_form(&mut record, &task, &history);
                record.insert("task".to_owned(), self.task(task, history));
            }
        }
        Json::Object(record)
    }

    fn task(&self, task: Task, history: Vec<PastStage>) -> Json {
        let mut record = Map::new();
        record.insert("taskId".to_owned(), task.id.to_string().into());
        record.insert("stage".to_owned(), self.stage_name(&task.stage).into());
        record.insert("stageId".to_owned(), task.stage.into());
        record.insert("updatedAt".to_owned(), milliseconds(task.updated_at).into());
        record.insert("updatedBy".to_owned(), task.updated_by.unwrap_or(task.created_by).into());
        record.insert("totalDuration".to_owned(), (task.past_duration_ms + task.duration_ms).into());
        record.insert("tools".to_owned(), task.answer.tools.into());
        record.insert("classifications".to_owned(), task.answer.classifications.into());
        record.insert("relations".to_owned(), task.answer.relations.into());
        for (key, url) in [("brushDataUrl", task.brush_data_url), ("medicalBrushDataUrl", task.medical_brush_data_url)] {
            if let Some(url) = url {
                record.insert(key.to_owned(), self.labelling.shown(self.base, &url).into());
            }
        }
        if self.request.history {
            record.insert("stageHistory".to_owned(), history.into_iter().map(past_stage).collect());
        }
        Json::Object(record)
    }

    fn old_form(&self, record: &mut Map<String, Json>, task: &Task, history: &[PastStage]) {
        let of_kind = |kind: &LabelStageKind| {
            history.iter().rev().find(|past| self.project.stage(&past.stage).is_some_and(|stage| stage.kind == *kind))
        };
        let (labelled, reviewed) = (of_kind(&LabelStageKind::Label), of_kind(&LabelStageKind::Review));
        let time = |past: Option<&PastStage>| past.map(|past| milliseconds(past.completed_at));
        record.insert("labeledAt".to_owned(), time(labelled).into());
        record.insert("reviewedAt".to_owned(), time(reviewed).into());
        record.insert("status".to_owned(), task.status.as_str().into());
        record.insert("labelDuration(ms)".to_owned(), (task.past_duration_ms + task.duration_ms).into());
        record.insert("consensus".to_owned(), Json::Null);
        let review = reviewed.map(|past| json!({ "status": past.review_status, "reviewedBy": past.completed_by }));
        record.insert(
            "tasks".to_owned(),
            json!([{
                "taskId": task.id.to_string(),
                "stage": self.stage_name(&task.stage),
                "stageId": task.stage,
                "completedBy": labelled.and_then(|past| past.completed_by.clone()).or(task.updated_by.clone()),
                "completedAt": time(labelled),
                "duration(ms)": task.past_duration_ms + task.duration_ms,
                "isSkipped": false,
                "review": review.unwrap_or_else(|| json!({})),
                "status": task.status,
                "updatedBy": task.updated_by,
                "updatedAt": milliseconds(task.updated_at),
                "isBenchmark": task.is_benchmark,
                "benchmark": null,
                "issues": [],
                "objects": task.answer.tools,
                "classifications": task.answer.classifications,
                "relations": task.answer.relations,
            }]),
        );
    }

    fn stage_name(&self, id: &str) -> String {
        self.project.stage(id).map_or(id, |stage| stage.name.as_str()).to_owned()
    }
}

fn past_stage(past: PastStage) -> Json {
    let mut record = Map::new();
    record.insert("stage".to_owned(), past.stage_name.into());
    record.insert("stageId".to_owned(), past.stage.into());
    record.insert("duration".to_owned(), past.duration_ms.into());
    record.insert("completedAt".to_owned(), milliseconds(past.completed_at).into());
    if let Some(by) = past.completed_by {
        record.insert("completedBy".to_owned(), by.into());
    }
    if let Some(status) = past.review_status {
        record.insert("reviewStatus".to_owned(), status.into());
    }
    record.insert("tools".to_owned(), past.answer.tools.into());
    record.insert("classifications".to_owned(), past.answer.classifications.into());
    record.insert("relations".to_owned(), past.answer.relations.into());
    Json::Object(record)
}

/// What conditions on times look at.
pub(super) fn times(task: &Task) -> Json {
    let completed = (task.status == "Completed").then(|| milliseconds(task.entered_at));
    json!({ "createdAt": milliseconds(task.created_at), "updatedAt": milliseconds(task.updated_at), "completedAt": completed })
}

/// An issue as exports have it.
pub(super) fn issue(project: &Project, issue: &Issue, asset: Option<&Asset>) -> Json {
    let comments: Vec<Json> = issue
        .comments
        .iter()
        .map(|comment| json!({ "createdBy": comment.created_by, "createdAt": milliseconds(comment.created_at), "content": comment.content }))
        .collect();
    let mut record = json!({
        "_id": issue.id.to_string(),
        "asset": {
            "_id": issue.asset.to_string(),
            "externalId": asset.map(|asset| asset.external_id.as_str()),
            "batches": asset.map(|asset| project.batch_names(&asset.batches)).unwrap_or_default(),
        },
        "labelTask": issue.task.to_string(),
        "stage": project.stage(&issue.stage).map_or(issue.stage.as_str(), |stage| stage.name.as_str()),
        "stageId": issue.stage,
        "createdBy": issue.created_by,
        "createdAt": milliseconds(issue.created_at),
        "status": issue.status,
        "content": issue.content,
        "comments": comments,
    });
    if let Some(record) = record.as_object_mut() {
        for (key, value) in &issue.details {
            record.entry(key.as_str()).or_insert_with(|| value.clone());
        }
    }
    record
}
