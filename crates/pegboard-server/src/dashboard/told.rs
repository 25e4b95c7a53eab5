//! What a worker says of the file that it holds, and of the environment. Its twin is `docs/dashboard-protocol.md`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use pegboard_model::{Failure, FailureKind};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// A failure of a plugin's code, or of its worker.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PanelFailure {
    /// Class and text of the exception, or what happened to the process.
    pub message: String,
    /// Python's own words.
    #[serde(default)]
    pub traceback: Option<String>,
    /// Line of the plugin's file.
    #[serde(default)]
    pub line: Option<u64>,
    /// The file.
    #[serde(default)]
    pub file: Option<String>,
    /// What to do.
    #[serde(default)]
    pub hint: Option<String>,
}

impl From<Failure> for PanelFailure {
    fn from(failure: Failure) -> Self {
        let is_python = matches!(failure.kind, FailureKind::Raised | FailureKind::Load);
        let message = if is_python { format!("{}: {}", failure.class, failure.message) } else { failure.message };
        Self { message, traceback: failure.traceback, line: None, file: None, hint: failure.hint }
    }
}

/// The answer to `load`.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Loaded {
    pub(crate) panels: Vec<Panel>,
    pub(crate) views: Vec<View>,
    pub(crate) pages: Vec<Page>,
    pub(crate) callbacks: Vec<Map<String, Json>>,
    pub(crate) inline_scripts: Vec<InlineScript>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) libraries: Libraries,
    pub(crate) files: Vec<PathBuf>,
    pub(crate) messages: Vec<Message>,
    pub(crate) error: Option<PanelFailure>,
}

/// Null means nothing.
fn or_default<'de, D: serde::Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// One panel.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(crate) struct Panel {
    pub(crate) class: String,
    /// Value of `PluginPage`.
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) page: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) layout: Json,
    #[serde(default)]
    pub(crate) ids: Vec<Json>,
    #[serde(default)]
    pub(crate) properties: Vec<(Json, String)>,
    #[serde(default)]
    pub(crate) error: Option<PanelFailure>,
}

/// One view; pages ask for it in their own workers.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(crate) struct View {
    pub(crate) class: String,
    #[serde(default)]
    pub(crate) error: Option<PanelFailure>,
}

/// One page.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Page {
    #[serde(deserialize_with = "or_default")]
    pub(crate) class: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) module: String,
    pub(crate) path: Option<String>,
    pub(crate) path_template: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) name: String,
    pub(crate) title: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) redirect_from: Vec<String>,
    pub(crate) layout: Json,
    pub(crate) layout_is_function: bool,
    pub(crate) is_not_found: bool,
    pub(crate) error: Option<PanelFailure>,
}

/// A clientside function that stands in the index.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub(crate) struct InlineScript {
    pub(crate) name: String,
    pub(crate) source: String,
}

/// Component libraries: of the environment, or those that a file uses beyond them.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Libraries {
    pub(crate) libraries: Resources,
    pub(crate) packages: BTreeMap<String, Package>,
    pub(crate) children_props: Map<String, Json>,
    pub(crate) versions: BTreeMap<String, Option<String>>,
    pub(crate) themes: Vec<Theme>,
}

/// Package and path of scripts and style sheets, in the order of the index.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Resources {
    pub(crate) scripts: Vec<(String, String)>,
    pub(crate) styles: Vec<(String, String)>,
    /// So many scripts stand before those of libraries and assets.
    pub(crate) before: usize,
    /// So many stand behind them.
    pub(crate) after: usize,
}

/// What browsers may have of a package.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Package {
    pub(crate) version: String,
    pub(crate) folder: PathBuf,
    pub(crate) files: Vec<String>,
}

/// A finding about a file.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Message {
    /// `error`, `warning` or `note`.
    pub level: String,
    /// What was found.
    pub text: String,
    /// Where.
    #[serde(default)]
    pub file: Option<String>,
    /// On which line.
    #[serde(default)]
    pub line: Option<u64>,
    /// What to do.
    #[serde(default)]
    pub remedy: Option<String>,
}

/// A theme.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(crate) struct Theme {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) dark: bool,
    #[serde(default)]
    pub(crate) is_default: bool,
    #[serde(default)]
    pub(crate) custom_css: Option<PathBuf>,
}

/// The answer to `update` and `set_theme`.
#[derive(Debug, Deserialize)]
pub(crate) struct Values {
    pub(crate) values: Vec<Box<serde_json::value::RawValue>>,
    #[serde(default)]
    pub(crate) error: Option<PanelFailure>,
}

/// The answer to `callback`.
#[derive(Debug, Deserialize)]
pub(crate) struct Called {
    pub(crate) status: u16,
    #[serde(default)]
    pub(crate) body: Option<Box<serde_json::value::RawValue>>,
    #[serde(default)]
    pub(crate) error: Option<PanelFailure>,
    #[serde(default)]
    pub(crate) set_cookies: Vec<String>,
}

/// The answer to `layout`.
#[derive(Debug, Deserialize)]
pub(crate) struct PageLayout {
    pub(crate) layout: Json,
    #[serde(default)]
    pub(crate) title: Option<String>,
}
