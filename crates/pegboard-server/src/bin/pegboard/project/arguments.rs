//! What one may type after `pegboard project` and `pegboard key`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::arguments::ClientArguments;

#[derive(Subcommand, Debug)]
pub(crate) enum ProjectCommand {
    /// Make a project and print its id.
    #[command(
        after_help = "Examples:\n  pegboard project create digits\n  ID=$(pegboard project create digits --description 'Scanned digits')"
    )]
    Create {
        /// For people; need not be unique.
        name: String,
        /// For people.
        #[arg(long, default_value = "")]
        description: String,
        /// What is labelled [default: ango].
        #[arg(long = "type", value_name = "TYPE", value_parser = ["ango", "pct", "iframe"])]
        kind: Option<String>,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// List the projects.
    #[command(
        after_help = "Examples:\n  pegboard project ls\n  pegboard project ls --name street\n  pegboard project ls --json | jq '.projects[].id'"
    )]
    Ls {
        /// Only those with this text in name or description.
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
        /// Leave out so many from the beginning.
        #[arg(long, default_value_t = 0, value_name = "N")]
        skip: u64,
        /// At most so many.
        #[arg(long, default_value_t = 100, value_name = "N", value_parser = crate::arguments::above_zero)]
        limit: usize,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Look at one project: classes, stages, how many tasks are where.
    #[command(after_help = "Example:\n  pegboard project show 64e5b8f1a2c3d4e5f6012345")]
    Show {
        /// The project's id.
        id: String,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Delete a project with its assets, tasks and files.
    #[command(after_help = "Example:\n  pegboard project rm 64e5b8f1a2c3d4e5f6012345")]
    Rm {
        /// The project's id.
        id: String,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Print the classes, or replace them by those of a file.
    #[command(
        after_help = "Examples:\n  pegboard project schema ID > schema.json\n  pegboard project schema ID schema.json\n\nThe file has `tools`, `classifications` and `relations`; each entry needs `tool` and `title`."
    )]
    Schema {
        /// The project's id.
        id: String,
        /// JSON; `-` reads standard input.
        file: Option<PathBuf>,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Print the stages, replace them by those of a file, or send a plugin stage's tasks again.
    #[command(
        after_help = "Examples:\n  pegboard project stages ID > stages.json\n  pegboard project stages ID stages.json\n  pegboard project stages ID --rerun Detector\n\nEach stage has `id`, `type`, `name` and `next`; a Plugin stage names its plugin in `pluginId`."
    )]
    Stages {
        /// The project's id.
        id: String,
        /// JSON; `-` reads standard input.
        #[arg(conflicts_with = "rerun")]
        file: Option<PathBuf>,
        /// Send all tasks of this plugin stage to its plugin.
        #[arg(long, value_name = "STAGE")]
        rerun: Option<String>,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// List the batches, make some, or put assets into one.
    #[command(
        after_help = "Examples:\n  pegboard project batches ID\n  pegboard project batches ID --create monday --create tuesday\n  pegboard project batches ID --assign monday 64e5b8f1a2c3d4e5f6012345"
    )]
    Batches {
        /// The project's id.
        id: String,
        /// Make a batch of this name.
        #[arg(long, value_name = "NAME")]
        create: Vec<String>,
        /// Put assets into this batch.
        #[arg(long, value_name = "NAME", requires = "assets", conflicts_with = "create")]
        assign: Option<String>,
        /// Ids of assets.
        #[arg(value_name = "ASSET", requires = "assign")]
        assets: Vec<String>,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// List the assets.
    #[command(
        after_help = "Examples:\n  pegboard project assets ID --limit 5\n  pegboard project assets ID --stage Label\n  pegboard project assets ID --name cat"
    )]
    Assets {
        /// The project's id.
        id: String,
        /// Only those with a task in this stage.
        #[arg(long, value_name = "STAGE")]
        stage: Option<String>,
        /// Only those in this batch.
        #[arg(long, value_name = "BATCH", conflicts_with = "stage")]
        batch: Option<String>,
        /// Only those with this text in their name.
        #[arg(long, value_name = "TEXT", conflicts_with_all = ["stage", "batch"])]
        name: Option<String>,
        /// Leave out so many from the beginning.
        #[arg(long, default_value_t = 0, value_name = "N")]
        skip: u64,
        /// At most so many.
        #[arg(long, default_value_t = 100, value_name = "N", value_parser = crate::arguments::above_zero)]
        limit: usize,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Look at one asset with its tasks and what they went through, or delete it.
    #[command(
        after_help = "Examples:\n  pegboard project asset ID ASSET\n  pegboard project asset ID ASSET --json | jq '.tasks[0].answer'\n  pegboard project asset ID ASSET --delete"
    )]
    Asset {
        /// The project's id.
        id: String,
        /// The asset's id.
        asset: String,
        /// Delete it with its tasks and answers.
        #[arg(long)]
        delete: bool,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// List the tasks.
    #[command(after_help = "Example:\n  pegboard project tasks ID --stage Complete")]
    Tasks {
        /// The project's id.
        id: String,
        /// Only those in this stage.
        #[arg(long, value_name = "STAGE")]
        stage: Option<String>,
        /// Leave out so many from the beginning.
        #[arg(long, default_value_t = 0, value_name = "N")]
        skip: u64,
        /// At most so many.
        #[arg(long, default_value_t = 100, value_name = "N", value_parser = crate::arguments::above_zero)]
        limit: usize,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Upload files: an asset and a task of each.
    #[command(after_help = "Example:\n  pegboard project upload ID pictures/*.png --batch monday")]
    Upload {
        /// The project's id.
        id: String,
        /// Files of any kind that can be labelled.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Put them into this batch; it is made when it does not exist.
        #[arg(long, value_name = "NAME")]
        batch: Vec<String>,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Import pictures with their labels from COCO, YOLO or an export of ours.
    #[command(
        after_help = "Examples:\n  pegboard project import ID annotations.json --images images/\n  pegboard project import ID dataset/data.yaml\n  pegboard project import ID export.ndjson --images files/\n  pegboard project import ID annotations.json --labels-only\n\nClasses that the project does not have are added to its schema."
    )]
    Import(ImportArguments),
    /// Export a project as our JSON, as COCO or as YOLO.
    #[command(
        after_help = "Examples:\n  pegboard project export ID > project.json\n  pegboard project export ID --format ndjson --output project.ndjson --images files/\n  pegboard project export ID --format coco --output dataset --images dataset/images\n  pegboard project export ID --format yolo --output dataset --images dataset/images --stage Complete"
    )]
    Export(ExportArguments),
}

