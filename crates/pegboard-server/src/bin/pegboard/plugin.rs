//! `pegboard install`, `upgrade`, `uninstall`, `plugins`, `plugin show`, `plugin reload`.

use std::collections::BTreeSet;
use std::path::Path;

use clap::Args;
use futures::StreamExt as _;
use pegboard_model::Error;
use pegboard_server::shape::{InstallBody, InstallNews, PluginAnswer, PluginLimit, PluginList, PluginPermissions, UpgradeBody};
use reqwest::Response;
use serde_json::{Map, Value as Json};

use crate::arguments::ClientArguments;
use crate::client::Client;
use crate::failure::CommandFailure;
use crate::output::{Output, Steps, instant};

#[derive(Args, Debug)]
pub(crate) struct InstallArguments {
    /// A requirement, the path of a project folder or wheel, or a `git+` URL.
    pub(crate) requirement: String,
    /// Package index instead of the default one.
    #[arg(long, value_name = "URL")]
    pub(crate) index_url: Option<String>,
    /// Install a folder in place: its files are what runs.
    #[arg(long, short)]
    pub(crate) editable: bool,
    /// Install the real `flowdapt` distribution where the plugin requires it, instead of the compatibility package.
    #[arg(long)]
    pub(crate) original_flowdapt: bool,
    #[command(flatten)]
    pub(crate) client: ClientArguments,
}

pub(crate) async fn install(client: &Client, arguments: &InstallArguments, output: &Output) -> Result<(), CommandFailure> {
    let body = InstallBody {
        requirement: from_here(&arguments.requirement)?,
        editable: arguments.editable,
        index_url: arguments.index_url.clone(),
        original_flowdapt: arguments.original_flowdapt,
    };
    let plugin = unless_left(install_body(client, &body, output)).await?;
    installed(&plugin, output)
}

/// Waits for an install; Ctrl-C leaves, and the server goes on.
async fn unless_left<T>(work: impl Future<Output = Result<T, CommandFailure>>) -> Result<T, CommandFailure> {
    tokio::select! {
        done = work => done,
        _ = tokio::signal::ctrl_c() => Err(CommandFailure::left(
            "left before the install is done; the server goes on with it",
            "`pegboard plugins` says what becomes of it, `pegboard uninstall NAME` takes it away",
        )),
    }
}

/// Installs and shows the steps.
pub(crate) async fn install_body(client: &Client, body: &InstallBody, output: &Output) -> Result<PluginAnswer, CommandFailure> {
    steps(client, client.post_stream(&["plugins"], body).await?, output).await
}

/// Installs a plugin's source anew and shows the steps.
pub(crate) async fn upgrade_body(
    client: &Client,
    name: &str,
    body: &UpgradeBody,
    output: &Output,
) -> Result<PluginAnswer, CommandFailure> {
    steps(client, client.post_stream(&["plugins", name, "upgrade"], body).await?, output).await
}

pub(crate) async fn upgrade(
    client: &Client,
    name: &str,
    requirement: Option<&str>,
    index_url: Option<&str>,
    output: &Output,
) -> Result<(), CommandFailure> {
    let requirement = requirement.map(from_here).transpose()?;
    let body = UpgradeBody { requirement, index_url: index_url.map(str::to_owned) };
    let plugin = unless_left(upgrade_body(client, name, &body, output)).await?;
    installed(&plugin, output)
}

pub(crate) async fn uninstall(client: &Client, name: &str, output: &Output) -> Result<(), CommandFailure> {
    let answer: Json = client.delete(&["plugins", name]).await?;
    if output.json {
        output.data(&answer);
    } else {
        output.note(&format!("plugin {name} removed"));
    }
    Ok(())
}

pub(crate) async fn list(client: &Client, output: &Output) -> Result<(), CommandFailure> {
    let answer: PluginList = client.get(&["plugins"], &[]).await?;
    if output.json {
        output.data(&answer);
    } else if answer.plugins.is_empty() {
        output.note("no plugin yet; `pegboard install REQUIREMENT` adds one");
    } else {
        let row = |plugin: &PluginAnswer| {
            let failure =
                plugin.failure.as_ref().map(|failure| format!("{}: {}", failure.class, failure.message)).unwrap_or_default();
            vec![plugin.name.clone(), plugin.version.clone(), plugin.state.clone(), plugin.workers.len().to_string(), failure]
        };
        output.table(&["NAME", "VERSION", "STATE", "WORKERS", "FAILURE"], answer.plugins.iter().map(row).collect());
        // Each of the plugins says so.
        let warnings: BTreeSet<&String> = answer.plugins.iter().flat_map(|plugin| &plugin.warnings).collect();
        warnings.into_iter().for_each(|warning| output.note(&format!("warning: {warning}")));
    }
    Ok(())
}

pub(crate) async fn show(client: &Client, name: &str, output: &Output) -> Result<(), CommandFailure> {
    let plugin: PluginAnswer = client.get(&["plugins", name], &[]).await?;
    print(&plugin, output);
    Ok(())
}

pub(crate) async fn reload(client: &Client, name: &str, output: &Output) -> Result<(), CommandFailure> {
    let plugin: PluginAnswer = client.post(&["plugins", name, "reload"], &Map::new()).await?;
    installed(&plugin, output)
}

