//! Publishing: files are stored first, then the record; whoever is slower makes the next version.

use std::path::Path;
use std::time::SystemTime;

use bytes::Bytes;
use pegboard_model::{
    Artifact, ArtifactFile, ArtifactKind, ArtifactName, ArtifactOrigin, ArtifactReference, Error, FileFormat, TableColumn,
    Timestamp,
};
use pegboard_store::StoreError;
use serde_json::{Map, Value as Json, json};
use tokio::io::AsyncReadExt as _;
use uuid::Uuid;

use super::place::{self, Scratch, failed};
use super::tables;
use crate::api::shape::{ArtifactBody, ArtifactFileBody};
use crate::app::App;

/// Most bytes of facts: they are read with every list.
const FACTS: usize = 256 << 10;
/// Tries against others who publish the same thing at the same time.
const TRIES: usize = 20;
/// Bytes that are read at once.
const PIECE: usize = 1 << 20;

/// Makes the next version of the artifact, or its first.
pub(crate) async fn publish(app: &App, kind: ArtifactKind, name: &ArtifactName, body: ArtifactBody) -> Result<Artifact, Error> {
    check(kind, &body)?;
    if kind.is_table() && !body.files.iter().any(|file| file.role == "data") {
        return Err(Error::invalid("artifact-files", format!("a {kind} has a file `data`, and there is none"))
            .hint("upload a CSV or Parquet file and name it with the role `data`"));
    }
    let mut artifact = Artifact {
        kind,
        name: name.clone(),
        version: 1,
        owner: "unknown".to_owned(),
        description: String::new(),
        status: "ready".to_owned(),
        tags: Vec::new(),
        health: Vec::new(),
        inputs: Vec::new(),
        origin: ArtifactOrigin::default(),
        facts: Map::new(),
        files: Vec::new(),
        created_at: Timestamp(0),
        modified_at: Timestamp(0),
    };
    let files = store_files(app, kind, &body.files).await?;
    if let Err(error) = apply(&mut artifact, &body, &files) {
        forget(app, &files).await;
        return Err(error);
    }
    for _ in 0..TRIES {
        let now = Timestamp::from(SystemTime::now());
        let last = app.store.artifact(kind, name, None).await?;
        artifact.version = last.as_ref().map_or(1, |last| last.version + 1);
        artifact.created_at = last.as_ref().map_or(now, |last| last.created_at);
        artifact.modified_at = last.map_or(now, |last| now.max(Timestamp(last.modified_at.0 + 1)));
        match app.store.publish_artifact(&artifact).await {
            Err(StoreError::AlreadyExists(_)) => {}
            Err(error) => {
                forget(app, &files).await;
                return Err(error.into());
            }
            Ok(()) => return Ok(artifact),
        }
    }
    forget(app, &files).await;
    Err(busy(&artifact))
}

/// Adds to the last version, or changes what is said about it.
pub(crate) async fn amend(app: &App, kind: ArtifactKind, name: &ArtifactName, body: ArtifactBody) -> Result<Artifact, Error> {
    check(kind, &body)?;
    let mut artifact = find(app, kind, name, None).await?;
    let files = store_files(app, kind, &body.files).await?;
    for _ in 0..TRIES {
        let seen = artifact.modified_at;
        let replaced: Vec<ArtifactFile> =
            artifact.files.iter().filter(|file| files.iter().any(|new| new.role == file.role)).cloned().collect();
        if let Err(error) = apply(&mut artifact, &body, &files) {
            forget(app, &files).await;
            return Err(error);
        }
        artifact.modified_at = Timestamp::from(SystemTime::now()).max(Timestamp(seen.0 + 1));
        match app.store.amend_artifact(&artifact, seen).await {
            Err(StoreError::ChangedMeanwhile(_)) => match find(app, kind, name, None).await {
                Ok(changed) => artifact = changed,
                Err(error) => {
                    forget(app, &files).await;
                    return Err(error);
                }
            },
            Err(error) => {
                forget(app, &files).await;
                return Err(error.into());
            }
            Ok(()) => {
                forget(app, &replaced).await;
                return Ok(artifact);
            }
        }
    }
    forget(app, &files).await;
    Err(busy(&artifact))
}

/// Forgets all versions and their files.
pub(crate) async fn remove(app: &App, kind: ArtifactKind, name: &ArtifactName) -> Result<(), Error> {
    let versions = app.store.artifact_versions(kind, name).await?;
    if !app.store.delete_artifact(kind, name).await? {
        return Err(missing(kind, name, None));
    }
    for version in versions {
        forget(app, &version.files).await;
    }
    Ok(())
}

/// That version, or the last one.
pub(crate) async fn find(app: &App, kind: ArtifactKind, name: &ArtifactName, version: Option<u64>) -> Result<Artifact, Error> {
    app.store.artifact(kind, name, version).await?.ok_or_else(|| missing(kind, name, version))
}