/// How data is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum DataFormat {
    /// Our own, one JSON list.
    Json,
    /// Our own, one object a line.
    Ndjson,
    /// COCO's object detection.
    Coco,
    /// YOLO's labels, one text a picture.
    Yolo,
}

#[derive(Args, Debug)]
pub(crate) struct ImportArguments {
    /// The project's id.
    pub(crate) id: String,
    /// COCO's JSON, YOLO's `data.yaml` or `classes.txt`, or what `project export` wrote.
    pub(crate) file: PathBuf,
    /// What the file is [default: told by its name and content].
    #[arg(long, value_enum)]
    pub(crate) format: Option<DataFormat>,
    /// Where the pictures lie [default: beside the file, or `images` there].
    #[arg(long, value_name = "DIR")]
    pub(crate) images: Option<PathBuf>,
    /// Only labels, for assets that the project has already (found by their external id).
    #[arg(long)]
    pub(crate) labels_only: bool,
    /// Put the assets into this batch; it is made when it does not exist.
    #[arg(long, value_name = "NAME")]
    pub(crate) batch: Vec<String>,
    #[command(flatten)]
    pub(crate) client: ClientArguments,
}

#[derive(Args, Debug)]
pub(crate) struct ExportArguments {
    /// The project's id.
    pub(crate) id: String,
    /// How it is written.
    #[arg(long, value_enum, default_value = "json")]
    pub(crate) format: DataFormat,
    /// File for our own formats, folder for others [default: standard output, for our own].
    #[arg(long, short, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,
    /// Fetch the assets' files into this folder, too.
    #[arg(long, value_name = "DIR")]
    pub(crate) images: Option<PathBuf>,
    /// Only tasks in this stage.
    #[arg(long, value_name = "STAGE")]
    pub(crate) stage: Vec<String>,
    /// Only assets in this batch.
    #[arg(long, value_name = "BATCH")]
    pub(crate) batch: Vec<String>,
    /// With the stages that tasks have left.
    #[arg(long)]
    pub(crate) history: bool,
    #[command(flatten)]
    pub(crate) client: ClientArguments,
}

