//! Tasks in plugin stages: taken by a session, answered, failed, sent again.
//!
//! Invariant: a task that waits is a row in the store, so it is sent also after a restart; one that is taken is taken by one
//! session, and only an answer, a failure or a release ends that.

use pegboard_model::{Error, HubId, LabelStageKind, PluginWait, Project, Task};
use pegboard_store::{Placed, StoreError};

use super::{Labelling, now};

/// A task that a plugin is to answer.
#[derive(Clone, Debug)]
pub struct WaitingTask {
    /// Its place; lists go on after it.
    pub ordinal: u64,
    /// The task.
    pub task: HubId,
    /// Its asset.
    pub asset: HubId,
    /// Its project.
    pub project: HubId,
    /// Id of the plugin stage that it is in.
    pub stage: String,
}

/// How a session with a task ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TaskOutcome {
    /// Not the task's fault: it waits again.
    Again,
    /// The plugin failed; why.
    Failed(String),
}

impl From<Placed<Task>> for WaitingTask {
    fn from(placed: Placed<Task>) -> Self {
        let Placed { ordinal, record } = placed;
        Self { ordinal, task: record.id, asset: record.asset, project: record.project, stage: record.stage }
    }
}

impl Labelling {
    /// Tasks that wait for a plugin, of all projects, behind a place, oldest first.
    pub async fn waiting_tasks(&self, after: u64, most: usize) -> Result<Vec<WaitingTask>, Error> {
        let found = self.store().tasks_by_plugin(PluginWait::Waiting, after, most).await?;
        Ok(found.into_iter().map(WaitingTask::from).collect())
    }

    /// Tasks that a session has, of all projects, with the session's id as it was noted: for a start of the server.
    pub async fn taken_tasks(&self, after: u64, most: usize) -> Result<Vec<(WaitingTask, Option<String>)>, Error> {
        let found = self.store().tasks_by_plugin(PluginWait::Taken, after, most).await?;
        Ok(found
            .into_iter()
            .map(|placed| (placed.record.plugin_note.clone(), placed))
            .map(|(note, placed)| (placed.into(), note))
            .collect())
    }

    /// A session takes the task; false when it does not wait any more.
    pub async fn take_task(&self, task: HubId, session: HubId) -> Result<bool, Error> {
        self.turn(task, &[PluginWait::Waiting], PluginWait::Taken, Some(session.to_string())).await
    }

    /// The session has ended without an answer. Nothing happens when the task has left the stage, or is another session's.
    pub async fn finish_task(&self, task: HubId, outcome: &TaskOutcome) -> Result<bool, Error> {
        match outcome {
            TaskOutcome::Again => {
                let again = self.turn(task, &[PluginWait::Taken], PluginWait::Waiting, None).await?;
                if again {
                    self.tell_arrival();
                }
                Ok(again)
            }
            TaskOutcome::Failed(why) => self.plugin_failed(task, why).await,
        }
    }

    /// Sends every task that is in the plugin stage now, also those that failed or were put there by hand; how many.
    ///
    /// # Errors
    /// `stage-not-found`, `no-plugin-stage`, `stage-without-plugin`.
    pub async fn rerun_stage(&self, project: &Project, stage: &str) -> Result<usize, Error> {
        let stage = project.stage_called(stage).ok_or_else(|| {
            Error::invalid("stage-not-found", format!("project `{}` has no stage `{stage}`", project.id))
                .hint("`pegboard project show` lists the stages")
        })?;
        if stage.kind != LabelStageKind::Plugin {
            return Err(Error::invalid("no-plugin-stage", format!("stage `{}` runs no plugin", stage.id)));
        }
        if stage.plugin.is_none() {
            return Err(Error::invalid("stage-without-plugin", format!("stage `{}` has no plugin", stage.id))
                .hint("set the stage's `pluginId`"));
        }
        let (mut after, mut sent) = (0, 0);
        loop {
            let page = self.store().tasks(project.id, Some(&stage.id), after, 500).await?;
            let Some(last) = page.last() else { break };
            after = last.ordinal;
            for placed in page {
                let idle = [PluginWait::Held, PluginWait::Failed];
                sent += usize::from(self.turn(placed.record.id, &idle, PluginWait::Waiting, None).await?);
            }
        }
        if sent > 0 {
            self.tell_arrival();
        }
        Ok(sent)
    }

    pub(crate) async fn plugin_failed(&self, task: HubId, why: &str) -> Result<bool, Error> {
        let why = why.chars().take(2000).collect();
        self.turn(task, &[PluginWait::Taken, PluginWait::Waiting], PluginWait::Failed, Some(why)).await
    }

    /// From one of these states to another one; false when the task is in none of them.
    async fn turn(&self, id: HubId, from: &[PluginWait], to: PluginWait, note: Option<String>) -> Result<bool, Error> {
        for _ in 0..20 {
            let Some(mut task) = self.store().task(id).await? else { return Ok(false) };
            if !task.plugin.is_some_and(|state| from.contains(&state)) {
                return Ok(false);
            }
            (task.plugin, task.plugin_note, task.updated_at) = (Some(to), note.clone(), now());
            if self.write_move(&mut task, Vec::new(), false).await? {
                return Ok(true);
            }
        }
        Err(StoreError::ChangedMeanwhile(id.to_string()).into())
    }
}

