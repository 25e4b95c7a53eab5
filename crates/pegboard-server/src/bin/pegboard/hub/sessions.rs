//! Sessions on the command line.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pegboard_model::Error;
use pegboard_server::shape::{HubLogPage, HubRunBody, HubRunCheck, HubSessionAnswer, HubSessionList};
use serde_json::{Map, Value as Json, json};

use super::arguments::{RunArguments, text};
use super::plugins::milliseconds;
use super::{parameters, read, read_text};
use crate::client::Client;
use crate::failure::{CommandFailure, FAILED};
use crate::output::{Output, duration, instant};

pub(crate) async fn run(client: &Client, run: &RunArguments, output: &Output) -> Result<(), CommandFailure> {
    let body = HubRunBody {
        project: run.project.clone(),
        config: text(run.config.as_ref()).map(Json::String),
        classes: run.classes.iter().cloned().collect(),
        parameters: taken(run)?,
        preset: run.preset.clone(),
        timeout_ms: run.timeout.map(milliseconds),
    };
    if run.check {
        let check: HubRunCheck = client.post(&["hub", "plugins", &run.plugin, "check"], &body).await?;
        if output.json {
            output.data(&check);
        } else {
            output.note(if check.live { "it can be run" } else { "it can be run once the plugin is connected" });
        }
        return Ok(());
    }
    let session: HubSessionAnswer = client.post(&["hub", "plugins", &run.plugin, "sessions"], &body).await?;
    if run.wait {
        return wait(client, session, output).await;
    }
    print(&session, output);
    Ok(())
}

/// What the type takes besides, from the options for it.
fn taken(run: &RunArguments) -> Result<Map<String, Json>, CommandFailure> {
    let mut taken = parameters(&run.parameters);
    let mut say = |key: &str, value: Option<Json>| {
        if let Some(value) = value {
            taken.insert(key.to_owned(), value);
        }
    };
    let list = |items: &[String]| (!items.is_empty()).then(|| json!(items));
    say("batches", list(&run.batches));
    say("stage", if run.stages.iter().any(|stage| stage == "all") { Some(json!([])) } else { list(&run.stages) });
    say("assetId", run.asset.clone().map(Json::String));
    say("taskId", run.task.clone().map(Json::String));
    say("overwrite", run.overwrite.map(Json::Bool));
    say("bucket", run.bucket.clone().map(Json::String));
    say("storageId", run.storage.clone().map(Json::String));
    say("folder", run.folder.clone().map(Json::String));
    say("upload", run.upload.then_some(Json::Bool(true)));
    say("files", list(&run.files));
    say("scrollToken", run.scroll_token.clone().map(Json::String));
    if let Some(path) = &run.csv {
        say("inputFile", Some(json!(STANDARD.encode(read(path)?))));
    }
    if let Some(path) = &run.template {
        say("markdownText", Some(json!(read_text(path)?)));
    }
    Ok(taken)
}

pub(crate) async fn retry(client: &Client, session: &str, waits: bool, output: &Output) -> Result<(), CommandFailure> {
    let session: HubSessionAnswer = client.post(&["hub", "sessions", session, "retry"], &Map::new()).await?;
    if waits {
        return wait(client, session, output).await;
    }
    print(&session, output);
    Ok(())
}

/// Shows the log as it comes, then the session; one that fails is a failure of the command.
async fn wait(client: &Client, session: HubSessionAnswer, output: &Output) -> Result<(), CommandFailure> {
    if !output.json {
        output.note(&format!("session {} {}", session.id, session.state));
    }
    let id = session.id.clone();
    let mut after = 0;
    loop {
        let page = page(client, &id, after, true).await?;
        if !output.json {
            page.lines
                .iter()
                .for_each(|line| output.note(&format!("{} {:<7} {}", &instant(&line.time)[11..], line.level, line.text)));
        }
        after = page.next;
        if page.over {
            break;
        }
    }
    let session: HubSessionAnswer = client.get(&["hub", "sessions", &id], &[("wait", "50")]).await?;
    print(&session, output);
    if session.state == "finished" { Ok(()) } else { Err(CommandFailure::silent(FAILED)) }
}

async fn page(client: &Client, session: &str, after: u64, waits: bool) -> Result<HubLogPage, CommandFailure> {
    let after = after.to_string();
    let mut query = vec![("after", after.as_str())];
    if waits {
        query.push(("wait", "50"));
    }
    client.get(&["hub", "sessions", session, "log"], &query).await
}

