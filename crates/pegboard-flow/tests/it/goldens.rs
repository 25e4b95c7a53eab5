//! Every document in `fixtures/workflows` reads as the golden file beside it says. `UPDATE_GOLDENS=1` writes them anew.

use std::path::{Path, PathBuf};

use pegboard_flow::{Document, Flow, ResourceDocument};
use serde::Serialize;
use serde_json::{Value as Json, json};

#[test]
fn documents_read_as_their_goldens_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/workflows");
    let documents = documents(&folder);
    assert!(documents.len() > 30, "{documents:?}");
    let update = std::env::var_os("UPDATE_GOLDENS").is_some();
    let mut differing = Vec::new();
    for path in documents {
        let read = read(&std::fs::read_to_string(&path).unwrap());
        let golden = path.with_added_extension("golden");
        let text = serde_json::to_string_pretty(&read).unwrap() + "\n";
        if update {
            std::fs::write(&golden, &text).unwrap();
        }
        assert_eq!(path.parent().unwrap().ends_with("refused"), read.get("error").is_some(), "{}: {text}", path.display());
        if std::fs::read_to_string(&golden).unwrap_or_default() != text {
            differing.push(format!("{}:\n{text}", path.display()));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

fn read(text: &str) -> Json {
    match Flow::parse(text) {
        Ok(documents) => documents.iter().map(told).collect(),
        Err(error) => json!({ "error": error }),
    }
}

fn told(document: &Document) -> Json {
    match document {
        Document::Workflow(document) => {
            let mut told = fields(document);
            told["check"] = json!(Flow::check(&document.spec));
            told
        }
        Document::Config(document) => fields(document),
        Document::Trigger(document) => fields(document),
    }
}

fn fields<S: Serialize>(document: &ResourceDocument<S>) -> Json {
    let ResourceDocument { name, annotations, spec, warnings } = document;
    json!({ "name": name, "annotations": annotations, "spec": spec, "warnings": warnings })
}

fn documents(folder: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            paths.extend(documents(&path));
        } else if path.extension().is_some_and(|extension| extension != "golden") {
            paths.push(path);
        }
    }
    paths.sort();
    paths
}
