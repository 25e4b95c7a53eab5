//! Hosted plugins on the command line.

use std::path::Path;
use std::time::{Duration, Instant};

use pegboard_model::Error;
use pegboard_server::shape::{HubHostBody, HubHostLog, HubHosted, HubPluginAnswer};

use super::read_text;
use crate::client::Client;
use crate::failure::{CommandFailure, FAILED};
use crate::output::{Output, instant};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);
/// An environment with large packages takes this long to make at most.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

pub(crate) async fn host(
    client: &Client,
    plugin: &str,
    script: &Path,
    requirements: Option<&Path>,
    wait: bool,
    output: &Output,
) -> Result<(), CommandFailure> {
    let file_name = script.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let requirements = requirements.map(read_text).transpose()?.unwrap_or_default();
    let body = HubHostBody { file_name, script: read_text(script)?, requirements };
    let mut answer: HubPluginAnswer = client.put(&["hub", "plugins", plugin, "host"], &body).await?;
    if wait {
        answer = until_live(client, answer).await?;
    }
    if output.json {
        output.data(&answer);
    } else if wait {
        output.note(&format!("{} is live", answer.name));
    } else {
        output.note(&format!("{} is started; `pegboard hub show {}` says how it is", answer.name, answer.id));
    }
    Ok(())
}

/// Waits for the light. A process that ends before it is green is a failure.
pub(crate) async fn until_live(client: &Client, mut plugin: HubPluginAnswer) -> Result<HubPluginAnswer, CommandFailure> {
    let begun = Instant::now();
    let before = plugin.heard_at.clone();
    loop {
        let failure = plugin.hosted.as_ref().and_then(|hosted| hosted.failure.clone());
        if let Some(failure) = failure {
            let mut error = Error::unavailable(failure.code, failure.message);
            (error.hint, error.detail) = (failure.hint, failure.detail);
            return Err(error.into());
        }
        // A connection of the script before may still count for a moment.
        if plugin.live && plugin.connections > 0 && plugin.heard_at != before {
            return Ok(plugin);
        }
        if begun.elapsed() > PATIENCE {
            let error = Error::unavailable("script-silent", format!("plugin `{}` did not connect", plugin.name));
            return Err(error.hint("`pegboard hub output PLUGIN` shows what its script printed").into());
        }
        tokio::time::sleep(PAUSE).await;
        plugin = client.get(&["hub", "plugins", &plugin.id], &[]).await?;
    }
}

pub(crate) async fn unhost(client: &Client, plugin: &str, output: &Output) -> Result<(), CommandFailure> {
    let answer: HubPluginAnswer = client.delete(&["hub", "plugins", plugin, "host"]).await?;
    if output.json {
        output.data(&answer);
    } else {
        output.note(&format!("{} is no longer hosted", answer.name));
    }
    Ok(())
}

pub(crate) async fn printed(client: &Client, plugin: &str, limit: Option<usize>, output: &Output) -> Result<(), CommandFailure> {
    let limit = limit.map(|limit| limit.to_string());
    let query: Vec<_> = limit.as_deref().map(|limit| ("limit", limit)).into_iter().collect();
    let log: HubHostLog = client.get(&["hub", "plugins", plugin, "host", "log"], &query).await?;
    if output.json {
        output.data(&log);
        return Ok(());
    }
    for line in &log.lines {
        let mark = if line.stream == "pegboard" { "· " } else { "" };
        output.line(&format!("{} {mark}{}", instant(&line.time), line.text));
    }
    if log.hosted.failure.is_some() && log.hosted.state != "running" {
        output.note(&told(&log.hosted));
        return Err(CommandFailure::silent(FAILED));
    }
    Ok(())
}

/// In one line.
pub(super) fn told(hosted: &HubHosted) -> String {
    let mut words = vec![hosted.state.clone()];
    words.extend(hosted.process_id.map(|process| format!("process {process}")));
    words.push(format!("since {} UTC", instant(&hosted.since)));
    if hosted.restarts > 0 {
        words.push(format!("{} restarts", hosted.restarts));
    }
    words.extend(hosted.next_start.as_deref().map(|time| format!("next start {} UTC", instant(time))));
    words.extend(hosted.failure.as_ref().map(|failure| failure.message.clone()));
    words.join(", ")
}
