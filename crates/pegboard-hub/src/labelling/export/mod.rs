//! Exports: a zip with one entry, written in pieces while the store is read in pages.
//!
//! Invariant: neither the project nor the file is ever held whole: a page of tasks, and the parts that are on their way to disk.

mod archive;
mod frames;
mod shape;

use std::collections::HashMap;
use std::time::Duration;

use pegboard_model::{Asset, Error, HubId, PastStage, Project, Task};
use pegboard_store::Placed;
use serde_json::Value as Json;

use super::filter::Filter;
use super::links::{FileKind, FilePlace, LinkVerb};
use super::{Labelling, now};
use archive::Archive;
use shape::Shaper;

/// Tasks of the first page, and most of one.
const PAGE: usize = 64;
const LARGEST_PAGE: usize = 512;
/// Bytes of text that a page is to have: tasks with large answers come a few at a time, small ones many.
const PAGE_BYTES: usize = 1 << 20;
/// How long a written export is kept.
const KEPT: Duration = Duration::from_secs(48 * 3600);

/// How the records of the one entry are joined.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ExportFormat {
    /// One JSON list.
    #[default]
    Json,
    /// A JSON object per line.
    Ndjson,
}

/// Which form a record has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ExportShape {
    /// One `task` with `tools`.
    #[default]
    Current,
    /// A list `tasks` with `objects`: what clients of the first generation read.
    Old,
    /// The current form, and the list of the old one beside it.
    Both,
}

/// What is exported, and how. Empty lists do not restrict.
#[derive(Clone, Debug, Default)]
pub struct ExportRequest {
    /// How records are joined.
    pub format: ExportFormat,
    /// Which form they have.
    pub shape: ExportShape,
    /// Ids or names of stages.
    pub stages: Vec<String>,
    /// Ids or names of batches; an asset must be in one of them.
    pub batches: Vec<String>,
    /// Emails.
    pub assignees: Vec<String>,
    /// Only tasks that are benchmarks, or only those that are none.
    pub benchmarks: Option<bool>,
    /// Conditions on `createdAt` and `updatedAt`.
    pub times: Filter,
    /// With `metadata`.
    pub metadata: bool,
    /// With the stages that tasks have left.
    pub history: bool,
    /// Only what somebody drew; otherwise frames in between are filled in.
    pub key_frames_only: bool,
    /// The last line ends with a newline. Old clients count newlines, newer ones count lines.
    pub trailing_newline: bool,
}

impl ExportRequest {
    /// Everything that can be had.
    #[must_use]
    pub fn everything() -> Self {
        Self { metadata: true, history: true, key_frames_only: true, ..Self::default() }
    }
}

/// A written export.
#[derive(Clone, Debug)]
pub struct Exported {
    /// A link to the file that needs no key.
    pub url: String,
    /// Records in it.
    pub records: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

impl Labelling {
    /// Writes the export of a project's tasks. The file is complete when this returns; it is deleted after two days.
    ///
    /// # Errors
    /// `stage-not-found`, `batch-not-found`.
    pub async fn export(&self, base: &str, project: &Project, request: &ExportRequest) -> Result<Exported, Error> {
        let selection = Selection::new(project, request)?;
        let mut writer = self.writer(project, request.format, request.trailing_newline).await?;
        let (mut after, mut records, mut most) = (0, 0, PAGE);
        loop {
            let page = self.store().tasks_with_assets(project.id, after, most).await?;
            let (Some(first), Some(last)) = (page.first(), page.last()) else { break };
            let (from, to) = (first.ordinal, last.ordinal);
            after = to;
            let chosen: Vec<Placed<(Task, Asset)>> =
                page.into_iter().filter(|placed| selection.holds(&placed.record.0, &placed.record.1)).collect();
            if chosen.is_empty() {
                continue;
            }
            let mut history: HashMap<HubId, Vec<PastStage>> = HashMap::new();
            if request.history || request.shape != ExportShape::Current {
                for past in self.store().past_stages_of(project.id, from, to).await? {
                    history.entry(past.task).or_default().push(past);
                }
            }
            let shaper = Shaper { labelling: self, base, project, request };
            let written: Vec<Json> = chosen
                .into_iter()
                .map(|placed| {
                    let (task, asset) = placed.record;
                    let past = history.remove(&task.id).unwrap_or_default();
                    shaper.record(task, &asset, past)
                })
                .collect();
            let count = written.len();
            records += count as u64;
            let before = writer.written();
            writer = writer.add(written).await?;
            let each = ((writer.written() - before) / count).max(1);
            most = (PAGE_BYTES / each).clamp(1, LARGEST_PAGE);
        }
        self.finish(base, writer, records).await
    }

