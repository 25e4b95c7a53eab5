//! Everything that is printed. Data goes to standard output, all else to standard error; with `--json`, data is JSON.

mod board;
mod steps;
mod words;

use std::io::{self, IsTerminal as _, Write as _};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use pegboard_server::shape::{ErrorAnswer, FailureAnswer, LogAnswer, RunAnswer};
use serde::Serialize;
use serde_json::Value as Json;

pub(crate) use board::Board;
pub(crate) use steps::Steps;
pub(crate) use words::{duration, instant};

use crate::failure::CommandFailure;

/// The only one that speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// Print JSON.
    pub(crate) json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Text of data, as it is.
    pub(crate) fn raw(self, text: &str) {
        let mut stdout = io::stdout().lock();
        if stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).is_err() {
            // The reader has gone (`| head`): there is nobody to tell.
            std::process::exit(0);
        }
    }

    /// One line of data.
    pub(crate) fn line(self, text: &str) {
        self.raw(&format!("{text}\n"));
    }

    /// One line that nobody need read.
    pub(crate) fn told(self, text: &str) {
        // A server goes on when whoever started it does not listen any more.
        let _ = writeln!(io::stdout().lock(), "{text}");
    }

    /// Data as JSON, indented.
    pub(crate) fn data<T: Serialize>(self, data: &T) {
        self.line(&serde_json::to_string_pretty(data).unwrap_or_default());
    }

    /// Data as JSON on one line.
    pub(crate) fn data_line<T: Serialize>(self, data: &T) {
        self.line(&serde_json::to_string(data).unwrap_or_default());
    }

    /// A table of data.
    pub(crate) fn table(self, header: &[&str], rows: Vec<Vec<String>>) {
        self.table_with_numbers(header, rows, &[]);
    }

    /// A table some of whose columns stand at the right.
    fn table_with_numbers(self, header: &[&str], rows: Vec<Vec<String>>, numbers: &[usize]) {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_header(header);
        // A pipe has no width: nothing is wrapped there.
        if let Some((width, _)) = terminal_size::terminal_size().filter(|_| io::stdout().is_terminal()) {
            table.set_width(width.0);
        }
        rows.into_iter().for_each(|row| {
            table.add_row(row);
        });
        table.column_iter_mut().for_each(|column| {
            column.set_padding((0, 2));
        });
        for position in numbers {
            if let Some(column) = table.column_mut(*position) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let lines: Vec<String> = table.to_string().lines().map(|line| line.trim_end().to_owned()).collect();
        self.line(&lines.join("\n"));
    }

    /// A line for people.
    pub(crate) fn note(self, text: &str) {
        // Nobody to tell when standard error is gone.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Why the command failed.
    pub(crate) fn failure(self, failure: &CommandFailure) {
        let Some(error) = &failure.error else { return };
        if self.json {
            let answer = ErrorAnswer { error: error.clone() };
            self.note(&serde_json::to_string(&answer).unwrap_or_default());
            return;
        }
        self.note(&format!("error: {}", error.message));
        if let Some(detail) = &error.detail {
            detail.trim_end().lines().for_each(|line| self.note(&format!("  {line}")));
        }
        if let Some(hint) = &error.hint {
            self.note(&format!("hint: {hint}"));
        }
    }

    /// How a plugin failed.
    pub(crate) fn plugin_failure(self, failure: &FailureAnswer) {
        if let Some(traceback) = &failure.traceback {
            traceback.trim_end().lines().for_each(|line| self.note(&format!("  {line}")));
        }
        let message = if failure.message.is_empty() { String::new() } else { format!(": {}", failure.message) };
        self.note(&format!("error: {}{message}", failure.class));
        if let Some(hint) = &failure.hint {
            self.note(&format!("hint: {hint}"));
        }
    }

    /// A result: a table when it says that it is one, else JSON.
    pub(crate) fn result(self, result: &Json) {
        self.data(result);
    }

    /// A result of the form `{"table": [{…}, …]}` as a table; false when it is none.
    pub(crate) fn result_table(self, result: &Json) -> bool {
        let rows: Option<Vec<_>> = result["table"].as_array().and_then(|rows| rows.iter().map(Json::as_object).collect());
        let Some((rows, first)) = rows.and_then(|rows| rows.first().copied().map(|first| (rows.clone(), first))) else {
            return false;
        };
        // What a row is about comes first, its numbers after it.
        let mut columns: Vec<&str> = first.keys().map(String::as_str).collect();
        columns.sort_by_key(|column| first[*column].is_number());
        let cell = |value: Option<&Json>| match value {
            Some(Json::String(text)) => text.clone(),
            Some(Json::Number(number)) if number.is_f64() => format!("{:.4}", number.as_f64().unwrap_or_default()),
            Some(value) => value.to_string(),
            None => String::new(),
        };
        let rows = rows.iter().map(|row| columns.iter().map(|column| cell(row.get(*column))).collect()).collect();
        let numbers: Vec<usize> = (0..columns.len()).filter(|position| first[columns[*position]].is_number()).collect();
        self.table_with_numbers(&columns, rows, &numbers);
        true
    }

    /// A line of a run's log as data.
    pub(crate) fn log(self, line: &LogAnswer) {
        if self.json {
            self.data_line(line);
        } else {
            let stage = line.stage.as_deref().unwrap_or("-");
            self.line(&format!("{} {stage} {}", &instant(&line.time)[11..], line.text));
        }
    }

    /// One line about the end of a run.
    pub(crate) fn ended(self, run: &RunAnswer) {
        let took = run.duration_ms.map(|ms| format!(" after {}", duration(ms))).unwrap_or_default();
        self.note(&format!("run {} {}{took}", run.name, run.state));
    }
}
