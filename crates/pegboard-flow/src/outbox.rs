//! What a run has to record since it did so last.
//!
//! Changes of one stage between two recordings become one; progress of fan-outs goes out at most five times a second; log
//! lines go out in batches and stop, counted, at the run's limit.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use pegboard_model::{Event, LogLevel, LogLine, LogStream, Run, Timestamp};
use pegboard_store::Change;

use crate::events::header;

/// Time between two recordings of how far fan-outs are.
pub(crate) const COUNTS_EVERY: Duration = Duration::from_millis(200);
/// Longest line that Pegboard itself says, in bytes.
const LONGEST_LINE: usize = 16 << 10;

/// See the module.
#[derive(Debug)]
pub(crate) struct Outbox {
    header: bool,
    stages: BTreeSet<usize>,
    counts: BTreeSet<usize>,
    counts_sent: Option<Instant>,
    lines: Vec<LogLine>,
    events: Vec<Event>,
    /// Log bytes that may still be kept.
    room: u64,
    limit: u64,
    lines_left_out: u64,
    bytes_left_out: u64,
}

impl Outbox {
    /// `limit`: log bytes kept of this run.
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            header: false,
            stages: BTreeSet::new(),
            counts: BTreeSet::new(),
            counts_sent: None,
            lines: Vec::new(),
            events: Vec::new(),
            room: limit,
            limit,
            lines_left_out: 0,
            bytes_left_out: 0,
        }
    }

    pub(crate) fn header_changed(&mut self) {
        self.header = true;
    }

    pub(crate) fn stage_changed(&mut self, stage: usize) {
        self.stages.insert(stage);
    }

    pub(crate) fn counts_changed(&mut self, stage: usize) {
        self.counts.insert(stage);
    }

    /// Something that others may want to know; stored with the state that it tells of.
    pub(crate) fn event(&mut self, event: Event) {
        self.events.push(event);
    }

    /// The events alone, of a run of which nothing else is stored.
    pub(crate) fn take_events(&mut self) -> Vec<Change> {
        self.events.drain(..).map(Change::EventStored).collect()
    }

    /// Progress waits to be recorded.
    pub(crate) fn has_counts(&self) -> bool {
        !self.counts.is_empty()
    }

    /// Keeps lines as long as there is room.
    pub(crate) fn log(&mut self, lines: Vec<LogLine>) {
        for line in lines {
            let size = line.text.len() as u64;
            // Once a line was left out all later ones are: a log with holes misleads.
            if self.lines_left_out > 0 || size > self.room {
                self.lines_left_out += 1;
                self.bytes_left_out += size;
            } else {
                self.room -= size;
                self.lines.push(line);
            }
        }
    }

    /// A line of Pegboard's own. Always kept: there are few of them.
    pub(crate) fn say(&mut self, time: Timestamp, stage: Option<String>, level: LogLevel, text: String) {
        self.lines.push(LogLine { time, stage, stream: LogStream::Pegboard, level, text: clipped(text, LONGEST_LINE) });
    }

    /// Says once what was left out.
    pub(crate) fn say_left_out(&mut self, time: Timestamp) {
        if self.lines_left_out == 0 {
            return;
        }
        let Self { lines_left_out: lines, bytes_left_out: bytes, limit, .. } = self;
        let text = format!("{lines} later lines ({bytes} bytes) are not kept: the log of a run is limited to {limit} bytes");
        self.say(time, None, LogLevel::Warning, text);
        self.lines_left_out = 0;
        self.bytes_left_out = 0;
    }

    /// The changes since the last time.
    pub(crate) fn take(&mut self, run: &Run, now: Instant) -> Vec<Change> {
        if self.counts_sent.is_none_or(|sent| now.duration_since(sent) >= COUNTS_EVERY) && self.has_counts() {
            self.counts_sent = Some(now);
            self.stages.append(&mut self.counts);
        }
        self.changes(run)
    }

    /// All changes since the last time, progress too.
    pub(crate) fn take_all(&mut self, run: &Run) -> Vec<Change> {
        self.stages.append(&mut self.counts);
        self.changes(run)
    }

    fn changes(&mut self, run: &Run) -> Vec<Change> {
        let mut changes = Vec::with_capacity(self.stages.len() + 2);
        if !self.lines.is_empty() {
            changes.push(Change::Logged { run: run.uid, lines: std::mem::take(&mut self.lines) });
        }
        let stage =
            |position: &usize| Change::StageChanged { run: run.uid, position: *position, stage: run.stages[*position].clone() };
        changes.extend(self.stages.iter().map(stage));
        self.stages.clear();
        if std::mem::take(&mut self.header) {
            changes.push(Change::RunChanged(header(run)));
        }
        changes.extend(self.take_events());
        changes
    }
}

