//! What a script printed last.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use pegboard_model::{LogLevel, LogLine, LogStream};

/// Lines that are kept.
const LINES: usize = 2_000;
/// Their bytes.
const BYTES: usize = 1 << 20;
/// Lines of standard error that explain an end.
const TAIL: usize = 40;

/// The last lines of both streams and of ours, oldest first.
#[derive(Debug, Default)]
pub(super) struct Log {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<LogLine>,
    bytes: usize,
}

impl Log {
    pub(super) fn add(&self, stream: LogStream, level: LogLevel, text: String) {
        let mut kept = self.kept();
        kept.bytes += text.len();
        kept.lines.push_back(LogLine { time: SystemTime::now().into(), stage: None, stream, level, text });
        while kept.lines.len() > LINES || kept.bytes > BYTES {
            let Some(oldest) = kept.lines.pop_front() else { break };
            kept.bytes -= oldest.text.len();
        }
    }

    pub(super) fn lines(&self) -> Vec<LogLine> {
        self.kept().lines.iter().cloned().collect()
    }

    /// The last lines of standard error since our own last line, which was about the start.
    pub(super) fn tail(&self) -> Option<String> {
        let kept = self.kept();
        let since = kept.lines.iter().rev().take_while(|line| line.stream != LogStream::Pegboard);
        let mut errors: Vec<&str> =
            since.filter(|line| line.stream == LogStream::Stderr).take(TAIL).map(|line| line.text.as_str()).collect();
        errors.reverse();
        (!errors.is_empty()).then(|| errors.join("\n"))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
