//! What one may type behind `pegboard catalog`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::Value as Json;

use crate::arguments::{ClientArguments, pair};

/// `pegboard catalog …`.
#[derive(Subcommand, Debug)]
pub(crate) enum CatalogCommand {
    /// Publish an artifact, or its next version.
    Add {
        #[command(subcommand)]
        command: AddCommand,
    },
    /// Publish what an MLflow run directory holds as a model: its parameters, metrics and artifacts.
    #[command(
        after_help = "Examples:\n  pegboard catalog import-mlflow mlruns/0/3f0c9f1f2b1f4a2c8a3e\n  pegboard catalog import-mlflow RUN --name wine-classifier --type classifier\n\nTables among the artifacts are taken as predictions.csv, confusion_matrix.csv, shap_values.csv and so on; all else is kept as it is."
    )]
    ImportMlflow {
        /// The run's directory, the one with `meta.yaml`.
        directory: PathBuf,
        /// Name of the model [default: the run's name].
        #[arg(long)]
        name: Option<String>,
        /// classifier, regressor, …
        #[arg(long = "type", value_name = "TYPE")]
        model_type: Option<String>,
        #[command(flatten)]
        words: WordArguments,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// List artifacts of all kinds, or of one.
    #[command(after_help = "Examples:\n  pegboard catalog ls\n  pegboard catalog ls model --json | jq '.artifacts[].name'")]
    Ls {
        /// data-source, feature-set, model, endpoint, graph, parameter or frame.
        kind: Option<String>,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Look at one artifact: facts, files, versions, lineage.
    #[command(
        after_help = "Examples:\n  pegboard catalog show model wine-classifier\n  pegboard catalog show data-source wine --version 1"
    )]
    Show {
        #[command(flatten)]
        artifact: ArtifactArguments,
        /// An older version.
        #[arg(long)]
        version: Option<u64>,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Change what is said about an artifact, without a new version.
    #[command(
        after_help = "Example:\n  pegboard catalog edit model wine-classifier --owner vera --tag production --health no_activity"
    )]
    Edit {
        #[command(flatten)]
        artifact: ArtifactArguments,
        #[command(flatten)]
        words: WordArguments,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Remove an artifact with all of its versions and files.
    #[command(after_help = "Example:\n  pegboard catalog rm data-source wine")]
    Rm {
        #[command(flatten)]
        artifact: ArtifactArguments,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Print rows spread over a table; the same ones every time.
    #[command(
        after_help = "Examples:\n  pegboard catalog sample data-source wine --rows 20\n  pegboard catalog sample model wine-classifier --file runs/full_cross_fold/predictions"
    )]
    Sample {
        #[command(flatten)]
        artifact: ArtifactArguments,
        /// How many, at most 10,000.
        #[arg(long, default_value_t = 20)]
        rows: u64,
        /// Role of the file.
        #[arg(long, default_value = "data")]
        file: String,
        /// From the first row on instead, after so many.
        #[arg(long, value_name = "OFFSET")]
        from: Option<u64>,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Ask tables with SQL. Data sources, feature sets and frames are tables by name.
    #[command(after_help = "Example:\n  pegboard catalog query 'select class, count(*) from wine group by class' --json")]
    Query {
        /// One `select`.
        sql: String,
        /// At most so many rows, 10,000 at most.
        #[arg(long, default_value_t = 100)]
        limit: u64,
        #[command(flatten)]
        client: ClientArguments,
    },
}

