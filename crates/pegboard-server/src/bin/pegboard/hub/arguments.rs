//! What one may type behind `pegboard hub`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::arguments::{ClientArguments, pair};

/// `pegboard hub …`.
#[derive(Subcommand, Debug)]
pub(crate) enum HubCommand {
    /// Make a plugin; prints the id and the secret that its script connects with.
    #[command(
        after_help = "Examples:\n  pegboard hub create --type batch-model --name Detector --class Car --class Road\n  pegboard hub create --type export --name CSV --default-config '{\"separator\": \";\"}'\n  pegboard hub create --type model --name Far --rest-url http://10.0.0.7:8080\n\nThe secret is told this once; `pegboard hub rotate` makes a new one."
    )]
    Create {
        /// What a run of it is.
        #[arg(long = "type", value_name = "TYPE")]
        plugin_type: TypeWord,
        /// Shown everywhere.
        #[arg(long)]
        name: String,
        #[command(flatten)]
        fields: PluginFields,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Look at a plugin: its light, what it is busy with, its record.
    #[command(
        after_help = "Examples:\n  pegboard hub show Detector\n  pegboard hub show 64e5f00d0000000000000001 --json | jq .live"
    )]
    Show {
        /// Its id, or its name.
        plugin: String,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// List the organization's plugins.
    #[command(
        after_help = "Examples:\n  pegboard hub ls\n  pegboard hub ls --installed --json\n  pegboard hub ls --type export --live"
    )]
    Ls {
        /// Those that are installed, whoever made them.
        #[arg(long)]
        installed: bool,
        /// Those of this type.
        #[arg(long = "type", value_name = "TYPE")]
        plugin_type: Option<TypeWord>,
        /// Those whose light is on.
        #[arg(long)]
        live: bool,
        /// Those with this in their name or description.
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// List what can be installed: the organization's listed plugins, and everybody's that are public.
    #[command(after_help = "Example:\n  pegboard hub directory")]
    Directory {
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Change a plugin's record.
    #[command(
        after_help = "Examples:\n  pegboard hub edit Detector --description 'Finds cars' --listed true --public true\n  pegboard hub edit Detector --details-file README.md --timeout 2h --tasks 4"
    )]
    Edit {
        /// Its id, or its name.
        plugin: String,
        /// Shown everywhere.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        fields: PluginFields,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Delete a plugin. Its sessions stay.
    #[command(after_help = "Example:\n  pegboard hub rm Detector")]
    Rm {
        /// Its id, or its name.
        plugin: String,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Give a plugin a new secret, and print it.
    #[command(
        after_help = "Example:\n  pegboard hub rotate Detector\n\nA script that is connected with the old secret gets no runs from its next beat on, within a minute."
    )]
    Rotate {
        /// Its id, or its name.
        plugin: String,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Print a script to begin with: it runs as it is.
    #[command(
        after_help = "Examples:\n  pegboard hub script Detector > detector.py\n  pegboard hub script Detector --client pegboard\n\nIt reads the secret from the variable PLUGIN_SECRET."
    )]
    Script {
        /// Its id, or its name.
        plugin: String,
        /// What it imports.
        #[arg(long, default_value = "imerit_ango", value_parser = ["imerit_ango", "pegboard"])]
        client: String,
        #[command(flatten)]
        server: ClientArguments,
    },
    /// Install a plugin of the directory.
    #[command(after_help = "Example:\n  pegboard hub install 64e5f00d0000000000000001")]
    Install {
        /// Its id, or its name.
        plugin: String,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Take a plugin out of the organization. Its record stays.
    #[command(after_help = "Example:\n  pegboard hub remove Detector")]
    Remove {
        /// Its id, or its name.
        plugin: String,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Have the server run a plugin's script: in an environment of its own, started again when it ends and with the server.
    #[command(
        after_help = "Examples:\n  pegboard hub host Detector detector.py --requirements requirements.txt\n  pegboard hub host CSV export.py --wait\n\nThe script finds HOST, PLUGIN_ID and PLUGIN_SECRET among its variables. `pegboard.hub` can always be imported."
    )]
    Host {
        /// Its id, or its name.
        plugin: String,
        /// The Python file.
        script: PathBuf,
        /// What it imports: a requirements file.
        #[arg(long, value_name = "FILE")]
        requirements: Option<PathBuf>,
        /// Return when its light is green; fail when its process ends before.
        #[arg(long)]
        wait: bool,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// End a hosted script and forget it.
    #[command(after_help = "Example:\n  pegboard hub unhost Detector")]
    Unhost {
        /// Its id, or its name.
        plugin: String,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Print what a hosted script printed, and what happened to it.
    #[command(after_help = "Examples:\n  pegboard hub output Detector\n  pegboard hub output Detector --limit 20")]
    Output {
        /// Its id, or its name.
        plugin: String,
        /// At most so many lines, the newest.
        #[arg(long, value_name = "N", value_parser = crate::arguments::above_zero)]
        limit: Option<usize>,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Run a plugin; prints the session.
    #[command(
        after_help = "Examples:\n  pegboard hub run CSV --project P --stage Complete --wait\n  pegboard hub run Detector --project P --config '{\"threshold\": 0.4}' --class Car=Vehicle --wait\n  pegboard hub run Model --project P --asset A\n  pegboard hub run Explorer --project P --bucket b --storage S --folder in/ --upload\n  pegboard hub run Markdown --project P --csv rows.csv --template page.md\n\nWith --wait it shows the log and exits with 1 when the session fails."
    )]
    Run(RunArguments),
    /// List sessions, newest first; or look at one.
    #[command(
        after_help = "Examples:\n  pegboard hub sessions\n  pegboard hub sessions --plugin Detector --state failed\n  pegboard hub sessions 64e5f00d0000000000000005"
    )]
    Sessions {
        /// Id of the one to look at.
        session: Option<String>,
        /// Only sessions of this plugin.
        #[arg(long, value_name = "ID|NAME")]
        plugin: Option<String>,
        /// Only sessions on this project.
        #[arg(long, value_name = "ID")]
        project: Option<String>,
        /// Only sessions in this state.
        #[arg(long, value_parser = ["queued", "running", "finished", "failed", "cancelled"])]
        state: Option<String>,
        /// Only sessions made before this one.
        #[arg(long, value_name = "SESSION")]
        before: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 20, value_name = "N", value_parser = crate::arguments::above_zero)]
        limit: usize,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Print a session's log.
    #[command(after_help = "Examples:\n  pegboard hub logs SESSION\n  pegboard hub logs SESSION --follow")]
    Logs {
        /// Its id.
        session: String,
        /// Go on until it is over.
        #[arg(long, short)]
        follow: bool,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Print what a session's plugin returned, as JSON.
    #[command(after_help = "Example:\n  pegboard hub result SESSION | jq .objects")]
    Result {
        /// Its id.
        session: String,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Stop a session. What the plugin still answers is ignored.
    #[command(after_help = "Example:\n  pegboard hub cancel SESSION")]
    Cancel {
        /// Its id.
        session: String,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Run again what a session ran.
    #[command(after_help = "Example:\n  pegboard hub retry SESSION --wait")]
    Retry {
        /// Its id.
        session: String,
        /// Wait for the end.
        #[arg(long)]
        wait: bool,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// List, save or delete the presets of a project.
    #[command(
        after_help = "Examples:\n  pegboard hub presets --project P\n  pegboard hub presets --project P --plugin Detector --save night --config '{\"threshold\": 0.2}'\n  pegboard hub presets --project P --delete 64e5f00d0000000000000003"
    )]
    Presets {
        /// Only those for this project: its id or name.
        #[arg(long, value_name = "ID", required_unless_present_any = ["plugin", "delete"])]
        project: Option<String>,
        /// Only those of this plugin; with --save: whose.
        #[arg(long, value_name = "ID|NAME")]
        plugin: Option<String>,
        /// Save one under this name.
        #[arg(long, value_name = "NAME", requires_all = ["plugin", "project"])]
        save: Option<String>,
        /// A JSON object, for --save.
        #[arg(long, value_name = "JSON", requires = "save")]
        config: Option<PathBuf>,
        /// One pair of the plugin's class and the project's tool, for --save.
        #[arg(long = "class", value_name = "CLASS=TOOL", value_parser = pair, requires = "save")]
        classes: Vec<(String, String)>,
        /// More of what the type takes, for --save; the value is JSON when it reads as JSON, else text.
        #[arg(long = "set-parameter", value_name = "KEY=VALUE", value_parser = pair, requires = "save")]
        parameters: Vec<(String, String)>,
        /// Delete the one with this id.
        #[arg(long, value_name = "PRESET", conflicts_with = "save")]
        delete: Option<String>,
        #[command(flatten)]
        client: ClientArguments,
    },
}

/// Types of plugins.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum TypeWord {
    /// Converts a project's export into a file.
    #[value(alias = "export_plugin")]
    Export,
    /// Answers for one asset or task.
    Model,
    /// Works through many assets by itself.
    #[value(alias = "batch_model")]
    BatchModel,
    /// Lists a bucket, or imports from it.
    #[value(alias = "file_explorer")]
    FileExplorer,
    /// Makes assets of a CSV file and a template.
    #[value(aliases = ["markdown_generator", "markdown"])]
    MarkdownGenerator,
    /// Makes assets of something else.
    Input,
}

