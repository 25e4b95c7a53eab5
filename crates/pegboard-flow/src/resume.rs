//! Going on where a run was cut off.
//!
//! A run is never continued: a new one of the same workflow and input begins, and stages that keep their results (`cache`) take
//! those of the old one. Nothing is taken that the same inputs would not give again.

use std::sync::Arc;

use pegboard_model::{Error, ResourceName, Run, RunCause, RunId, RunState, Workflow, WorkflowSpec};

use crate::flow::{Flow, Shared};
use crate::launch::Launch;

/// Workflows with this annotation set to `true` go on by themselves when the server starts again.
const ANNOTATION: &str = "pegboard/resume";

impl Flow {
    /// Starts a new run of the workflow of a run that did not finish, with its input and namespace.
    ///
    /// # Errors
    /// `run-not-found`, `run-not-resumable`, `workflow-not-found`; `server-stopping`, `draining`; the store's.
    pub async fn resume(&self, run: RunId) -> Result<Run, Error> {
        let run = self.run_find(&run.to_string()).await?;
        let refused =
            |why: &str, hint: &str| Err(Error::conflict("run-not-resumable", format!("run `{}` {why}", run.name)).hint(hint));
        match run.state {
            RunState::Finished => return refused("has finished", "run the workflow again"),
            RunState::Pending | RunState::Running => return refused("is under way", "wait for it, or cancel it first"),
            RunState::Failed | RunState::Cancelled | RunState::Interrupted => {}
        }
        let Some(workflow) = self.shared.workflow_of(&run).await? else {
            let gone = Error::not_found("workflow-not-found", format!("there is no workflow `{}` any more", run.workflow));
            return Err(gone.hint("apply it again, then resume the run"));
        };
        let cause = run.source;
        self.shared.launch(again(run, workflow, cause)).await
    }
}

impl Shared {
    async fn workflow_of(&self, run: &Run) -> Result<Option<Workflow>, Error> {
        let Ok(name) = run.workflow.parse::<ResourceName>() else { return Ok(None) };
        Ok(self.store.by_name::<WorkflowSpec>(&name).await?)
    }

    /// Goes on with the runs that the end of an earlier server cut off, where their workflows say so.
    pub(crate) async fn resume_interrupted(self: Arc<Self>, runs: Vec<RunId>) {
        for uid in runs {
            match self.resume_marked(uid).await {
                Ok(None) => {}
                Ok(Some(run)) => tracing::info!(interrupted = %uid, run.id = %run.uid, "an interrupted run goes on in a new one"),
                Err(error) => tracing::warn!(interrupted = %uid, %error, "an interrupted run could not be resumed"),
            }
        }
    }

    async fn resume_marked(self: &Arc<Self>, uid: RunId) -> Result<Option<Run>, Error> {
        let Some(run) = self.store.run(uid).await? else { return Ok(None) };
        let Some(workflow) = self.workflow_of(&run).await? else { return Ok(None) };
        if workflow.metadata.annotations.get(ANNOTATION).is_none_or(|value| value != "true") {
            return Ok(None);
        }
        let cause = run.source;
        self.launch(again(run, workflow, cause)).await.map(Some)
    }
}

fn again(run: Run, workflow: Workflow, cause: RunCause) -> Launch {
    Launch { workflow, input: run.input, namespace: Some(run.namespace), cause, because: None, with: Vec::new() }
}
