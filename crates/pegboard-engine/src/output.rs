//! What a worker prints: read always, split into lines, attributed to the call that is on.
//!
//! Invariants: the pipes are read whether a call is on or not, so a plugin's `print` does not wait for the server, except while
//! a whole batch waits for a slow reader of the call's events; memory is bounded by that batch; what was printed before a call's
//! end belongs to that call; what exceeds a call's limit is counted, and one line says how much it was.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use pegboard_model::{LogLevel, LogLine, LogStream, PluginName, Timestamp};
use tokio::net::unix::pipe::Receiver;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Longest line; the rest of it is cut.
const MAX_LINE: usize = 16 << 10;
/// Bytes of lines at which a batch is worth sending at once.
const FULL_BATCH: usize = 64 << 10;
/// Bytes of lines that wait for a slow reader before the pipes are no longer read.
const MAX_BATCH: usize = 1 << 20;
/// Bytes per read: what a pipe holds.
const READ: usize = 64 << 10;
/// Most that a pipe can hold when a plugin enlarges it: what was printed before the end is read, what is printed after it not.
const LAST_READS: usize = 16;
/// What is kept of standard error for the message about a death.
const TAIL_LINES: usize = 40;

/// How far the waiting batch has grown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Batch {
    Empty,
    Some,
    Full,
}

/// Both pipes of a worker.
#[derive(Debug)]
pub(crate) struct Capture {
    plugin: PluginName,
    stdout: Receiver,
    stderr: Receiver,
    state: Mutex<State>,
    /// The batch has become something, or full.
    grown: Notify,
    /// The batch has been taken.
    taken: Notify,
}

#[derive(Debug)]
struct State {
    scratch: Box<[u8]>,
    stdout: LineBuffer,
    stderr: LineBuffer,
    call: Option<CallOutput>,
    tail: VecDeque<String>,
}

/// Output of the call that is on.
#[derive(Debug)]
struct CallOutput {
    stage: String,
    lines: Vec<LogLine>,
    batch: usize,
    kept: u64,
    dropped: u64,
    limit: u64,
}

impl Capture {
    /// Starts reading; the task ends when both pipes have ended, or is aborted by whoever holds it.
    pub(crate) fn start(plugin: PluginName, stdout: OwnedFd, stderr: OwnedFd) -> io::Result<(Arc<Self>, JoinHandle<()>)> {
        let capture = Arc::new(Self {
            plugin,
            stdout: Receiver::from_owned_fd(stdout)?,
            stderr: Receiver::from_owned_fd(stderr)?,
            state: Mutex::new(State {
                scratch: vec![0; READ].into_boxed_slice(),
                stdout: LineBuffer::default(),
                stderr: LineBuffer::default(),
                call: None,
                tail: VecDeque::new(),
            }),
            grown: Notify::new(),
            taken: Notify::new(),
        });
        let reader = Arc::clone(&capture);
        let task = tokio::spawn(async move {
            tokio::join!(reader.follow(LogStream::Stdout), reader.follow(LogStream::Stderr));
        });
        Ok((capture, task))
    }

    /// From now on what is printed belongs to this call.
    pub(crate) fn begin(&self, stage: &str, limit: u64) {
        self.drain();
        let mut state = self.state();
        state.flush_partial(&self.plugin);
        state.tail.clear();
        state.call = Some(CallOutput { stage: stage.to_owned(), lines: Vec::new(), batch: 0, kept: 0, dropped: 0, limit });
    }

    /// Reads what was printed until now, and gives the last batch of the call.
    pub(crate) fn end(&self) -> Vec<LogLine> {
        self.drain();
        let mut state = self.state();
        state.flush_partial(&self.plugin);
        let Some(mut call) = state.call.take() else { return Vec::new() };
        drop(state);
        self.taken.notify_waiters();
        if call.dropped > 0 {
            let text = format!(
                "output was cut: {} bytes beyond the limit of {} bytes for one call were dropped",
                call.dropped, call.limit
            );
            call.lines.push(LogLine {
                time: SystemTime::now().into(),
                stage: Some(call.stage),
                stream: LogStream::Pegboard,
                level: LogLevel::Warning,
                text,
            });
        }
        call.lines
    }