/// The text of an option that has to be a path.
pub(crate) fn text(path: Option<&PathBuf>) -> Option<String> {
    path.map(|path| path.to_string_lossy().into_owned())
}

impl TypeWord {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Export => "export",
            Self::Model => "model",
            Self::BatchModel => "batch_model",
            Self::FileExplorer => "file_explorer",
            Self::MarkdownGenerator => "markdown_generator",
            Self::Input => "input",
        }
    }
}

/// What can be said about a plugin.
#[derive(Args, Debug, Default)]
pub(crate) struct PluginFields {
    /// One sentence.
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// Markdown, shown when somebody opens the plugin.
    #[arg(long, value_name = "MARKDOWN", conflicts_with = "details_file")]
    pub(crate) details: Option<String>,
    /// The same from a file.
    #[arg(long, value_name = "FILE")]
    pub(crate) details_file: Option<PathBuf>,
    /// Address of a square picture.
    #[arg(long, value_name = "URL")]
    pub(crate) banner_url: Option<String>,
    /// A class that the model knows; several times for several.
    #[arg(long = "class", value_name = "NAME")]
    pub(crate) classes: Vec<String>,
    /// May be listed beyond its organization.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) public: Option<bool>,
    /// Listed in the directory.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) listed: Option<bool>,
    /// A JSON object: what a run sends when it says nothing else.
    #[arg(long, value_name = "JSON")]
    pub(crate) default_config: Option<String>,
    /// File with a JSON Schema that configs must follow.
    #[arg(long, value_name = "FILE")]
    pub(crate) config_schema: Option<PathBuf>,
    /// Where a script of the REST connector listens; empty: it connects to the server.
    #[arg(long, value_name = "URL")]
    pub(crate) rest_url: Option<String>,
    /// Sessions at once on one connection; 0: the server's own limit.
    #[arg(long, value_name = "N")]
    pub(crate) sessions: Option<u32>,
    /// Tasks of workflows at once on one connection; 0: one.
    #[arg(long, value_name = "N")]
    pub(crate) tasks: Option<u32>,
    /// Longest time of a session, such as `90s` or `2h`; `0s`: the server's own limit.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Option<std::time::Duration>,
    /// Export: give each asset the list `tasks` of the old shape, too.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) old_export: Option<bool>,
}

