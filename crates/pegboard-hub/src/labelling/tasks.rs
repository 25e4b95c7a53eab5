//! Tasks: answered, reviewed, assigned, put elsewhere.

use std::collections::BTreeMap;

use pegboard_model::{Asset, Error, HubId, LabelStageKind, PastStage, PluginWait, Project, Task};
use pegboard_store::{AssetQuery, LabelChange, Placed, StoreError};
use serde_json::Value as Json;

use super::moves::{self, Mover};
use super::{Labelling, answer, now};

/// How often a change is tried again when somebody else was faster.
const TRIES: usize = 20;
/// Tasks of one page of a bulk change.
const PAGE: usize = 500;
/// Longest work on one task that is believed: a week.
const LONGEST_WORK: u64 = 7 * 24 * 3600 * 1000;

/// An answer on its way in.
#[derive(Clone, Debug, Default)]
pub struct Annotation {
    /// As it was sent; null: the echo of a run that failed.
    pub answer: Json,
    /// A picture of what was painted, as it is recorded.
    pub brush_data_url: Option<String>,
    /// A volume of what was painted, as it is recorded.
    pub medical_brush_data_url: Option<String>,
    /// Milliseconds of work.
    pub duration_ms: u64,
    /// Send the task on.
    pub next_stage: bool,
    /// Says a plugin in a plugin stage.
    pub is_plugin: bool,
}

/// What became of an annotation.
#[derive(Clone, Debug)]
pub enum Annotated {
    /// It is stored.
    Stored(Task),
    /// A run that failed: nothing is stored, and the task stays where it is.
    Failed(Task),
}

/// Which tasks a bulk change is about; empty lists do not restrict.
#[derive(Clone, Debug, Default)]
pub struct TaskSelection {
    /// By id.
    pub tasks: Vec<HubId>,
    /// By external id of their asset.
    pub external_ids: Vec<String>,
    /// By asset.
    pub assets: Vec<HubId>,
    /// By stage, id or name.
    pub stages: Vec<String>,
    /// By batch of their asset, any of them.
    pub batches: Vec<HubId>,
}

/// What else happens to tasks that are put into another stage.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequeueOptions {
    /// Forget the answer.
    pub remove_annotations: bool,
    /// Nobody's any more.
    pub remove_assignee: bool,
    /// Forget the stages that they left.
    pub remove_history: bool,
}

/// There is no such task, or no longer.
#[must_use]
pub fn task_not_found(word: &str) -> Error {
    Error::not_found("task-not-found", format!("there is no task `{word}`")).hint("`pegboard project tasks` lists them")
}

impl Labelling {
    /// The task with its asset.
    ///
    /// # Errors
    /// `task-not-found`.
    pub async fn task(&self, id: HubId) -> Result<(Task, Asset), Error> {
        let task = self.store().task(id).await?.ok_or_else(|| task_not_found(&id.to_string()))?;
        let asset = self.store().asset(task.asset).await?.ok_or_else(|| task_not_found(&id.to_string()))?;
        Ok((task, asset))
    }

    /// Tasks of one asset, oldest first.
    pub async fn tasks_of_asset(&self, asset: HubId) -> Result<Vec<Task>, Error> {
        Ok(self.store().tasks_of_asset(asset).await?)
    }

    /// Stages that the task has left, oldest first.
    pub async fn history(&self, task: HubId) -> Result<Vec<PastStage>, Error> {
        Ok(self.store().past_stages(task).await?)
    }

    /// One stage that a task has left.
    pub async fn past_stage(&self, id: HubId) -> Result<Option<PastStage>, Error> {
        Ok(self.store().past_stage(id).await?)
    }

    /// Tasks with their assets behind a place, oldest first.
    pub async fn tasks_with_assets(&self, project: HubId, after: u64, most: usize) -> Result<Vec<Placed<(Task, Asset)>>, Error> {
        Ok(self.store().tasks_with_assets(project, after, most).await?)
    }

    /// Tasks of one stage or all from the `skipped`th on, and how many there are.
    pub async fn tasks(
        &self,
        project: HubId,
        stage: Option<&str>,
        skipped: u64,
        most: usize,
    ) -> Result<(Vec<Placed<Task>>, u64), Error> {
        let total = self.store().count_tasks(project, stage).await?;
        Ok((self.store().tasks_from(project, stage, skipped, most).await?, total))
    }

    /// Tasks of one stage behind a place, oldest first, and how many there are.
    pub async fn tasks_after(
        &self,
        project: HubId,
        stage: &str,
        after: u64,
        most: usize,
    ) -> Result<(Vec<Placed<Task>>, u64), Error> {
        let total = self.store().count_tasks(project, Some(stage)).await?;
        Ok((self.store().tasks(project, Some(stage), after, most).await?, total))
    }

    /// How many tasks each stage of the project has.
    pub async fn tasks_by_stage(&self, project: HubId) -> Result<BTreeMap<String, u64>, Error> {
        Ok(self.store().count_tasks_by_stage(project).await?)
    }

