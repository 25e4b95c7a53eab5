//! `pegboard dev`: a plugin's folder, installed in place, and its workflow, run at every save.
//!
//! A save breaks off what the one before began. Nothing that the plugin's author does ends the command but Ctrl-C.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use pegboard_model::Error;
use pegboard_server::Settings;
use pegboard_server::config::Sources;
use pegboard_server::shape::{InstallBody, PluginAnswer, PluginList, RunAnswer, RunBody, UpgradeBody};
use serde_json::Map;

use crate::apply::{self, apply_text};
use crate::arguments::pair;
use crate::client::{Client, key_of_this_machine};
use crate::failure::{CommandFailure, FAILED, NO_SERVER};
use crate::output::{Output, duration};
use crate::start::Server;
use crate::watch::{Changes, Watch, documents};
use crate::{plugin, run, serve};

#[derive(Args, Debug)]
pub(crate) struct DevArguments {
    /// The workflow to run; not needed when there is only one.
    pub(crate) workflow: Option<String>,
    /// One key of the input; the value is JSON when it reads as JSON, else text.
    #[arg(long, short, value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) input: Vec<(String, String)>,
    /// The plugin's folder, the one with `pyproject.toml`.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) directory: PathBuf,
    /// Use this server instead of starting one.
    #[arg(long, conflicts_with_all = ["listen", "data"])]
    pub(crate) url: Option<String>,
    /// Where the server listens [default: a free port of 127.0.0.1].
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// The server's data directory [default: `.pegboard` in the plugin's folder].
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Stop after the first run; exits with 1 when it fails.
    #[arg(long)]
    pub(crate) once: bool,
}

pub(crate) async fn dev(mut settings: Settings, arguments: &DevArguments, output: &Output) -> Result<(), CommandFailure> {
    let folder = folder(&arguments.directory)?;
    let mut signals = serve::Signals::new()?;
    // Before anything is read, so that no save is missed.
    let watch = Watch::start(&folder)?;
    let data = settings.server.data.clone();
    let (server, url) = match &arguments.url {
        Some(url) => (None, url.clone()),
        None => {
            if settings.listing.iter().any(|setting| setting.key == "log.level" && setting.origin == "default") {
                settings.log.level = "warn".to_owned();
            }
            serve::log_to_stderr(&settings);
            keep_apart(&settings.server.data);
            let server = Server::start(settings).await?;
            let url = server.url();
            output.note(&format!("listening on {url}"));
            (Some(server), url)
        }
    };
    let key = match Sources::from_process().key() {
        Some(key) => Some(key),
        None => key_of_this_machine(&data, &url).await,
    };
    let bench =
        Bench { client: Client::new(&url, key)?, folder, arguments, output, plugin: None, workflows: BTreeMap::new(), run: None };
    let mut bench = bench;
    let outcome = tokio::select! {
        outcome = bench.work(watch) => Some(outcome),
        () = signals.next() => None,
    };
    match server {
        Some(server) if outcome.is_none() => serve::stop(server, &mut signals, output).await,
        Some(server) => {
            server.stop().await;
            outcome.unwrap_or(Ok(()))
        }
        None => {
            bench.break_off().await;
            outcome.unwrap_or(Ok(()))
        }
    }
}

/// What lies on it while the plugin is made.
struct Bench<'a> {
    client: Client,
    folder: PathBuf,
    arguments: &'a DevArguments,
    output: &'a Output,
    /// Name of the plugin, once it is installed.
    plugin: Option<String>,
    /// Names of workflows by the file that they came from.
    workflows: BTreeMap<PathBuf, Vec<String>>,
    /// Uid of the run that is under way.
    run: Option<String>,
}