fn missing(kind: ArtifactKind, name: &ArtifactName, version: Option<u64>) -> Error {
    let which = version.map(|version| format!("version {version} of ")).unwrap_or_default();
    Error::not_found("artifact-not-found", format!("there is no {which}{kind} `{name}`"))
        .hint(format!("`pegboard catalog ls {}` lists them", kind.as_str().replace('_', "-")))
}

fn busy(artifact: &Artifact) -> Error {
    Error::conflict("artifact-busy", format!("{} is being changed by others all the time", artifact.reference()))
        .hint("try again")
}

fn too_many_facts(bytes: usize) -> Error {
    Error::invalid("artifact-facts", format!("the facts have {bytes} bytes, at most {FACTS} are kept"))
        .hint("put what is large into a file")
}

fn check(kind: ArtifactKind, body: &ArtifactBody) -> Result<(), Error> {
    let facts = serde_json::to_vec(&body.facts).map_or(usize::MAX, |text| text.len());
    if facts > FACTS {
        return Err(too_many_facts(facts));
    }
    for input in body.inputs.iter().flatten() {
        input.parse::<ArtifactReference>()?;
    }
    for (position, file) in body.files.iter().enumerate() {
        expected(kind, &file.role)?;
        if body.files[..position].iter().any(|other| other.role == file.role) {
            return Err(Error::invalid("artifact-files", format!("two files have the role `{}`", file.role)));
        }
    }
    Ok(())
}

/// What is to be found in a file of this role.
fn expected(kind: ArtifactKind, role: &str) -> Result<FileFormat, Error> {
    use ArtifactKind::{Endpoint, Graph, Model};
    let parts: Vec<&str> = role.split('/').collect();
    let sound = parts.iter().all(|part| !part.is_empty() && *part != "." && *part != "..") && !role.chars().any(char::is_control);
    let found = match (kind, parts.as_slice()) {
        (kind, ["data"]) if kind.is_table() => Some(FileFormat::Parquet),
        (Model, ["runs", _, "predictions" | "metrics" | "confusion_matrix"]) => Some(FileFormat::Parquet),
        (Model, ["shap_values" | "shap_feature_values"] | ["shap_values", _]) => Some(FileFormat::Parquet),
        (Model, ["shap_importance"]) | (Graph, ["graph"]) => Some(FileFormat::Json),
        (Model, ["model", _, ..]) => Some(FileFormat::Raw),
        (Endpoint, ["metrics"]) => Some(FileFormat::Parquet),
        _ => None,
    };
    found.filter(|_| sound && role.len() <= 300).ok_or_else(|| {
        let hint = match kind {
            Model => "a model has runs/RUN/predictions, runs/RUN/metrics, runs/RUN/confusion_matrix, shap_importance, shap_values, shap_values/LABEL, shap_feature_values, model/PATH",
            Endpoint => "an endpoint has metrics",
            Graph => "a graph has graph",
            ArtifactKind::Parameter => "a parameter has its value as the fact `value`",
            _ => "a table has data",
        };
        Error::invalid("artifact-files", format!("`{role}` is not a role of a file of a {kind}")).hint(hint)
    })
}

fn apply(artifact: &mut Artifact, body: &ArtifactBody, files: &[ArtifactFile]) -> Result<(), Error> {
    let put = |to: &mut String, from: &Option<String>| from.iter().for_each(|text| text.clone_into(to));
    put(&mut artifact.owner, &body.owner);
    put(&mut artifact.description, &body.description);
    put(&mut artifact.status, &body.status);
    body.tags.iter().for_each(|tags| tags.clone_into(&mut artifact.tags));
    body.health.iter().for_each(|health| health.clone_into(&mut artifact.health));
    if let Some(inputs) = &body.inputs {
        artifact.inputs = inputs.iter().map(|input| input.parse()).collect::<Result<_, _>>()?;
    }
    if let Some(origin) = &body.origin {
        artifact.origin = ArtifactOrigin::from(origin.clone());
    }
    for (key, value) in &body.facts {
        if value.is_null() {
            artifact.facts.remove(key);
        } else {
            artifact.facts.insert(key.clone(), value.clone());
        }
    }
    let length = serde_json::to_vec(&artifact.facts).map_or(usize::MAX, |text| text.len());
    if length > FACTS {
        return Err(too_many_facts(length));
    }
    artifact.files.retain(|file| !files.iter().any(|new| new.role == file.role));
    artifact.files.extend(files.iter().cloned());
    artifact.files.sort_by(|one, other| one.role.cmp(&other.role));
    Ok(())
}

