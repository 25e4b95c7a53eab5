//! What a run takes besides its config, by type: checked and completed before a session is made (specification, section 4).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pegboard_model::{Error, PluginType, Project};
use serde_json::{Map, Value as Json, json};

/// Largest CSV file before base64.
const CSV: usize = 16 << 20;

/// Names that clients or we set: nobody else may.
const OURS: &[&str] = &[
    "projectId",
    "apiKey",
    "orgId",
    "runBy",
    "session",
    "configJSON",
    "workflow",
    "tags",
    "categorySchema",
    "labeltask",
    "dataURL",
    "logger",
    "jsonExport",
    "numTasks",
    "integrationId",
];

/// Checks and completes what a run takes.
///
/// # Errors
/// `session-parameter` says which one is wrong.
pub(crate) fn check(
    plugin_type: PluginType,
    mut given: Map<String, Json>,
    project: Option<&Project>,
) -> Result<Map<String, Json>, Error> {
    if let Some(ours) = given.keys().find(|key| OURS.contains(&key.as_str())) {
        return Err(wrong(ours, "the hub sets it"));
    }
    let mut taken = Map::new();
    taken.insert("batches".to_owned(), json!(batches(given.remove("batches"), project)?));
    let text = |key: &str, given: &mut Map<String, Json>| -> Result<Option<String>, Error> {
        match given.remove(key) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong(key, "it is no text")),
        }
    };
    match plugin_type {
        PluginType::Export => {
            let stage = match given.remove("stage") {
                None | Some(Json::Null) => vec!["Complete".to_owned()],
                Some(list) => stages(list, project)?,
            };
            taken.insert("stage".to_owned(), json!(stage));
            taken.insert("sendEmail".to_owned(), json!(flag("sendEmail", &mut given)?.unwrap_or(false)));
        }
        PluginType::Model => {
            let (asset, task) = (text("assetId", &mut given)?, text("taskId", &mut given)?);
            if asset.is_none() && task.is_none() {
                return Err(wrong("assetId", "a model runs on one asset or task, and none is named"));
            }
            for (key, value) in [("assetId", asset), ("taskId", task)] {
                if let Some(value) = value {
                    let _: pegboard_model::HubId = value.parse().map_err(|_| wrong(key, "it is no id"))?;
                    taken.insert(key.to_owned(), json!(value));
                }
            }
            if let Some(overwrite) = flag("overwrite", &mut given)? {
                taken.insert("overwrite".to_owned(), json!(overwrite));
            }
        }
        PluginType::BatchModel => {}
        PluginType::FileExplorer | PluginType::Input => {
            for key in ["bucket", "folder", "storageId"] {
                if let Some(value) = text(key, &mut given)? {
                    taken.insert(key.to_owned(), json!(value));
                }
            }
            taken.insert("upload".to_owned(), json!(flag("upload", &mut given)?.unwrap_or(false)));
            let token = given.remove("scrollToken").or_else(|| given.remove("scroll_token")).unwrap_or(Json::Null);
            taken.insert("scrollToken".to_owned(), token);
            match given.remove("files") {
                None | Some(Json::Null) => {}
                Some(list) => drop(taken.insert("files".to_owned(), json!(texts("files", list)?))),
            }
            if plugin_type == PluginType::Input {
                let options = given.remove("fileExplorerOptions").unwrap_or_else(|| json!([]));
                taken.insert("fileExplorerOptions".to_owned(), options);
            }
        }
        PluginType::MarkdownGenerator => {
            let file = text("inputFile", &mut given)?.ok_or_else(|| wrong("inputFile", "a CSV file is needed"))?;
            // A browser's reader gives a data URL; scripts expect bare base64.
            let file = file.rsplit_once("base64,").map_or(file.as_str(), |(_, rest)| rest).to_owned();
            if file.len() / 4 * 3 > CSV {
                return Err(wrong("inputFile", "the file is larger than 16 MiB"));
            }
            STANDARD.decode(&file).map_err(|_| wrong("inputFile", "it is no base64"))?;
            taken.insert("inputFile".to_owned(), json!(file));
            taken.insert("markdownText".to_owned(), json!(text("markdownText", &mut given)?.unwrap_or_default()));
            taken.insert("fileList".to_owned(), given.remove("fileList").unwrap_or_else(|| json!([])));
            if let Some(storage) = text("storageId", &mut given)? {
                taken.insert("storageId".to_owned(), json!(storage));
            }
        }
    }
    // Callbacks take what they know: more does no harm.
    taken.extend(given);
    Ok(taken)
}

