//! uv as a program: fast, with a cache that serves without a network.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use pegboard_model::Error;

use super::explain;
use super::lock::Lock;
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
        arguments.extend([plugin.into(), host.into()]);
        arguments.extend(["--no-header", "--annotation-style", "line", "--python"].map(OsString::from));
        arguments.push(question.python.program.clone().into());
        let mut is_last = false;
        let answer = loop {
            let program = self.program(arguments.clone(), offline).directory(folder).variables(index(question.index_url));
            let answer = tool::run(program, INSTALL_DEADLINE, Some((question.progress, "resolve"))).await?;
            if answer.success {
                break answer;
            }
            let failure = explain::failure(&answer, question.requirement.shown(), &question.python.version, offline);
            // The host's lines are enough for most; a package that pins another version of what we replace needs the override.
            let may_be_a_pin = offline || matches!(failure.code.as_str(), "resolution-impossible" | "requirement-not-found");
            if is_last || !may_be_a_pin {
                return Err(failure);
            }
            is_last = true;
            arguments.extend(["--overrides".into(), overrides.into()]);
        };
        let mut lock = Lock::parse(&answer.stdout, plugin);
        lock.restore_credentials(&question.requirement.line());
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