/// All of them, or none.
async fn store_files(app: &App, kind: ArtifactKind, files: &[ArtifactFileBody]) -> Result<Vec<ArtifactFile>, Error> {
    let mut stored = Vec::with_capacity(files.len());
    for file in files {
        let scratch = Scratch::make(app).await?;
        let one = store_file(app, kind, file, &scratch).await;
        scratch.remove().await;
        match one {
            Ok(one) => stored.push(one),
            Err(error) => {
                forget(app, &stored).await;
                let message = format!("file `{}`: {}", file.role, error.message);
                return Err(Error { message, ..error });
            }
        }
    }
    // Published: nobody comes for them again.
    for id in files.iter().filter_map(|file| file.upload) {
        if let Ok(path) = place::uploaded(app, id).await {
            let _ = tokio::fs::remove_file(path).await;
        }
    }
    Ok(stored)
}

async fn store_file(app: &App, kind: ArtifactKind, file: &ArtifactFileBody, scratch: &Scratch) -> Result<ArtifactFile, Error> {
    let expected = expected(kind, &file.role)?;
    let (source, format) = match (&file.upload, &file.content) {
        (Some(id), None) => (place::uploaded(app, *id).await?, file.format.as_deref().unwrap_or("csv")),
        (None, Some(content)) => {
            let path = scratch.file("content.json");
            tokio::fs::write(&path, content.to_string()).await.map_err(|error| failed(&path, &error))?;
            (path, "json")
        }
        _ => return Err(Error::invalid("artifact-files", "either `upload` or `content` says what is in it")),
    };
    let (mut rows, mut columns) = (None, Vec::new());
    let path = match expected {
        FileFormat::Parquet => {
            if !["csv", "parquet", "json"].contains(&format) {
                return Err(Error::invalid("artifact-files", format!("`{format}` is not a format of tables"))
                    .hint("one of csv, parquet, json"));
            }
            let taken = tables::take(app, &source, format, scratch).await?;
            rows = taken["rows"].as_u64();
            columns = taken["columns"].as_array().into_iter().flatten().map(column).collect();
            scratch.file("table.parquet")
        }
        FileFormat::Json => {
            let text = tokio::fs::read(&source).await.map_err(|error| failed(&source, &error))?;
            serde_json::from_slice::<serde::de::IgnoredAny>(&text)
                .map_err(|error| Error::invalid("artifact-files", format!("it is no JSON: {error}")))?;
            source
        }
        FileFormat::Raw => source,
    };
    let object = format!("catalog/{}", Uuid::new_v4());
    let (bytes, hash) = send(app, &object, &path).await?;
    Ok(ArtifactFile { role: file.role.clone(), format: expected, object, bytes, hash, rows, columns })
}

fn column(column: &Json) -> TableColumn {
    let text = |key: &str| column[key].as_str().unwrap_or_default().to_owned();
    TableColumn { name: text("name"), sql_type: text("sql_type") }
}

/// Copies a file into the store.
async fn send(app: &App, object: &str, path: &Path) -> Result<(u64, String), Error> {
    let io = |error: std::io::Error| failed(path, &error);
    let mut file = tokio::fs::File::open(path).await.map_err(io)?;
    let mut writer = app.store.write_object(object).await?;
    let mut hasher = blake3::Hasher::new();
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        if (&mut file).take(PIECE as u64).read_to_end(&mut piece).await.map_err(io)? == 0 {
            break;
        }
        hasher.update(&piece);
        writer.write(Bytes::from(piece)).await?;
    }
    Ok((writer.finish().await?, hasher.finalize().to_hex().to_string()))
}

/// Removes objects of no use any more.
async fn forget(app: &App, files: &[ArtifactFile]) {
    for file in files {
        for key in [file.object.clone(), tables::statistics_key(file)] {
            if let Err(error) = app.store.delete_object(&key).await {
                tracing::warn!(object = key, %error, "an object of the catalog stays though nobody needs it");
            }
        }
    }
}

/// A table's job: which file, and which page of it.
pub(crate) fn page(path: &Path, offset: u64, limit: u64, sample: bool) -> Json {
    json!({ "action": "rows", "path": path, "offset": offset, "limit": limit, "sample": sample })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles() {
        use ArtifactKind::{DataSource, Endpoint, Graph, Model, Parameter};
        for (kind, role, format) in [
            (DataSource, "data", Some(FileFormat::Parquet)),
            (Model, "runs/full_cross_fold/predictions", Some(FileFormat::Parquet)),
            (Model, "shap_values/class 1", Some(FileFormat::Parquet)),
            (Model, "shap_importance", Some(FileFormat::Json)),
            (Model, "model/a/b.pkl", Some(FileFormat::Raw)),
            (Endpoint, "metrics", Some(FileFormat::Parquet)),
            (Graph, "graph", Some(FileFormat::Json)),
            (DataSource, "metrics", None),
            (Model, "runs//predictions", None),
            (Model, "model/../x", None),
            (Model, "runs/a/b/predictions", None),
            (Parameter, "data", None),
        ] {
            assert_eq!(expected(kind, role).ok(), format, "{kind} {role}");
        }
    }
}