impl Bench<'_> {
    async fn work(&mut self, mut watch: Watch) -> Result<(), CommandFailure> {
        let mut begun = Instant::now();
        let mut changes = Changes { project: false, code: true, documents: documents(&self.folder) };
        loop {
            let broken_off = tokio::select! {
                outcome = self.turn(&changes, begun) => {
                    if self.arguments.once {
                        return outcome;
                    }
                    match outcome {
                        Err(failure) if failure.exit == NO_SERVER => return Err(failure),
                        Err(failure) => self.output.failure(&failure),
                        Ok(()) => {}
                    }
                    None
                }
                saved = watch.next() => Some(saved),
            };
            let saved = match broken_off {
                Some(saved) => {
                    self.break_off().await;
                    saved
                }
                None => {
                    self.output.note("waiting for a save");
                    // What was seen is done, or will be done again when it is saved again.
                    changes = Changes::default();
                    watch.next().await
                }
            };
            begun = saved.0;
            changes.merge(saved.1);
        }
    }

    /// Makes what was saved live, runs the workflow, shows what came of it.
    async fn turn(&mut self, changes: &Changes, begun: Instant) -> Result<(), CommandFailure> {
        if changes.project || changes.code || self.plugin.is_none() {
            let plugin = self.load(changes.project).await?;
            self.plugin = Some(plugin.name.clone());
            if let Some(failure) = plugin.failure.as_ref().filter(|_| plugin.state != "ready") {
                self.output.plugin_failure(failure);
                return Err(CommandFailure::silent(FAILED));
            }
        }
        for path in &changes.documents {
            self.apply(path).await?;
        }
        let workflow = self.workflow()?;
        let body = RunBody { workflow, input: run::given(&self.arguments.input), namespace: None };
        let started: RunAnswer = self.client.post(&["runs"], &body).await?;
        self.run = Some(started.uid.clone());
        let ended = run::watch(&self.client, &started, true, self.output).await?;
        self.run = None;
        let took = duration(u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX));
        if ended.state != "finished" {
            if let Some(failure) = &ended.failure {
                self.output.plugin_failure(failure);
            }
            self.output.note(&format!("run {} {}, {took} after the save", ended.name, ended.state));
            return Err(CommandFailure::silent(FAILED));
        }
        let result = run::result(&self.client, &ended).await?;
        if self.output.json || !self.output.result_table(&result) {
            self.output.result(&result);
        }
        self.output.note(&format!("run {} finished, {took} after the save", ended.name));
        Ok(())
    }

    /// Installs the folder in place, or loads its code anew.
    async fn load(&self, is_described_anew: bool) -> Result<PluginAnswer, CommandFailure> {
        let requirement = self.folder.display().to_string();
        let known: PluginList = self.client.get(&["plugins"], &[]).await?;
        let known =
            known.plugins.into_iter().find(|plugin| plugin.editable && plugin.requirement.as_deref() == Some(&requirement));
        match known {
            None => {
                let body = InstallBody { requirement, editable: true, ..InstallBody::default() };
                plugin::install_body(&self.client, &body, self.output).await
            }
            Some(plugin) if is_described_anew => {
                plugin::upgrade_body(&self.client, &plugin.name, &UpgradeBody::default(), self.output).await
            }
            Some(plugin) => self.client.post(&["plugins", &plugin.name, "reload"], &Map::new()).await,
        }
    }

    async fn apply(&mut self, path: &Path) -> Result<(), CommandFailure> {
        let shown = path.strip_prefix(&self.folder).unwrap_or(path);
        let text = match tokio::fs::read_to_string(path).await {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                // What it held stays on the server, and is not this folder's any more.
                self.workflows.remove(path);
                return Ok(());
            }
            Err(error) => {
                return Err(Error::not_found("file", format!("cannot read `{}`: {error}", shown.display())).into());
            }
        };
        let answer = apply_text(&self.client, text).await.map_err(|mut failure| {
            if let Some(error) = &mut failure.error {
                error.message = format!("{}: {}", shown.display(), error.message);
            }
            failure
        })?;
        apply::warn(&answer, self.output);
        let names = apply::workflows(&answer).into_iter().map(str::to_owned).collect();
        self.workflows.insert(path.to_owned(), names);
        Ok(())
    }

    /// The one that was asked for, or the only one.
    fn workflow(&self) -> Result<String, CommandFailure> {
        if let Some(workflow) = &self.arguments.workflow {
            return Ok(workflow.clone());
        }
        let names: Vec<&String> = self.workflows.values().flatten().collect();
        match names.as_slice() {
            [only] => Ok((*only).clone()),
            [] => Err(Error::not_found("which-workflow", format!("`{}` has no workflow", self.folder.display()))
                .hint("write one to `workflows/NAME.yaml`")
                .into()),
            several => {
                let several: Vec<&str> = several.iter().map(|name| name.as_str()).collect();
                Err(Error::invalid("which-workflow", format!("there are these workflows: {}", several.join(", ")))
                    .hint("choose one: `pegboard dev NAME`")
                    .into())
            }
        }
    }

    /// Ends the run that is under way.
    async fn break_off(&mut self) {
        if let Some(run) = self.run.take() {
            // Refused when it is over already.
            let _ended: Result<RunAnswer, _> = self.client.post(&["runs", &run, "cancel"], &Map::new()).await;
        }
    }
}

/// The plugin's folder.
fn folder(directory: &Path) -> Result<PathBuf, CommandFailure> {
    let wrong = |message: String| {
        CommandFailure::usage(
            Error::not_found("not-a-plugin", message).hint("`pegboard new stage-plugin NAME` writes a plugin to begin with"),
        )
    };
    let folder = directory.canonicalize().map_err(|error| wrong(format!("cannot open `{}`: {error}", directory.display())))?;
    if PROJECT_FILES.iter().any(|name| folder.join(name).is_file()) {
        return Ok(folder);
    }
    Err(wrong(format!("`{}` is not the folder of a Python package: it has no `pyproject.toml`", folder.display())))
}

/// One of them makes a folder a package.
const PROJECT_FILES: [&str; 2] = ["pyproject.toml", "setup.py"];

/// A data directory inside of a project is nothing to keep under version control.
fn keep_apart(data: &Path) {
    let mark = data.join(".gitignore");
    if data.file_name().is_some_and(|name| name == ".pegboard") && !mark.exists() {
        // A convenience only.
        let _ = std::fs::create_dir_all(data).and_then(|()| std::fs::write(&mark, "*\n"));
    }
}
