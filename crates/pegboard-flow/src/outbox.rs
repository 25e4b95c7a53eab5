//! What a run has to record since it did so last.
//!
//! Changes of one stage between two recordings become one; progress of fan-outs goes out at most five times a second; log
//! lines go out in batches and stop, counted, at the run's limit.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use pegboard_model::{LogLevel, LogLine, LogStream, Run, Timestamp};
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
