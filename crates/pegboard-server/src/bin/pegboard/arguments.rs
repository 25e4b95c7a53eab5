//! What one may type. Nothing here decides anything.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use pegboard_model::Error;
use pegboard_server::config::{FlagValue, Sources};

use crate::administration::AdministrationCommand;
use crate::dev::DevArguments;
use crate::failure::CommandFailure;
use crate::new::NewCommand;
use crate::people::{AuditArguments, OrganizationCommand, UserCommand};
use crate::plugin::InstallArguments;
use crate::project::{KeyCommand, ProjectCommand, StorageCommand};
use crate::resources::ResourceKind;
use crate::runs::LogSelection;

use crate::catalog::arguments::CatalogCommand;
use crate::hub::arguments::HubCommand;

/// One server on which a team hangs all of its ML plugins.
///
/// Each plugin runs in a process and an environment of its own. `pegboard demo` shows it at work; `pegboard serve` starts a
/// server; the other commands speak to one.
#[derive(Parser, Debug)]
#[command(name = "pegboard", version, after_help = EXAMPLES, max_term_width = 110)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Print JSON instead of text and tables.
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub(crate) json: bool,

    /// Read this settings file instead of `pegboard.toml` in the working directory or the data directory.
    #[arg(long, global = true, value_name = "FILE", help_heading = "Everywhere")]
    pub(crate) config: Option<PathBuf>,

    /// Set any setting, such as `engine.memory=2GiB`; `pegboard config` lists them.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = pair, help_heading = "Everywhere")]
    pub(crate) settings: Vec<(String, String)>,
}