    /// A line of the structured logger.
    pub(crate) fn log(&self, level: LogLevel, text: String) {
        let mut state = self.state();
        let before = state.batch();
        state.line(&self.plugin, LogStream::Logger, level, cut(text), SystemTime::now().into());
        self.tell(before, state.batch());
    }

    /// How large the waiting batch is.
    pub(crate) fn batch(&self) -> Batch {
        self.state().batch()
    }

    /// Returns when the batch has begun, or has become full, since it was looked at.
    pub(crate) async fn grown(&self) {
        self.grown.notified().await;
    }

    /// The lines that wait.
    pub(crate) fn take(&self) -> Vec<LogLine> {
        let mut state = self.state();
        let Some(call) = state.call.as_mut() else { return Vec::new() };
        call.batch = 0;
        let lines = std::mem::take(&mut call.lines);
        drop(state);
        self.taken.notify_waiters();
        lines
    }

    /// The last lines of standard error since the call, or the load, began.
    pub(crate) fn tail(&self) -> Option<String> {
        self.drain();
        let mut state = self.state();
        if state.tail.is_empty() { None } else { Some(state.tail.make_contiguous().join("\n")) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, before: Batch, after: Batch) {
        if before != after {
            self.grown.notify_one();
        }
    }

    fn pipe(&self, stream: LogStream) -> &Receiver {
        if stream == LogStream::Stdout { &self.stdout } else { &self.stderr }
    }

    async fn follow(&self, stream: LogStream) {
        loop {
            // A full batch waits for its reader; the worker's prints wait in the pipe.
            {
                let mut taken = std::pin::pin!(self.taken.notified());
                taken.as_mut().enable();
                if self.state().call.as_ref().is_some_and(|call| call.batch >= MAX_BATCH) {
                    taken.await;
                    continue;
                }
            }
            let pipe = self.pipe(stream);
            if pipe.readable().await.is_err() {
                return;
            }
            match pipe.try_io(|| self.read(stream)) {
                Ok(0) => return,
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
                _ => {}
            }
        }
    }

    /// Reads what is there now.
    fn drain(&self) {
        for stream in [LogStream::Stdout, LogStream::Stderr] {
            for _ in 0..LAST_READS {
                if !matches!(self.read(stream), Ok(1..)) {
                    break;
                }
            }
        }
    }

    fn read(&self, stream: LogStream) -> io::Result<usize> {
        let mut state = self.state();
        let State { scratch, .. } = &mut *state;
        let count = rustix::io::read(self.pipe(stream).as_fd(), &mut **scratch)?;
        if count > 0 {
            let before = state.batch();
            state.feed(&self.plugin, stream, count);
            self.tell(before, state.batch());
        }
        Ok(count)
    }
}

impl State {
    fn batch(&self) -> Batch {
        match &self.call {
            Some(call) if call.batch >= FULL_BATCH => Batch::Full,
            Some(call) if !call.lines.is_empty() => Batch::Some,
            _ => Batch::Empty,
        }
    }

    /// Takes `count` bytes of the scratch buffer.
    fn feed(&mut self, plugin: &PluginName, stream: LogStream, count: usize) {
        let time = Timestamp::from(SystemTime::now());
        let mut lines = Vec::new();
        let buffer = if stream == LogStream::Stdout { &mut self.stdout } else { &mut self.stderr };
        let over = self.call.as_ref().is_some_and(|call| call.kept >= call.limit);
        if over && stream == LogStream::Stdout {
            // Nobody will see it: it is only counted.
            if let Some(call) = &mut self.call {
                call.dropped += (count + buffer.bytes.len()) as u64;
            }
            buffer.clear();
            return;
        }
        buffer.feed(&self.scratch[..count], &mut lines);
        for text in lines {
            self.line(plugin, stream, LogLevel::Info, text, time);
        }
    }

