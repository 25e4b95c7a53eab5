//! `pegboard backup` and `pegboard restore`.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use futures::StreamExt as _;
use pegboard_model::Error;
use pegboard_server::Settings;
use pegboard_server::backup::{self, Manifest, Restored};
use serde_json::{Map, json};

use super::AdministrationCommand;
use crate::client::Client;
use crate::failure::CommandFailure;
use crate::output::Output;

pub(super) async fn backup(client: &Client, file: &Path, output: &Output) -> Result<(), CommandFailure> {
    if file.exists() {
        return Err(Error::conflict("file-exists", format!("`{}` exists already", file.display()))
            .hint("a backup is written over nothing: choose another name")
            .into());
    }
    // Its own name only when it is whole.
    let mut partial = file.as_os_str().to_owned();
    partial.push(".part");
    let partial = Partial(PathBuf::from(partial));
    let failed = |error: std::io::Error| {
        CommandFailure::from(
            Error::unavailable("cannot-write", format!("cannot write `{}`: {error}", file.display()))
                .hint("choose a place that can be written and has room"),
        )
    };
    let mut written = File::options().write(true).create(true).truncate(true).mode(0o600).open(&partial.0).map_err(failed)?;
    let response = client.post_stream(&["backups"], &Map::new()).await?;
    let mut pieces = response.bytes_stream();
    while let Some(piece) = pieces.next().await {
        let broke_off = |error: reqwest::Error| {
            CommandFailure::from(
                Error::unavailable("backup-broke-off", format!("the backup broke off: {error}"))
                    .hint("the server's log says why; try again"),
            )
        };
        written.write_all(&piece.map_err(broke_off)?).map_err(failed)?;
    }
    written.sync_all().map_err(failed)?;
    let checked = partial.0.clone();
    let manifest = away(move || backup::check(&checked)).await?;
    std::fs::rename(&partial.0, file).map_err(failed)?;
    if output.json {
        output.data(&summary(&manifest));
    } else {
        output.note(&format!("{} in `{}`, checked; it holds keys and secrets", words(&manifest), file.display()));
    }
    Ok(())
}

/// Removed unless it was renamed.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        // Gone already when all went well.
        let _ = std::fs::remove_file(&self.0);
    }
}

pub(crate) async fn restore(settings: &Settings, command: &AdministrationCommand, output: &Output) -> Result<(), CommandFailure> {
    let AdministrationCommand::Restore { file, replace, check, .. } = command else { return Ok(()) };
    if *check {
        let path = file.clone();
        let manifest = away(move || backup::check(&path)).await?;
        if output.json {
            output.data(&summary(&manifest));
        } else {
            output.note(&format!("`{}` is whole: {} of {}", file.display(), words(&manifest), manifest.made_at));
        }
        return Ok(());
    }
    let Restored { manifest, former, plugins } = backup::restore(file, &settings.store, *replace).await?;
    let data = settings.server.data.display();
    if output.json {
        let mut data = summary(&manifest);
        data["data"] = settings.server.data.display().to_string().into();
        data["former"] = former.map(|former| former.display().to_string()).into();
        data["plugins"] = plugins.into();
        output.data(&data);
        return Ok(());
    }
    output.note(&format!("restored {} of {} into `{data}`", words(&manifest), manifest.made_at));
    if let Some(former) = former {
        output.note(&format!("what was there before is in `{}`", former.display()));
    }
    let is_missing = !settings.server.data.join("environments").exists();
    if is_missing && !plugins.is_empty() {
        output.note("environments are not in a backup; with the server running, make them again:");
        plugins.iter().for_each(|plugin| output.note(&format!("  pegboard upgrade {plugin}")));
    }
    Ok(())
}

async fn away<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, CommandFailure> {
    let ended = |error| Error::internal("backup", format!("reading a backup ended early: {error}"));
    Ok(tokio::task::spawn_blocking(work).await.map_err(ended)??)
}

fn words(manifest: &Manifest) -> String {
    format!("{} records, {} objects, {} files", manifest.rows(), manifest.objects, manifest.files)
}

fn summary(manifest: &Manifest) -> serde_json::Value {
    json!({
        "made_at": manifest.made_at, "pegboard": manifest.pegboard, "schema": manifest.schema,
        "records": manifest.rows(), "objects": manifest.objects, "files": manifest.files, "bytes": manifest.bytes(),
    })
}
