//! What an environment holds, asked of its own interpreter; no plugin module is imported.

use std::ffi::OsString;
use std::path::Path;

use pegboard_model::plugin::PluginMetadata;
use pegboard_model::{Contribution, Dialect, Error, PluginName, PluginRecord, PluginSource, PluginState, Timestamp};
use serde::Deserialize;

use super::lock::Lock;
use super::requirement::{Requirement, mask_credentials};
use super::tool::{self, PROBE_DEADLINE};
use super::{Environment, InstallRequest};

/// The entry point group of plugins (Flowdapt specification, section 11.1).
const GROUP: &str = "flowdapt.plugins";

#[derive(Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
enum Answer {
    Ok {
        plugins: Vec<Found>,
        #[serde(default)]
        warnings: Vec<String>,
    },
    Error {
        kind: String,
        message: String,
    },
}

#[derive(Clone, Deserialize)]
struct Found {
    name: String,
    metadata: PluginMetadata,
    entry_points: Vec<String>,
    modules: Vec<String>,
    data_files: Vec<String>,
    /// What `data_files` are relative to.
    #[serde(default)]
    data_root: String,
    #[serde(default)]
    editable: bool,
    #[serde(default)]
    uses_frames: bool,
    /// Where it was installed from, when not from an index.
    #[serde(default)]
    direct_url: String,
}

/// What was found of the distribution that was asked for.
pub(super) struct Discovered {
    pub(super) record: PluginRecord,
    /// Its code names the dialect's data sets, which need pyarrow.
    pub(super) uses_frames: bool,
}

/// Looks for the distribution that was asked for.
pub(super) async fn discover(
    environment: &Environment,
    host: &Path,
    requirement: &Requirement,
    request: &InstallRequest,
    lock: &Lock,
) -> Result<Discovered, Error> {
    // All of them: an editable one is known by its location only.
    let arguments: [OsString; 3] = ["-I".into(), host.join("pegboard/_discover.py").into(), OsString::new()];
    let said = tool::run(tool::program(&environment.python, arguments), PROBE_DEADLINE, None).await?;
    let failed =
        |why: &str| Error::internal("discovery-failed", format!("cannot look into environment `{}`: {why}", environment.key));
    let (plugins, warnings) = match serde_json::from_str(said.stdout.trim()) {
        Ok(Answer::Ok { plugins, warnings }) => (plugins, warnings),
        Ok(Answer::Error { kind, message }) => return Err(failed(&format!("{message} ({kind})"))),
        Err(_) => return Err(failed("its interpreter gave no answer").detail(said.stderr)),
    };
    let wanted = lock.asked_for().and_then(|line| line.name.clone());
    let found = plugins.iter().find(|plugin| match &wanted {
        Some(name) => plugin.name.parse::<PluginName>().is_ok_and(|given| given == *name),
        None => requirement
            .location()
            .is_some_and(|location| plugin.direct_url.trim_end_matches('/') == location.trim_end_matches('/')),
    });
    let Some(found) = found else {
        let mut error = Error::invalid("no-plugin", format!("`{}` has no entry point of group `{GROUP}`, so it is not a plugin", requirement.shown()))
            .hint(format!("add to its `pyproject.toml`: [project.entry-points.\"{GROUP}\"] followed by a line such as my_plugin = \"my_package\""));
        if !warnings.is_empty() {
            error = error.detail(warnings.join("\n"));
        }
        return Err(error);
    };
    let record = record(found.clone(), environment, requirement, request)?;
    Ok(Discovered { record, uses_frames: found.uses_frames })
}

fn record(
    found: Found,
    environment: &Environment,
    requirement: &Requirement,
    request: &InstallRequest,
) -> Result<PluginRecord, Error> {
    let now = Timestamp::from(std::time::SystemTime::now());
    let contributions =
        found.entry_points.iter().map(|module| Contribution { kind: "stage".to_owned(), name: module.clone() }).collect();
    // The files of one that runs in place lie outside of the environment: their paths are absolute.
    let data_files = if found.editable {
        found.data_files.iter().map(|file| Path::new(&found.data_root).join(file).to_string_lossy().into_owned()).collect()
    } else {
        found.data_files
    };
    Ok(PluginRecord {
        name: found.name.parse()?,
        dialect: Dialect::Flowdapt,
        source: PluginSource::Package {
            requirement: requirement.shown().to_owned(),
            editable: request.editable,
            index_url: request.index_url.as_deref().map(mask_credentials),
        },
        metadata: found.metadata,
        entry_points: found.entry_points,
        modules: found.modules,
        contributions,
        data_files,
        environment: environment.key.clone(),
        state: PluginState::Installing,
        failure: None,
        installed_at: now,
        updated_at: now,
    })
}
