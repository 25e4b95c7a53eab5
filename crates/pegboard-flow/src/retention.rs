//! What is thrown away after a while: runs that are over (Flowdapt specification, section 6), and events that were handled.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use pegboard_model::{Error, RunId, Timestamp};

use crate::flow::Shared;

/// Longest time between two looks at runs.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(15);
/// Shortest one, for those who keep runs for seconds.
const LOOKED_AT_MOST_EVERY: Duration = Duration::from_millis(250);
/// Time between two looks at events.
const EVENTS_LOOKED_AT_EVERY: Duration = Duration::from_secs(60);
/// Runs of one transaction.
const RUNS_AT_ONCE: usize = 200;
/// Objects that are deleted at the same time.
const OBJECTS_AT_ONCE: usize = 16;
/// Handled events that are kept.
const EVENTS_KEPT: u64 = 100_000;
/// How long handled events are kept.
const EVENT_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Events looked at together.
const EVENTS_AT_ONCE: usize = 1000;

/// How long runs are kept after their end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Retention {
    /// For ever.
    #[default]
    Forever,
    /// Not at all: nothing of them is stored, only whoever started one learns how it ends.
    Never,
    /// This long.
    For(Duration),
}

impl FromStr for Retention {
    type Err = Error;

    /// `-1` (and any other negative number) for ever, `0` never, else seconds or a duration: `10s`, `5m30s`, `2 hours`, `1d`, `1w`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let refused = || {
            Error::invalid("setting-invalid", format!("`{text}` is not how long runs can be kept"))
                .hint("write -1 for ever, 0 for not at all, seconds, or a duration such as `5m30s`, `2 hours`, `1d`, `1w`")
        };
        let text = text.trim();
        let seconds = match text.parse::<f64>() {
            Ok(seconds) => seconds,
            Err(_) => {
                let span: jiff::Span = text.parse().map_err(|_| refused())?;
                let days = jiff::SpanRelativeTo::days_are_24_hours();
                span.to_duration(days).map_err(|_| refused())?.as_secs_f64()
            }
        };
        match seconds {
            0.0 => Ok(Self::Never),
            seconds if seconds < 0.0 => Ok(Self::Forever),
            seconds => Duration::try_from_secs_f64(seconds).map(Self::For).map_err(|_| refused()),
        }
    }
}

/// Throws away what is old enough, until the server stops.
pub(crate) async fn sweep(shared: Arc<Shared>) {
    let retention = shared.options.retention;
    let every = match retention {
        Retention::For(kept) => (kept / 4).clamp(LOOKED_AT_MOST_EVERY, LOOKED_AT_EVERY),
        Retention::Forever | Retention::Never => EVENTS_LOOKED_AT_EVERY,
    };
    let mut runs = tokio::time::interval(every);
    let mut events = tokio::time::interval(EVENTS_LOOKED_AT_EVERY);
    loop {
        let outcome = tokio::select! {
            () = shared.stop.cancelled() => return,
            _ = runs.tick() => match retention {
                Retention::For(kept) => sweep_runs(&shared, before(shared.options.clock.now(), kept)).await,
                Retention::Forever | Retention::Never => Ok(()),
            },
            _ = events.tick() => sweep_events(&shared, before(shared.options.clock.now(), EVENT_AGE)).await,
        };
        if let Err(error) = outcome {
            tracing::warn!(%error, "old runs and events could not be deleted; it is tried again");
        }
    }
}

fn before(now: Timestamp, age: Duration) -> Timestamp {
    Timestamp(now.0.saturating_sub(i64::try_from(age.as_micros()).unwrap_or(i64::MAX)))
}

async fn sweep_runs(shared: &Shared, instant: Timestamp) -> Result<(), Error> {
    loop {
        let deleted = shared.store.delete_runs_ended_before(instant, RUNS_AT_ONCE).await?;
        let count = deleted.len();
        let delete = |run: RunId| async move { shared.store.delete_object(&result_key(run)).await };
        let outcomes: Vec<_> = stream::iter(deleted).map(delete).buffer_unordered(OBJECTS_AT_ONCE).collect().await;
        outcomes.into_iter().collect::<Result<(), _>>()?;
        if count > 0 {
            tracing::debug!(runs = count, "old runs are deleted");
        }
        if count < RUNS_AT_ONCE || shared.stop.is_cancelled() {
            return Ok(());
        }
    }
}

async fn sweep_events(shared: &Shared, instant: Timestamp) -> Result<(), Error> {
    let store = &shared.store;
    let mut through = store.last_event().await?.saturating_sub(EVENTS_KEPT);
    loop {
        let page = store.events(through, EVENTS_AT_ONCE).await?;
        let old = page.iter().take_while(|stored| stored.event.time < instant).count();
        through = page[..old].last().map_or(through, |stored| stored.sequence);
        if old < EVENTS_AT_ONCE || shared.stop.is_cancelled() {
            break;
        }
    }
    if through > 0 {
        store.delete_events_through(through).await?;
    }
    Ok(())
}

/// Where the result of a run lies when it is too large for the record.
pub(crate) fn result_key(run: RunId) -> String {
    format!("results/{run}.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retentions_read_as_the_dialect_writes_them() {
        let seconds = |seconds| Retention::For(Duration::from_secs(seconds));
        for (text, expected) in [
            ("-1", Some(Retention::Forever)),
            ("-7.5", Some(Retention::Forever)),
            ("0", Some(Retention::Never)),
            ("30", Some(seconds(30))),
            ("10s", Some(seconds(10))),
            ("5m30s", Some(seconds(330))),
            ("2 hours", Some(seconds(7200))),
            ("1d", Some(seconds(86_400))),
            (" 1w ", Some(seconds(604_800))),
            ("0.5", Some(Retention::For(Duration::from_millis(500)))),
            ("", None),
            ("soon", None),
            ("10 parsecs", None),
            ("inf", None),
            ("nan", None),
        ] {
            assert_eq!(text.parse::<Retention>().ok(), expected, "{text}");
        }
    }
}
