//! Running a Python tool: clean variables, lines to the progress callback, no credentials in what comes back.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use pegboard_model::Error;

use super::requirement::mask_credentials;
use crate::environment::Progress;
use crate::spawn::{self, Program, RunError, Tool, Variable};

/// Long enough to build and download the largest things that people install.
pub(super) const INSTALL_DEADLINE: Duration = Duration::from_secs(60 * 60);
/// For things that answer at once.
pub(super) const PROBE_DEADLINE: Duration = Duration::from_secs(60);

/// Variables of the surroundings that would lead a tool to another interpreter or folder.
const MISLEADING: [&str; 20] = [
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "UV_PYTHON",
    "UV_SYSTEM_PYTHON",
    "UV_OVERRIDE",
    "UV_CONSTRAINT",
    "UV_TARGET",
    "UV_PREFIX",
    "UV_OFFLINE",
    "UV_REQUIRE_HASHES",
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_USER",
    "PIP_REQUIRE_VIRTUALENV",
    "PIP_REQUIRE_HASHES",
    "PIP_CONSTRAINT",
    "PIP_PYTHON",
];

/// What a tool said.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) success: bool,
    /// As printed.
    pub(super) stdout: String,
    /// Credentials masked.
    pub(super) stderr: String,
}

/// A program in clean surroundings.
pub(super) fn program(path: &Path, arguments: impl IntoIterator<Item = OsString>) -> Program {
    Program::new(path).arguments(arguments).variables(MISLEADING.map(Variable::remove)).variables([
        Variable::set("PYTHONIOENCODING", "utf-8"),
        Variable::set("GIT_TERMINAL_PROMPT", "0"),
        Variable::set("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
        Variable::set("PIP_NO_INPUT", "1"),
    ])
}

/// Runs it to its end; `step` names the step under which its lines are reported.
pub(super) async fn run(program: Program, deadline: Duration, report: Option<(&Progress, &str)>) -> Result<Answer, Error> {
    let on_line = |line: &str| {
        if let Some((progress, step)) = report
            && let Some(detail) = worth_telling(line)
        {
            progress(step, &mask_credentials(detail));
        }
    };
    match spawn::run(Tool { program, deadline }, on_line).await {
        Ok(output) => {
            Ok(Answer { success: output.status.success(), stdout: output.stdout, stderr: mask_credentials(&output.stderr) })
        }
        Err(error) => {
            let message = error.to_string();
            Err(match error {
                RunError::Start { .. } => Error::unavailable("tool-not-started", message)
                    .hint("check that the file exists and may be executed; `pegboard doctor` shows what is used"),
                RunError::Deadline { stderr, .. } => {
                    Error::unavailable("tool-deadline", message).hint("try again").detail(mask_credentials(&stderr))
                }
                RunError::Lost { .. } => Error::internal("tool-lost", message),
            })
        }
    }
}

/// Lines that tell somebody who waits what goes on: not the reasons of a failure, which the error carries.
fn worth_telling(line: &str) -> Option<&str> {
    const FIRST_WORDS: [&str; 16] = [
        "Downloading",
        "Downloaded",
        "Building",
        "Built",
        "Prepared",
        "Installed",
        "Updating",
        "Updated",
        "Uninstalled",
        "Collecting",
        "Using",
        "Installing",
        "Successfully",
        "Processing",
        "Obtaining",
        "Preparing",
    ];
    let line = line.trim();
    let first = line.split_whitespace().next()?;
    (FIRST_WORDS.contains(&first) && !line.starts_with("Using Python")).then_some(line)
}
