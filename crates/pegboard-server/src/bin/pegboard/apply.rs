//! `pegboard apply` and `pegboard workflows`.

use std::path::{Path, PathBuf};

use pegboard_model::Error;
use pegboard_server::shape::{ApplyAnswer, WorkflowList};
use tokio::io::AsyncReadExt as _;

use crate::client::Client;
use crate::failure::CommandFailure;
use crate::output::{Output, instant};

pub(crate) async fn apply(client: &Client, files: &[PathBuf], output: &Output) -> Result<(), CommandFailure> {
    let mut all = ApplyAnswer { applied: Vec::new(), resources: Vec::new() };
    for file in files {
        let answer = apply_text(client, read(file).await?).await.map_err(|failure| named(failure, file))?;
        if !output.json {
            for applied in &answer.applied {
                let done = if applied.created { "created" } else { "changed" };
                output.line(&format!("workflow {} {done}", applied.workflow.name));
            }
            for applied in &answer.resources {
                let done = if applied.created { "created" } else { "changed" };
                output.line(&format!("{} {} {done}", applied.kind, applied.name));
            }
        }
        answer
            .applied
            .iter()
            .flat_map(|applied| &applied.warnings)
            .chain(answer.resources.iter().flat_map(|applied| &applied.warnings))
            .for_each(|warning| output.note(&format!("warning: {warning}")));
        all.applied.extend(answer.applied);
        all.resources.extend(answer.resources);
    }
    if output.json {
        output.data(&all);
    }
    Ok(())
}

pub(crate) async fn list(client: &Client, output: &Output) -> Result<(), CommandFailure> {
    let answer: WorkflowList = client.get(&["workflows"], &[]).await?;
    if output.json {
        output.data(&answer);
    } else if answer.workflows.is_empty() {
        output.note("no workflow yet; `pegboard apply FILE` stores one");
    } else {
        let row = |workflow: &pegboard_server::shape::WorkflowAnswer| {
            vec![workflow.name.clone(), workflow.stages.len().to_string(), instant(&workflow.updated_at)]
        };
        output.table(&["NAME", "STAGES", "CHANGED"], answer.workflows.iter().map(row).collect());
    }
    Ok(())
}

/// Sends a text to be stored.
pub(crate) async fn apply_text(client: &Client, text: String) -> Result<ApplyAnswer, CommandFailure> {
    client.post_text(&["workflows"], text).await
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
