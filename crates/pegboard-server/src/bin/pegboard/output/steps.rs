//! Steps of an install: a spinner on a terminal, lines elsewhere. Standard error.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use indicatif::ProgressBar;
use pegboard_server::shape::Progress;

use super::Output;

/// Shows one step after the other.
pub(crate) struct Steps {
    output: Output,
    spinner: Option<ProgressBar>,
    last: String,
}

impl Steps {
    pub(crate) fn new(output: Output) -> Self {
        let spinner = io::stderr().is_terminal().then(ProgressBar::new_spinner);
        if let Some(spinner) = &spinner {
            spinner.enable_steady_tick(Duration::from_millis(120));
        }
        Self { output, spinner, last: String::new() }
    }

    /// The next one.
    pub(crate) fn step(&mut self, progress: &Progress) {
        let text =
            if progress.detail.is_empty() { progress.step.clone() } else { format!("{}: {}", progress.step, progress.detail) };
        match &self.spinner {
            Some(spinner) => spinner.set_message(text),
            None if text != self.last => self.output.note(&text),
            None => {}
        }
        self.last = match self.spinner {
            Some(_) => String::new(),
            None if progress.detail.is_empty() => progress.step.clone(),
            None => format!("{}: {}", progress.step, progress.detail),
        };
    }

    /// No more.
    pub(crate) fn finish(&self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }
}