    /// A last line without a line feed.
    fn flush_partial(&mut self, plugin: &PluginName) {
        let time = Timestamp::from(SystemTime::now());
        for stream in [LogStream::Stdout, LogStream::Stderr] {
            let buffer = if stream == LogStream::Stdout { &mut self.stdout } else { &mut self.stderr };
            if let Some(text) = buffer.finish() {
                self.line(plugin, stream, LogLevel::Info, text, time);
            }
        }
    }

    fn line(&mut self, plugin: &PluginName, stream: LogStream, level: LogLevel, text: String, time: Timestamp) {
        if stream == LogStream::Stderr {
            if self.tail.len() == TAIL_LINES {
                self.tail.pop_front();
            }
            self.tail.push_back(text.clone());
        }
        let Some(call) = &mut self.call else {
            tracing::debug!(plugin.name = %plugin, ?stream, text, "a plugin said between its calls");
            return;
        };
        let size = text.len() + 1;
        if call.kept >= call.limit || call.dropped > 0 {
            call.dropped += size as u64;
            return;
        }
        call.kept += size as u64;
        call.batch += size;
        call.lines.push(LogLine { time, stage: Some(call.stage.clone()), stream, level, text });
    }
}

/// Bytes of a line that has not ended.
#[derive(Debug, Default)]
pub(crate) struct LineBuffer {
    bytes: Vec<u8>,
    cut: bool,
}

impl LineBuffer {
    /// Takes bytes; whole lines go to `lines`.
    pub(crate) fn feed(&mut self, mut input: &[u8], lines: &mut Vec<String>) {
        while let Some(end) = input.iter().position(|byte| *byte == b'\n') {
            self.push(&input[..end]);
            lines.push(self.line());
            input = &input[end + 1..];
        }
        self.push(input);
    }

    /// A carriage return goes back to the line's start, as progress bars use it.
    fn push(&mut self, input: &[u8]) {
        let visible = input.strip_suffix(b"\r").unwrap_or(input);
        let fresh = match visible.iter().rposition(|byte| *byte == b'\r') {
            Some(at) => {
                self.clear();
                &input[at + 1..]
            }
            None => {
                if self.bytes.last() == Some(&b'\r') && !input.is_empty() {
                    self.clear();
                }
                input
            }
        };
        let room = (MAX_LINE + 1).saturating_sub(self.bytes.len());
        self.cut |= fresh.len() > room;
        self.bytes.extend_from_slice(&fresh[..fresh.len().min(room)]);
    }

    /// What is left without a line feed.
    pub(crate) fn finish(&mut self) -> Option<String> {
        (!self.bytes.is_empty()).then(|| self.line())
    }

