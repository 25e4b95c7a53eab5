//! Tasks: looked at, assigned, reviewed, put into another stage.

use axum::extract::Path;
use pegboard_hub::labelling::filter::Filter;
use pegboard_hub::labelling::tasks::{RequeueOptions, TaskSelection};
use pegboard_model::{Asset, Error, HubId, LabelStageKind, Project, Task};
use pegboard_store::AssetQuery;
use serde_json::{Map, Value as Json, json};

use super::answer::{Answer, Refused, success};
use super::asked::{Asked, Sent, ids, texts};
use super::wire;

/// Tasks that are read at once while a filter looks through a project.
const PAGE: usize = 500;
/// Most tasks that a sorted or filtered list looks at: more would be held in memory.
const MOST_SORTED: usize = 100_000;
/// Keys that are always sent.
const ALWAYS: &[&str] = &["_id", "project", "asset"];

/// One task.
pub(super) async fn show(Path(id): Path<String>, asked: Asked) -> Answer {
    let (project, task, asset) = asked.task(&id).await?;
    let mut record = wire::task(&asked.app.labelling, &asked.base, &project, &task, &asset);
    record["openIssuesCount"] = open_issues(&asked, task.id).await?.into();
    success(json!({ "task": record }))
}

async fn open_issues(asked: &Asked, task: HubId) -> Result<usize, Refused> {
    let issues = asked.app.labelling.issues_of_task(task).await?;
    Ok(issues.iter().filter(|issue| issue.status == "Open").count())
}

