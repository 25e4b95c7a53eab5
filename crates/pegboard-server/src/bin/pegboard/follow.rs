//! A run's event stream, read to its end. A stream that breaks off is taken up again after the last log line.

use std::time::Duration;

use eventsource_stream::Eventsource as _;
use futures::StreamExt as _;
use pegboard_server::shape::{LogAnswer, RunAnswer, StageAnswer};
use serde::Deserialize;

use crate::client::Client;
use crate::failure::CommandFailure;

/// Attempts in a row to take a stream up again, and the pause before each.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(500);

/// What a stream says.
pub(crate) enum News {
    /// The run; without stages unless it is the first or the last of a stream.
    Run(Box<RunAnswer>),
    /// A stage.
    Stage(usize, Box<StageAnswer>),
    /// A plugin says how far its call is.
    Progress(usize, String),
    /// A line.
    Log(LogAnswer),
}

#[derive(Deserialize)]
struct StageNews {
    position: usize,
    stage: StageAnswer,
}

#[derive(Deserialize)]
struct ProgressNews {
    position: usize,
    done: f64,
    total: Option<f64>,
    message: String,
}

impl ProgressNews {
    fn words(&self) -> String {
        let share = match self.total {
            Some(total) if total > 0.0 => format!("{:.0} %", self.done / total * 100.0),
            _ => self.done.to_string(),
        };
        format!("{share} {}", self.message).trim_end().to_owned()
    }
}

/// Tells `hear` everything until the run is over; then the run as it ended.
pub(crate) async fn follow(client: &Client, run: &str, mut hear: impl FnMut(News)) -> Result<RunAnswer, CommandFailure> {
    let mut after = 0;
    let mut attempts = 0;
    let mut last = None;
    loop {
        match listen(client, run, &mut after, &mut last, &mut attempts, &mut hear).await {
            Ok(true) => break,
            Ok(false) if attempts < ATTEMPTS => {}
            Err(failure) if attempts < ATTEMPTS && failure.exit == crate::failure::NO_SERVER && last.is_some() => {}
            Ok(false) => return client.get(&["runs", run], &[]).await,
            Err(failure) => return Err(failure),
        }
        attempts += 1;
        tokio::time::sleep(PAUSE).await;
    }
    match last {
        Some(run) => Ok(run),
        None => client.get(&["runs", run], &[]).await,
    }
}

/// Reads one stream; true when the run is over, false when the stream broke off.
async fn listen(
    client: &Client,
    run: &str,
    after: &mut u64,
    last: &mut Option<RunAnswer>,
    attempts: &mut u32,
    hear: &mut impl FnMut(News),
) -> Result<bool, CommandFailure> {
    let resume = after.to_string();
    let response = client.stream(&["runs", run, "events"], &[("after", &resume)]).await?;
    let mut events = response.bytes_stream().eventsource();
    while let Some(Ok(event)) = events.next().await {
        *attempts = 0;
        match event.event.as_str() {
            "end" => return Ok(true),
            "run" => {
                if let Ok(run) = serde_json::from_str::<RunAnswer>(&event.data) {
                    *last = Some(run.clone());
                    hear(News::Run(Box::new(run)));
                }
            }
            "stage" => {
                if let Ok(news) = serde_json::from_str::<StageNews>(&event.data) {
                    hear(News::Stage(news.position, Box::new(news.stage)));
                }
            }
            "progress" => {
                if let Ok(news) = serde_json::from_str::<ProgressNews>(&event.data) {
                    hear(News::Progress(news.position, news.words()));
                }
            }
            "log" => {
                if let Ok(line) = serde_json::from_str::<LogAnswer>(&event.data) {
                    *after = line.sequence;
                    hear(News::Log(line));
                }
            }
            _ => {}
        }
    }
    Ok(false)
}