    fn line(&mut self) -> String {
        let mut text = String::from_utf8_lossy(self.bytes.strip_suffix(b"\r").unwrap_or(&self.bytes)).into_owned();
        if self.cut && text.len() <= MAX_LINE {
            text.push('…');
        }
        self.clear();
        cut(text)
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.cut = false;
    }
}

/// At most [`MAX_LINE`] bytes, then `…`.
fn cut(mut text: String) -> String {
    if text.len() > MAX_LINE {
        let mut end = MAX_LINE;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Where a worker writes its stacks when it is sent its stack signal.
#[derive(Debug)]
pub(crate) struct DumpPipe {
    pipe: Receiver,
}

impl DumpPipe {
    /// Longest dump: a pipe's default size.
    const LONGEST: usize = 64 << 10;
    /// Silence after which a dump is taken for whole.
    const SILENCE: Duration = Duration::from_millis(20);
    /// How long the first byte may take.
    const PATIENCE: Duration = Duration::from_millis(200);

    pub(crate) fn new(pipe: OwnedFd) -> io::Result<Self> {
        Ok(Self { pipe: Receiver::from_owned_fd(pipe)? })
    }

    /// Forgets what is there, has the signal sent, and reads what comes then.
    pub(crate) async fn take(&mut self, send: impl FnOnce() -> bool) -> Option<String> {
        let mut piece = vec![0; 4096];
        while matches!(rustix::io::read(self.pipe.as_fd(), &mut piece[..]), Ok(1..)) {}
        if !send() {
            return None;
        }
        let mut dump = Vec::new();
        let mut patience = Self::PATIENCE;
        while dump.len() < Self::LONGEST {
            let Ok(Ok(())) = tokio::time::timeout(patience, self.pipe.readable()).await else { break };
            match self.pipe.try_read(&mut piece) {
                Ok(count @ 1..) => dump.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                _ => break,
            }
            patience = Self::SILENCE;
        }
        let text = String::from_utf8_lossy(&dump).trim().to_owned();
        (!text.is_empty()).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use rustix::fs::OFlags;
    use rustix::pipe::{PipeFlags, pipe_with};

    use super::*;

    fn capture() -> (Arc<Capture>, JoinHandle<()>, std::fs::File, std::fs::File) {
        let pipe = || {
            let (read, write) = pipe_with(PipeFlags::CLOEXEC).unwrap();
            rustix::fs::fcntl_setfl(&read, OFlags::RDONLY | OFlags::NONBLOCK).unwrap();
            (read, std::fs::File::from(write))
        };
        let ((stdout, out), (stderr, err)) = (pipe(), pipe());
        let (capture, task) = Capture::start("test".parse().unwrap(), stdout, stderr).unwrap();
        (capture, task, out, err)
    }

    fn texts(lines: &[LogLine]) -> Vec<&str> {
        lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn lines_are_split_cut_and_made_readable() {
        let long = "x".repeat(MAX_LINE + 10);
        let cut_long = format!("{}…", "x".repeat(MAX_LINE));
        for (pieces, expected) in [
            (vec!["a\nb", "c\n\nd\n"], vec!["a", "bc", "", "d"]),
            (vec!["10%\r20%\r", "30%\r\n"], vec!["30%"]),
            (vec!["dos\r", "\nline\r\n"], vec!["dos", "line"]),
            (vec![&long, "more\nnext\n"], vec![&cut_long, "next"]),
        ] {
            let mut buffer = LineBuffer::default();
            let mut lines = Vec::new();
            for piece in pieces {
                buffer.feed(piece.as_bytes(), &mut lines);
            }
            assert_eq!(lines, expected);
        }
        let mut lines = Vec::new();
        LineBuffer::default().feed(b"\xff\xfe!\n", &mut lines);
        assert_eq!(lines, ["\u{fffd}\u{fffd}!"]);
    }

    #[tokio::test]
    async fn output_belongs_to_the_call_in_which_it_was_printed() {
        let (capture, task, mut out, mut err) = capture();
        out.write_all(b"before\nunfinished").unwrap();
        capture.begin("first", 1000);
        out.write_all(b"one\ntwo").unwrap();
        err.write_all(b"oops\n").unwrap();
        let lines = capture.end();
        out.write_all(b"between\n").unwrap();
        assert_eq!(capture.tail().as_deref(), Some("oops"));
        assert_eq!(texts(&lines), ["one", "oops", "two"]);
        assert!(lines.iter().all(|line| line.stage.as_deref() == Some("first")));
        capture.begin("second", 1000);
        assert!(capture.end().is_empty() && capture.tail().is_none());
        task.abort();
    }

    #[tokio::test]
    async fn a_flood_is_cut_with_one_line_and_a_slow_reader_holds_it_back() {
        let (capture, task, mut out, _err) = capture();
        capture.begin("flood", 3 << 20);
        let writer = tokio::task::spawn_blocking(move || {
            let line = [b"y".repeat(99), b"\n".to_vec()].concat();
            for _ in 0..100_000 {
                out.write_all(&line).unwrap();
            }
        });
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(capture.batch(), Batch::Full);
        assert!(!writer.is_finished(), "the writer waits for the reader");
        let mut kept = 0;
        while !writer.is_finished() {
            let batch = capture.take();
            assert!(batch.len() <= (MAX_BATCH + 2 * READ) / 100 + 1);
            kept += batch.len();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let rest = capture.end();
        kept += rest.len() - 1;
        let last = rest.last().unwrap();
        assert_eq!(kept, (3 << 20) / 100 + 1);
        assert_eq!((last.stream, last.level), (LogStream::Pegboard, LogLevel::Warning));
        assert!(last.text.starts_with("output was cut: 68542"), "{}", last.text);
        task.abort();
    }
}
