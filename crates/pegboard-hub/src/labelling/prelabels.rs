//! Answers that are imported before anybody works: matched to assets, and stored where nobody has worked yet.

use pegboard_model::{Error, PastStage, Project, Task};
use serde_json::Value as Json;

use super::{Labelling, answer, now};

/// One answer and the assets that it is for.
#[derive(Clone, Debug)]
pub struct Prelabel {
    /// All assets with this external id.
    pub external_id: Option<String>,
    /// Else all assets with this data, as it is recorded.
    pub data: Option<String>,
    /// As it was sent.
    pub answer: Json,
    /// A picture of what was painted, as it is recorded.
    pub brush_data_url: Option<String>,
    /// A volume of what was painted, as it is recorded.
    pub medical_brush_data_url: Option<String>,
}

/// What became of an import of answers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Prelabeled {
    /// Answers that were stored in at least one task.
    pub stored: usize,
    /// Answers that were sent.
    pub sent: usize,
    /// Why answers were not stored, the first few.
    pub problems: Vec<String>,
}

/// Problems that are told.
const PROBLEMS: usize = 20;

impl Labelling {
    /// Stores answers in tasks that nobody has worked on. What does not fit is left out and said.
    pub async fn import_labels(&self, project: &Project, prelabels: &[Prelabel]) -> Result<Prelabeled, Error> {
        let mut outcome = Prelabeled { sent: prelabels.len(), ..Prelabeled::default() };
        for (position, prelabel) in prelabels.iter().enumerate() {
            match self.import_one(project, prelabel).await? {
                Ok(()) => outcome.stored += 1,
                Err(why) if outcome.problems.len() < PROBLEMS => outcome.problems.push(format!("entry {position}: {why}")),
                Err(_) => {}
            }
        }
        Ok(outcome)
    }

    /// The outer error is ours, the inner one is about the entry.
    async fn import_one(&self, project: &Project, prelabel: &Prelabel) -> Result<Result<(), String>, Error> {
        let at = now();
        let origin = answer::Origin { by: "import", stage: None, at };
        let mut read = match answer::read(&prelabel.answer, &project.schema, &origin) {
            Ok(read) => read,
            Err(error) => return Ok(Err(error.message)),
        };
        for tool in &mut read.tools {
            if let Some(tool) = tool.as_object_mut() {
                tool.entry("lock").or_insert(false.into());
            }
        }
        let assets = self.meant(project.id, prelabel).await?;
        if assets.is_empty() {
            return Ok(Err(match (&prelabel.external_id, &prelabel.data) {
                (Some(id), _) => format!("there is no asset with external id `{id}`"),
                (None, Some(data)) => format!("there is no asset with data `{data}`"),
                (None, None) => "it has neither `externalId` nor `data`".to_owned(),
            }));
        }
        let mut stored = false;
        for asset in assets {
            for task in self.store().tasks_of_asset(asset.record.id).await? {
                stored |= self.prelabel(task, &read, prelabel).await?;
            }
        }
        Ok(if stored { Ok(()) } else { Err("somebody has worked on the task already".to_owned()) })
    }

    async fn prelabel(&self, mut task: Task, read: &pegboard_model::Answer, prelabel: &Prelabel) -> Result<bool, Error> {
        for _ in 0..20 {
            if task.updated_by.is_some() || task.status == "Completed" {
                return Ok(false);
            }
            task.answer.clone_from(read);
            task.is_prelabeled = true;
            task.updated_at = now();
            if prelabel.brush_data_url.is_some() {
                task.brush_data_url.clone_from(&prelabel.brush_data_url);
            }
            if prelabel.medical_brush_data_url.is_some() {
                task.medical_brush_data_url.clone_from(&prelabel.medical_brush_data_url);
            }
            if self.write_move(&mut task, Vec::<PastStage>::new(), false).await? {
                return Ok(true);
            }
            let Some(again) = self.store().task(task.id).await? else { return Ok(false) };
            task = again;
        }
        Ok(false)
    }
}