fn print(plugin: &PluginAnswer, output: &Output) {
    if output.json {
        output.data(plugin);
        return;
    }
    let fact = |name: &str, value: &str| {
        if !value.is_empty() {
            output.line(&format!("{name:<12} {value}"));
        }
    };
    fact("plugin", &plugin.name);
    fact("version", &plugin.version);
    fact("summary", &plugin.summary);
    fact("state", &plugin.state);
    fact("source", plugin.requirement.as_deref().unwrap_or(&plugin.source));
    fact("modules", &plugin.modules.join(", "));
    fact("environment", &plugin.environment);
    fact("installed", &format!("{} UTC", instant(&plugin.installed_at)));
    for contribution in &plugin.contributions {
        fact(&contribution.kind, &contribution.name);
    }
    if let Some(permissions) = &plugin.permissions {
        permitted(permissions, output);
    }
    if !plugin.workers.is_empty() {
        output.line("");
        let row = |worker: &pegboard_server::shape::WorkerAnswer| {
            let process = worker.process_id.map(|id| id.to_string()).unwrap_or_default();
            let memory = worker.memory_bytes.map(|bytes| format!("{} MiB", bytes.div_ceil(1 << 20))).unwrap_or_default();
            vec![process, worker.state.clone(), worker.calls.to_string(), memory, instant(&worker.started_at)]
        };
        output.table(&["PROCESS", "STATE", "CALLS", "MEMORY", "STARTED"], plugin.workers.iter().map(row).collect());
    }
    plugin.warnings.iter().for_each(|warning| output.note(&format!("warning: {warning}")));
    if let Some(failure) = &plugin.failure {
        output.plugin_failure(failure);
    }
}

/// What it may do, and who sees to it.
fn permitted(permissions: &PluginPermissions, output: &Output) {
    let place = |word: &str| match word {
        "server" => "the server's",
        "own" => "its own",
        _ => "unknown",
    };
    let lines = [
        ("runs as", permissions.user.clone()),
        ("files", place(&permissions.files).to_owned()),
        ("network", place(&permissions.network).to_owned()),
        ("system calls", permissions.system_calls.clone()),
        ("variables", permissions.variables.join(", ")),
        ("secrets", permissions.secrets.join(", ")),
    ];
    for (name, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
        output.line(&format!("{name:<12} {value}"));
    }
    output.line("");
    let row = |limit: &PluginLimit| {
        let text = |value: &Option<String>, other: &str| value.clone().unwrap_or_else(|| other.to_owned());
        vec![limit.name.clone(), text(&limit.value, "none"), text(&limit.enforced_by, ""), limit.setting.clone()]
    };
    output.table(&["LIMIT", "VALUE", "BY", "SETTING"], permissions.limits.iter().map(row).collect());
}

/// Says what was installed; a plugin whose code does not load is a failure of the command, though it is installed.
fn installed(plugin: &PluginAnswer, output: &Output) -> Result<(), CommandFailure> {
    if output.json {
        output.data(plugin);
    } else {
        output.line(&format!("{} {} {}", plugin.name, plugin.version, plugin.state));
    }
    plugin.warnings.iter().for_each(|warning| output.note(&format!("warning: {warning}")));
    match &plugin.failure {
        Some(failure) if plugin.state != "ready" => {
            output.plugin_failure(failure);
            Err(CommandFailure::silent(crate::failure::FAILED))
        }
        _ => Ok(()),
    }
}

/// Reads the JSON lines of an install.
async fn steps(client: &Client, response: Response, output: &Output) -> Result<PluginAnswer, CommandFailure> {
    let mut steps = Steps::new(*output);
    let mut bytes = response.bytes_stream();
    let mut rest = Vec::new();
    while let Some(piece) = bytes.next().await {
        rest.extend_from_slice(&piece.map_err(|error| client.broken(&error))?);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            match serde_json::from_slice(&line) {
                Ok(InstallNews::Step(progress)) => steps.step(&progress),
                Ok(InstallNews::Done { plugin }) => {
                    steps.finish();
                    return Ok(*plugin);
                }
                Ok(InstallNews::Error { error }) => {
                    steps.finish();
                    return Err(CommandFailure::refused(error));
                }
                // A newer server may say more than we know.
                Err(_) => {}
            }
        }
    }
    steps.finish();
    Err(Error::unavailable("install-broke-off", "the server stopped speaking before the install was done")
        .hint("`pegboard plugins` says what became of it")
        .into())
}

/// A path is meant from here, whereas the server works in a directory of its own.
fn from_here(requirement: &str) -> Result<String, CommandFailure> {
    let path = Path::new(requirement);
    let is_path = requirement.starts_with(['.', '/', '~']) || requirement.ends_with(".whl") || path.is_dir();
    if !is_path || requirement.contains("://") {
        return Ok(requirement.to_owned());
    }
    // Extras may follow: `./folder[test]`.
    let (place, extras) = match requirement.strip_suffix(']').and_then(|text| text.rfind('[')) {
        Some(at) if !path.exists() => requirement.split_at(at),
        _ => (requirement, ""),
    };
    Path::new(place).canonicalize().map(|path| format!("{}{extras}", path.display())).map_err(|error| {
        CommandFailure::usage(
            Error::not_found("path", format!("cannot find `{requirement}`: {error}"))
                .hint("name a project folder or a wheel that exists"),
        )
    })
}