const EXAMPLES: &str = "\
Examples:
  pegboard demo                                 see it at work
  pegboard serve                                start a server at http://127.0.0.1:8480
  pegboard install ./my-plugin --editable       install a plugin from a folder
  pegboard apply workflow.yaml                  store a workflow
  pegboard new stage-plugin churn               write a plugin to begin with, or a panel, view or page
  pegboard dev                                  run its workflow at every save
  pegboard run train --input epochs=3 --follow  run it and watch
  pegboard doctor                               what this machine lacks

Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 3 no server, 130 stopped with Ctrl-C";

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Start the server.
    #[command(
        after_help = "Examples:\n  pegboard serve\n  pegboard serve --listen 127.0.0.1:0 --data /var/lib/pegboard\n  pegboard serve --plugins ./panels --plugins s3://team/panels\n\nPrints `listening on http://…` when it is ready. Ctrl-C stops it in order, a second Ctrl-C at once."
    )]
    Serve {
        #[command(flatten)]
        server: ServerArguments,
    },
    /// Install and run the example, then serve.
    #[command(
        after_help = "Examples:\n  pegboard demo\n  pegboard demo --listen 127.0.0.1:0 --once\n\nTrains a grid of models on two data sets that come with scikit-learn, prints which won, and goes on serving."
    )]
    Demo {
        #[command(flatten)]
        server: ServerArguments,
        /// Stop after the table is printed.
        #[arg(long)]
        once: bool,
    },
    /// Install a plugin.
    #[command(
        after_help = "Examples:\n  pegboard install my-plugin\n  pegboard install 'my-plugin>=2' --index-url https://index.example/simple\n  pegboard install ./my-plugin --editable\n  pegboard install dist/my_plugin-1.0-py3-none-any.whl\n  pegboard install git+https://git.example/team/my-plugin@v1"
    )]
    Install(InstallArguments),
    /// Install a plugin's source anew, or another version of it.
    #[command(
        after_help = "Examples:\n  pegboard upgrade my-plugin\n  pegboard upgrade my-plugin --requirement 'my-plugin==2.1'\n\nThe old version serves until the new one has loaded, and goes on when it does not."
    )]
    Upgrade {
        /// The plugin.
        name: String,
        /// Instead of what it was installed with: a requirement, path, wheel or `git+` URL.
        #[arg(long, value_name = "REQUIREMENT")]
        requirement: Option<String>,
        /// Package index instead of the one that it was installed from.
        #[arg(long, value_name = "URL")]
        index_url: Option<String>,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Remove a plugin and its environment.
    #[command(after_help = "Example:\n  pegboard uninstall my-plugin")]
    Uninstall {
        /// The plugin.
        name: String,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// List the plugins.
    #[command(after_help = "Examples:\n  pegboard plugins\n  pegboard plugins --json | jq '.plugins[].name'")]
    Plugins {
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Look at one plugin, or load its code anew.
    Plugin {
        #[command(subcommand)]
        command: PluginCommand,
    },
    /// Store workflows, configs and triggers from YAML or JSON.
    #[command(
        after_help = "Examples:\n  pegboard apply workflow.yaml triggers.yaml\n  generate-workflow | pegboard apply -\n  pegboard apply workflow.yaml --dry-run      see what would change\n\nA file may hold several documents of all kinds; it is stored as a whole or not at all."
    )]
    Apply {
        /// Files, folders of files; `-` reads standard input.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Only say what would change, and store nothing.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// List the workflows.
    #[command(after_help = "Example:\n  pegboard workflows")]
    Workflows {
        #[command(flatten)]
        client: ClientArguments,
    },
    /// List the configs.
    #[command(after_help = "Example:\n  pegboard configs")]
    Configs {
        #[command(flatten)]
        client: ClientArguments,
    },
    /// List the triggers: when they fired and when they are due.
    #[command(after_help = "Example:\n  pegboard triggers")]
    Triggers {
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Print a workflow, config or trigger as a document that can be applied again.
    #[command(
        after_help = "Examples:\n  pegboard show workflow train\n  pegboard show trigger nightly > nightly.yaml && pegboard apply nightly.yaml\n\nWith --json it prints the server's answer: uid, times and how a trigger fared."
    )]
    Show {
        /// What it is.
        kind: ResourceKind,
        /// Its name.
        name: String,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Delete a workflow, config or trigger. Runs stay.
    #[command(after_help = "Example:\n  pegboard delete trigger nightly")]
    Delete {
        /// What it is.
        kind: ResourceKind,
        /// Its name.
        name: String,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Print what happened: runs that began and ended, and what triggers asked for.
    #[command(
        after_help = "Examples:\n  pegboard events\n  pegboard events --follow --json | jq 'select(.data.state == \"failed\")'\n  pegboard events --after 1200 --follow"
    )]
    Events {
        /// Only events behind this one.
        #[arg(long, value_name = "SEQUENCE")]
        after: Option<u64>,
        /// Go on with what comes, until Ctrl-C.
        #[arg(long, short)]
        follow: bool,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Label: projects, their assets, tasks and exports.
    Project {
        #[command(subcommand)]
        command: ProjectCommand,
    },
    /// Credentials of buckets, and folders of the server's machine.
    Storage {
        #[command(subcommand)]
        command: StorageCommand,
    },
    /// Keys for plugins and SDKs.
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
    #[command(flatten)]
    Administration(AdministrationCommand),
    /// People: who may come in, and what they may do.
    User {
        #[command(subcommand)]
        command: UserCommand,
    },
    /// Organizations: whose projects, hub plugins and people these are.
    Organization {
        #[command(subcommand)]
        command: OrganizationCommand,
    },
    /// Show who did what.
    Audit(AuditArguments),
    /// Write a new plugin to begin with: a package with stages, or a file for the dashboard.
    New {
        #[command(subcommand)]
        command: NewCommand,
    },
    /// Look for mistakes in files for the dashboard, without a server.
    #[command(
        after_help = "Examples:\n  pegboard check ~/panels\n  pegboard check ~/panels/components/error_table.py --json\n\nEach file is loaded in a process of its own, as a server does it, over an empty catalog. Ends with 1 when there are errors."
    )]
    Check {
        /// A plugin folder, or one file of it.
        #[arg(value_name = "FOLDER|FILE", default_value = ".")]
        place: PathBuf,
        /// The data directory, where the environment of panels is kept [default: pegboard-data].
        #[arg(long, value_name = "DIR")]
        data: Option<String>,
    },
    /// Develop a plugin: load it anew and run its workflow at every save.
    #[command(
        after_help = "Examples:\n  cd my-plugin && pegboard dev\n  pegboard dev train --input epochs=1\n  pegboard dev --url http://127.0.0.1:8480      use a server that runs\n\nStarts a server of its own with its data in `.pegboard` of the folder, installs the folder in place, applies `workflows/*.yaml`,\nruns the workflow, and does it again at every save. Ctrl-C stops it."
    )]
    Dev(DevArguments),
    /// Run a workflow, or look at a run (`pegboard run show ID`).
    #[command(
        args_conflicts_with_subcommands = true,
        after_help = "Examples:\n  pegboard run train --input epochs=3 --input 'rates=[0.1, 0.01]' --follow\n  pegboard run train --input-file input.json --wait\n  pegboard run workflow.yaml --follow        apply the file, then run it\n  pegboard run --workflow show               run the workflow named `show`\n  pegboard run show brave-otter-1a2b3c4d     look at a run\n\nA run that fails exits with 1; its result is on standard output, everything else on standard error."
    )]
    Run(RunArguments),
    /// List the runs, newest first.
    #[command(after_help = "Examples:\n  pegboard runs\n  pegboard runs --workflow train --state failed --limit 5")]
    Runs {
        /// Only runs of this workflow.
        #[arg(long, value_name = "NAME")]
        workflow: Option<String>,
        /// Only runs in this state: pending, running, finished, failed, cancelled or interrupted.
        #[arg(long, value_parser = ["pending", "running", "finished", "failed", "cancelled", "interrupted"])]
        state: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 20, value_name = "N", value_parser = above_zero)]
        limit: usize,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Print a run's log.
    #[command(
        after_help = "Examples:\n  pegboard logs brave-otter-1a2b3c4d\n  pegboard logs RUN --follow\n  pegboard logs RUN --last 50 --level warning"
    )]
    Logs {
        /// Uid or name of the run.
        run: String,
        /// Go on until the run is over.
        #[arg(long, short)]
        follow: bool,
        #[command(flatten)]
        selection: LogSelection,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Ask a run to stop.
    #[command(after_help = "Example:\n  pegboard cancel brave-otter-1a2b3c4d")]
    Cancel {
        /// Uid or name of the run.
        run: String,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Publish, look at and ask data sources, feature sets, models and endpoints.
    Catalog {
        #[command(subcommand)]
        command: CatalogCommand,
    },
    /// Remote plugins: scripts that connect to the server, and their sessions.
    Hub {
        #[command(subcommand)]
        command: HubCommand,
    },
    /// Print every setting, its value and where it came from.
    #[command(after_help = "Examples:\n  pegboard config\n  PEGBOARD__ENGINE__MEMORY=2GiB pegboard config --json")]
    Config {
        #[command(flatten)]
        server: ServerArguments,
        /// Print the reference page of all settings instead.
        #[arg(long, hide = true)]
        reference: bool,
    },
    /// Say what this machine lacks, and how to get it. Works without a server.
    #[command(after_help = "Example:\n  pegboard doctor\n\nExits with 1 only when something essential is missing.")]
    Doctor,
    /// Print completions for a shell.
    #[command(after_help = "Example:\n  pegboard completions bash > ~/.local/share/bash-completion/completions/pegboard")]
    Completions {
        /// The shell.
        shell: Shell,
    },
}

#[derive(Subcommand, Debug)]
pub(crate) enum PluginCommand {
    /// Look at one plugin and its workers.
    #[command(after_help = "Example:\n  pegboard plugin show my-plugin")]
    Show {
        /// The plugin.
        name: String,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Load a plugin's code anew beside the old one, then swap.
    #[command(
        after_help = "Example:\n  pegboard plugin reload my-plugin\n\nNo call is lost. When the new code does not load, the old one goes on serving and the traceback is shown."
    )]
    Reload {
        /// The plugin.
        name: String,
        #[command(flatten)]
        client: ClientArguments,
    },
}

