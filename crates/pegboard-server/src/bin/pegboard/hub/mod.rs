//! `pegboard hub …`: remote plugins and their sessions.

pub(crate) mod arguments;
pub(crate) mod hosting;
mod plugins;
mod presets;
mod sessions;

use std::path::Path;

use pegboard_model::Error;
use serde_json::{Map, Value as Json};

use crate::client::Client;
use crate::failure::CommandFailure;
use crate::output::Output;
use arguments::{HubCommand, TypeWord};

pub(crate) async fn hub(client: &Client, command: &HubCommand, output: &Output) -> Result<(), CommandFailure> {
    match command {
        HubCommand::Create { plugin_type, name, fields, .. } => {
            plugins::create(client, plugin_type.word(), name, fields, output).await
        }
        HubCommand::Show { plugin, .. } => plugins::show(client, plugin, output).await,
        HubCommand::Ls { installed, plugin_type, live, search, .. } => {
            let filters = [
                ("scope", Some(if *installed { "installed" } else { "own" })),
                ("type", plugin_type.map(TypeWord::word)),
                ("live", live.then_some("true")),
                ("search", search.as_deref()),
            ];
            plugins::list(client, &filters, output).await
        }
        HubCommand::Directory { .. } => plugins::list(client, &[("scope", Some("directory"))], output).await,
        HubCommand::Script { plugin, client: wanted, .. } => plugins::script(client, plugin, wanted, output).await,
        HubCommand::Edit { plugin, name, fields, .. } => plugins::edit(client, plugin, name.as_deref(), fields, output).await,
        HubCommand::Rm { plugin, .. } => plugins::delete(client, plugin, output).await,
        HubCommand::Rotate { plugin, .. } => plugins::rotate(client, plugin, output).await,
        HubCommand::Install { plugin, .. } => plugins::install(client, plugin, output).await,
        HubCommand::Remove { plugin, .. } => plugins::remove(client, plugin, output).await,
        HubCommand::Host { plugin, script, requirements, wait, .. } => {
            hosting::host(client, plugin, script, requirements.as_deref(), *wait, output).await
        }
        HubCommand::Unhost { plugin, .. } => hosting::unhost(client, plugin, output).await,
        HubCommand::Output { plugin, limit, .. } => hosting::printed(client, plugin, *limit, output).await,
        HubCommand::Run(run) => sessions::run(client, run, output).await,
        HubCommand::Sessions { session: Some(session), .. } => sessions::show(client, session, output).await,
        HubCommand::Sessions { plugin, project, state, before, limit, .. } => {
            let filters = [
                ("plugin", plugin.as_deref()),
                ("project", project.as_deref()),
                ("state", state.as_deref()),
                ("before", before.as_deref()),
            ];
            sessions::list(client, &filters, *limit, output).await
        }
        HubCommand::Logs { session, follow, .. } => sessions::logs(client, session, *follow, output).await,
        HubCommand::Result { session, .. } => sessions::result(client, session, output).await,
        HubCommand::Cancel { session, .. } => sessions::cancel(client, session, output).await,
        HubCommand::Retry { session, wait, .. } => sessions::retry(client, session, *wait, output).await,
        HubCommand::Presets { .. } => presets::presets(client, command, output).await,
    }
}

/// The text of a file that the user named.
fn read(path: &Path) -> Result<Vec<u8>, CommandFailure> {
    std::fs::read(path)
        .map_err(|error| CommandFailure::usage(Error::invalid("file", format!("cannot read `{}`: {error}", path.display()))))
}

fn read_text(path: &Path) -> Result<String, CommandFailure> {
    String::from_utf8(read(path)?)
        .map_err(|_| CommandFailure::usage(Error::invalid("file", format!("`{}` is not UTF-8", path.display()))))
}

/// Values are JSON where they read as JSON, else text.
fn parameters(pairs: &[(String, String)]) -> Map<String, Json> {
    let value = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Json::String(text.to_owned()));
    pairs.iter().map(|(key, text)| (key.clone(), value(text))).collect()
}
