//! What the files of plugin folders need, which folders get the original `workbench`, and whether they can have it.
//!
//! Invariants: whoever cannot have the original gets ours, and the reason is told; our own panels always have ours; AWS credentials are
//! looked for and not read.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use pegboard_engine::{Engine, HostedPlugin, Invocation, PanelEnvironment, Preparation};
use pegboard_model::{Error, ErrorKind, Failure, PluginName};

use super::told::Libraries;
use crate::config::has_aws_credentials;

/// What a folder's files need besides, in the form of pip.
pub const REQUIREMENTS_FILE: &str = "requirements.txt";
/// The setting that asks for the original.
pub(super) const SWITCH: &str = "dashboard.original_workbench";
/// What every file can count on.
const WITH_OURS: &str = "workbench[dashboard]\n";
/// The same, where `workbench` is the folder's to name.
const WITH_ORIGINAL: &str = "pegboard[dashboard]\n";
/// What the parked interpreter imports: workers are copies of it. Nothing of the original is among it, which asks AWS when it is imported.
const PRELOAD: [&str; 4] = ["numpy", "pandas", "pyarrow", "pegboard.panels._warm"];
/// Ours has this behind its version.
const OUR_VERSION: &str = "+pegboard";
/// Longest time for a worker without a file.
const DEADLINE: Duration = Duration::from_secs(60);

/// What the plugin folders ask for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PanelRequirements {
    /// Text of each folder's file; folders without one are not among them.
    folders: Vec<(PathBuf, String)>,
    with_original: bool,
}

impl PanelRequirements {
    /// Reads what the folders ask for. `wants_original`: who asks for `workbench` is to get the one of that name, not ours; an error says
    /// why nobody does.
    pub async fn read(roots: &[PathBuf], wants_original: bool) -> (Self, Option<Error>) {
        let mut folders = Vec::new();
        for root in roots {
            if let Ok(text) = tokio::fs::read_to_string(root.join(REQUIREMENTS_FILE)).await {
                folders.push((root.clone(), text));
            }
        }
        let reason = match wants_original {
            false => None,
            true if !folders.iter().any(|(_, text)| text.lines().any(asks_for_workbench)) => Some(
                refusal(format!("`{SWITCH}` is on, but no plugin folder's `{REQUIREMENTS_FILE}` asks for `workbench`"))
                    .hint(format!("write `workbench` with a version into the folder's `{REQUIREMENTS_FILE}`, or switch the setting off")),
            ),
            true if !tokio::task::spawn_blocking(has_aws_credentials).await.unwrap_or(false) => Some(
                refusal(format!("`{SWITCH}` is on, but there are no AWS credentials: Pegboard's own `workbench` is used")).hint(
                    "start the server with `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or with a profile of `~/.aws` in `AWS_PROFILE`",
                ),
            ),
            true => None,
        };
        let with_original = wants_original && reason.is_none();
        (Self { folders, with_original }, reason)
    }

    /// Where the files of a folder run.
    #[must_use]
    pub fn of(&self, root: &Path) -> PanelEnvironment {
        let has_original = self.with_original
            && self.folders.iter().any(|(folder, text)| folder == root && text.lines().any(asks_for_workbench));
        if has_original { self.original() } else { self.ours() }
    }

    /// What workers are copies of.
    #[must_use]
    pub fn preload() -> Vec<String> {
        PRELOAD.iter().map(|&module| module.to_owned()).collect()
    }

    /// Has the environment with the original made, and looks whether it is there: its version. None when no folder gets it. After an
    /// error nobody does.
    ///
    /// # Errors
    /// `original-workbench`: why it cannot be used.
    pub async fn try_original(&mut self, engine: &Engine) -> Result<Option<String>, Error> {
        if !self.with_original {
            return Ok(None);
        }
        let found = match describe(engine, self.original()).await {
            Ok(said) => {
                said.versions.get("workbench").cloned().flatten().filter(|version| !version.ends_with(OUR_VERSION)).ok_or_else(
                    || {
                        refusal("the environment has no `workbench`: Pegboard's own is used".to_owned())
                            .hint(format!("look for a condition behind the name in the folder's `{REQUIREMENTS_FILE}`"))
                    },
                )
            }
            Err(failure) => {
                let error =
                    refusal(format!("the original `workbench` cannot be used, so Pegboard's own is: {}", failure.message));
                let error = failure.hint.into_iter().fold(error, Error::hint);
                Err(failure.traceback.into_iter().fold(error, Error::detail))
            }
        };
        self.with_original = found.is_ok();
        found.map(Some)
    }