#[derive(Subcommand, Debug)]
pub(crate) enum RunCommand {
    /// Look at one run: its stages, who served them, what it made.
    #[command(after_help = "Example:\n  pegboard run show brave-otter-1a2b3c4d")]
    Show {
        /// Uid or name of the run.
        id: String,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Delete a run that is over, with its log and its result. What it made stays.
    #[command(after_help = "Example:\n  pegboard run delete brave-otter-1a2b3c4d")]
    Delete {
        /// Uid or name of the run.
        id: String,
        #[command(flatten)]
        client: ClientArguments,
    },
}

#[derive(Args, Debug, Default)]
pub(crate) struct ServerArguments {
    /// Where to listen; port 0 takes a free one [default: 127.0.0.1:8480].
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// The data directory, made when absent [default: pegboard-data].
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<String>,
    /// Folder with panels, views and pages for the dashboard, or `s3://bucket/prefix`; may be given several times.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) plugins: Vec<String>,
}

#[derive(Args, Debug, Default)]
pub(crate) struct ClientArguments {
    /// The server [variable: PEGBOARD_URL] [default: http://127.0.0.1:8480].
    #[arg(long)]
    pub(crate) url: Option<String>,
    /// A key of the server, where it answers only those whom it knows [variable: PEGBOARD_KEY].
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// A file with nothing but a key.
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    pub(crate) key_file: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct RunArguments {
    #[command(subcommand)]
    pub(crate) command: Option<RunCommand>,
    /// Name of a stored workflow, or a file to apply and run.
    #[arg(value_name = "NAME|FILE", required_unless_present_any = ["workflow", "resume"])]
    pub(crate) name: Option<String>,
    /// Name of a stored workflow, whatever it looks like; with a file: which of its workflows to run.
    #[arg(long, value_name = "NAME")]
    pub(crate) workflow: Option<String>,
    /// Start again where this run was interrupted, cancelled or failed, with its workflow, input and namespace.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["name", "workflow", "input", "input_file", "namespace"])]
    pub(crate) resume: Option<String>,
    /// One key of the input; the value is JSON when it reads as JSON, else text.
    #[arg(long, short, value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) input: Vec<(String, String)>,
    /// A JSON object with the input; `-` reads standard input. `--input` goes over it.
    #[arg(long, value_name = "FILE")]
    pub(crate) input_file: Option<PathBuf>,
    /// Namespace of the object store.
    #[arg(long)]
    pub(crate) namespace: Option<String>,
    /// Wait for the end and print the result.
    #[arg(long)]
    pub(crate) wait: bool,
    /// Show stages and log as it runs, then the result. Ctrl-C cancels the run.
    #[arg(long, short, conflicts_with = "wait")]
    pub(crate) follow: bool,
    #[command(flatten)]
    pub(crate) client: ClientArguments,
}

/// A count of things to list.
pub(crate) fn above_zero(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "write a whole number above zero".to_owned())
}

pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as KEY=VALUE".to_owned()),
    }
}