pub(crate) async fn show(client: &Client, session: &str, output: &Output) -> Result<(), CommandFailure> {
    let session: HubSessionAnswer = client.get(&["hub", "sessions", session], &[]).await?;
    print(&session, output);
    Ok(())
}

pub(crate) async fn cancel(client: &Client, session: &str, output: &Output) -> Result<(), CommandFailure> {
    let session: HubSessionAnswer = client.post(&["hub", "sessions", session, "cancel"], &Map::new()).await?;
    print(&session, output);
    Ok(())
}

pub(crate) async fn result(client: &Client, session: &str, output: &Output) -> Result<(), CommandFailure> {
    let result: Json = client.get(&["hub", "sessions", session, "result"], &[]).await?;
    output.data(&result);
    Ok(())
}

pub(crate) async fn logs(client: &Client, session: &str, follow: bool, output: &Output) -> Result<(), CommandFailure> {
    let mut after = 0;
    loop {
        let page = page(client, session, after, follow).await?;
        for line in &page.lines {
            if output.json {
                output.data_line(line);
            } else {
                output.line(&format!("{} {:<7} {}", &instant(&line.time)[11..], line.level, line.text));
            }
        }
        let is_end = if follow { page.over } else { page.lines.is_empty() || page.over };
        after = page.next;
        if is_end {
            return Ok(());
        }
    }
}

pub(crate) async fn list(
    client: &Client,
    filters: &[(&str, Option<&str>)],
    limit: usize,
    output: &Output,
) -> Result<(), CommandFailure> {
    let limit = limit.to_string();
    let mut query = vec![("limit", limit.as_str())];
    query.extend(filters.iter().filter_map(|(key, value)| Some((*key, (*value)?))));
    let list: HubSessionList = client.get(&["hub", "sessions"], &query).await?;
    if output.json {
        output.data(&list);
    } else if list.sessions.is_empty() {
        output.note("no session; `pegboard hub run` makes one");
    } else {
        let row = |session: &HubSessionAnswer| {
            let failure = session.failure.as_ref().map(|failure| failure.message.clone());
            let place = session.position.map(|position| format!(" ({position})")).unwrap_or_default();
            vec![
                session.id.clone(),
                session.plugin.clone(),
                session.plugin_type.clone(),
                format!("{}{place}", session.state),
                instant(&session.created_at),
                session.duration_ms.map(duration).unwrap_or_default(),
                failure
                    .or_else(|| session.progress.as_ref().map(|at| format!("{} of {}", at.done, at.total)))
                    .unwrap_or_default(),
            ]
        };
        output.table(
            &["SESSION", "PLUGIN", "TYPE", "STATE", "CREATED", "TOOK", "PROGRESS"],
            list.sessions.iter().map(row).collect(),
        );
    }
    Ok(())
}

fn print(session: &HubSessionAnswer, output: &Output) {
    if output.json {
        output.data(session);
        return;
    }
    let fact = |name: &str, value: &str| {
        if !value.is_empty() {
            output.line(&format!("{name:<10} {value}"));
        }
    };
    fact("session", &session.id);
    fact("state", &session.state);
    fact("position", &session.position.map(|position| position.to_string()).unwrap_or_default());
    fact("plugin", &session.plugin);
    fact("project", session.project.as_deref().unwrap_or_default());
    fact("took", &session.duration_ms.map(duration).unwrap_or_default());
    if let Some(progress) = &session.progress {
        fact("progress", &format!("{} of {}", progress.done, progress.total));
    }
    if session.log_dropped > 0 {
        fact("log", &format!("{} lines, {} more were not kept", session.log_lines, session.log_dropped));
    }
    fact("download", session.download.as_deref().unwrap_or_default());
    if session.result_is_large {
        fact("result", &format!("large; `pegboard hub result {}` prints it", session.id));
    } else if !session.result.is_null() && session.download.is_none() {
        fact("result", &session.result.as_str().map_or_else(|| session.result.to_string(), str::to_owned));
    }
    if let Some(failure) = &session.failure {
        let error = Error::invalid(failure.code.clone(), failure.message.clone());
        let error = Error { hint: failure.hint.clone(), ..error };
        output.failure(&error.into());
    }
}