    /// Replaces the answer, and sends the task on when it says so.
    ///
    /// # Errors
    /// `task-not-found`, `answer`, `task-elsewhere` when a plugin answers for a task that has left its stage.
    pub async fn annotate(&self, project: &Project, id: HubId, sent: &Annotation, by: &str) -> Result<Annotated, Error> {
        for _ in 0..TRIES {
            let (mut task, _) = self.task(id).await?;
            let stage = project.stage(&task.stage);
            let in_plugin_stage = stage.is_some_and(|stage| stage.kind == LabelStageKind::Plugin);
            if sent.answer.is_null() {
                if in_plugin_stage {
                    self.plugin_failed(id, "the plugin failed and sent no answer").await?;
                }
                return Ok(Annotated::Failed(task));
            }
            if sent.is_plugin && !in_plugin_stage {
                return Err(Error::conflict(
                    "task-elsewhere",
                    format!("task `{id}` has left the plugin stage: it is in `{}`", task.stage),
                )
                .hint("the answer came too late and was not stored"));
            }
            let at = now();
            let origin = answer::Origin { by, stage: stage.map(|stage| stage.name.as_str()), at };
            task.answer = answer::read(&sent.answer, &project.schema, &origin)?;
            if sent.brush_data_url.is_some() {
                task.brush_data_url.clone_from(&sent.brush_data_url);
            }
            if sent.medical_brush_data_url.is_some() {
                task.medical_brush_data_url.clone_from(&sent.medical_brush_data_url);
            }
            task.duration_ms = task.duration_ms.saturating_add(sent.duration_ms.min(LONGEST_WORK));
            (task.updated_at, task.updated_by) = (at, Some(by.to_owned()));
            let left = if sent.next_stage {
                moves::advance(project, &mut task, 0, Mover { by: Some(by), at, by_hand: false })?
            } else {
                Vec::new()
            };
            if self.write_move(&mut task, left, false).await? {
                return Ok(Annotated::Stored(task));
            }
        }
        Err(StoreError::ChangedMeanwhile(id.to_string()).into())
    }

    /// Writes what a review says. Accepted tasks go on; rejected ones to the second next stage, else back to where they were
    /// answered; `Todo` and `Fixed` only say so.
    ///
    /// # Errors
    /// `review-status`, `task-elsewhere` when the task is in no review stage.
    pub async fn review(&self, project: &Project, id: HubId, status: &str, by: &str) -> Result<Task, Error> {
        if !["Accepted", "Rejected", "Todo", "Fixed"].contains(&status) {
            return Err(Error::invalid("review-status", format!("`{status}` is not what a review can say"))
                .hint("one of Accepted, Rejected, Todo, Fixed"));
        }
        for _ in 0..TRIES {
            let (mut task, _) = self.task(id).await?;
            let stage = project.stage(&task.stage);
            let Some(stage) = stage.filter(|stage| stage.kind == LabelStageKind::Review) else {
                return Err(Error::conflict(
                    "task-elsewhere",
                    format!("task `{id}` is in `{}`, which is no review stage", task.stage),
                ));
            };
            let at = now();
            let mover = Mover { by: Some(by), at, by_hand: false };
            task.review_status = Some(status.to_owned());
            (task.updated_at, task.updated_by) = (at, Some(by.to_owned()));
            let left = match status {
                "Accepted" => moves::advance(project, &mut task, 0, mover)?,
                "Rejected" if stage.next.len() > 1 => moves::advance(project, &mut task, 1, mover)?,
                "Rejected" => {
                    let history = self.history(id).await?;
                    match moves::stage_before(project, &task, &history) {
                        Some(before) => {
                            let before = before.id.clone();
                            moves::place(project, &mut task, &before, Mover { by_hand: true, ..mover })?
                        }
                        None => Vec::new(),
                    }
                }
                _ => Vec::new(),
            };
            if self.write_move(&mut task, left, false).await? {
                return Ok(task);
            }
        }
        Err(StoreError::ChangedMeanwhile(id.to_string()).into())
    }

    /// Changes the task as it is stored now; the change may be tried several times.
    pub async fn change_task(&self, id: HubId, mut change: impl FnMut(&mut Task)) -> Result<Task, Error> {
        for _ in 0..TRIES {
            let mut task = self.store().task(id).await?.ok_or_else(|| task_not_found(&id.to_string()))?;
            change(&mut task);
            task.updated_at = now();
            if self.write_move(&mut task, Vec::new(), false).await? {
                return Ok(task);
            }
        }
        Err(StoreError::ChangedMeanwhile(id.to_string()).into())
    }

    /// Changes every task that is meant; how many there were. Each is a change by itself.
    pub async fn change_tasks(
        &self,
        project: &Project,
        selection: &TaskSelection,
        mut change: impl FnMut(&mut Task),
    ) -> Result<usize, Error> {
        let ids = self.selected(project, selection).await?;
        for id in &ids {
            self.change_task(*id, &mut change).await?;
        }
        Ok(ids.len())
    }