impl Arguments {
    /// The layers of settings below and from these arguments.
    pub(crate) fn sources(&self) -> Sources {
        let mut sources = Sources::from_process();
        // There `--config` is the config of a run.
        if !matches!(self.command, Command::Hub { .. }) {
            sources.file.clone_from(&self.config);
        }
        for (key, value) in &self.settings {
            sources.flags.push(FlagValue { flag: format!("--set {key}"), key: key.clone(), value: value.clone() });
        }
        if let Some(server) = self.command.server() {
            sources = sources.flag("--listen", "server.listen", server.listen.clone()).flag(
                "--data",
                "server.data",
                server.data.clone(),
            );
            let plugins = (!server.plugins.is_empty()).then(|| server.plugins.join(","));
            sources = sources.flag("--plugins", "dashboard.plugins", plugins);
        }
        if let Command::Dev(dev) = &self.command {
            let folder = std::path::absolute(&dev.directory).unwrap_or_else(|_| dev.directory.clone());
            let data = dev.data.clone().unwrap_or_else(|| folder.join(".pegboard"));
            let listen = dev.listen.clone().unwrap_or_else(|| "127.0.0.1:0".to_owned());
            sources = sources.flag("--data", "server.data", Some(data.display().to_string())).flag(
                "--listen",
                "server.listen",
                Some(listen),
            );
        }
        if let Command::Administration(command) = &self.command {
            sources = sources.flag("--data", "server.data", command.data());
        }
        if let Command::Check { data, .. } = &self.command {
            sources = sources.flag("--data", "server.data", data.clone());
        }
        sources.flag("--url", "server.url", self.command.client().and_then(|client| client.url.clone()))
    }
}

