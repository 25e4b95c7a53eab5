//! Words of `pegboard backup`, `restore`, `secret` and `environment`.

use std::path::PathBuf;

use clap::Subcommand;

use crate::arguments::ClientArguments;

#[derive(Subcommand, Debug)]
pub(crate) enum AdministrationCommand {
    /// Write everything that cannot be made again to one file, while the server goes on.
    #[command(
        after_help = "Examples:\n  pegboard backup monday.zip\n  pegboard backup /mnt/backups/$(date +%F).zip --url http://127.0.0.1:8480\n\nIt holds keys and secrets: keep it as safe as the server. Environments of plugins are not in it: they are made again."
    )]
    Backup {
        /// A new file; readable by its owner alone.
        file: PathBuf,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Make a data directory of a backup. The server must not run.
    #[command(
        after_help = "Examples:\n  pegboard restore monday.zip --check\n  pegboard restore monday.zip --data /var/lib/pegboard\n  pegboard restore monday.zip --set store.postgres_url=postgres://…    into another back end\n\nThe whole file is checked before anything is written. With --replace, what is there is moved to `before-restore-N`\nin the data directory; tables of PostgreSQL are dropped, objects of a bucket are written over."
    )]
    Restore {
        /// What `pegboard backup` wrote.
        file: PathBuf,
        /// The data directory, made when absent [default: pegboard-data].
        #[arg(long, value_name = "DIR")]
        data: Option<String>,
        /// Restore though there is data already.
        #[arg(long)]
        replace: bool,
        /// Only look whether the file is whole.
        #[arg(long, conflicts_with_all = ["data", "replace"])]
        check: bool,
    },
    /// Secrets for plugins: kept encrypted, given as environment variables, never shown.
    Secret {
        #[command(subcommand)]
        command: SecretCommand,
    },
    /// Python environments on the server's disk.
    Environment {
        #[command(subcommand)]
        command: EnvironmentCommand,
    },
}

#[derive(Subcommand, Debug)]
pub(crate) enum SecretCommand {
    /// Set a secret, or who gets it. Processes of its plugins start anew with it.
    #[command(
        after_help = "Examples:\n  pegboard secret set REGISTRY_TOKEN --file token.txt --plugin my-plugin\n  read-vault token | pegboard secret set REGISTRY_TOKEN --file -\n  pegboard secret set REGISTRY_TOKEN --plugin my-plugin --plugin 64e5b8f1a2c3d4e5f6012307\n  pegboard secret set REGISTRY_TOKEN --nobody\n\nThe plugins that are named replace those before; the value stays without --file."
    )]
    Set {
        /// Name of the environment variable: capitals, digits and `_`.
        name: String,
        /// A file with the value, without the line's end; `-` reads standard input.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// Who gets it: name of a package, or id of a hub plugin that the server runs. May be given several times.
        #[arg(long, value_name = "PLUGIN")]
        plugin: Vec<String>,
        /// Nobody gets it.
        #[arg(long, conflicts_with = "plugin")]
        nobody: bool,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// List the secrets and who gets them; no values.
    #[command(after_help = "Example:\n  pegboard secret ls")]
    Ls {
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Forget a secret. Processes of its plugins start anew without it.
    #[command(after_help = "Example:\n  pegboard secret rm REGISTRY_TOKEN")]
    Rm {
        /// Its name.
        name: String,
        #[command(flatten)]
        client: ClientArguments,
    },
}

#[derive(Subcommand, Debug)]
pub(crate) enum EnvironmentCommand {
    /// List the environments, the largest first.
    #[command(after_help = "Example:\n  pegboard environment ls")]
    Ls {
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Remove environments that nobody uses. One that is needed again is made again.
    #[command(after_help = "Example:\n  pegboard environment prune")]
    Prune {
        #[command(flatten)]
        client: ClientArguments,
    },
}

impl AdministrationCommand {
    /// None for what needs no server.
    pub(crate) fn client(&self) -> Option<&ClientArguments> {
        Some(match self {
            Self::Restore { .. } => return None,
            Self::Backup { client, .. } => client,
            Self::Secret {
                command: SecretCommand::Set { client, .. } | SecretCommand::Ls { client } | SecretCommand::Rm { client, .. },
            } => client,
            Self::Environment { command: EnvironmentCommand::Ls { client } | EnvironmentCommand::Prune { client } } => client,
        })
    }

    /// Value of `--data`.
    pub(crate) fn data(&self) -> Option<String> {
        match self {
            Self::Restore { data, .. } => data.clone(),
            _ => None,
        }
    }
}
