//! How a task moves through the stages of its project. Pure: what is changed is the value, what is to be written is returned.
//!
//! Invariant: a task is in a stage that its project has, and never in one where nothing can happen to it by itself (`Start`,
//! `Logic`, `Consensus`) as long as that stage has a next one.

use pegboard_model::{Error, HubId, LabelStage, LabelStageKind, PastStage, PluginWait, Project, Task, Timestamp};
use serde_json::json;

use super::answer;
use super::filter::Filter;

/// More stages than this in a row without work are a circle.
const LONGEST_WAY: usize = 64;

/// Who moves it, and when.
#[derive(Clone, Copy, Debug)]
pub struct Mover<'a> {
    /// Email; none: the server.
    pub by: Option<&'a str>,
    /// Now.
    pub at: Timestamp,
    /// By hand: a plugin stage then waits for somebody to say so.
    pub by_hand: bool,
}

/// Puts a new task at the start and lets it run to the first stage with work. Returns the stages that it left.
pub fn begin(project: &Project, task: &mut Task, mover: Mover<'_>) -> Result<Vec<PastStage>, Error> {
    let start = project.stages.iter().find(|stage| stage.kind == LabelStageKind::Start).or(project.stages.first());
    let start = start.ok_or_else(|| no_stage(project, "Start"))?;
    arrive(project, task, start, mover)
}

/// The task is done in its stage: to the `which`th next one. Returns the stages that it left.
pub fn advance(project: &Project, task: &mut Task, which: usize, mover: Mover<'_>) -> Result<Vec<PastStage>, Error> {
    let stage = project.stage(&task.stage).ok_or_else(|| no_stage(project, &task.stage))?;
    let Some(next) = stage.next.get(which).or(stage.next.first()) else {
        // The last stage: there is nothing to leave for.
        return Ok(Vec::new());
    };
    let target = project.stage(next).ok_or_else(|| no_stage(project, next))?;
    let mut left = vec![leave(stage, task, mover)];
    left.extend(arrive(project, task, target, mover)?);
    Ok(left)
}

/// Somebody puts the task into a stage. Returns the stages that it left.
pub fn place(project: &Project, task: &mut Task, stage: &str, mover: Mover<'_>) -> Result<Vec<PastStage>, Error> {
    let target = project.stage_called(stage).ok_or_else(|| no_stage(project, stage))?;
    let mut left = Vec::new();
    if let Some(stage) = project.stage(&task.stage) {
        left.push(leave(stage, task, mover));
    }
    left.extend(arrive(project, task, target, mover)?);
    Ok(left)
}

/// Back to where somebody answered last: the stage that a review came from.
#[must_use]
pub fn stage_before<'a>(project: &'a Project, task: &Task, history: &[PastStage]) -> Option<&'a LabelStage> {
    let works = |stage: &&LabelStage| matches!(stage.kind, LabelStageKind::Label | LabelStageKind::Plugin);
    let past = history.iter().rev().filter(|past| past.stage != task.stage);
    past.filter_map(|past| project.stage(&past.stage)).find(works)
}

fn leave(stage: &LabelStage, task: &mut Task, mover: Mover<'_>) -> PastStage {
    let past = PastStage {
        id: HubId::random(),
        task: task.id,
        stage: stage.id.clone(),
        stage_name: stage.name.clone(),
        duration_ms: task.duration_ms,
        completed_at: mover.at,
        completed_by: mover.by.map(str::to_owned),
        review_status: task.review_status.clone().filter(|_| stage.kind == LabelStageKind::Review),
        answer: task.answer.clone(),
    };
    task.past_duration_ms += task.duration_ms;
    task.duration_ms = 0;
    (task.plugin, task.plugin_note) = (None, None);
    past
}