impl Arguments {
    /// The key that was given: by flag, in a file, by the environment.
    pub(crate) fn key(&self) -> Result<Option<String>, CommandFailure> {
        let client = self.command.client();
        if let Some(path) = client.and_then(|client| client.key_file.as_ref()) {
            let text = std::fs::read_to_string(path).map_err(|error| {
                let message = format!("cannot read the key file `{}`: {error}", path.display());
                CommandFailure::usage(Error::invalid("key-file", message).hint("it holds nothing but a key"))
            })?;
            return Ok(Some(text.trim().to_owned()));
        }
        Ok(client.and_then(|client| client.key.clone()).or_else(|| Sources::from_process().key()))
    }
}

impl Command {
    fn server(&self) -> Option<&ServerArguments> {
        match self {
            Self::Serve { server } | Self::Demo { server, .. } | Self::Config { server, .. } => Some(server),
            _ => None,
        }
    }

    fn client(&self) -> Option<&ClientArguments> {
        match self {
            Self::Install(install) => Some(&install.client),
            Self::Run(run) => Some(match &run.command {
                Some(RunCommand::Show { client, .. } | RunCommand::Delete { client, .. }) => client,
                None => &run.client,
            }),
            Self::Catalog { command } => Some(command.client()),
            Self::Hub { command } => Some(command.client()),
            Self::Plugin { command: PluginCommand::Show { client, .. } | PluginCommand::Reload { client, .. } }
            | Self::Upgrade { client, .. }
            | Self::Uninstall { client, .. }
            | Self::Plugins { client }
            | Self::Apply { client, .. }
            | Self::Workflows { client }
            | Self::Configs { client }
            | Self::Triggers { client }
            | Self::Show { client, .. }
            | Self::Delete { client, .. }
            | Self::Events { client, .. }
            | Self::Runs { client, .. }
            | Self::Logs { client, .. }
            | Self::Cancel { client, .. } => Some(client),
            Self::Project { command } => Some(command.client()),
            Self::Key { command } => Some(command.client()),
            Self::Storage { command } => Some(command.client()),
            Self::Administration(command) => command.client(),
            Self::User { command } => Some(command.client()),
            Self::Organization { command } => Some(command.client()),
            Self::Audit(audit) => Some(&audit.client),
            Self::Serve { .. }
            | Self::Demo { .. }
            | Self::Config { .. }
            | Self::New { .. }
            | Self::Dev(_)
            | Self::Check { .. }
            | Self::Doctor
            | Self::Completions { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn show_is_a_word_of_run_and_a_workflow_may_still_have_that_name() {
        let parse = |words: &[&str]| match Arguments::try_parse_from(["pegboard", "run"].iter().chain(words)).unwrap().command {
            Command::Run(run) => run,
            other => panic!("{other:?}"),
        };
        assert!(matches!(parse(&["show", "x"]).command, Some(RunCommand::Show { id, .. }) if id == "x"));
        assert_eq!(parse(&["train", "--wait"]).name.as_deref(), Some("train"));
        assert_eq!(parse(&["--workflow", "show"]).workflow.as_deref(), Some("show"));
        assert_eq!(parse(&["x", "-i", "a=b=c"]).input, [("a".to_owned(), "b=c".to_owned())]);
        for wrong in [&["run"][..], &["run", "x", "--wait", "--follow"], &["run", "x", "--input", "noequals"], &["nonsense"]] {
            assert!(Arguments::try_parse_from(["pegboard"].iter().chain(wrong)).is_err(), "{wrong:?}");
        }
    }
}
