//! uv as a program: fast, with a cache that serves without a network.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use pegboard_model::Error;

use super::explain;
use super::lock::Lock;
use super::requirement::mask_credentials;
use super::resolve::{Question, Sources};
use super::tool::{self, INSTALL_DEADLINE, PROBE_DEADLINE};
use crate::spawn::{Program, Variable};

/// A uv that answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Uv {
    pub(super) program: PathBuf,
    pub(super) version: String,
    cache: PathBuf,
}

/// No configuration file of the machine has a say, no interpreter is downloaded, no colours.
const ALWAYS: [&str; 4] = ["--no-config", "--no-python-downloads", "--color", "never"];

impl Uv {
    /// Asks a file whether it is uv.
    pub(super) async fn probe(program: &Path, data: &Path) -> Option<Self> {
        let answer = tool::run(tool::program(program, ["--version".into()]), PROBE_DEADLINE, None).await.ok()?;
        let version = answer.stdout.trim().strip_prefix("uv ")?.split_whitespace().next()?.to_owned();
        answer.success.then(|| Self { program: program.to_owned(), version, cache: data.join("cache/uv") })
    }

    fn program(&self, arguments: Vec<OsString>, offline: bool) -> Program {
        let always = ALWAYS.iter().map(OsString::from);
        let offline = offline.then(|| OsString::from("--offline"));
        // A cache beside the environments: files are linked, not copied.
        tool::program(&self.program, arguments.into_iter().chain(always).chain(offline))
            .variables([Variable::set("UV_CACHE_DIR", &self.cache)])
    }

    /// Decides the versions; the files that say what is asked for are written to `folder`.
    pub(super) async fn resolve(&self, question: &Question<'_>, folder: &Path, offline: bool) -> Result<Lock, Error> {
        let Sources { plugin, host, overrides } = question.write(folder).await?;
        let mut arguments: Vec<OsString> = ["pip", "compile"].map(OsString::from).into();
        arguments.extend([plugin.into(), host.into(), "--overrides".into(), overrides.into()]);
        arguments.extend(["--no-header", "--annotation-style", "line", "--python"].map(OsString::from));
        arguments.push(question.python.program.clone().into());
        let program = self.program(arguments, offline).directory(folder).variables(index(question.index_url));
        let answer = tool::run(program, INSTALL_DEADLINE, Some((question.progress, "resolve"))).await?;
        if !answer.success {
            return Err(explain::failure(&answer, question.requirement.shown(), &question.python.version, offline));
        }
        let mut lock = Lock::parse(&answer.stdout, plugin);
        // Where uv hides the credentials of the location that was asked for, the installation still needs them.
        let asked_for = question.requirement.line();
        for line in lock.lines.iter_mut().filter(|line| line.asked_for) {
            restore_credentials(&mut line.text, &asked_for);
        }
        Ok(lock)
    }

    /// Makes an empty environment.
    pub(super) async fn create(&self, directory: &Path, python: &Path) -> Result<(), Error> {
        let mut arguments: Vec<OsString> = ["venv", "--quiet", "--python"].map(OsString::from).into();
        arguments.extend([python.into(), directory.into()]);
        let answer = tool::run(self.program(arguments, true), PROBE_DEADLINE, None).await?;
        if answer.success { Ok(()) } else { Err(explain::creation(&answer, directory)) }
    }

    /// Installs exactly what a requirements file lists; `rebuild` names what is built anew even if a build of it is cached.
    pub(super) async fn install(&self, job: &super::create::Job<'_>, offline: bool) -> Result<(), Error> {
        let mut arguments: Vec<OsString> =
            ["pip", "install", "--no-deps", "--link-mode", "hardlink", "--python"].map(OsString::from).into();
        arguments.extend([job.python().into(), "--requirement".into(), job.requirements.into()]);
        for name in job.rebuild {
            arguments.extend(["--reinstall-package".into(), OsString::from(name.as_str())]);
        }
        let program = self.program(arguments, offline).variables(index(job.index_url));
        let answer = tool::run(program, INSTALL_DEADLINE, Some((job.progress, "install"))).await?;
        if answer.success { Ok(()) } else { Err(explain::failure(&answer, job.shown, job.python_version, offline)) }
    }
}

/// The index goes through the environment: arguments can be read by everybody on the machine.
fn index(url: Option<&str>) -> Option<Variable> {
    url.map(|url| Variable::set("UV_DEFAULT_INDEX", url))
}

/// Puts the credentials of `original` back where a masked form of them stands in `text`.
fn restore_credentials(text: &mut String, original: &str) {
    let Some((_, after)) = original.split_once("://") else { return };
    let Some((credentials, _)) = after.split_once('/').unwrap_or((after, "")).0.rsplit_once('@') else { return };
    if mask_credentials(original) == original {
        return;
    }
    if let Some((before, after)) = text.split_once("://") {
        let authority_end = after.find('/').unwrap_or(after.len());
        let host = after[..authority_end].rsplit_once('@').map_or(&after[..authority_end], |(_, host)| host);
        *text = format!("{before}://{credentials}@{host}{}", &after[authority_end..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_come_back_only_where_they_were() {
        for (text, original, restored) in [
            ("x @ git+https://u:****@h/x.git@abc", "git+https://u:p@h/x.git", "x @ git+https://u:p@h/x.git@abc"),
            ("x @ git+https://h/x.git@abc", "git+https://u:p@h/x.git", "x @ git+https://u:p@h/x.git@abc"),
            ("x @ git+https://h/x.git@abc", "git+https://h/x.git", "x @ git+https://h/x.git@abc"),
            ("x==1", "x", "x==1"),
        ] {
            let mut text = text.to_owned();
            restore_credentials(&mut text, original);
            assert_eq!(text, restored);
        }
    }
}
