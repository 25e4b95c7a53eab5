//! The last runs as bars: how long each took, coloured by how it ended.

use serde::{Deserialize, Serialize};

/// Width of a bar with what is beside it, and the height of the longest one, in pixels.
const STEP: usize = 7;
const HEIGHT: u64 = 26;
/// What took no time has a bar, too.
const LOWEST: u64 = 3;

#[derive(Deserialize)]
pub(super) struct Run {
    uid: String,
    name: String,
    state: String,
    duration_ms: Option<u64>,
}

#[derive(Debug, Serialize)]
pub(super) struct Drawing {
    width: usize,
    height: u64,
    bars: Vec<Bar>,
    /// Of a hundred runs that are over and that nobody cancelled, so many ended well; none when there are none.
    success: Option<u64>,
    /// The middle one of those that ended well, in milliseconds.
    usual_ms: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Bar {
    x: usize,
    y: u64,
    height: u64,
    state: String,
    uid: String,
    name: String,
    duration_ms: Option<u64>,
}

/// From the last run back, as the API lists them.
pub(super) fn drawn(runs: &[Run]) -> Drawing {
    let longest = runs.iter().filter_map(|run| run.duration_ms).max().unwrap_or(0).max(1);
    let bar = |(position, run): (usize, &Run)| {
        let height = run.duration_ms.map_or(HEIGHT / 2, |took| (took * HEIGHT / longest).clamp(LOWEST, HEIGHT));
        Bar {
            x: position * STEP,
            y: HEIGHT - height,
            height,
            state: run.state.clone(),
            uid: run.uid.clone(),
            name: run.name.clone(),
            duration_ms: run.duration_ms,
        }
    };
    let bars = runs.iter().rev().enumerate().map(bar).collect();
    let count = |states: &[&str]| runs.iter().filter(|run| states.contains(&run.state.as_str())).count() as u64;
    let (well, over) = (count(&["finished"]), count(&["finished", "failed", "interrupted"]));
    let mut took: Vec<u64> = runs.iter().filter(|run| run.state == "finished").filter_map(|run| run.duration_ms).collect();
    took.sort_unstable();
    Drawing {
        width: runs.len() * STEP,
        height: HEIGHT,
        bars,
        success: (over > 0).then(|| well * 100 / over.max(1)),
        usual_ms: took.get(took.len() / 2).copied(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_run_stands_right_and_the_longest_is_highest() {
        let run =
            |state: &str, duration_ms| Run { uid: state.to_owned(), name: "n".to_owned(), state: state.to_owned(), duration_ms };
        let drawing =
            drawn(&[run("running", None), run("failed", Some(0)), run("cancelled", Some(50)), run("finished", Some(100))]);
        let told: Vec<_> = drawing.bars.iter().map(|bar| (bar.state.as_str(), bar.x, bar.height)).collect();
        assert_eq!(told, [("finished", 0, 26), ("cancelled", 7, 13), ("failed", 14, 3), ("running", 21, 13)]);
        assert_eq!((drawing.success, drawing.usual_ms), (Some(50), Some(100)));
        assert_eq!(drawn(&[]).success, None);
    }
}