fn arrive(project: &Project, task: &mut Task, target: &LabelStage, mover: Mover<'_>) -> Result<Vec<PastStage>, Error> {
    let mut left = Vec::new();
    let mut stage = target;
    for _ in 0..LONGEST_WAY {
        task.stage.clone_from(&stage.id);
        task.entered_at = mover.at;
        task.status = if stage.kind == LabelStageKind::Complete { "Completed" } else { "Todo" }.to_owned();
        let which = match stage.kind {
            LabelStageKind::Start | LabelStageKind::Consensus => 0,
            LabelStageKind::Logic => usize::from(!condition_holds(stage, task)?),
            LabelStageKind::Plugin => {
                let sent = stage.plugin.is_some() && !mover.by_hand;
                task.plugin = Some(if sent { PluginWait::Waiting } else { PluginWait::Held });
                return Ok(left);
            }
            _ => return Ok(left),
        };
        // A logic stage without a second way ends the first one's only when its condition holds.
        let Some(next) = stage.next.get(which).or(stage.next.first()) else { return Ok(left) };
        let past = leave(stage, task, Mover { by: None, ..mover });
        left.push(past);
        stage = project.stage(next).ok_or_else(|| no_stage(project, next))?;
    }
    Err(Error::invalid("stages-in-a-circle", format!("the stages of project `{}` lead in a circle without work", project.id))
        .hint("let a `Label`, `Review`, `Plugin` or `Complete` stage follow"))
}

/// A logic stage's `condition`: a filter over the task; without one it always holds.
fn condition_holds(stage: &LabelStage, task: &Task) -> Result<bool, Error> {
    let Some(condition) = stage.settings.get("condition") else { return Ok(true) };
    Ok(Filter::read(condition)?.holds(&json!({
        "answer": answer::write(&task.answer),
        "priority": task.priority,
        "isPreLabeled": task.is_prelabeled,
        "isBenchmark": task.is_benchmark,
        "reviewStatus": task.review_status,
        "updatedBy": task.updated_by,
        "totalDuration": task.past_duration_ms + task.duration_ms,
        "objects": task.answer.tools.len(),
        "classifications": task.answer.classifications.len(),
    })))
}

fn no_stage(project: &Project, stage: &str) -> Error {
    Error::invalid("stage-not-found", format!("project `{}` has no stage `{stage}`", project.id))
        .hint("`pegboard project show` lists the stages")
}

#[cfg(test)]
pub(crate) mod tests {
    use pegboard_model::{Answer, CategorySchema, LabelStageKind as Kind};
    use serde_json::Map;

    use super::*;

    pub(crate) fn project(stages: Vec<LabelStage>) -> Project {
        Project {
            id: HubId::random(),
            organization: HubId::random(),
            name: "p".to_owned(),
            description: String::new(),
            kind: "ango".to_owned(),
            owner: HubId::random(),
            schema: CategorySchema::default(),
            stages,
            batches: Vec::new(),
            members: Vec::new(),
            settings: Map::new(),
            revision: 0,
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
            deleted_at: None,
        }
    }

    pub(crate) fn task() -> Task {
        Task {
            id: HubId::random(),
            project: HubId::random(),
            asset: HubId::random(),
            stage: String::new(),
            entered_at: Timestamp(0),
            status: "Todo".to_owned(),
            review_status: None,
            assignee: None,
            priority: 0,
            answer: Answer::default(),
            brush_data_url: None,
            medical_brush_data_url: None,
            is_prelabeled: false,
            is_benchmark: false,
            duration_ms: 0,
            past_duration_ms: 0,
            plugin: None,
            plugin_note: None,
            revision: 0,
            created_at: Timestamp(0),
            created_by: "a@b".to_owned(),
            updated_at: Timestamp(0),
            updated_by: None,
        }
    }

