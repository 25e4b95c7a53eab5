//! Running a tool to its end: its lines as they come, its output at the end, its group killed at the deadline.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio::time::timeout_at;

use super::{Program, start};

/// Most bytes kept of each of stdout and stderr; older lines are dropped first.
const OUTPUT_LIMIT: usize = 16 << 20;
/// A single line longer than this is cut into several.
const LINE_LIMIT: usize = 4 << 20;
/// How long output is awaited after the process has ended: something that left the group may hold the pipe.
const DRAIN: Duration = Duration::from_secs(2);

/// A program that runs to its end within a deadline.
#[derive(Debug)]
pub(crate) struct Tool {
    /// What to run.
    pub(crate) program: Program,
    /// From start to SIGKILL of its group.
    pub(crate) deadline: Duration,
}

/// How a tool ended and what it printed.
#[derive(Debug)]
pub(crate) struct Output {
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// Standard output, invalid UTF-8 replaced.
    pub(crate) stdout: String,
    /// Standard error, invalid UTF-8 replaced.
    pub(crate) stderr: String,
}

/// Why a tool has no end to report.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// It did not start.
    #[error("cannot start `{program}`: {source}")]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It was killed.
    #[error("`{program}` did not end within {} s", after.as_secs())]
    Deadline {
        /// The program.
        program: PathBuf,
        /// The deadline.
        after: Duration,
        /// What it had printed to standard error.
        stderr: String,
    },
    /// Its pipes or its end could not be read.
    #[error("lost `{program}`: {source}")]
    Lost {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Runs a tool without stdin. `on_line` is told every line of stdout and stderr, without its end, as it comes.
/// Dropping the future kills the tool and its group.
pub(crate) async fn run(tool: Tool, mut on_line: impl FnMut(&str) + Send) -> Result<Output, RunError> {
    let name = tool.program.program.clone();
    let until = tokio::time::Instant::now() + tool.deadline;
    let (process, pipes) = start(tool.program, Stdio::null(), Stdio::piped(), Stdio::piped())
        .await
        .map_err(|source| RunError::Start { program: name.clone(), source })?;
    let lost = |source| RunError::Lost { program: name.clone(), source };

    let (sender, mut lines) = mpsc::channel(64);
    for (is_error, end) in [(false, pipes.stdout), (true, pipes.stderr)] {
        if let Some(end) = end {
            let end = pipe::Receiver::from_owned_fd(end).map_err(lost)?;
            tokio::spawn(read_lines(end, is_error, sender.clone()));
        }
    }
    drop(sender);

    let (mut stdout, mut stderr) = (Tail::default(), Tail::default());
    let mut take = |line: (bool, Vec<u8>)| {
        let text = String::from_utf8_lossy(&line.1);
        on_line(text.trim_end_matches(['\n', '\r']));
        if line.0 { stderr.push(&text) } else { stdout.push(&text) }
    };
    let mut status = None;
    let outcome = timeout_at(until, async {
        loop {
            tokio::select! {
                line = lines.recv() => match line {
                    Some(line) => take(line),
                    None => break,
                },
                ended = process.wait() => { status = Some(ended?); break }
            }
        }
        match status {
            // Output has ended, the process not yet: it closed its descriptors.
            None => status = Some(process.wait().await?),
            Some(_) => {
                let drained = tokio::time::timeout(DRAIN, async {
                    while let Some(line) = lines.recv().await {
                        take(line);
                    }
                });
                let _ = drained.await;
            }
        }
        Ok(())
    })
    .await;
    drop(process);
    match (outcome, status) {
        (Ok(Err(source)), _) => Err(lost(source)),
        (_, Some(status)) => Ok(Output { status, stdout: stdout.into_text(), stderr: stderr.into_text() }),
        (_, None) => Err(RunError::Deadline { program: name.clone(), after: tool.deadline, stderr: stderr.into_text() }),
    }
}

async fn read_lines(end: pipe::Receiver, is_error: bool, lines: mpsc::Sender<(bool, Vec<u8>)>) {
    let mut reader = BufReader::new(end);
    loop {
        let mut line = Vec::new();
        let mut limited = tokio::io::AsyncReadExt::take(&mut reader, LINE_LIMIT as u64);
        match limited.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                if lines.send((is_error, line)).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// The last [`OUTPUT_LIMIT`] bytes of a text, in whole lines.
#[derive(Default)]
struct Tail {
    lines: VecDeque<String>,
    bytes: usize,
}

impl Tail {
    fn push(&mut self, line: &str) {
        self.bytes += line.len();
        self.lines.push_back(line.to_owned());
        while self.bytes > OUTPUT_LIMIT && self.lines.len() > 1 {
            self.bytes -= self.lines.pop_front().map_or(0, |line| line.len());
        }
    }

    fn into_text(self) -> String {
        let mut text = String::with_capacity(self.bytes);
        self.lines.iter().for_each(|line| text.push_str(line));
        text
    }
}