/// A page of tasks, and how many there are over all pages.
pub(super) async fn list(Path(id): Path<String>, asked: Asked) -> Answer {
    let project = asked.project(&id).await?;
    let (skipped, most) = asked.query.page()?;
    let mut filter = filter(&asked, &project)?;
    let stage = filter.take_text("stage").map(|word| stage_id(&project, &word));
    let labelling = &asked.app.labelling;
    let sort = asked.query.text("sort").map(str::to_owned);
    if filter.is_empty() && sort.is_none() {
        let (page, total) = labelling.tasks(project.id, stage.as_deref(), skipped, most).await?;
        let mut records = Vec::with_capacity(page.len());
        for placed in page {
            let asset = asked.app.store.asset(placed.record.asset).await?;
            if let Some(asset) = asset {
                records.push(record(&asked, &project, &placed.record, &asset));
            }
        }
        return success(json!({ "tasks": records, "total": total }));
    }
    let mut found = Vec::new();
    let mut after = 0;
    loop {
        let page = labelling.tasks_with_assets(project.id, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.ordinal;
        for placed in page {
            let (task, asset) = placed.record;
            if stage.as_ref().is_some_and(|stage| task.stage != *stage) {
                continue;
            }
            let mut whole = wire::task(labelling, &asked.base, &project, &task, &asset);
            whole["stageId"] = task.stage.clone().into();
            // Batches can be named by their id, too.
            whole["batchIds"] = asset.batches.iter().map(ToString::to_string).collect::<Vec<_>>().into();
            if filter.holds(&whole) {
                if found.len() == MOST_SORTED {
                    return Err(Error::invalid("filter", format!("more than {MOST_SORTED} tasks fit"))
                        .hint("filter by `stage`, or export the project")
                        .into());
                }
                found.push((sort_keys(sort.as_deref(), &whole), task.id));
            }
        }
    }
    if let Some(sort) = &sort {
        let directions: Vec<bool> = sort.split(',').map(|key| key.starts_with('-')).collect();
        found.sort_by(|(one, _), (other, _)| compare(one, other, &directions));
    }
    let total = found.len();
    let mut records = Vec::with_capacity(most.min(total));
    for (_, id) in found.into_iter().skip(usize::try_from(skipped).unwrap_or(usize::MAX)).take(most) {
        let (task, asset) = labelling.task(id).await?;
        records.push(record(&asked, &project, &task, &asset));
    }
    success(json!({ "tasks": records, "total": total }))
}

/// All the ways in which clients have said what they want.
fn filter(asked: &Asked, project: &Project) -> Result<Filter, Refused> {
    let mut conditions = match asked.query.json("filter")? {
        None => Map::new(),
        Some(Json::Object(conditions)) => conditions,
        Some(_) => return Err(Error::invalid("filter", "the parameter `filter` is not an object").into()),
    };
    if let Some(status) = asked.query.text("status[eq]").or(asked.query.text("status")) {
        let status = if status.eq_ignore_ascii_case("todo") { "Todo" } else { status };
        conditions.insert("status".to_owned(), status.into());
    }
    if let Some(stage) = asked.query.text("stage") {
        conditions.insert("stage".to_owned(), stage.into());
    }
    let named = if asked.query.has("batches") { asked.query.list("batches")? } else { asked.query.list("tag")? };
    if !named.is_empty() {
        conditions.insert("batches".to_owned(), json!({ "$in": named }));
    }
    // Batches are named by id or by name: both are names here.
    if let Some(batches) = conditions.get_mut("batches") {
        name_batches(project, batches);
    }
    Ok(Filter::read(&Json::Object(conditions))?)
}

fn name_batches(project: &Project, value: &mut Json) {
    match value {
        Json::String(word) => {
            if let Some(batch) = project.batch_called(word) {
                *word = batch.name.clone();
            }
        }
        Json::Array(all) => all.iter_mut().for_each(|one| name_batches(project, one)),
        Json::Object(all) => all.values_mut().for_each(|one| name_batches(project, one)),
        _ => {}
    }
}

fn stage_id(project: &Project, word: &str) -> String {
    project.stage_called(word).map_or(word, |stage| stage.id.as_str()).to_owned()
}

/// A task as a list has it: without the answer unless asked for, or only the fields that were asked for.
fn record(asked: &Asked, project: &Project, task: &Task, asset: &Asset) -> Json {
    let mut whole = wire::task(&asked.app.labelling, &asked.base, project, task, asset);
    let Some(record) = whole.as_object_mut() else { return whole };
    if let Some(fields) = asked.query.text("fields") {
        let fields: Vec<&str> = fields.split(',').map(str::trim).collect();
        record.retain(|key, _| ALWAYS.contains(&key.as_str()) || fields.contains(&key.as_str()));
    } else if !asked.query.flag("includeAnswer") {
        record.shift_remove("answer");
    }
    whole
}

fn sort_keys(sort: Option<&str>, whole: &Json) -> Vec<Json> {
    let keys = sort.into_iter().flat_map(|sort| sort.split(','));
    keys.map(|key| whole[key.trim_start_matches('-').trim()].clone()).collect()
}

fn compare(one: &[Json], other: &[Json], descending: &[bool]) -> std::cmp::Ordering {
    for ((one, other), descending) in one.iter().zip(other).zip(descending) {
        let order = match (one, other) {
            (Json::Number(one), Json::Number(other)) => {
                one.as_f64().partial_cmp(&other.as_f64()).unwrap_or(std::cmp::Ordering::Equal)
            }
            (Json::String(one), Json::String(other)) => one.cmp(other),
            (Json::Null, Json::Null) => std::cmp::Ordering::Equal,
            (Json::Null, _) => std::cmp::Ordering::Less,
            (_, Json::Null) => std::cmp::Ordering::Greater,
            (one, other) => one.to_string().cmp(&other.to_string()),
        };
        if order.is_ne() {
            return if *descending { order.reverse() } else { order };
        }
    }
    std::cmp::Ordering::Equal
}

/// Stages that a task has left.
pub(super) async fn history(Path(id): Path<String>, asked: Asked) -> Answer {
    let (_, task, _) = asked.task(&id).await?;
    let history = asked.app.labelling.history(task.id).await?;
    success(json!({ "taskHistory": history.iter().map(wire::past_stage).collect::<Vec<_>>() }))
}

/// One stage that a task has left.
pub(super) async fn past_stage(Path(id): Path<String>, asked: Asked) -> Answer {
    let missing = || Error::not_found("task-not-found", format!("there is no task history `{id}`"));
    let parsed = id.parse().map_err(|_| missing())?;
    let past = asked.app.labelling.past_stage(parsed).await?.ok_or_else(missing)?;
    asked.task(&past.task.to_string()).await?;
    success(json!({ "taskHistory": wire::past_stage(&past) }))
}

/// Gives tasks to somebody. Old clients name one task, and the user by id or email.
pub(super) async fn assign(asked: Asked, sent: Sent) -> Answer {
    let mut tasks = sent.ids("tasks")?;
    if let Some(task) = sent.text("task") {
        tasks.push(task.parse().map_err(|_| pegboard_hub::labelling::tasks::task_not_found(task))?);
    }
    let first = tasks.first().ok_or_else(|| Error::invalid("body", "the request's body has no list `tasks`"))?;
    let (project, _, _) = asked.task(&first.to_string()).await?;
    let who = sent.text("user").or(sent.text("username"));
    let who = who.ok_or_else(|| Error::invalid("body", "the request's body has no text `user`"))?;
    let users = asked.app.labelling.users(asked.organization()).await?;
    let user = users.iter().find(|user| user.email == who || user.id.to_string() == who);
    let user = user.ok_or_else(|| {
        Error::not_found("user-not-found", format!("there is no user `{who}`")).hint("add them to the project first")
    })?;
    let stages = sent.text("stage").map(|stage| vec![stage.to_owned()]).unwrap_or_default();
    let selection = TaskSelection { tasks, stages, ..TaskSelection::default() };
    let email = user.email.clone();
    let assigned = asked.app.labelling.change_tasks(&project, &selection, |task| task.assignee = Some(email.clone())).await?;
    success(json!({ "tasks": assigned }))
}

/// `TODO` puts the task back where work begins, `Completed` to the end.
pub(super) async fn set_status(Path(id): Path<String>, asked: Asked, sent: Sent) -> Answer {
    let (project, task, _) = asked.task(&id).await?;
    let status = sent.required("status")?;
    let kinds: &[LabelStageKind] = match status.to_ascii_lowercase().as_str() {
        "todo" => &[LabelStageKind::Label, LabelStageKind::Start],
        "completed" => &[LabelStageKind::Complete],
        _ => {
            return Err(Error::invalid("task-status", format!("`{status}` is not a status of a task"))
                .hint("one of TODO and Completed")
                .into());
        }
    };
    let stage = kinds.iter().find_map(|kind| project.stages.iter().find(|stage| stage.kind == *kind));
    let stage = stage
        .ok_or_else(|| Error::invalid("stage-not-found", format!("project `{}` has no stage for `{status}`", project.id)))?;
    let selection = TaskSelection { tasks: vec![task.id], ..TaskSelection::default() };
    asked.app.labelling.requeue(&project, &stage.id, &selection, RequeueOptions::default(), asked.email()).await?;
    let (task, asset) = asked.app.labelling.task(task.id).await?;
    success(json!({ "task": wire::task(&asked.app.labelling, &asked.base, &project, &task, &asset) }))
}

/// What somebody says about an answer.
pub(super) async fn review(Path(id): Path<String>, asked: Asked, sent: Sent) -> Answer {
    let (project, task, asset) = asked.task(&id).await?;
    let task = asked.app.labelling.review(&project, task.id, sent.required("reviewStatus")?, asked.email()).await?;
    success(json!({ "task": wire::task(&asked.app.labelling, &asked.base, &project, &task, &asset) }))
}

/// Puts the tasks that are meant into a stage.
pub(super) async fn requeue(Path(id): Path<String>, asked: Asked, sent: Sent) -> Answer {
    let project = asked.project(&id).await?;
    let selection = selection(&project, &sent.0["filters"])?;
    let option = |key: &str| sent.0["options"][key] == true;
    let options = RequeueOptions {
        remove_annotations: option("removeAnnotations"),
        remove_assignee: option("removeAssignee"),
        remove_history: option("removeStageHistory"),
    };
    let stage = sent.required("toStageId")?;
    let (modified, stage) = asked.app.labelling.requeue(&project, stage, &selection, options, asked.email()).await?;
    success(json!({ "modifiedCount": { "modified": modified, "toStageId": stage } }))
}

/// Changes the priority of the tasks that are meant.
pub(super) async fn update_priority(Path(id): Path<String>, asked: Asked, sent: Sent) -> Answer {
    let project = asked.project(&id).await?;
    let priority = priority(&sent.0["priority"])?;
    let selection = selection(&project, &sent.0["filters"])?;
    let modified = asked.app.labelling.change_tasks(&project, &selection, |task| task.priority = priority).await?;
    success(json!({ "modifiedCount": modified }))
}

/// The same for one asset, as old clients say it.
pub(super) async fn priority_of_asset(Path(id): Path<String>, asked: Asked, sent: Sent) -> Answer {
    let project = asked.project(&id).await?;
    let priority = priority(&sent.0["priority"])?;
    let mut selection = TaskSelection::default();
    match (sent.text("assetId"), sent.text("externalId")) {
        (Some(asset), _) => selection.assets.push(asset.parse::<HubId>()?),
        (None, Some(external_id)) => {
            let found = asked.app.labelling.find_assets(project.id, &AssetQuery::ExternalId(external_id.to_owned())).await?;
            if found.is_empty() {
                return Err(
                    Error::not_found("asset-not-found", format!("there is no asset with external id `{external_id}`")).into()
                );
            }
            selection.external_ids.push(external_id.to_owned());
        }
        (None, None) => return Err(Error::invalid("body", "the request's body has neither `assetId` nor `externalId`").into()),
    }
    let modified = asked.app.labelling.change_tasks(&project, &selection, |task| task.priority = priority).await?;
    success(json!({ "asset": modified }))
}

/// Marks tasks as yardsticks, or as none.
pub(super) async fn benchmarks(Path(id): Path<String>, asked: Asked, sent: Sent) -> Answer {
    let project = asked.project(&id).await?;
    let wanted = sent.0["isBenchmark"].as_bool().unwrap_or(true);
    let tasks = sent.ids("tasks")?;
    if tasks.is_empty() {
        return success(json!({ "modifiedCount": 0 }));
    }
    let selection = TaskSelection { tasks, ..TaskSelection::default() };
    let modified = asked.app.labelling.change_tasks(&project, &selection, |task| task.is_benchmark = wanted).await?;
    success(json!({ "modifiedCount": modified }))
}

fn priority(value: &Json) -> Result<i64, Refused> {
    value.as_i64().filter(|priority| (-1000..=1000).contains(priority)).ok_or_else(|| {
        Error::invalid("priority", format!("`{value}` is not a priority")).hint("a whole number from -1000 to 1000").into()
    })
}

fn selection(project: &Project, filters: &Json) -> Result<TaskSelection, Refused> {
    let batches = texts(&filters["batches"], "batches")?;
    let batches = batches.iter().map(|word| {
        project.batch_called(word).map(|batch| batch.id).ok_or_else(|| {
            Refused::from(Error::invalid("batch-not-found", format!("project `{}` has no batch `{word}`", project.id)))
        })
    });
    Ok(TaskSelection {
        tasks: ids(&filters["taskIds"], "taskIds")?,
        external_ids: texts(&filters["externalIds"], "externalIds")?,
        assets: ids(&filters["assetIds"], "assetIds")?,
        stages: texts(&filters["fromStageIds"], "fromStageIds")?,
        batches: batches.collect::<Result<_, _>>()?,
    })
}
