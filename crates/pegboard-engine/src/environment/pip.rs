//! venv and pip, for machines where uv cannot be had. pip knows no overrides: our `flowdapt` takes part in the resolution
//! instead, so a plugin that pins another exact version cannot be met, and the error says so.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use pegboard_model::{Error, PluginName};
use serde::Deserialize;
use serde_json::Value;

use super::create::Job;
use super::explain;
use super::files::{LockFile, blocking, io_error, temporary};
use super::lock::{Line, Lock};
use super::resolve::Question;
use super::tool::{self, INSTALL_DEADLINE};
use crate::spawn::{Program, Variable};

/// The first pip that installs into another environment and reports what it would install.
const FLOOR: (u32, u32) = (22, 3);

/// How often pip tries again to reach the index.
const RETRIES: &str = "2";

/// A pip that is new enough.
#[derive(Clone, Debug)]
pub(super) struct Pip {
    /// The interpreter that has it.
    python: PathBuf,
    cache: PathBuf,
}

impl Pip {
    /// The interpreter's own, else one in a folder of ours.
    pub(super) async fn get(data: &Path, python: &Path, offline: bool) -> Result<Self, Error> {
        let _lock = LockFile::acquire(data, "tools").await?;
        Self::get_locked(data, python, offline).await
    }

    /// The same for a caller that holds the lock of the tools.
    pub(super) async fn get_locked(data: &Path, python: &Path, offline: bool) -> Result<Self, Error> {
        let folder = data.join("tools/pip");
        let candidate = |python: PathBuf| Self { python, cache: data.join("cache/pip") };
        for pip in [candidate(python.to_owned()), candidate(folder.join("bin/python"))] {
            if pip.version().await.is_some_and(|version| version >= FLOOR) {
                return Ok(pip);
            }
        }
        let partial = temporary(data).await?;
        let output = partial.path().join("pip");
        let arguments: [OsString; 4] = ["-I".into(), "-m".into(), "venv".into(), output.clone().into()];
        let answer = tool::run(tool::program(python, arguments), INSTALL_DEADLINE, None).await?;
        let absent = |detail: String| {
            Error::unavailable("installer-not-found", "neither uv nor a pip from 22.3 on can be had")
                .hint("install uv, or Python's venv and pip (on Debian: `apt install python3-venv`)")
                .detail(detail)
        };
        if !answer.success {
            return Err(absent(answer.stdout + &answer.stderr));
        }
        let fresh = candidate(output.join("bin/python"));
        if !offline && fresh.version().await.is_none_or(|version| version < FLOOR) {
            let answer =
                tool::run(fresh.program(["install", "--upgrade", "pip"].map(OsString::from)), INSTALL_DEADLINE, None).await?;
            if !answer.success {
                return Err(absent(answer.stderr));
            }
        }
        let (shown, target) = (folder.clone(), folder.clone());
        blocking(move || {
            if target.exists() {
                std::fs::remove_dir_all(&target)?;
            }
            std::fs::rename(output, &target)
        })
        .await
        .map_err(|error| io_error("cannot put pip into", &shown, &error))?;
        let pip = candidate(folder.join("bin/python"));
        match pip.version().await {
            Some(version) if version >= FLOOR => Ok(pip),
            _ => Err(absent(String::new())),
        }
    }

    async fn version(&self) -> Option<(u32, u32)> {
        if !self.python.exists() {
            return None;
        }
        let answer = tool::run(self.program(["--version".into()]), tool::PROBE_DEADLINE, None).await.ok()?;
        let mut numbers = answer.stdout.strip_prefix("pip ")?.split(['.', ' ']).map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    }

    /// pip with arguments, in clean surroundings.
    pub(super) fn program(&self, arguments: impl IntoIterator<Item = OsString>) -> Program {
        let first = ["-I", "-m", "pip"].map(OsString::from);
        // As variables they reach the pip that pip starts for a build backend, too: without a retry, and in quiet, it does not say
        // that the network was the reason.
        tool::program(&self.python, first.into_iter().chain(arguments)).variables([
            Variable::set("PIP_CACHE_DIR", &self.cache),
            Variable::set("PIP_RETRIES", RETRIES),
            Variable::remove("PIP_QUIET"),
        ])
    }

    /// Decides the versions by pretending to install.
    pub(super) async fn resolve(&self, question: &Question<'_>, folder: &Path, offline: bool) -> Result<Lock, Error> {
        let sources = question.write(folder).await?;
        // The host's lines hold our wheels: as requirements of their own they are the only candidates of their names.
        let report = folder.join("report.json");
        let mut arguments: Vec<OsString> =
            ["install", "--dry-run", "--ignore-installed", "--progress-bar", "off", "--report"].map(OsString::from).into();
        arguments.extend([report.clone().into(), "-r".into(), sources.plugin.into(), "-r".into(), sources.host.into()]);
        let program = self.program(arguments).directory(folder).variables(index(question.index_url, offline));
        let answer = tool::run(program, INSTALL_DEADLINE, Some((question.progress, "resolve"))).await?;
        if !answer.success {
            return Err(explain::failure(&answer, question.requirement.shown(), &question.python.version, offline));
        }
        let text = tokio::fs::read(&report).await.map_err(|error| io_error("cannot read", &report, &error))?;
        let report: Report = serde_json::from_slice(&text)
            .map_err(|error| Error::internal("pip-report", format!("cannot read pip's report: {error}")))?;
        let ours = question.wheels.lines(question.ours);
        let mut lock = Lock { lines: report.install.into_iter().filter_map(|item| item.line(&ours)).collect() };
        lock.restore_credentials(&question.requirement.line());
        Ok(lock)
    }

