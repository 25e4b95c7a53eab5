//! `pegboard demo`: a server, the example package with its config and triggers, one run of it, its table, and the run that its end
//! triggers; a dashboard that shows what it published; then a project of images with hosted plugins.

mod labelling;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pegboard_model::Error;
use pegboard_server::Settings;
use pegboard_server::config::PluginFolder;
use pegboard_server::shape::{InstallBody, PluginAnswer, PluginList, RunAnswer, RunBody, RunList, TriggerList, UpgradeBody};
use rust_embed::Embed;
use serde_json::{Map, Value as Json};

use crate::apply::{self, apply_text};
use crate::client::{Client, key_of_this_machine};
use crate::failure::{CommandFailure, FAILED, STOPPED};
use crate::output::{Output, instant};
use crate::start::Server;
use crate::{plugin, run, serve};

/// The example package, so that an installed binary has it wherever it is.
#[derive(Embed)]
#[folder = "../../examples/digits-and-wine/"]
#[include = "pyproject.toml"]
#[include = "README.md"]
#[include = "pegboard_example_models/**"]
#[exclude = "**/__pycache__/**"]
#[exclude = "*.pyc"]
struct Example;

/// Panels, a view and a page for the dashboard.
#[derive(Embed)]
#[folder = "../../examples/dashboard/"]
#[include = "README.md"]
#[include = "components/*.py"]
#[include = "views/*.py"]
#[include = "pages/*.py"]
#[include = "assets/**"]
struct Panels;

/// Documents within the package: what a trigger runs is there before the trigger.
const DOCUMENTS: [&str; 4] = ["train.yaml", "report.yaml", "config.yaml", "triggers.yaml"];
/// The workflow that is run.
const WORKFLOW: &str = "train-models";
/// The workflow that its end triggers, and the trigger.
const REPORT: (&str, &str) = ("report-models", "report-after-training");
/// Longest wait for that.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(50);

pub(crate) async fn demo(mut settings: Settings, once: bool, output: &Output) -> Result<(), CommandFailure> {
    if settings.listing.iter().any(|setting| setting.key == "log.level" && setting.origin == "default") {
        // The run tells its own story; the server speaks up only when something is odd.
        settings.log.level = "warn".to_owned();
    }
    serve::log_to_stderr(&settings);
    let mut signals = serve::Signals::new()?;
    let data = settings.server.data.clone();
    let panels = data.join("examples").join("dashboard");
    unpack::<Panels>(&panels).await?;
    let panels = std::path::absolute(&panels).unwrap_or(panels);
    settings.dashboard.plugins.push(PluginFolder::Local(panels));
    let server = Server::start(settings).await?;
    let url = server.url();
    output.note(&format!("data directory {}", data.display()));
    output.note(&format!("listening on {url}"));
    let shown = tokio::select! {
        shown = show(&url, &data, output) => shown,
        () = signals.next() => Err(CommandFailure::silent(STOPPED)),
    };
    if once || shown.is_err() {
        server.stop().await;
        return shown;
    }
    output.note("serving; Ctrl-C stops");
    signals.next().await;
    serve::stop(server, &mut signals, output).await
}

async fn show(url: &str, data: &Path, output: &Output) -> Result<(), CommandFailure> {
    let client = Client::new(url, key_of_this_machine(data, url).await)?;
    let folder = data.join("examples").join("digits-and-wine");
    let changed = unpack::<Example>(&folder).await?;
    let hosted = labelling::host(&client, data, output).await?;
    let plugin = install(&client, &folder, changed, output).await?;
    if let Some(failure) = plugin.failure.as_ref().filter(|_| plugin.state != "ready") {
        output.plugin_failure(failure);
        return Err(CommandFailure::silent(FAILED));
    }
    for name in DOCUMENTS {
        let file = Example::get(&format!("pegboard_example_models/workflows/{name}"));
        let text = file.map(|file| String::from_utf8_lossy(&file.data).into_owned()).unwrap_or_default();
        apply::warn(&apply_text(&client, text).await?, output);
    }
    let body = RunBody { workflow: WORKFLOW.to_owned(), input: Map::new(), namespace: None };
    let started: RunAnswer = client.post(&["runs"], &body).await?;
    let ended = run::stay(&client, &started, true, output).await?;
    if ended.state != "finished" {
        if let Some(failure) = &ended.failure {
            output.plugin_failure(failure);
        }
        output.ended(&ended);
        return Err(CommandFailure::silent(FAILED));
    }
    output.ended(&ended);
    let result = run::result(&client, &ended).await?;
    print_result(&result, output);
    let report = report(&client, &ended, output).await?;
    if !output.json {
        output.line("");
        output.line(&format!("trigger {} ran {} ({}):", REPORT.1, REPORT.0, report.name));
        if !output.result_table(&report.result) {
            output.result(&report.result);
        }
        triggers(&client, output).await?;
    }
    labelling::show(&client, hosted, output).await?;
    if !output.json {
        let look = [
            String::new(),
            format!("look    {}", client.link("/ui/")),
            format!("        {}", client.link(&format!("/ui/runs/{}", ended.uid))),
            format!("        {}", client.link("/ui/dash/models")),
            format!("        {}", client.link("/api/docs")),
            format!("try     pegboard run {WORKFLOW} --follow --url {url}"),
            format!("        pegboard run show {} --url {url}", ended.name),
            format!("        pegboard plugins --url {url}"),
            format!("        pegboard triggers --url {url}"),
            format!("        pegboard events --follow --url {url}"),
        ];
        look.iter().for_each(|line| output.line(line));
    }
    Ok(())
}

