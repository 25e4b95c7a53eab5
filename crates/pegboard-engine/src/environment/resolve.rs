//! From a request to a lock: what is asked, of whom, with or without the network first.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Instant;

use pegboard_model::Error;
use serde::Deserialize;

use super::files::{blocking, io_error, temporary};
use super::installer::Found;
use super::lock::Lock;
use super::python::Python;
use super::requirement::{Requirement, file_url};
use super::tool::{self, PROBE_DEADLINE};
use super::{EnvironmentOptions, Progress};
use crate::host_files::HostFolder;

/// The wheels that our own files make.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Wheels {
    pub(super) pegboard: PathBuf,
    pub(super) flowdapt: PathBuf,
    pub(super) workbench: PathBuf,
    /// Of the host files that they were made from, which decide their content.
    pub(super) hash: String,
}

#[derive(Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
enum WheelAnswer {
    Ok { wheels: Vec<String> },
    Error { message: String },
}

impl Wheels {
    /// Writes them below `<data>/host/`, unless they are there.
    pub(super) async fn write(data: &Path, host: &HostFolder, python: &Python) -> Result<Self, Error> {
        let folder = data.join("host").join(format!("wheels-{}", host.hash));
        if let Some(wheels) = Self::found(&folder, &host.hash).await {
            return Ok(wheels);
        }
        let partial = temporary(data).await?;
        let output = partial.path().join("wheels");
        let arguments: [OsString; 4] =
            ["-I".into(), host.folder.join("pegboard/_wheel.py").into(), host.folder.clone().into(), output.clone().into()];
        let answer = tool::run(tool::program(&python.program, arguments), PROBE_DEADLINE, None).await?;
        let failed = |why: &str| Error::internal("host-wheels", format!("cannot make the wheels of the host package: {why}"));
        match serde_json::from_str(answer.stdout.trim()) {
            Ok(WheelAnswer::Ok { wheels }) => tracing::debug!(wheels = wheels.join(" "), "wrote the wheels of the host package"),
            Ok(WheelAnswer::Error { message }) => return Err(failed(&message)),
            Err(_) => return Err(failed("its script gave no answer").detail(answer.stderr)),
        }
        if let Err(error) = tokio::fs::rename(&output, &folder).await
            && !folder.is_dir()
        {
            return Err(io_error("cannot move the host wheels to", &folder, &error));
        }
        Self::found(&folder, &host.hash).await.ok_or_else(|| failed("one of them is missing"))
    }

    async fn found(folder: &Path, hash: &str) -> Option<Self> {
        let folder = folder.to_owned();
        let mut paths = blocking(move || {
            std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()
        })
        .await
        .ok()?;
        let mut take = |prefix: &str| {
            let position =
                paths.iter().position(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix)))?;
            Some(paths.swap_remove(position))
        };
        let (pegboard, flowdapt, workbench) = (take("pegboard-")?, take("flowdapt-")?, take("workbench-")?);
        Some(Self { pegboard, flowdapt, workbench, hash: hash.to_owned() })
    }

    /// Whether the file is one of them.
    pub(super) fn has(&self, path: &Path) -> bool {
        [&self.pegboard, &self.flowdapt, &self.workbench].into_iter().any(|wheel| wheel == path)
    }

    /// As lines of a requirements file.
    pub(super) fn lines(&self, ours: Ours) -> Vec<String> {
        let mut lines = vec![format!("pegboard @ {}", file_url(&self.pegboard))];
        if ours.workbench {
            lines.push(format!("workbench @ {}", file_url(&self.workbench)));
        }
        if ours.flowdapt {
            lines.push(format!("flowdapt @ {}", file_url(&self.flowdapt)));
        }
        lines
    }
}

/// Which compatibility packages an environment has from us; the others are what its requirements say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ours {
    pub(super) flowdapt: bool,
    pub(super) workbench: bool,
}

impl Ours {
    pub(super) const ALL: Self = Self { flowdapt: true, workbench: true };
}