/// `pegboard hub run`.
#[derive(Args, Debug)]
pub(crate) struct RunArguments {
    /// Its id, or its name.
    pub(crate) plugin: String,
    /// Id or name of the project.
    #[arg(long, value_name = "ID")]
    pub(crate) project: Option<String>,
    /// A JSON object; default: the preset's, or the plugin's own.
    // A path in name only: the option stands in place of the one for the settings file, and must be of its kind.
    #[arg(long, value_name = "JSON")]
    pub(crate) config: Option<PathBuf>,
    /// A saved preset: name or id.
    #[arg(long, value_name = "NAME")]
    pub(crate) preset: Option<String>,
    /// One pair of the plugin's class and the project's tool, by title or schemaId.
    #[arg(long = "class", value_name = "CLASS=TOOL", value_parser = pair)]
    pub(crate) classes: Vec<(String, String)>,
    /// Only assets of this batch; several times for several.
    #[arg(long = "batch", value_name = "NAME|ID")]
    pub(crate) batches: Vec<String>,
    /// Export: only tasks in this stage [default: Complete]; `all` for every stage.
    #[arg(long = "stage", value_name = "NAME|ID")]
    pub(crate) stages: Vec<String>,
    /// Model: the asset.
    #[arg(long, value_name = "ID")]
    pub(crate) asset: Option<String>,
    /// Model: the task.
    #[arg(long, value_name = "ID")]
    pub(crate) task: Option<String>,
    /// Model: replace what is there rather than add to it.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) overwrite: Option<bool>,
    /// File explorer: the bucket.
    #[arg(long)]
    pub(crate) bucket: Option<String>,
    /// File explorer: id of the storage.
    #[arg(long, value_name = "ID")]
    pub(crate) storage: Option<String>,
    /// File explorer: the folder, with `/` at its end.
    #[arg(long)]
    pub(crate) folder: Option<String>,
    /// File explorer: import instead of listing.
    #[arg(long)]
    pub(crate) upload: bool,
    /// File explorer: import this one; several times for several; default: the whole folder.
    #[arg(long = "file", value_name = "KEY")]
    pub(crate) files: Vec<String>,
    /// File explorer: go on with a listing.
    #[arg(long, value_name = "TOKEN")]
    pub(crate) scroll_token: Option<String>,
    /// Markdown generator: the CSV file.
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
    /// Markdown generator: the template.
    #[arg(long, value_name = "FILE")]
    pub(crate) template: Option<PathBuf>,
    /// More of what the type takes; the value is JSON when it reads as JSON, else text.
    #[arg(long = "set-parameter", value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) parameters: Vec<(String, String)>,
    /// Longest time, such as `90s` or `2h`.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Option<std::time::Duration>,
    /// Wait for the end.
    #[arg(long)]
    pub(crate) wait: bool,
    /// Only say whether it could be run: config, classes and preset are checked, nothing is sent.
    #[arg(long, conflicts_with = "wait")]
    pub(crate) check: bool,
    #[command(flatten)]
    pub(crate) client: ClientArguments,
}

impl HubCommand {
    /// Which server.
    pub(crate) fn client(&self) -> &ClientArguments {
        match self {
            Self::Run(run) => &run.client,
            Self::Script { server, .. } => server,
            Self::Create { client, .. }
            | Self::Show { client, .. }
            | Self::Ls { client, .. }
            | Self::Directory { client }
            | Self::Edit { client, .. }
            | Self::Rm { client, .. }
            | Self::Rotate { client, .. }
            | Self::Host { client, .. }
            | Self::Unhost { client, .. }
            | Self::Output { client, .. }
            | Self::Install { client, .. }
            | Self::Remove { client, .. }
            | Self::Sessions { client, .. }
            | Self::Logs { client, .. }
            | Self::Result { client, .. }
            | Self::Cancel { client, .. }
            | Self::Retry { client, .. }
            | Self::Presets { client, .. } => client,
        }
    }
}
