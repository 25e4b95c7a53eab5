//! Exports: written as a whole before the answer is sent, since the client fetches the file at once.

use pegboard_hub::labelling::export::{ExportFormat, ExportRequest, ExportShape};
use pegboard_hub::labelling::filter::Filter;
use pegboard_model::Error;
use serde_json::{Map, Value as Json, json};

use super::answer::{Answer, Refused, success};
use super::asked::{Asked, Query};

/// Parameters that only clients of the first generation send, each as `true`.
const OLD_TOGGLES: &[&str] = &["labeledAt", "reviewedAt", "labelDuration", "assetStatus"];

/// Also what old clients ask; which one it is shows in the parameters.
pub(super) async fn export(asked: Asked) -> Answer {
    write(asked, false).await
}

/// For releases that count newlines.
pub(super) async fn export_v3(asked: Asked) -> Answer {
    write(asked, true).await
}

async fn write(asked: Asked, trailing_newline: bool) -> Answer {
    let id = asked.query.text("project").ok_or_else(|| Error::not_found("project-not-found", "Invalid project: ."))?;
    let project = asked.project(id).await?;
    let labelling = &asked.app.labelling;
    let format = match asked.query.text("format") {
        None | Some("json") => ExportFormat::Json,
        Some("ndjson") => ExportFormat::Ndjson,
        Some(other) => {
            return Err(Error::invalid("export-format", format!("`{other}` is not a format of exports"))
                .hint("one of `json` and `ndjson`")
                .into());
        }
    };
    let exported = match asked.query.text("type") {
        Some("issue") => labelling.export_issues(&asked.base, &project, format).await?,
        None | Some("task") => {
            let mut request = request(&asked.query, format, trailing_newline)?;
            // Some scripts on new clients still read the old form; their plugin's record says so.
            let plugin = asked.app.hub.plugin_of_key(asked.caller.key);
            if request.shape == ExportShape::Current && plugin.is_some_and(|plugin| plugin.old_export) {
                request.shape = ExportShape::Both;
            }
            labelling.export(&asked.base, &project, &request).await?
        }
        Some(other) => {
            return Err(Error::invalid("export-format", format!("`{other}` cannot be exported"))
                .hint("one of `task` and `issue`")
                .into());
        }
    };
    success(json!({ "exportPath": exported.url }))
}

fn request(query: &Query, format: ExportFormat, trailing_newline: bool) -> Result<ExportRequest, Refused> {
    let old = OLD_TOGGLES.iter().any(|toggle| query.has(toggle));
    let mut conditions = Map::new();
    for key in ["createdAt", "updatedAt"] {
        if let Some(condition) = query.json(key)?.filter(|condition| condition.as_object().is_some_and(|all| !all.is_empty())) {
            conditions.insert(key.to_owned(), condition);
        }
    }
    for key in ["completedAt", "updatedAt"] {
        for operator in ["gt", "lt"] {
            if let Some(time) = query.text(&format!("{key}[{operator}]")) {
                let condition = conditions.entry(key).or_insert_with(|| json!({}));
                condition[format!("${operator}")] = instant(time)?.into();
            }
        }
    }
    let types = query.list("taskTypes")?;
    let has = |word: &str| types.iter().any(|kind| kind == word);
    Ok(ExportRequest {
        format: if old { ExportFormat::Json } else { format },
        shape: if old { ExportShape::Old } else { ExportShape::Current },
        stages: query.list("stage")?,
        // Old clients say `batches=true` for a column and name batches in `tag`.
        batches: if old { query.list("tag")? } else { query.list("batches")? },
        assignees: query.list("assignee")?,
        benchmarks: match (has("default") || has("consensus"), has("benchmark")) {
            (true, false) => Some(false),
            (false, true) => Some(true),
            _ => None,
        },
        times: Filter::read(&Json::Object(conditions))?,
        metadata: old || query.flag("includeMetadata") || !query.has("includeMetadata"),
        history: query.flag("includeHistory"),
        key_frames_only: old || query.flag("includeOnlyKeyFrames"),
        trailing_newline,
    })
}

/// Old clients send local times without a zone; they are taken as UTC.
fn instant(text: &str) -> Result<String, Refused> {
    for candidate in [text.to_owned(), format!("{text}Z")] {
        if let Ok(time) = candidate.parse::<pegboard_model::Timestamp>() {
            return Ok(time.to_string());
        }
    }
    Err(Error::invalid("query", format!("`{text}` is not a time")).hint("write it as `2026-01-02T03:04:05Z`").into())
}