/// What a resolver is asked.
pub(super) struct Question<'a> {
    pub(super) requirement: &'a Requirement,
    pub(super) index_url: Option<&'a str>,
    pub(super) ours: Ours,
    /// What every plugin's environment gets besides.
    pub(super) extra: &'a [String],
    pub(super) wheels: &'a Wheels,
    pub(super) python: &'a Python,
    pub(super) progress: &'a Progress,
}

/// Names of the written files, relative to their folder, so that annotations show them as they are here.
pub(super) struct Sources {
    /// What the user asked for.
    pub(super) plugin: &'static str,
    /// What every environment has.
    pub(super) host: &'static str,
    /// What replaces requirements of other distributions.
    pub(super) overrides: &'static str,
}

impl Question<'_> {
    /// What is said when no versions fit otherwise: an override has the last word about its distribution, but takes extras away. Where
    /// they are asked for by name, the host's own line decides the version.
    fn overrides(&self) -> Vec<String> {
        let asked = self.requirement.line();
        let mut lines = self.wheels.lines(self.ours);
        lines.retain(|line| {
            let name = line.split(' ').next().unwrap_or_default();
            !asked.lines().any(|asked| asked.trim_start().starts_with(&format!("{name}[")))
        });
        lines
    }

    /// Writes what is asked for as requirements files.
    pub(super) async fn write(&self, folder: &Path) -> Result<Sources, Error> {
        let sources = Sources { plugin: "plugin.in", host: "host.in", overrides: "overrides.in" };
        for (name, lines) in [
            (sources.plugin, vec![self.requirement.line()]),
            (sources.host, [self.wheels.lines(self.ours), self.extra.to_vec()].concat()),
            (sources.overrides, self.overrides()),
        ] {
            let path = folder.join(name);
            let text = lines.join("\n") + "\n";
            tokio::fs::write(&path, text).await.map_err(|error| io_error("cannot write", &path, &error))?;
        }
        Ok(sources)
    }
}

/// Decides the versions of everything that the environment will hold.
pub(super) async fn resolve(options: &EnvironmentOptions, installer: &Found, question: &Question<'_>) -> Result<Lock, Error> {
    let Question { requirement, progress, .. } = *question;
    progress("resolve", &format!("resolving {}", requirement.shown()));
    let begin = Instant::now();
    // Something from an index or a repository is asked for anew, or an upgrade would never see a new version. A local one
    // needs the network only for what the cache does not have; asking the cache first makes it quick, also offline.
    let attempts: &[bool] = match (options.offline, requirement.is_local() && installer.has_cache(), installer.has_cache()) {
        (true, _, _) => &[true],
        (false, true, _) => &[true, false],
        (false, false, true) => &[false, true],
        (false, false, false) => &[false],
    };
    let mut refused: Option<Error> = None;
    for &offline in attempts {
        let folder = temporary(&options.data).await?;
        match installer.resolve(question, folder.path(), offline).await {
            Ok(lock) => {
                let lock = with_what_was_asked_for(lock, requirement)?;
                let source = if refused.is_some() && offline { ", from the cache, because there is no network" } else { "" };
                progress(
                    "resolve",
                    &format!("resolved {} packages in {:.1} s{source}", lock.lines.len(), begin.elapsed().as_secs_f64()),
                );
                return Ok(lock);
            }
            Err(error) if offline => refused = refused.or(Some(error)),
            Err(error) if error.code == "no-network" => refused = Some(error),
            // With the network there, its word is final.
            Err(error) => return Err(error),
        }
    }
    Err(refused.unwrap_or_else(|| Error::internal("resolve", "nothing was tried")))
}

fn with_what_was_asked_for(lock: Lock, requirement: &Requirement) -> Result<Lock, Error> {
    if lock.asked_for().is_some() {
        return Ok(lock);
    }
    Err(Error::invalid("bad-requirement", format!("`{}` asks for nothing on this machine", requirement.shown()))
        .hint("its marker (the part after `;`) excludes this platform or Python version"))
}