    /// Writes the export of a project's issues.
    pub async fn export_issues(&self, base: &str, project: &Project, format: ExportFormat) -> Result<Exported, Error> {
        let mut writer = self.writer(project, format, false).await?;
        let (mut after, mut records) = (0, 0);
        loop {
            let page = self.store().issues(project.id, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.ordinal;
            let mut written = Vec::with_capacity(page.len());
            for placed in page {
                let asset = self.store().asset(placed.record.asset).await?;
                written.push(shape::issue(project, &placed.record, asset.as_ref()));
            }
            records += written.len() as u64;
            writer = writer.add(written).await?;
        }
        self.finish(base, writer, records).await
    }

    async fn writer(&self, project: &Project, format: ExportFormat, trailing_newline: bool) -> Result<Archive, Error> {
        self.forget_old_exports(project.id).await?;
        let ending = match format {
            ExportFormat::Json => "json",
            ExportFormat::Ndjson => "ndjson",
        };
        let place = FilePlace::written(project.id, &format!("{}.zip", project.id), now())?;
        let object = self.store().write_object(&place.key()).await?;
        Archive::begin(place, object, &format!("{}.{ending}", project.id), format, trailing_newline)
    }

    async fn finish(&self, base: &str, writer: Archive, records: u64) -> Result<Exported, Error> {
        let (place, bytes) = writer.finish().await?;
        Ok(Exported { url: self.link(base, &place, LinkVerb::Read), records, bytes })
    }

    async fn forget_old_exports(&self, project: HubId) -> Result<(), Error> {
        let folder = format!("files/{project}/{}/", FileKind::Written.as_str());
        let before = now().0 - i64::try_from(KEPT.as_micros()).unwrap_or(0);
        for key in self.store().object_keys(&folder).await? {
            let written = key[folder.len()..].get(..16).and_then(|digits| i64::from_str_radix(digits, 16).ok());
            if written.is_some_and(|written| written < before) {
                self.store().delete_object(&key).await?;
            }
        }
        Ok(())
    }
}

/// A request's conditions with names made into ids.
struct Selection<'a> {
    request: &'a ExportRequest,
    stages: Vec<String>,
    batches: Vec<HubId>,
}

impl<'a> Selection<'a> {
    fn new(project: &Project, request: &'a ExportRequest) -> Result<Self, Error> {
        // `Complete` is what clients ask for unasked: a project without that stage has nothing there.
        let stages = request.stages.iter().map(|word| match project.stage_called(word) {
            Some(stage) => Ok(stage.id.clone()),
            None if word == "Complete" => Ok(word.clone()),
            None => Err(Error::invalid("stage-not-found", format!("project `{}` has no stage `{word}`", project.id))
                .hint("`pegboard project show` lists the stages")),
        });
        let batches = request.batches.iter().map(|word| match project.batch_called(word) {
            Some(batch) => Ok(batch.id),
            None => Err(Error::invalid("batch-not-found", format!("project `{}` has no batch `{word}`", project.id))
                .hint("`pegboard project batches` lists them")),
        });
        Ok(Self { request, stages: stages.collect::<Result<_, _>>()?, batches: batches.collect::<Result<_, _>>()? })
    }

    fn holds(&self, task: &Task, asset: &Asset) -> bool {
        let request = self.request;
        (self.stages.is_empty() || self.stages.contains(&task.stage))
            && (self.batches.is_empty() || self.batches.iter().any(|batch| asset.batches.contains(batch)))
            && (request.assignees.is_empty() || task.assignee.as_ref().is_some_and(|email| request.assignees.contains(email)))
            && request.benchmarks.is_none_or(|wanted| task.is_benchmark == wanted)
            && (request.times.is_empty() || request.times.holds(&shape::times(task)))
    }
}
