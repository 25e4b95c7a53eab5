//! `pegboard run`: starts a run and, when asked, stays with it.

use std::path::Path;

use pegboard_model::Error;
use pegboard_server::shape::{RunAnswer, RunBody};
use serde_json::{Map, Value as Json};

use crate::apply::{apply_text, read, warn, workflows};
use crate::arguments::RunArguments;
use crate::client::Client;
use crate::failure::{CommandFailure, FAILED, STOPPED};
use crate::follow::{News, follow};
use crate::output::{Board, Output};

pub(crate) async fn run(client: &Client, arguments: &RunArguments, output: &Output) -> Result<(), CommandFailure> {
    let run: RunAnswer = match &arguments.resume {
        Some(old) => client.post(&["runs", old, "resume"], &Map::new()).await?,
        None => {
            let workflow = workflow(client, arguments, output).await?;
            let input = input(arguments).await?;
            let body = RunBody { workflow, input, namespace: arguments.namespace.clone() };
            client.post(&["runs"], &body).await?
        }
    };
    if !arguments.wait && !arguments.follow {
        if output.json {
            output.data(&run);
        } else {
            output.line(&run.name);
            output.note(&format!(
                "started; watch it with `pegboard logs {} --follow` or at {}",
                run.name,
                client.link(&format!("/ui/runs/{}", run.uid))
            ));
        }
        return Ok(());
    }
    let ended = stay(client, &run, arguments.follow, output).await?;
    conclude(client, ended, output).await
}

/// Stays with a run until it is over. Ctrl-C asks the server to cancel it; a second one leaves at once.
pub(crate) async fn stay(client: &Client, run: &RunAnswer, show: bool, output: &Output) -> Result<RunAnswer, CommandFailure> {
    let mut stopped = false;
    let ended = {
        let mut following = std::pin::pin!(watch(client, run, show, output));
        loop {
            tokio::select! {
                ended = &mut following => break ended?,
                _ = tokio::signal::ctrl_c() => {
                    if stopped {
                        return Err(CommandFailure::left(
                            &format!("left before run {} has ended; the server goes on cancelling it", run.name),
                            &format!("`pegboard run show {}` says how it ended", run.name),
                        ));
                    }
                    stopped = true;
                    output.note("cancelling the run…; press Ctrl-C again to leave before it has ended");
                    let (client, uid) = (client.clone(), run.uid.clone());
                    // Refused when the run is over already: the stream says so.
                    tokio::spawn(async move { client.post::<_, RunAnswer>(&["runs", &uid, "cancel"], &Map::new()).await.is_ok() });
                }
            }
        }
    };
    if stopped {
        output.ended(&ended);
        return Err(CommandFailure::silent(STOPPED));
    }
    Ok(ended)
}

/// Reads a run to its end, and shows stages and log when asked.
pub(crate) async fn watch(client: &Client, run: &RunAnswer, show: bool, output: &Output) -> Result<RunAnswer, CommandFailure> {
    let mut board = show.then(|| Board::new(*output));
    if let Some(board) = &board {
        board.say(&format!("run {} of {}", run.name, run.workflow));
    }
    let hear = |news: News| {
        let Some(board) = &mut board else { return };
        match news {
            News::Run(run) => run.stages.iter().enumerate().for_each(|(position, stage)| board.stage(position, stage)),
            News::Stage(position, stage) => board.stage(position, &stage),
            News::Progress(position, words) => board.progress(position, &words),
            News::Log(line) => board.log(&line),
        }
    };
    let ended = follow(client, &run.uid, hear).await?;
    if let Some(board) = &board {
        board.finish();
    }
    Ok(ended)
}

/// Prints how a run ended, and fails when it did not end well.
async fn conclude(client: &Client, run: RunAnswer, output: &Output) -> Result<(), CommandFailure> {
    if output.json {
        output.data(&run);
    }
    if run.state == "finished" {
        if !output.json {
            output.ended(&run);
            output.data(&result(client, &run).await?);
        }
        return Ok(());
    }
    if let Some(failure) = &run.failure {
        output.plugin_failure(failure);
    }
    output.ended(&run);
    Err(CommandFailure::silent(FAILED))
}

/// The result of a finished run, wherever it lies.
pub(crate) async fn result(client: &Client, run: &RunAnswer) -> Result<Json, CommandFailure> {
    if run.result_is_apart { client.get(&["runs", &run.uid, "result"], &[]).await } else { Ok(run.result.clone()) }
}

/// The name of the workflow; a file is applied first.
async fn workflow(client: &Client, arguments: &RunArguments, output: &Output) -> Result<String, CommandFailure> {
    let Some(name) = &arguments.name else {
        return Ok(arguments.workflow.clone().unwrap_or_default());
    };
    // A resource name has neither dots nor slashes, so the two cannot be mistaken for each other.
    if name != "-" && !name.contains(['.', '/']) {
        return match &arguments.workflow {
            None => Ok(name.clone()),
            Some(_) => Err(CommandFailure::usage(
                Error::invalid("usage", format!("`{name}` is not a file, and `--workflow` names a workflow already"))
                    .hint("name one of the two"),
            )),
        };
    }
    let answer = apply_text(client, read(Path::new(name)).await?).await?;
    let names = workflows(&answer);
    warn(&answer, output);
    match (&arguments.workflow, names.as_slice()) {
        (None, [only]) => Ok((*only).to_owned()),
        (Some(chosen), names) if names.contains(&chosen.as_str()) => Ok(chosen.clone()),
        _ => Err(CommandFailure::usage(
            Error::invalid("which-workflow", format!("`{name}` holds these workflows: {}", names.join(", ")))
                .hint("choose one with `--workflow NAME`"),
        )),
    }
}

async fn input(arguments: &RunArguments) -> Result<Map<String, Json>, CommandFailure> {
    let mut input = match &arguments.input_file {
        None => Map::new(),
        Some(path) => serde_json::from_str(&read(path).await?).map_err(|error| {
            CommandFailure::usage(
                Error::invalid("input-file", format!("`{}` does not hold a JSON object: {error}", path.display()))
                    .hint("write it as `{\"key\": value}`"),
            )
        })?,
    };
    input.extend(given(&arguments.input));
    Ok(input)
}

/// Keys and values as given: JSON when it reads as JSON, else text.
pub(crate) fn given(pairs: &[(String, String)]) -> Map<String, Json> {
    let value = |text: &String| serde_json::from_str(text).unwrap_or_else(|_| Json::from(text.clone()));
    pairs.iter().map(|(key, text)| (key.clone(), value(text))).collect()
}