    /// Puts every task that is meant into a stage; how many there were, and the stage's id.
    ///
    /// # Errors
    /// `stage-not-found`.
    pub async fn requeue(
        &self,
        project: &Project,
        stage: &str,
        selection: &TaskSelection,
        options: RequeueOptions,
        by: &str,
    ) -> Result<(usize, String), Error> {
        let target = project.stage_called(stage).ok_or_else(|| {
            Error::invalid("stage-not-found", format!("project `{}` has no stage `{stage}`", project.id))
                .hint("`pegboard project show` lists the stages")
        })?;
        let ids = self.selected(project, selection).await?;
        for id in &ids {
            self.requeue_one(project, *id, &target.id, options, by).await?;
        }
        Ok((ids.len(), target.id.clone()))
    }

    async fn requeue_one(
        &self,
        project: &Project,
        id: HubId,
        stage: &str,
        options: RequeueOptions,
        by: &str,
    ) -> Result<(), Error> {
        for _ in 0..TRIES {
            let Some(mut task) = self.store().task(id).await? else { return Ok(()) };
            let mover = Mover { by: Some(by), at: now(), by_hand: true };
            let left = moves::place(project, &mut task, stage, mover)?;
            if options.remove_annotations {
                (task.answer, task.is_prelabeled, task.updated_by) = (pegboard_model::Answer::default(), false, None);
                (task.brush_data_url, task.medical_brush_data_url) = (None, None);
            }
            if options.remove_assignee {
                task.assignee = None;
            }
            task.updated_at = mover.at;
            if self.write_move(&mut task, left, options.remove_history).await? {
                return Ok(());
            }
        }
        Err(StoreError::ChangedMeanwhile(id.to_string()).into())
    }

    /// The ids of the tasks that are meant.
    pub async fn selected(&self, project: &Project, selection: &TaskSelection) -> Result<Vec<HubId>, Error> {
        let stages: Vec<&str> = selection
            .stages
            .iter()
            .map(|word| project.stage_called(word).map_or(word.as_str(), |stage| stage.id.as_str()))
            .collect();
        let fits = |task: &Task, asset: &Asset| {
            (selection.tasks.is_empty() || selection.tasks.contains(&task.id))
                && (selection.assets.is_empty() || selection.assets.contains(&asset.id))
                && (selection.external_ids.is_empty() || selection.external_ids.contains(&asset.external_id))
                && (stages.is_empty() || stages.contains(&task.stage.as_str()))
                && (selection.batches.is_empty() || selection.batches.iter().any(|batch| asset.batches.contains(batch)))
        };
        let mut found = Vec::new();
        // Named tasks and assets are looked up; everything else is a walk through the project.
        if !selection.tasks.is_empty() {
            for id in &selection.tasks {
                if let Ok((task, asset)) = self.task(*id).await
                    && task.project == project.id
                    && fits(&task, &asset)
                {
                    found.push(task.id);
                }
            }
            return Ok(found);
        }
        if !selection.external_ids.is_empty() && selection.assets.is_empty() {
            for external_id in &selection.external_ids {
                for asset in self.find_assets(project.id, &AssetQuery::ExternalId(external_id.clone())).await? {
                    let tasks = self.store().tasks_of_asset(asset.record.id).await?;
                    found.extend(tasks.iter().filter(|task| fits(task, &asset.record)).map(|task| task.id));
                }
            }
            return Ok(found);
        }
        let mut after = 0;
        loop {
            let page = self.store().tasks_with_assets(project.id, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(found) };
            after = last.ordinal;
            found.extend(page.iter().filter(|placed| fits(&placed.record.0, &placed.record.1)).map(|placed| placed.record.0.id));
        }
    }

    /// Writes a task and the stages that it left in one transaction; false when somebody else was faster. Afterwards the value is
    /// what is stored.
    pub(crate) async fn write_move(&self, task: &mut Task, left: Vec<PastStage>, forget: bool) -> Result<bool, Error> {
        let mut changes = Vec::with_capacity(left.len() + 2);
        changes.push(LabelChange::TaskChanged(task.clone()));
        if forget {
            changes.push(LabelChange::HistoryForgotten(task.id));
        } else {
            changes.extend(left.into_iter().map(LabelChange::StageLeft));
        }
        match self.store().apply_labels(changes).await {
            Ok(()) => {
                task.revision += 1;
                if task.plugin == Some(PluginWait::Waiting) {
                    self.tell_arrival();
                }
                Ok(true)
            }
            Err(StoreError::ChangedMeanwhile(_)) => match self.store().task(task.id).await? {
                Some(_) => Ok(false),
                None => Err(task_not_found(&task.id.to_string())),
            },
            Err(error) => Err(error.into()),
        }
    }
}
