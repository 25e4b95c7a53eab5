//! The recorded scenarios in `fixtures/flowdapt/golden`.

use std::collections::BTreeMap;
use std::fs;

use serde::Deserialize;
use serde_json::Value as Json;

use crate::support::root;

#[derive(Deserialize)]
pub(super) struct Scenario {
    #[serde(default)]
    pub(super) files: BTreeMap<String, String>,
    pub(super) steps: Vec<Step>,
}

#[derive(Deserialize)]
pub(super) struct Step {
    pub(super) label: String,
    #[serde(default)]
    pub(super) argv: Option<Vec<String>>,
    #[serde(default)]
    pub(super) exit_code: Option<i32>,
    #[serde(default)]
    pub(super) stdout: Option<String>,
    #[serde(default)]
    pub(super) call: Option<String>,
    #[serde(default)]
    pub(super) returns: Option<String>,
    #[serde(default)]
    pub(super) raises: Option<String>,
    #[serde(default)]
    pub(super) message: Option<String>,
    #[serde(default)]
    pub(super) exchanges: Vec<Exchange>,
}

#[derive(Clone, Deserialize)]
pub(super) struct Exchange {
    pub(super) request: Request,
    pub(super) response: Response,
}

#[derive(Clone, Deserialize)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) body: Option<Json>,
    #[serde(default)]
    pub(super) body_text: Option<String>,
}

#[derive(Clone, Deserialize)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) body: Option<Json>,
    #[serde(default)]
    pub(super) body_text: Option<String>,
}

/// The scenario whose number it is.
pub(super) fn scenario(number: &str) -> Scenario {
    let folder = root().join("fixtures/flowdapt/golden");
    let mut entries = fs::read_dir(&folder).unwrap().flatten();
    let found = entries.find(|entry| entry.file_name().to_string_lossy().starts_with(number)).unwrap();
    serde_json::from_str(&fs::read_to_string(found.path()).unwrap()).unwrap()
}
