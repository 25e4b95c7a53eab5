//! `pegboard apply`.

use std::path::{Path, PathBuf};

use pegboard_model::Error;
use pegboard_server::shape::{ApplyAnswer, ResourceAnswer};
use tokio::io::AsyncReadExt as _;

use crate::client::Client;
use crate::failure::CommandFailure;
use crate::output::Output;

pub(crate) async fn apply(client: &Client, files: &[PathBuf], dry_run: bool, output: &Output) -> Result<(), CommandFailure> {
    let mut all = ApplyAnswer { applied: Vec::new() };
    for file in &documents(files)? {
        let text = read(file).await?;
        let answer = match dry_run {
            true => client.post_text(&["apply"], &[("dry_run", "true")], text).await,
            false => apply_text(client, text).await,
        };
        let answer: ApplyAnswer = answer.map_err(|failure| named(failure, file))?;
        if !output.json {
            applied(&answer, output);
        }
        warn(&answer, output);
        all.applied.extend(answer.applied);
    }
    if output.json {
        output.data(&all);
    }
    Ok(())
}

/// Says what was stored.
pub(crate) fn applied(answer: &ApplyAnswer, output: &Output) {
    for applied in &answer.applied {
        let done = match (applied.created, applied.unchanged, &applied.diff) {
            (_, true, _) => "unchanged",
            (true, _, None) => "created",
            (false, _, None) => "changed",
            (true, _, Some(_)) => "would be created",
            (false, _, Some(_)) => "would change",
        };
        output.line(&format!("{} {} {done}", applied.resource.kind(), applied.resource.name()));
        if let Some(diff) = applied.diff.as_deref().filter(|diff| !diff.is_empty()) {
            output.line(diff.trim_end());
        }
    }
}

/// Says what did not stop it from being stored.
pub(crate) fn warn(answer: &ApplyAnswer, output: &Output) {
    for applied in &answer.applied {
        for warning in &applied.warnings {
            output.note(&format!("warning: {} {}: {warning}", applied.resource.kind(), applied.resource.name()));
        }
    }
}

/// Names of the workflows among what was stored.
pub(crate) fn workflows(answer: &ApplyAnswer) -> Vec<&str> {
    let resources = answer.applied.iter().map(|applied| &applied.resource);
    resources.filter(|resource| matches!(resource, ResourceAnswer::Workflow(_))).map(ResourceAnswer::name).collect()
}

/// Sends a text to be stored.
pub(crate) async fn apply_text(client: &Client, text: String) -> Result<ApplyAnswer, CommandFailure> {
    client.post_text(&["apply"], &[], text).await
}

/// The files, and those that hold documents in the folders among them, by name.
fn documents(files: &[PathBuf]) -> Result<Vec<PathBuf>, CommandFailure> {
    let mut all = Vec::with_capacity(files.len());
    for file in files {
        if !file.is_dir() {
            all.push(file.clone());
            continue;
        }
        let entries = std::fs::read_dir(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let unreadable = |error| Error::invalid("file", format!("cannot read the folder `{}`: {error}", file.display()));
        let mut found: Vec<PathBuf> =
            entries.map_err(|error| CommandFailure::usage(unreadable(error)))?.iter().map(std::fs::DirEntry::path).collect();
        found.retain(|path| {
            path.is_file() && path.extension().is_some_and(|ending| ["yaml", "yml", "json"].iter().any(|known| ending == *known))
        });
        if found.is_empty() {
            let message = format!("the folder `{}` has no file that ends with .yaml, .yml or .json", file.display());
            return Err(CommandFailure::usage(Error::not_found("file", message)));
        }
        found.sort();
        all.append(&mut found);
    }
    Ok(all)
}

/// A file, or standard input for `-`.
pub(crate) async fn read(path: &Path) -> Result<String, CommandFailure> {
    let text = if path == Path::new("-") {
        let mut text = String::new();
        tokio::io::stdin().read_to_string(&mut text).await.map(|_| text)
    } else {
        tokio::fs::read_to_string(path).await
    };
    text.map_err(|error| CommandFailure::usage(Error::not_found("file", format!("cannot read `{}`: {error}", path.display()))))
}

/// Says which file a refusal is about.
fn named(mut failure: CommandFailure, file: &Path) -> CommandFailure {
    if let Some(error) = &mut failure.error
        && failure.exit == crate::failure::FAILED
    {
        error.message = format!("{}: {}", file.display(), error.message);
    }
    failure
}