    /// Makes an empty environment.
    pub(super) async fn create(&self, directory: &Path, python: &Path) -> Result<(), Error> {
        let arguments: [OsString; 5] = ["-I".into(), "-m".into(), "venv".into(), "--without-pip".into(), directory.into()];
        let answer = tool::run(tool::program(python, arguments), INSTALL_DEADLINE, None).await?;
        if answer.success { Ok(()) } else { Err(explain::creation(&answer, directory)) }
    }

    /// Installs exactly what a requirements file lists.
    pub(super) async fn install(&self, job: &Job<'_>, offline: bool) -> Result<(), Error> {
        let mut arguments: Vec<OsString> = vec!["--python".into(), job.python().into()];
        arguments.extend(["install", "--no-deps", "--no-compile", "--progress-bar", "off", "-r"].map(OsString::from));
        arguments.push(job.requirements.into());
        let program = self.program(arguments).variables(index(job.index_url, offline));
        let answer = tool::run(program, INSTALL_DEADLINE, Some((job.progress, "install"))).await?;
        if answer.success { Ok(()) } else { Err(explain::failure(&answer, job.shown, job.python_version, offline)) }
    }
}

fn index(url: Option<&str>, offline: bool) -> Vec<Variable> {
    let url = url.map(|url| Variable::set("PIP_INDEX_URL", url));
    url.into_iter().chain(offline.then(|| Variable::set("PIP_NO_INDEX", "1"))).collect()
}

/// pip's installation report, version 1.
#[derive(Deserialize)]
struct Report {
    install: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    metadata: ItemMetadata,
    download_info: Value,
    #[serde(default)]
    is_direct: bool,
    #[serde(default)]
    requested: bool,
}

#[derive(Deserialize)]
struct ItemMetadata {
    name: String,
    version: String,
}

impl Item {
    fn line(self, ours: &[String]) -> Option<Line> {
        let name: PluginName = self.metadata.name.parse().ok()?;
        let url = self.download_info["url"].as_str().unwrap_or_default();
        let version_control = &self.download_info["vcs_info"];
        let text = if !self.is_direct {
            format!("{name}=={}", self.metadata.version)
        } else if self.download_info["dir_info"]["editable"] == true {
            format!("-e {url}")
        } else if let (Some(kind), Some(commit)) = (version_control["vcs"].as_str(), version_control["commit_id"].as_str()) {
            let subdirectory = self.download_info["subdirectory"].as_str().map(|folder| format!("#subdirectory={folder}"));
            format!("{name} @ {kind}+{url}@{commit}{}", subdirectory.unwrap_or_default())
        } else {
            format!("{name} @ {url}")
        };
        let is_ours = ours.iter().any(|line| line.split(" @ ").next() == Some(name.as_str()));
        let mut line = Line::parse(&text, self.requested && !is_ours)?;
        line.name = Some(name);
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_becomes_a_lock() {
        let report: Report = serde_json::from_str(
            r#"{"version": "1", "install": [
                {"download_info": {"url": "file:///x/good", "dir_info": {}}, "is_direct": true, "requested": true,
                 "metadata": {"name": "Good_Plugin", "version": "1.0"}},
                {"download_info": {"url": "file:///x/here", "dir_info": {"editable": true}}, "is_direct": true, "requested": true,
                 "metadata": {"name": "here", "version": "1.0"}},
                {"download_info": {"url": "https://h/x.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}}, "is_direct": true,
                 "requested": true, "metadata": {"name": "x", "version": "2"}},
                {"download_info": {"url": "file:///w/pegboard-1-py3-none-any.whl", "archive_info": {}}, "is_direct": true, "requested": true,
                 "metadata": {"name": "pegboard", "version": "1"}},
                {"download_info": {"url": "https://files/six.whl", "archive_info": {}}, "is_direct": false, "requested": false,
                 "metadata": {"name": "six", "version": "1.17.0"}}]}"#,
        )
        .unwrap();
        let ours = ["pegboard @ file:///w/pegboard-1-py3-none-any.whl".to_owned()];
        let lines: Vec<Line> = report.install.into_iter().filter_map(|item| item.line(&ours)).collect();
        let seen: Vec<(&str, bool)> = lines.iter().map(|line| (line.text.as_str(), line.asked_for)).collect();
        assert_eq!(
            seen,
            [
                ("good-plugin @ file:///x/good", true),
                ("-e file:///x/here", true),
                ("x @ git+https://h/x.git@abc", true),
                ("pegboard @ file:///w/pegboard-1-py3-none-any.whl", false),
                ("six==1.17.0", false),
            ]
        );
        assert_eq!(lines[1].name.as_ref().unwrap().as_str(), "here");
    }
}