/// The run that the end of the training triggers, when it has ended.
async fn report(client: &Client, trained: &RunAnswer, output: &Output) -> Result<RunAnswer, CommandFailure> {
    let begun = Instant::now();
    let run = loop {
        let runs: RunList = client.get(&["runs"], &[("workflow", REPORT.0), ("limit", "1")]).await?;
        let newest = runs.runs.into_iter().next().filter(|run| run.created_at >= trained.created_at);
        match newest {
            Some(run) => break run,
            None if begun.elapsed() > PATIENCE => {
                let message = format!("trigger `{}` did not run `{}`", REPORT.1, REPORT.0);
                return Err(Error::internal("trigger-silent", message).hint("`pegboard triggers` says why").into());
            }
            None => tokio::time::sleep(PAUSE).await,
        }
    };
    let ended = run::watch(client, &run, false, output).await?;
    if ended.state == "finished" {
        return Ok(ended);
    }
    if let Some(failure) = &ended.failure {
        output.plugin_failure(failure);
    }
    output.ended(&ended);
    Err(CommandFailure::silent(FAILED))
}

/// When schedules are due.
async fn triggers(client: &Client, output: &Output) -> Result<(), CommandFailure> {
    let answer: TriggerList = client.get(&["triggers"], &[]).await?;
    for trigger in answer.triggers {
        if let Some(next) = trigger.next.first() {
            let workflow = trigger.action.parameters.get("workflow").and_then(Json::as_str).unwrap_or_default();
            output.line(&format!("trigger {} runs {workflow} next at {} UTC", trigger.name, instant(next)));
        }
    }
    Ok(())
}

fn print_result(result: &Json, output: &Output) {
    if output.json {
        output.data(result);
        return;
    }
    output.line("");
    if !output.result_table(result) {
        output.result(result);
    }
    if let Some(best) = result["best"].as_object() {
        output.line("");
        for (name, value) in best {
            let words = match value {
                Json::Object(fields) => {
                    let fields = fields.iter().filter(|(_, value)| !value.is_array());
                    fields.map(|(key, value)| format!("{key} {}", plain(value))).collect::<Vec<_>>().join(", ")
                }
                other => plain(other),
            };
            output.line(&format!("best {name}: {words}"));
        }
    }
}

fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Number(number) if number.is_f64() => format!("{:.4}", number.as_f64().unwrap_or_default()),
        other => other.to_string(),
    }
}

/// Installs the package, or another state of it, or nothing when it is there.
async fn install(client: &Client, folder: &Path, changed: bool, output: &Output) -> Result<PluginAnswer, CommandFailure> {
    let requirement = folder.display().to_string();
    let known: PluginList = client.get(&["plugins"], &[]).await?;
    let known = known.plugins.into_iter().find(|plugin| plugin.requirement.as_deref() == Some(&requirement));
    match known {
        Some(plugin) if plugin.state == "ready" && !changed => Ok(plugin),
        Some(plugin) => plugin::upgrade_body(client, &plugin.name, &UpgradeBody::default(), output).await,
        None => plugin::install_body(client, &InstallBody { requirement, ..InstallBody::default() }, output).await,
    }
}

/// Writes the files that differ; whether there were any.
async fn unpack<Files: Embed>(folder: &Path) -> Result<bool, Error> {
    let folder = folder.to_owned();
    let written = tokio::task::spawn_blocking(move || unpack_blocking::<Files>(&folder)).await;
    written.map_err(|error| Error::internal("unpack", error.to_string()))?
}

fn unpack_blocking<Files: Embed>(folder: &Path) -> Result<bool, Error> {
    let cannot = |path: &PathBuf, error: &std::io::Error| {
        Error::unavailable("data-directory-read-only", format!("cannot write `{}`: {error}", path.display()))
            .hint("free space or choose another directory with `--data`")
    };
    let mut changed = false;
    for name in Files::iter() {
        let Some(file) = Files::get(&name) else { continue };
        let path = folder.join(name.as_ref());
        if std::fs::read(&path).is_ok_and(|present| present == *file.data) {
            continue;
        }
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|error| cannot(&path, &error))?;
        }
        std::fs::write(&path, &file.data).map_err(|error| cannot(&path, &error))?;
        changed = true;
    }
    Ok(changed)
}