/// The beginning of a text that is too long.
pub(crate) fn clipped(mut text: String, most: usize) -> String {
    if text.len() > most {
        let end = (0..=most).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use pegboard_model::run::ItemCounts;
    use pegboard_model::{RunCause, RunId, RunState, StageRun};

    use super::*;

    fn run(stages: usize) -> Run {
        let stage = |index| StageRun {
            name: format!("s{index}"),
            target: "t".to_owned(),
            state: RunState::Pending,
            started_at: None,
            finished_at: None,
            items: None,
            failure: None,
            cached: false,
            depends_on: Vec::new(),
            plugin: None,
        };
        Run {
            uid: RunId::random(),
            name: "r".to_owned(),
            workflow: "w".to_owned(),
            namespace: "n".to_owned(),
            source: RunCause::Manual,
            state: RunState::Running,
            input: serde_json::Map::new(),
            created_at: Timestamp(0),
            started_at: None,
            finished_at: None,
            stages: (0..stages).map(stage).collect(),
            result: serde_json::Value::Null,
            result_object: None,
            configs: Vec::new(),
            failure: None,
        }
    }

    fn line(text: &str) -> LogLine {
        LogLine { time: Timestamp(0), stage: None, stream: LogStream::Stdout, level: LogLevel::Info, text: text.to_owned() }
    }

    fn words(changes: &[Change]) -> Vec<String> {
        changes
            .iter()
            .map(|change| match change {
                Change::RunCreated(_) => "created".to_owned(),
                Change::RunChanged(run) => format!("run {}", run.stages.len()),
                Change::StageChanged { position, stage, .. } => format!("stage {position} {}", stage.state.as_str()),
                Change::EventStored(event) => event.event_type.clone(),
                Change::Logged { lines, .. } => lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join("|"),
                other => panic!("not about a run: {other:?}"),
            })
            .collect()
    }

    #[test]
    fn changes_of_one_stage_become_one_with_its_latest_state() {
        let mut run = run(3);
        let mut outbox = Outbox::new(100);
        outbox.header_changed();
        for state in [RunState::Running, RunState::Finished] {
            run.stages[2].state = state;
            outbox.stage_changed(2);
        }
        outbox.stage_changed(0);
        outbox.log(vec![line("a"), line("b")]);
        assert_eq!(words(&outbox.take(&run, Instant::now())), ["a|b", "stage 0 pending", "stage 2 finished", "run 0"]);
        assert!(outbox.take(&run, Instant::now()).is_empty());
    }

    #[test]
    fn progress_goes_out_five_times_a_second() {
        let mut run = run(1);
        let mut outbox = Outbox::new(100);
        let begin = Instant::now();
        let mut sent = 0;
        for millisecond in 0..1000 {
            run.stages[0].items = Some(ItemCounts { total: 1000, done: millisecond, failed: 0 });
            outbox.counts_changed(0);
            sent += outbox.take(&run, begin + Duration::from_millis(millisecond)).len();
        }
        assert_eq!(sent, 5);
        assert!(outbox.has_counts());
        assert_eq!(words(&outbox.take_all(&run)), ["stage 0 pending"]);
        assert!(!outbox.has_counts());
    }

    #[test]
    fn a_log_at_its_limit_is_cut_once_and_says_so_once() {
        let run = run(0);
        let mut outbox = Outbox::new(5);
        outbox.log(vec![line("abc"), line("defg"), line("h")]);
        outbox.say(Timestamp(0), None, LogLevel::Info, "own".to_owned());
        outbox.say_left_out(Timestamp(0));
        outbox.say_left_out(Timestamp(0));
        let expected = "abc|own|2 later lines (5 bytes) are not kept: the log of a run is limited to 5 bytes";
        assert_eq!(words(&outbox.take_all(&run)), [expected]);
    }

    #[test]
    fn clipping_respects_characters() {
        assert_eq!(clipped("abc".to_owned(), 3), "abc");
        assert_eq!(clipped("abcd".to_owned(), 3), "abc…");
        assert_eq!(clipped("aää".to_owned(), 2), "a…");
    }
}