impl ProjectCommand {
    pub(crate) fn client(&self) -> &ClientArguments {
        match self {
            Self::Create { client, .. }
            | Self::Ls { client, .. }
            | Self::Show { client, .. }
            | Self::Rm { client, .. }
            | Self::Schema { client, .. }
            | Self::Stages { client, .. }
            | Self::Batches { client, .. }
            | Self::Assets { client, .. }
            | Self::Asset { client, .. }
            | Self::Tasks { client, .. }
            | Self::Upload { client, .. } => client,
            Self::Import(import) => &import.client,
            Self::Export(export) => &export.client,
        }
    }
}

#[derive(Subcommand, Debug)]
pub(crate) enum StorageCommand {
    /// Record a bucket's credentials, encrypted, or a folder of the server's machine. Prints its id.
    #[command(
        after_help = "Examples:\n  pegboard storage create scans --provider AWS --region eu-central-1 --public-key ID --private-key-file secret.txt\n  pegboard storage create pictures --folder /srv/pictures"
    )]
    Create {
        /// For people.
        name: String,
        /// Whose bucket it is.
        #[arg(long, value_parser = ["AWS", "GCP", "AZURE"], required_unless_present = "folder", conflicts_with = "folder")]
        provider: Option<String>,
        /// A folder of the server's machine instead of a bucket; an absolute path.
        #[arg(long, value_name = "DIR")]
        folder: Option<String>,
        /// For example `eu-central-1`.
        #[arg(long, default_value = "")]
        region: String,
        /// Address of a service that is not the provider's own.
        #[arg(long, value_name = "URL")]
        endpoint: Option<String>,
        /// Access key id.
        #[arg(long, default_value = "", value_name = "ID")]
        public_key: String,
        /// A file with the secret access key; `-` reads standard input.
        #[arg(long, value_name = "FILE")]
        private_key_file: Option<PathBuf>,
        /// A file with what the provider gives as one text.
        #[arg(long, value_name = "FILE")]
        credentials_file: Option<PathBuf>,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// List the storages, without what is secret about them.
    #[command(after_help = "Example:\n  pegboard storage ls")]
    Ls {
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Look whether a storage can be reached.
    #[command(
        after_help = "Examples:\n  pegboard storage test 64e5b8f1a2c3d4e5f6012345 --bucket scans\n\nExits with 1 when it cannot."
    )]
    Test {
        /// The storage's id.
        id: String,
        /// The bucket or container to look into; a folder has none.
        #[arg(long, default_value = "", value_name = "NAME")]
        bucket: String,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Delete a storage. Assets that name it stay.
    #[command(after_help = "Example:\n  pegboard storage rm 64e5b8f1a2c3d4e5f6012345")]
    Rm {
        /// The storage's id.
        id: String,
        #[command(flatten)]
        client: ClientArguments,
    },
}

impl StorageCommand {
    pub(crate) fn client(&self) -> &ClientArguments {
        match self {
            Self::Create { client, .. } | Self::Ls { client } | Self::Test { client, .. } | Self::Rm { client, .. } => client,
        }
    }
}

#[derive(Subcommand, Debug)]
pub(crate) enum KeyCommand {
    /// Make a key for plugins and SDKs and print it. It is not shown again.
    #[command(
        after_help = "Examples:\n  pegboard key create\n  pegboard key create --name laptop --role viewer --expires 30d\n  pegboard key create --user ann@example.org"
    )]
    Create {
        /// For people.
        #[arg(long, default_value = "key")]
        name: String,
        /// Whose: an email; made when nobody has it [default: your own].
        #[arg(long, value_name = "EMAIL")]
        user: Option<String>,
        /// No more than this, whatever its user may: `viewer`, `member`, `admin` [default: what the user may].
        #[arg(long)]
        role: Option<String>,
        /// Good for this project only.
        #[arg(long, value_name = "ID")]
        project: Option<String>,
        /// Useless after this time, such as `12h` or `30d` [default: never].
        #[arg(long, value_name = "TIME", visible_alias = "lifetime")]
        expires: Option<humantime::Duration>,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// List the keys, without their texts.
    #[command(after_help = "Example:\n  pegboard key ls")]
    Ls {
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Make a key useless.
    #[command(after_help = "Example:\n  pegboard key revoke 64e5b8f1a2c3d4e5f6012345")]
    Revoke {
        /// The key's id, as `key ls` shows it.
        id: String,
        #[command(flatten)]
        client: ClientArguments,
    },
}

impl KeyCommand {
    pub(crate) fn client(&self) -> &ClientArguments {
        match self {
            Self::Create { client, .. } | Self::Ls { client } | Self::Revoke { client, .. } => client,
        }
    }
}