    fn mover() -> Mover<'static> {
        Mover { by: Some("a@b"), at: Timestamp(5), by_hand: false }
    }

    fn names(past: &[PastStage]) -> Vec<&str> {
        past.iter().map(|past| past.stage.as_str()).collect()
    }

    #[test]
    fn a_task_runs_from_start_to_complete() {
        let (project, mut task) = (project(LabelStage::defaults()), task());
        let left = begin(&project, &mut task, mover()).unwrap();
        assert_eq!((names(&left), task.stage.as_str(), task.status.as_str()), (vec!["Start"], "Label", "Todo"));
        task.duration_ms = 7;
        let left = advance(&project, &mut task, 0, mover()).unwrap();
        assert_eq!((names(&left), left[0].duration_ms, left[0].completed_by.as_deref()), (vec!["Label"], 7, Some("a@b")));
        assert_eq!((task.stage.as_str(), task.status.as_str(), task.past_duration_ms), ("Complete", "Completed", 7));
        assert!(advance(&project, &mut task, 0, mover()).unwrap().is_empty(), "the end is the end");
        assert_eq!(task.stage, "Complete");
    }

    #[test]
    fn a_plugin_stage_waits_and_one_entered_by_hand_is_held() {
        let mut plugin = LabelStage::simple(Kind::Plugin, &["Complete"]);
        plugin.plugin = Some(HubId::random());
        let stages = vec![LabelStage::simple(Kind::Start, &["Plugin"]), plugin, LabelStage::simple(Kind::Complete, &[])];
        let (mut project, mut task) = (project(stages), task());
        begin(&project, &mut task, mover()).unwrap();
        assert_eq!((task.stage.as_str(), task.plugin), ("Plugin", Some(PluginWait::Waiting)));
        advance(&project, &mut task, 0, mover()).unwrap();
        assert_eq!((task.stage.as_str(), task.plugin), ("Complete", None));
        place(&project, &mut task, "Plugin", Mover { by_hand: true, ..mover() }).unwrap();
        assert_eq!(task.plugin, Some(PluginWait::Held));
        project.stages[1].plugin = None;
        begin(&project, &mut task, mover()).unwrap();
        assert_eq!(task.plugin, Some(PluginWait::Held), "no plugin is chosen");
    }

    #[test]
    fn logic_chooses_and_circles_are_told() {
        let mut logic = LabelStage::simple(Kind::Logic, &["Review", "Complete"]);
        logic.settings.insert("condition".to_owned(), json!({ "objects": { "$gt": 0 } }));
        let stages = vec![
            LabelStage::simple(Kind::Start, &["Logic"]),
            logic,
            LabelStage::simple(Kind::Review, &["Complete"]),
            LabelStage::simple(Kind::Complete, &[]),
        ];
        let mut project = project(stages);
        let mut empty = task();
        assert_eq!(names(&begin(&project, &mut empty, mover()).unwrap()), ["Start", "Logic"]);
        assert_eq!(empty.stage, "Complete");
        let mut full = task();
        full.answer.tools.push(json!({}));
        begin(&project, &mut full, mover()).unwrap();
        assert_eq!(full.stage, "Review");
        full.review_status = Some("Rejected".to_owned());
        let left = advance(&project, &mut full, 0, mover()).unwrap();
        assert_eq!(left[0].review_status.as_deref(), Some("Rejected"));

        project.stages[1].next = vec!["Start".to_owned()];
        assert_eq!(begin(&project, &mut task(), mover()).unwrap_err().code, "stages-in-a-circle");
        project.stages[1].next = vec!["Nowhere".to_owned()];
        assert_eq!(begin(&project, &mut task(), mover()).unwrap_err().code, "stage-not-found");
        assert_eq!(place(&project, &mut task(), "x", mover()).unwrap_err().code, "stage-not-found");
    }

    #[test]
    fn a_review_knows_where_the_answer_came_from() {
        let stages = vec![
            LabelStage::simple(Kind::Start, &["Label"]),
            LabelStage::simple(Kind::Label, &["Review"]),
            LabelStage::simple(Kind::Review, &["Complete"]),
            LabelStage::simple(Kind::Complete, &[]),
        ];
        let (project, mut task) = (project(stages), task());
        let mut history = begin(&project, &mut task, mover()).unwrap();
        assert!(stage_before(&project, &task, &history).is_none(), "nobody answered yet");
        history.extend(advance(&project, &mut task, 0, mover()).unwrap());
        assert_eq!(stage_before(&project, &task, &history).unwrap().id, "Label");
    }
}
