//! A run as it happens: bars on a terminal, lines elsewhere. Standard error.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use pegboard_server::shape::{LogAnswer, StageAnswer};

use super::{Output, duration};

/// Shows stages and log lines.
pub(crate) struct Board {
    output: Output,
    bars: Option<MultiProgress>,
    stages: Vec<Shown>,
}

struct Shown {
    bar: Option<ProgressBar>,
    state: String,
    tenth: u64,
}

impl Board {
    pub(crate) fn new(output: Output) -> Self {
        let bars = io::stderr().is_terminal().then(MultiProgress::new);
        Self { output, bars, stages: Vec::new() }
    }

    /// A stage now.
    pub(crate) fn stage(&mut self, position: usize, stage: &StageAnswer) {
        while self.stages.len() <= position {
            let bar = self.bars.as_ref().map(|bars| bars.add(ProgressBar::new_spinner()));
            self.stages.push(Shown { bar, state: "pending".to_owned(), tenth: 0 });
        }
        let Some(shown) = self.stages.get_mut(position) else { return };
        let changed = shown.state != stage.state;
        shown.state.clone_from(&stage.state);
        match &shown.bar {
            Some(bar) => draw(bar, stage),
            None => plain(self.output, shown, stage, changed),
        }
    }

    /// What a plugin says of its call; only bars have room for it.
    pub(crate) fn progress(&self, position: usize, words: &str) {
        if let Some(bar) = self.stages.get(position).and_then(|shown| shown.bar.as_ref()) {
            bar.set_message(words.to_owned());
        }
    }

    /// A line of the log.
    pub(crate) fn log(&self, line: &LogAnswer) {
        let text = match &line.stage {
            Some(stage) => format!("[{stage}] {}", line.text),
            None => line.text.clone(),
        };
        self.say(&text);
    }

    /// A line for people, above the bars.
    pub(crate) fn say(&self, text: &str) {
        match &self.bars {
            // Fails when the terminal is gone.
            Some(bars) => drop(bars.println(text)),
            None => self.output.note(text),
        }
    }

    /// No more news: bars stay as they are.
    pub(crate) fn finish(&self) {
        self.stages.iter().filter_map(|shown| shown.bar.as_ref()).for_each(ProgressBar::abandon);
    }
}

fn plain(output: Output, shown: &mut Shown, stage: &StageAnswer, changed: bool) {
    let took = stage.duration_ms.map(|ms| format!(" in {}", duration(ms))).unwrap_or_default();
    let items = stage.items.map(|items| format!(" {} of {}", items.done + items.failed, items.total)).unwrap_or_default();
    let failed =
        stage.items.filter(|items| items.failed > 0).map(|items| format!(", {} failed", items.failed)).unwrap_or_default();
    let tenth = stage.items.map_or(0, |items| (items.done + items.failed) * 10 / items.total.max(1));
    if changed && stage.state != "pending" {
        output.note(&format!("{}: {}{items}{failed}{took}", stage.name, stage.state));
    } else if tenth > shown.tenth && stage.state == "running" {
        output.note(&format!("{}:{items}{failed}", stage.name));
    }
    shown.tenth = tenth;
}

fn draw(bar: &ProgressBar, stage: &StageAnswer) {
    let template =
        if stage.items.is_some() { "{prefix:20!} [{bar:28}] {pos}/{len} {msg}" } else { "{prefix:20!} {spinner} {msg}" };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> ").tick_chars("-\\|/ "));
    }
    bar.set_prefix(stage.name.clone());
    if let Some(items) = stage.items {
        bar.set_length(items.total);
        bar.set_position(items.done + items.failed);
    }
    let failed =
        stage.items.filter(|items| items.failed > 0).map(|items| format!("{} failed ", items.failed)).unwrap_or_default();
    let took = stage.duration_ms.map(|ms| format!(" in {}", duration(ms))).unwrap_or_default();
    bar.set_message(format!("{failed}{}{took}", stage.state));
    match stage.state.as_str() {
        "running" => bar.enable_steady_tick(Duration::from_millis(120)),
        "pending" => {}
        _ => bar.abandon(),
    }
}
