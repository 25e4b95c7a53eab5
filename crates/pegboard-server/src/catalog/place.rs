//! Files on this machine: uploads that wait to be published, scratch for workers, copies of objects that lie in a bucket.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use axum::body::Body;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use pegboard_model::{ArtifactFile, Error, ErrorKind};
use pegboard_store::StoreError;
use tokio::io::AsyncWriteExt as _;
use uuid::Uuid;

use crate::app::App;

/// What nobody came for is removed after this long.
const FORGOTTEN: Duration = Duration::from_secs(24 * 60 * 60);
/// Copies of objects beyond this many bytes are removed, those that were used longest ago first.
const COPIES: u64 = 10 << 30;

/// A folder for one job; removed by [`Scratch::remove`], or a day later by whoever comes then.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) async fn make(app: &App) -> Result<Self, Error> {
        let parent = folder(app, "scratch").await?;
        let path = parent.join(Uuid::new_v4().to_string());
        tokio::fs::create_dir(&path).await.map_err(|error| failed(&path, &error))?;
        Ok(Self(path))
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) async fn remove(self) {
        if let Err(error) = tokio::fs::remove_dir_all(&self.0).await {
            tracing::warn!(folder = %self.0.display(), %error, "a scratch folder stays until tomorrow");
        }
    }
}

/// Takes a body as it comes; its id and its length.
pub(crate) async fn upload(app: &App, body: Body) -> Result<(Uuid, u64), Error> {
    let limit = app.settings.server.upload_limit as u64;
    let parent = folder(app, "uploads").await?;
    for kind in ["uploads", "scratch"] {
        sweep(folder(app, kind).await?).await;
    }
    let id = Uuid::new_v4();
    let path = parent.join(id.to_string());
    let taken = take(&path, body, limit).await;
    if taken.is_err() {
        // Gone, or it goes with the next sweep.
        let _ = tokio::fs::remove_file(&path).await;
    }
    Ok((id, taken?))
}

async fn take(path: &Path, body: Body, limit: u64) -> Result<u64, Error> {
    let io = |error: std::io::Error| failed(path, &error);
    let mut file = tokio::fs::File::create(path).await.map_err(io)?;
    let (mut pieces, mut length) = (body.into_data_stream(), 0);
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| Error::invalid("body", "the request's body broke off"))?;
        length += piece.len() as u64;
        if length > limit {
            return Err(Error::invalid(
                "body-too-large",
                format!("the file is larger than the {limit} bytes that the server takes"),
            )
            .hint("raise `server.upload_limit`, or send it as Parquet"));
        }
        file.write_all(&piece).await.map_err(io)?;
    }
    file.flush().await.map_err(io)?;
    Ok(length)
}

/// Where an upload waits.
pub(crate) async fn uploaded(app: &App, id: Uuid) -> Result<PathBuf, Error> {
    let path = folder(app, "uploads").await?.join(id.to_string());
    if tokio::fs::try_exists(&path).await.unwrap_or(false) {
        return Ok(path);
    }
    Err(Error::not_found("upload-not-found", format!("there is no upload `{id}`"))
        .hint("post the file to `/api/v1/catalog/uploads` first; an upload is kept for a day and published once"))
}

/// The file's bytes as a file on this machine.
pub(crate) async fn local(app: &App, file: &ArtifactFile) -> Result<PathBuf, Error> {
    if let Some(path) = app.store.object_file(&file.object)? {
        return Ok(path);
    }
    let copies = folder(app, "copies").await?;
    // By content: what is there is whole, because it was renamed.
    let path = copies.join(&file.hash);
    if tokio::fs::try_exists(&path).await.unwrap_or(false) {
        let used = path.clone();
        // Only the order of removal depends on it.
        let _ =
            tokio::task::spawn_blocking(move || std::fs::File::options().write(true).open(used)?.set_modified(SystemTime::now()))
                .await;
        return Ok(path);
    }
    let Some((_, pieces)) = app.store.read_object(&file.object).await? else { return Err(gone(&file.role)) };
    let partial = copies.join(format!(".{}", Uuid::new_v4()));
    write(&partial, pieces).await?;
    tokio::fs::rename(&partial, &path).await.map_err(|error| failed(&path, &error))?;
    make_room(copies, path.clone()).await;
    Ok(path)
}

/// The object of a file has been removed behind our back.
pub(crate) fn gone(role: &str) -> Error {
    Error::not_found("artifact-file-gone", format!("the object that holds the file `{role}` has been removed"))
        .hint("publish the artifact again")
}

async fn write(path: &Path, mut pieces: BoxStream<'static, Result<Bytes, StoreError>>) -> Result<(), Error> {
    let io = |error: std::io::Error| failed(path, &error);
    let mut file = tokio::fs::File::create(path).await.map_err(io)?;
    while let Some(piece) = pieces.next().await {
        file.write_all(&piece?).await.map_err(io)?;
    }
    file.flush().await.map_err(io)
}

async fn folder(app: &App, name: &str) -> Result<PathBuf, Error> {
    let path = app.settings.server.data.join("catalog").join(name);
    tokio::fs::create_dir_all(&path).await.map_err(|error| failed(&path, &error))?;
    Ok(path)
}

async fn sweep(folder: PathBuf) {
    let sweep = move || {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let age = entry.metadata().and_then(|about| about.modified()).ok().and_then(|time| time.elapsed().ok());
            if age.is_some_and(|age| age > FORGOTTEN) {
                let path = entry.path();
                let _ = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
            }
        }
    };
    let _ = tokio::task::spawn_blocking(sweep).await;
}

async fn make_room(folder: PathBuf, keep: PathBuf) {
    let make_room = move || {
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let about = entry.metadata().ok()?;
                Some((about.modified().ok()?, about.len(), entry.path()))
            })
            .collect();
        files.sort();
        let mut sum: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, bytes, path) in files {
            if sum <= COPIES {
                break;
            }
            if path != keep && std::fs::remove_file(&path).is_ok() {
                sum -= bytes;
            }
        }
    };
    let _ = tokio::task::spawn_blocking(make_room).await;
}

pub(crate) fn failed(path: &Path, error: &std::io::Error) -> Error {
    let (kind, code) = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => (ErrorKind::Exhausted, "disk-full"),
        _ => (ErrorKind::Internal, "data-directory"),
    };
    Error::new(kind, code, format!("cannot use `{}`: {error}", path.display()))
}
