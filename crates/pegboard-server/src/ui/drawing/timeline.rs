//! When each stage of a run was on, along one line of time.

use pegboard_model::Timestamp;
use serde::{Deserialize, Serialize};

/// Marks along the line, about.
const MARKS: u64 = 5;

#[derive(Deserialize)]
pub(super) struct Run {
    created_at: String,
    started_at: Option<String>,
    finished_at: Option<String>,
    stages: Vec<Stage>,
}

#[derive(Deserialize)]
struct Stage {
    name: String,
    state: String,
    started_at: Option<String>,
    finished_at: Option<String>,
}

/// Places are hundredths of the line.
#[derive(Debug, Serialize)]
pub(super) struct Drawing {
    length_ms: u64,
    marks: Vec<Mark>,
    bars: Vec<Bar>,
}

#[derive(Debug, Serialize)]
struct Mark {
    at: f64,
    ms: u64,
}

#[derive(Debug, Serialize)]
struct Bar {
    name: String,
    state: String,
    /// Where it begins; none when it never did.
    at: Option<f64>,
    width: f64,
    began_ms: Option<u64>,
    took_ms: Option<u64>,
}

fn time(text: Option<&String>) -> Option<Timestamp> {
    text?.parse().ok()
}

/// None when nothing has begun yet.
pub(super) fn drawn(run: &Run, now: Timestamp) -> Option<Drawing> {
    let begin = time(run.started_at.as_ref()).or_else(|| run.created_at.parse().ok())?;
    let end = time(run.finished_at.as_ref()).unwrap_or(now);
    run.stages.iter().find(|stage| stage.started_at.is_some())?;
    let length = end.milliseconds_since(begin).max(1);
    let place = |ms: u64| round(ms.min(length) as f64 * 100.0 / length as f64);
    let bar = |stage: &Stage| {
        let began = time(stage.started_at.as_ref()).map(|began| began.milliseconds_since(begin));
        let ended = time(stage.finished_at.as_ref()).unwrap_or(end).milliseconds_since(begin);
        let took = time(stage.started_at.as_ref())
            .map(|began| time(stage.finished_at.as_ref()).unwrap_or(end).milliseconds_since(began));
        let at = began.map(place);
        Bar {
            name: stage.name.clone(),
            state: stage.state.clone(),
            width: at.map_or(0.0, |at| round((place(ended) - at).max(0.4))),
            at,
            began_ms: began,
            took_ms: took,
        }
    };
    let step = step(length);
    let marks = (0..=length / step).map(|mark| Mark { at: place(mark * step), ms: mark * step });
    Some(Drawing { length_ms: length, marks: marks.collect(), bars: run.stages.iter().map(bar).collect() })
}

/// A round time of which a few make the length.
fn step(length: u64) -> u64 {
    const ROUND: &[u64] = &[1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000];
    let wanted = length / MARKS;
    let round = ROUND.iter().copied().find(|round| *round > wanted);
    // Minutes, then hours, in tens of them when it takes that long.
    round.unwrap_or_else(|| {
        let unit = if wanted < 3_600_000 { 60_000 } else { 3_600_000 };
        (wanted / unit + 1) * unit
    })
}

fn round(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_stand_where_they_were_on() {
        let stage = |name: &str, from: Option<u32>, to: Option<u32>| Stage {
            name: name.to_owned(),
            state: "finished".to_owned(),
            started_at: from.map(|second| format!("2026-01-01T00:00:{second:02}Z")),
            finished_at: to.map(|second| format!("2026-01-01T00:00:{second:02}Z")),
        };
        let mut run = Run {
            created_at: "2026-01-01T00:00:00Z".to_owned(),
            started_at: Some("2026-01-01T00:00:10Z".to_owned()),
            finished_at: None,
            stages: vec![stage("a", Some(10), Some(15)), stage("b", Some(20), None), stage("c", None, None)],
        };
        let drawing = drawn(&run, "2026-01-01T00:00:30Z".parse().unwrap()).unwrap();
        let told: Vec<_> = drawing.bars.iter().map(|bar| (bar.at, bar.width, bar.took_ms)).collect();
        assert_eq!(told, [(Some(0.0), 25.0, Some(5000)), (Some(50.0), 50.0, Some(10_000)), (None, 0.0, None)]);
        assert_eq!(drawing.marks.iter().map(|mark| mark.ms).collect::<Vec<_>>(), [0, 5000, 10_000, 15_000, 20_000]);
        run.stages.truncate(0);
        assert!(drawn(&run, Timestamp(0)).is_none());
        for length in [1, 7, 999, 61_000, 4_000_000, 90_000_000] {
            assert!((1..=8).contains(&(length / step(length) + 1)), "{length}");
        }
    }
}