#[cfg(test)]
mod tests {
    use pegboard_model::{LabelStage, LabelStageKind};
    use pegboard_store::{Store, StoreOptions};

    use super::super::assets::NewAsset;
    use super::super::tasks::{Annotated, Annotation};
    use super::*;
    use crate::keyring::Keyring;

    /// A project whose one stage with work is a plugin's, with so many tasks in it.
    async fn world(tasks: usize) -> (tempfile::TempDir, Labelling, Project) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(StoreOptions::local(folder.path())).await.unwrap();
        let labelling = Labelling::open(store, Keyring::ephemeral()).await.unwrap();
        let owner = labelling.admin().await.unwrap();
        let project = labelling.create_project("p", "", "ango", &owner).await.unwrap();
        let mut plugin = LabelStage::simple(LabelStageKind::Plugin, &["Complete"]);
        plugin.plugin = Some(HubId::random());
        let stages = vec![
            LabelStage::simple(LabelStageKind::Start, &["Plugin"]),
            plugin,
            LabelStage::simple(LabelStageKind::Complete, &[]),
        ];
        let project = labelling.set_stages(project.id, stages, None).await.unwrap();
        let asset = NewAsset { data: "a text".to_owned(), ..NewAsset::default() };
        labelling.import_assets(&project, vec![asset; tasks], 0, &owner.email).await.unwrap();
        (folder, labelling, project)
    }

    #[tokio::test]
    async fn a_task_is_taken_once_and_comes_back_when_it_should() {
        let (_folder, labelling, project) = world(2).await;
        labelling.arrived().await;
        let waiting = labelling.waiting_tasks(0, 9).await.unwrap();
        let [first, second] = &waiting[..] else { panic!("{waiting:?}") };
        assert_eq!(labelling.waiting_tasks(first.ordinal, 9).await.unwrap().len(), 1, "a list goes on behind a place");

        let session = HubId::random();
        assert!(labelling.take_task(first.task, session).await.unwrap());
        assert!(!labelling.take_task(first.task, HubId::random()).await.unwrap(), "one session at a time");
        let taken = labelling.taken_tasks(0, 9).await.unwrap();
        assert_eq!((taken[0].0.task, taken[0].1.clone()), (first.task, Some(session.to_string())));

        assert!(labelling.finish_task(first.task, &TaskOutcome::Again).await.unwrap());
        labelling.arrived().await;
        assert_eq!(labelling.waiting_tasks(0, 9).await.unwrap().len(), 2);
        assert!(labelling.take_task(first.task, session).await.unwrap());
        assert!(labelling.finish_task(first.task, &TaskOutcome::Failed("no model".to_owned())).await.unwrap());
        let (failed, _) = labelling.task(first.task).await.unwrap();
        assert_eq!((failed.plugin, failed.plugin_note.as_deref()), (Some(PluginWait::Failed), Some("no model")));
        assert_eq!(labelling.waiting_tasks(0, 9).await.unwrap().len(), 1, "a failed one is not sent again by itself");
        assert_eq!(labelling.rerun_stage(&project, "Plugin").await.unwrap(), 1);
        assert_eq!(labelling.waiting_tasks(0, 9).await.unwrap().len(), 2);

        // The answer moves it on; what comes late finds nothing to end.
        assert!(labelling.take_task(second.task, session).await.unwrap());
        let answer = Annotation {
            answer: serde_json::json!({ "objects": [] }),
            next_stage: true,
            is_plugin: true,
            ..Annotation::default()
        };
        let outcome = labelling.annotate(&project, second.task, &answer, "a@b").await.unwrap();
        assert!(matches!(outcome, Annotated::Stored(task) if task.stage == "Complete" && task.plugin.is_none()));
        assert!(!labelling.finish_task(second.task, &TaskOutcome::Failed("late".to_owned())).await.unwrap());
        assert_eq!(labelling.annotate(&project, second.task, &answer, "a@b").await.unwrap_err().code, "task-elsewhere");
        let echo = Annotation { next_stage: true, ..Annotation::default() };
        let outcome = labelling.annotate(&project, first.task, &echo, "a@b").await.unwrap();
        assert!(matches!(outcome, Annotated::Failed(task) if task.stage == "Plugin"));
        let (failed, _) = labelling.task(first.task).await.unwrap();
        assert_eq!(failed.plugin, Some(PluginWait::Failed));
        assert_eq!(labelling.rerun_stage(&project, "Start").await.unwrap_err().code, "no-plugin-stage");
    }

    #[tokio::test]
    async fn many_take_and_each_task_goes_to_one() {
        let (_folder, labelling, _) = world(20).await;
        let waiting = labelling.waiting_tasks(0, 99).await.unwrap();
        let mut takers = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let (labelling, waiting) = (labelling.clone(), waiting.clone());
            takers.spawn(async move {
                let mut taken = 0;
                for task in &waiting {
                    taken += usize::from(labelling.take_task(task.task, HubId::random()).await.unwrap());
                }
                taken
            });
        }
        assert_eq!(takers.join_all().await.into_iter().sum::<usize>(), 20);
    }
}
