//! `pegboard runs`, `run show`, `logs`, `cancel`.

use clap::Args;
use pegboard_server::shape::{ArtifactList, ItemsAnswer, LogPage, RunAnswer, RunList};
use serde_json::{Map, Value as Json};

use crate::arguments::above_zero;
use crate::client::Client;
use crate::failure::{CommandFailure, STOPPED};
use crate::follow::{News, follow};
use crate::output::{Output, duration, instant};

pub(crate) async fn list(
    client: &Client,
    workflow: Option<&str>,
    state: Option<&str>,
    limit: usize,
    output: &Output,
) -> Result<(), CommandFailure> {
    let limit = limit.to_string();
    let mut query = vec![("limit", limit.as_str())];
    query.extend(workflow.map(|workflow| ("workflow", workflow)));
    query.extend(state.map(|state| ("state", state)));
    let answer: RunList = client.get(&["runs"], &query).await?;
    if output.json {
        output.data(&answer);
    } else if answer.runs.is_empty() {
        output.note("no runs");
    } else {
        output.table(&["NAME", "WORKFLOW", "STATE", "ASKED FOR", "TOOK"], answer.runs.iter().map(row).collect());
    }
    Ok(())
}

fn row(run: &RunAnswer) -> Vec<String> {
    let took = run.duration_ms.map(duration).unwrap_or_default();
    vec![run.name.clone(), run.workflow.clone(), run.state.clone(), instant(&run.created_at), took]
}

pub(crate) async fn show(client: &Client, id: &str, output: &Output) -> Result<(), CommandFailure> {
    let run: RunAnswer = client.get(&["runs", id], &[]).await?;
    if output.json {
        output.data(&run);
        return Ok(());
    }
    let fact = |name: &str, value: &str| output.line(&format!("{name:<10} {value}"));
    fact("run", &run.name);
    fact("uid", &run.uid);
    fact("workflow", &run.workflow);
    fact("state", &run.state);
    fact("asked for", &format!("{} UTC", instant(&run.created_at)));
    if let Some(took) = run.duration_ms {
        fact("took", &duration(took));
    }
    if !run.configs.is_empty() {
        let names: Vec<_> = run.configs.iter().map(|config| config.name.as_str()).collect();
        fact("configs", &names.join(", "));
    }
    if !run.input.is_empty() {
        fact("input", &serde_json::Value::Object(run.input.clone()).to_string());
    }
    output.line("");
    let stages = run.stages.iter().map(|stage| {
        let items = stage.items.map(items).unwrap_or_default();
        let failure = stage.failure.as_ref().map(|failure| format!("{}: {}", failure.class, failure.message)).unwrap_or_default();
        let took = stage.duration_ms.map(duration).unwrap_or_default();
        let plugin = stage.plugin.as_ref().map(|plugin| format!("{} {}", plugin.name, plugin.version)).unwrap_or_default();
        vec![stage.name.clone(), stage.state.clone(), items, took, plugin, failure]
    });
    output.table(&["STAGE", "STATE", "ITEMS", "TOOK", "SERVED BY", "FAILURE"], stages.collect());
    let made: ArtifactList = client.get(&["runs", id, "artifacts"], &[]).await?;
    if !made.artifacts.is_empty() {
        output.line("");
        let rows = made.artifacts.iter().map(|one| vec![format!("{}:{}", one.kind, one.name), one.version.to_string()]);
        output.table(&["MADE", "VERSION"], rows.collect());
    }
    if let Some(failure) = &run.failure {
        output.plugin_failure(failure);
    }
    if run.result_is_apart {
        output.note(&format!("the result is large: {}", client.link(&format!("/api/v1/runs/{}/result", run.uid))));
    } else if run.state == "finished" {
        output.line("");
        output.data(&run.result);
    }
    Ok(())
}

/// `7/24`, `6/24, 1 failed`.
fn items(items: ItemsAnswer) -> String {
    let failed = if items.failed > 0 { format!(", {} failed", items.failed) } else { String::new() };
    format!("{}/{}{failed}", items.done, items.total)
}

/// Which lines of a log to print.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct LogSelection {
    /// Only what this stage said.
    #[arg(long, value_name = "NAME", conflicts_with = "follow")]
    stage: Option<String>,
    /// Only lines of this level and above.
    #[arg(long, value_parser = ["debug", "info", "warning", "error"], conflicts_with = "follow")]
    level: Option<String>,
    /// Only the last so many of them, 1000 at most.
    #[arg(long, value_name = "N", value_parser = above_zero, conflicts_with = "follow")]
    last: Option<usize>,
}

pub(crate) async fn logs(
    client: &Client,
    run: &str,
    go_on: bool,
    selection: &LogSelection,
    output: &Output,
) -> Result<(), CommandFailure> {
    if go_on {
        let hear = |news: News| {
            if let News::Log(line) = news {
                output.log(&line);
            }
        };
        return tokio::select! {
            ended = follow(client, run, hear) => ended.map(|run| output.ended(&run)),
            // Reading a log is not being in charge of the run: it goes on.
            _ = tokio::signal::ctrl_c() => Err(CommandFailure::silent(STOPPED)),
        };
    }
    let mut query: Vec<(&str, &str)> = Vec::new();
    query.extend(selection.stage.as_deref().map(|stage| ("stage", stage)));
    query.extend(selection.level.as_deref().map(|level| ("level", level)));
    if let Some(last) = selection.last {
        let last = last.to_string();
        query.extend([("last", "true"), ("limit", last.as_str())]);
        let page: LogPage = client.get(&["runs", run, "log"], &query).await?;
        page.lines.iter().for_each(|line| output.log(line));
        return Ok(());
    }
    let mut after = 0;
    loop {
        let from = after.to_string();
        let query = [&[("after", from.as_str())], query.as_slice()].concat();
        let page: LogPage = client.get(&["runs", run, "log"], &query).await?;
        if page.lines.is_empty() {
            return Ok(());
        }
        page.lines.iter().for_each(|line| output.log(line));
        after = page.last;
    }
}

/// Removes a run that is over.
pub(crate) async fn delete(client: &Client, run: &str, output: &Output) -> Result<(), CommandFailure> {
    let answer: Json = client.delete(&["runs", run]).await?;
    if output.json {
        output.data(&answer);
    } else {
        output.line(&format!("run {run} deleted"));
    }
    Ok(())
}

pub(crate) async fn cancel(client: &Client, run: &str, output: &Output) -> Result<(), CommandFailure> {
    let run: RunAnswer = client.post(&["runs", run, "cancel"], &Map::new()).await?;
    if output.json {
        output.data(&run);
    } else {
        output.ended(&run);
    }
    Ok(())
}