fn flag(key: &str, given: &mut Map<String, Json>) -> Result<Option<bool>, Error> {
    match given.remove(key) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Bool(flag)) => Ok(Some(flag)),
        Some(_) => Err(wrong(key, "it is neither true nor false")),
    }
}

fn texts(key: &str, value: Json) -> Result<Vec<String>, Error> {
    serde_json::from_value(value).map_err(|_| wrong(key, "it is no list of texts"))
}

/// Ids of batches, given as ids or names.
fn batches(value: Option<Json>, project: Option<&Project>) -> Result<Vec<String>, Error> {
    let words = match value {
        None | Some(Json::Null) => return Ok(Vec::new()),
        Some(value) => texts("batches", value)?,
    };
    let Some(project) = project else { return Ok(words) };
    let find = |word: &String| {
        let batch = project.batches.iter().find(|batch| batch.id.to_string() == *word || batch.name == *word);
        batch.map(|batch| batch.id.to_string()).ok_or_else(|| wrong("batches", &format!("the project has no batch `{word}`")))
    };
    words.iter().map(find).collect()
}

/// Ids of stages, given as ids or names.
fn stages(value: Json, project: Option<&Project>) -> Result<Vec<String>, Error> {
    let words = texts("stage", value)?;
    let Some(project) = project else { return Ok(words) };
    let find = |word: &String| {
        let stage = project.stage_called(word);
        stage.map(|stage| stage.id.clone()).ok_or_else(|| wrong("stage", &format!("the project has no stage `{word}`")))
    };
    words.iter().map(find).collect()
}

fn wrong(key: &str, why: &str) -> Error {
    Error::invalid("session-parameter", format!("the run's `{key}` cannot be: {why}"))
        .hint("docs/guides/hub-plugins.md says what each type takes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(plugin_type: PluginType, given: Json) -> Result<Json, String> {
        let given = given.as_object().cloned().unwrap_or_default();
        check(plugin_type, given, None).map(Json::Object).map_err(|error| error.message)
    }

    #[test]
    fn lists_are_always_there() {
        assert_eq!(
            taken(PluginType::Export, json!({})).unwrap(),
            json!({"batches": [], "stage": ["Complete"], "sendEmail": false})
        );
        assert_eq!(taken(PluginType::Export, json!({"stage": []})).unwrap()["stage"], json!([]));
        assert_eq!(taken(PluginType::BatchModel, json!({"mine": 1})).unwrap(), json!({"batches": [], "mine": 1}));
        let listing = taken(PluginType::FileExplorer, json!({"bucket": "b", "scroll_token": "t"})).unwrap();
        assert_eq!(listing, json!({"batches": [], "bucket": "b", "upload": false, "scrollToken": "t"}));
        assert_eq!(taken(PluginType::Input, json!({})).unwrap()["fileExplorerOptions"], json!([]));
        let markdown =
            taken(PluginType::MarkdownGenerator, json!({"inputFile": "data:text/csv;base64,YSxi", "markdownText": "#"})).unwrap();
        assert_eq!(markdown["inputFile"], "YSxi");
    }

    #[test]
    fn what_cannot_be_is_named() {
        for (plugin_type, given, word) in [
            (PluginType::Export, json!({"stage": "Complete"}), "stage"),
            (PluginType::Export, json!({"sendEmail": 1}), "sendEmail"),
            (PluginType::Export, json!({"session": "x"}), "session"),
            (PluginType::Export, json!({"batches": [1]}), "batches"),
            (PluginType::Model, json!({}), "assetId"),
            (PluginType::Model, json!({"assetId": "x"}), "assetId"),
            (PluginType::FileExplorer, json!({"files": "x"}), "files"),
            (PluginType::FileExplorer, json!({"bucket": 1}), "bucket"),
            (PluginType::MarkdownGenerator, json!({}), "inputFile"),
            (PluginType::MarkdownGenerator, json!({"inputFile": "?"}), "inputFile"),
        ] {
            let message = taken(plugin_type, given).unwrap_err();
            assert!(message.contains(&format!("`{word}`")), "{message}");
        }
    }
}