/// `pegboard catalog add …`.
#[derive(Subcommand, Debug)]
pub(crate) enum AddCommand {
    /// A table as it came in.
    #[command(after_help = "Example:\n  pegboard catalog add data-source wine wine.csv --owner vera --tag chemistry")]
    DataSource(TableArguments),
    /// A table that models learn from.
    #[command(
        after_help = "Example:\n  pegboard catalog add feature-set wine-features features.parquet --input data_source:wine --fact id_column=id"
    )]
    FeatureSet(TableArguments),
    /// A table that plugins keep for themselves.
    #[command(after_help = "Example:\n  pegboard catalog add frame reports/weekly weekly.csv")]
    Frame(TableArguments),
    /// A model with the results of its runs.
    #[command(
        after_help = "Examples:\n  pegboard catalog add model wine --type classifier --target class --feature alcohol --feature ash \\\n      --input feature_set:wine-features --run full_cross_fold=results/ --shap shap/\n\nA run's folder holds predictions, metrics and confusion_matrix as .csv, .parquet or .json, also under the names\ninference_predictions.csv, inference_metrics.csv, inference_cm.csv and inference_meta.json. The SHAP folder holds shap_importance.json,\nshap_values.csv or one shap_values_LABEL.csv per label, and shap_feature_values.csv."
    )]
    Model {
        /// Its name.
        name: String,
        /// classifier, regressor, clusterer, uq_regressor, …
        #[arg(long = "type", value_name = "TYPE")]
        model_type: Option<String>,
        /// sklearn, xgboost, pytorch, …
        #[arg(long)]
        framework: Option<String>,
        /// Column that it predicts; give it again for several.
        #[arg(long)]
        target: Vec<String>,
        /// Column that it learns from; give it again for each.
        #[arg(long)]
        feature: Vec<String>,
        /// A class, in order; give it again for each.
        #[arg(long)]
        class_label: Vec<String>,
        /// Results of a run, in a folder; give it again for each run.
        #[arg(long, value_name = "RUN=FOLDER", value_parser = pair)]
        run: Vec<(String, String)>,
        /// Folder with SHAP files.
        #[arg(long, value_name = "FOLDER")]
        shap: Option<PathBuf>,
        #[command(flatten)]
        words: WordArguments,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// A model that answers, with what was measured while it did.
    #[command(
        after_help = "Example:\n  pegboard catalog add endpoint wine --input model:wine --metrics metrics.csv --fact instance=local"
    )]
    Endpoint {
        /// Its name.
        name: String,
        /// A table with a column `timestamps`.
        #[arg(long, value_name = "FILE")]
        metrics: Option<PathBuf>,
        #[command(flatten)]
        words: WordArguments,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Nodes and edges, as node-link JSON.
    #[command(after_help = "Example:\n  pegboard catalog add graph karate-club karate.json")]
    Graph {
        /// Its name.
        name: String,
        /// The JSON.
        file: PathBuf,
        #[command(flatten)]
        words: WordArguments,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// A small value.
    #[command(after_help = "Example:\n  pegboard catalog add parameter /workbench/dashboard/theme light")]
    Parameter {
        /// Its name.
        name: String,
        /// JSON when it reads as JSON, else text.
        value: String,
        #[command(flatten)]
        client: ClientArguments,
    },
}

#[derive(Args, Debug)]
pub(crate) struct ArtifactArguments {
    /// data-source, feature-set, model, endpoint, graph, parameter or frame.
    pub(crate) kind: String,
    /// Its name.
    pub(crate) name: String,
}

#[derive(Args, Debug)]
pub(crate) struct TableArguments {
    /// Its name.
    pub(crate) name: String,
    /// CSV, Parquet, or JSON (`.json`, `.ndjson`) with one object per row.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) words: WordArguments,
    #[command(flatten)]
    pub(crate) client: ClientArguments,
}

/// What may be said about every artifact.
#[derive(Args, Debug, Default)]
pub(crate) struct WordArguments {
    /// Who answers for it.
    #[arg(long)]
    pub(crate) owner: Option<String>,
    /// One or two sentences.
    #[arg(long)]
    pub(crate) description: Option<String>,
    /// A word to find it by; give it again for each.
    #[arg(long)]
    pub(crate) tag: Vec<String>,
    /// What is wrong with it, such as `no_activity`; give it again for each.
    #[arg(long)]
    pub(crate) health: Vec<String>,
    /// What it was made from, as `feature_set:wine`; give it again for each.
    #[arg(long, value_name = "KIND:NAME")]
    pub(crate) input: Vec<String>,
    /// What else there is to know; the value is JSON when it reads as JSON, else text.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) fact: Vec<(String, String)>,
}

impl CatalogCommand {
    pub(crate) fn client(&self) -> &ClientArguments {
        match self {
            Self::Add { command } => match command {
                AddCommand::DataSource(table) | AddCommand::FeatureSet(table) | AddCommand::Frame(table) => &table.client,
                AddCommand::Model { client, .. }
                | AddCommand::Endpoint { client, .. }
                | AddCommand::Graph { client, .. }
                | AddCommand::Parameter { client, .. } => client,
            },
            Self::ImportMlflow { client, .. }
            | Self::Ls { client, .. }
            | Self::Show { client, .. }
            | Self::Edit { client, .. }
            | Self::Rm { client, .. }
            | Self::Sample { client, .. }
            | Self::Query { client, .. } => client,
        }
    }
}

/// A value as it was typed.
pub(crate) fn value(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_else(|_| Json::from(text))
}
