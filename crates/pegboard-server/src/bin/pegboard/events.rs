//! `pegboard events`. A stream that breaks off is taken up again after the last event.

use std::time::Duration;

use eventsource_stream::Eventsource as _;
use futures::StreamExt as _;
use pegboard_server::shape::EventAnswer;

use crate::client::Client;
use crate::failure::{CommandFailure, NO_SERVER, STOPPED};
use crate::output::{Output, instant};

/// Attempts in a row to take a stream up again, and the pause before each.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(500);
/// What every type of the dialect begins with.
const PREFIX: &str = "com.event.";

pub(crate) async fn events(client: &Client, after: Option<u64>, go_on: bool, output: &Output) -> Result<(), CommandFailure> {
    tokio::select! {
        told = tell(client, after.unwrap_or(0), go_on, output) => told,
        _ = tokio::signal::ctrl_c() => Err(CommandFailure::silent(STOPPED)),
    }
}

async fn tell(client: &Client, mut after: u64, go_on: bool, output: &Output) -> Result<(), CommandFailure> {
    let mut attempts = 0;
    let mut is_connected = false;
    loop {
        match listen(client, &mut after, go_on, output, &mut attempts, &mut is_connected).await {
            Ok(true) => return Ok(()),
            Ok(false) if attempts < ATTEMPTS => {}
            Err(failure) if attempts < ATTEMPTS && failure.exit == NO_SERVER && is_connected => {}
            Ok(false) => return Err(CommandFailure::no_server("its address", "the stream of events breaks off again and again")),
            Err(failure) => return Err(failure),
        }
        attempts += 1;
        tokio::time::sleep(PAUSE).await;
    }
}

/// Reads one stream; true when all is told that was asked for, false when the stream broke off.
async fn listen(
    client: &Client,
    after: &mut u64,
    go_on: bool,
    output: &Output,
    attempts: &mut u32,
    is_connected: &mut bool,
) -> Result<bool, CommandFailure> {
    let resume = after.to_string();
    let response = client.stream(&["events"], &[("after", &resume)]).await?;
    *is_connected = true;
    let mut events = response.bytes_stream().eventsource();
    while let Some(Ok(event)) = events.next().await {
        *attempts = 0;
        match event.event.as_str() {
            "current" if !go_on => return Ok(true),
            "event" => {
                if let Ok(event) = serde_json::from_str::<EventAnswer>(&event.data) {
                    *after = event.sequence;
                    print(&event, output);
                }
            }
            _ => {}
        }
    }
    Ok(false)
}

fn print(event: &EventAnswer, output: &Output) {
    if output.json {
        output.data_line(event);
        return;
    }
    let word = event.event_type.strip_prefix(PREFIX).unwrap_or(&event.event_type);
    let about = match event.data["identifier"].as_str() {
        Some(workflow) => format!("{workflow} asked for by {}", event.source),
        None => {
            let text = |key: &str| event.data[key].as_str().unwrap_or_default().to_owned();
            format!("{} {} {}", text("workflow"), text("name"), text("state"))
        }
    };
    output.line(&format!("{:>6} {} {word:<28} {}", event.sequence, instant(&event.time), about.trim_end()));
}