    /// For our own panels, and for folders that do not get the original.
    pub(super) fn ours(&self) -> PanelEnvironment {
        let mut requirements = WITH_OURS.to_owned();
        for (_, text) in &self.folders {
            if self.with_original && text.lines().any(asks_for_workbench) {
                continue;
            }
            // Ours is there already, whatever version they name.
            for line in text.lines().filter(|line| !asks_for_workbench(line)) {
                requirements.push_str(line);
                requirements.push('\n');
            }
        }
        PanelEnvironment { requirements, original_workbench: false }
    }

    fn original(&self) -> PanelEnvironment {
        let mut requirements = WITH_ORIGINAL.to_owned();
        for (_, text) in self.folders.iter().filter(|(_, text)| text.lines().any(asks_for_workbench)) {
            requirements.push_str(text);
            requirements.push('\n');
        }
        PanelEnvironment { requirements, original_workbench: true }
    }
}

fn refusal(message: String) -> Error {
    Error::new(ErrorKind::Unavailable, "original-workbench", message)
}

/// Whether a line of a requirements file names the distribution `workbench`: by name, or by a path to a file of it.
fn asks_for_workbench(line: &str) -> bool {
    let line = line.trim();
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    let file = line.split(['#', ' ', '[']).next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
    let is_file = [".whl", ".tar.gz", ".zip"].iter().any(|ending| file.ends_with(ending));
    (name.eq_ignore_ascii_case("workbench") && !rest.starts_with(['/', ':'])) || (is_file && file.starts_with("workbench-"))
}

/// Asks a worker without a file what its environment has to serve.
pub(super) async fn describe(engine: &Engine, environment: PanelEnvironment) -> Result<Libraries, Failure> {
    let name = PluginName::panels();
    let question = Arc::new(Question { answer: Mutex::default() });
    let plugin = HostedPlugin { name: name.clone(), environment, preparation: question.clone() };
    engine.host(plugin, &PanelRequirements::preload()).await?;
    engine.unhost(&name).await;
    let answer = question.answer.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
    serde_json::from_slice(&answer).map_err(|error| {
        Failure::noticed(
            pegboard_model::FailureKind::Protocol,
            format!("the panels' environment describes itself unreadably: {error}"),
        )
    })
}

/// One question whose answer is kept.
struct Question {
    answer: Mutex<Option<Bytes>>,
}

impl Preparation for Question {
    fn first(&self) -> Invocation {
        Invocation { target: "pegboard.panels.host".to_owned(), payload: Bytes::from_static(b"{}"), deadline: DEADLINE }
    }

    fn accept(&self, answer: Bytes) -> Result<(), Failure> {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        Ok(())
    }

    fn again(&self) -> Vec<Invocation> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(text: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(REQUIREMENTS_FILE), text).unwrap();
        folder
    }

    #[test]
    fn lines_that_name_workbench_are_known() {
        for line in [
            "workbench",
            " Workbench >=0.8",
            "workbench[ui]==0.8.120",
            "workbench @ file:///w/x.whl",
            "workbench; python_version > '3'",
            "/w/workbench-0.8.120-py3-none-any.whl",
            "file:///w/workbench-0.8.120.tar.gz#sha256=0",
        ] {
            assert!(asks_for_workbench(line), "{line}");
        }
        for line in [
            "",
            "# workbench",
            "workbench-extras",
            "workbenchx",
            "my.workbench",
            "numpy  # not workbench",
            "workbench/plugin",
            "/workbench",
        ] {
            assert!(!asks_for_workbench(line), "{line}");
        }
    }

    #[tokio::test]
    async fn each_folder_gets_what_it_may_have() {
        let (real, other) = (folder("workbench==0.8.120\nnumpy\n"), folder("scipy\n"));
        let roots = [real.path().to_owned(), other.path().to_owned()];
        let (off, reason) = PanelRequirements::read(&roots, false).await;
        assert_eq!(reason, None);
        let expected =
            PanelEnvironment { requirements: "workbench[dashboard]\nnumpy\nscipy\n".to_owned(), original_workbench: false };
        assert_eq!((off.of(&roots[0]), off.of(&roots[1])), (expected.clone(), expected));

        let on = PanelRequirements { with_original: true, ..off };
        let (original, ours) = (on.of(&roots[0]), on.of(Path::new("/own")));
        assert!(original.original_workbench && !ours.original_workbench);
        assert_eq!(original.requirements, "pegboard[dashboard]\nworkbench==0.8.120\nnumpy\n\n");
        assert_eq!(ours.requirements, "workbench[dashboard]\nscipy\n");
        assert_eq!(on.of(&roots[1]), ours);

        let (nobody, reason) = PanelRequirements::read(&roots[1..], true).await;
        let reason = reason.unwrap();
        assert_eq!(reason.code, "original-workbench");
        assert!(reason.message.contains("asks for `workbench`") && reason.hint.is_some(), "{reason:?}");
        assert!(!nobody.of(&roots[1]).original_workbench);
    }
}
