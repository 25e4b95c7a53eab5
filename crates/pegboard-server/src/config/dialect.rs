//! Flowdapt's own configuration, `flowdapt.yaml` and variables `FLOWDAPT__…`, read as settings of ours (Flowdapt specification,
//! section 14). What has no meaning here is named, never passed over in silence.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pegboard_model::Error;
use serde_json::{Map, Value as Json, json};

use super::dialect_text::{expanded, tree_of_file};

/// What every variable of the dialect begins with.
const PREFIX: &str = "FLOWDAPT__";
/// Read before the configuration is; no keys of it.
const APP_DIRECTORY: &str = "FLOWDAPT__APP_DIR";
const FILE: &str = "FLOWDAPT__CONFIG_FILE";
/// Below these, any key is somebody's.
const OPEN: [&str; 4] = ["services.compute.executor", "database", "storage.parameters", "telemetry.headers"];
/// What has no counterpart here, and why nobody misses it. Said only where it was set to something else than its default.
const WITHOUT_MEANING: [(&str, &str); 6] = [
    ("database", "records are kept in the data directory, or where `store.postgres_url` says"),
    ("rpc.event_bus", "events are kept with the records"),
    ("telemetry", "metrics are at `/metrics`; nothing is exported"),
    ("logging", "only `level` and `format` are read"),
    ("drain_on_sigterm", "`POST /drain` drains; `server.shutdown_deadline` says how long a stop may take"),
    ("drain_timeout_seconds", "`server.shutdown_deadline` says how long a stop may take"),
];
/// The local executor's own options, which the engine has no use for.
const LOCAL_OPTIONS: [&str; 2] = ["use_processes", "cluster_memory_socket_path"];
const LOCAL: &str = "flowdapt.compute.executor.local.LocalExecutor";
const STRATEGIES: [&str; 3] = ["fallback", "artifact", "cluster_memory"];

/// The dialect's configuration, read.
#[derive(Clone, Default, Debug)]
pub(super) struct Dialect {
    /// What was said, defaults left out; stages see it.
    pub(super) said: Map<String, Json>,
    /// One sentence for each key that does not count.
    pub(super) warnings: Vec<String>,
    /// What said each key.
    origins: BTreeMap<String, String>,
}

/// One setting of ours, and what in the dialect's configuration said it.
pub(super) struct Translated {
    pub(super) key: &'static str,
    pub(super) text: String,
    pub(super) origin: String,
}

/// The dialect's defaults: which keys there are, and what need not be spoken of.
fn defaults() -> Json {
    json!({
        "name": null,
        "rpc": { "api": { "host": "127.0.0.1", "port": 8080 }, "event_bus": { "url": "memory://" } },
        "database": { "target": "flowdapt.lib.database.storage.tdb.TinyDBStorage" },
        "logging": {
            "level": "INFO", "format": "console", "include_trace_id": false, "show_tracebacks": false,
            "traceback_show_locals": false, "traceback_max_frames": 10,
        },
        "storage": { "protocol": "file", "base_path": "", "parameters": {} },
        "services": { "compute": {
            "executor": { "target": LOCAL }, "default_namespace": "default", "default_os_strategy": "fallback",
            "run_retention_duration": -1,
        } },
        "telemetry": {
            "enabled": false, "endpoint": "http://localhost:4318", "protocol": "http", "compression": "none", "timeout": 10,
            "headers": null, "trace_export_timeout_ms": 30000, "trace_export_batch_size": 512,
            "trace_schedule_delay_ms": 5000, "trace_max_queue_size": 2048, "metrics_max_storage_time_s": 21600,
            "metrics_interval_ms": 5000, "metrics_export_timeout_ms": 10000,
        },
        "drain_on_sigterm": false,
        "drain_timeout_seconds": 300,
    })
}

/// Whether a settings file is one of the dialect, by its name.
pub(super) fn is_dialect(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    ["yaml", "yml", "json"].contains(&ending) || path.file_stem().is_some_and(|stem| stem == "flowdapt")
}

/// The data directory that the dialect's variable names.
pub(super) fn app_directory(variables: &[(String, String)]) -> Option<Translated> {
    let (name, value) = variables.iter().find(|(name, value)| name == APP_DIRECTORY && !value.is_empty())?;
    Some(Translated { key: "server.data", text: value.clone(), origin: name.clone() })
}

/// The file that the dialect's variable names, below the application directory.
pub(super) fn file(variables: &[(String, String)], data: &Path) -> Option<PathBuf> {
    let (_, value) = variables.iter().find(|(name, value)| name == FILE && !value.is_empty())?;
    Some(data.join(value))
}

impl Dialect {
    /// The variables over the file.
    ///
    /// # Errors
    /// `settings-file` for a file that cannot be read, `setting-invalid` for what it cannot mean.
    pub(super) fn read(file: Option<&Path>, variables: &[(String, String)]) -> Result<Self, Error> {
        let mut read = Self::default();
        if let Some(path) = file {
            let origin = format!("file:{}", path.display());
            let tree = expanded(tree_of_file(path)?, variables, &origin)?;
            read.lay("", tree, &origin);
        }
        let mut ours: Vec<_> = variables.iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
        ours.sort();
        for (name, text) in ours.into_iter().filter(|(name, _)| name != APP_DIRECTORY && name != FILE) {
            let path = name[PREFIX.len()..].to_lowercase().replace("____target__", "__target");
            let keys: Vec<&str> = path.split("__").collect();
            let value = keys.iter().rev().fold(converted(text), |value, key| json!({ *key: value }));
            if let Json::Object(tree) = value {
                read.lay("", tree, name);
            }
        }
        read.look_for_unknown_keys();
        Ok(read)
    }

    /// Lays a source over what is there, leaf by leaf.
    fn lay(&mut self, path: &str, tree: Map<String, Json>, origin: &str) {
        for (key, value) in tree {
            let key = if key == "__target__" { "target".to_owned() } else { key };
            let path = if path.is_empty() { key } else { format!("{path}.{key}") };
            match value {
                Json::Object(inner) if !inner.is_empty() => self.lay(&path, inner, origin),
                value => {
                    insert(&mut self.said, &path, value);
                    self.origins.insert(path, origin.to_owned());
                }
            }
        }
    }

    fn look_for_unknown_keys(&mut self) {
        let defaults = defaults();
        let mut warnings = Vec::new();
        for (path, origin) in &self.origins {
            let is_open = OPEN.iter().any(|open| path.strip_prefix(open).is_some_and(|rest| rest.starts_with('.')));
            let found = at(&defaults, path);
            if !is_open && found.is_none() && path != "services.compute" {
                let known = known_paths(&defaults);
                let distance = |known: &&String| (strsim::jaro_winkler(known, path) * 1e6) as u64;
                let near = known.iter().max_by_key(distance).map(|near| format!("; the nearest one is `{near}`"));
                warnings.push(format!(
                    "`{path}` in {origin} is no key of Flowdapt's configuration and is ignored{}",
                    near.unwrap_or_default()
                ));
                continue;
            }
            let meaning = WITHOUT_MEANING
                .iter()
                .find(|(section, _)| path == section || path.strip_prefix(section).is_some_and(|rest| rest.starts_with('.')))
                .filter(|_| !["logging.level", "logging.format"].contains(&path.as_str()));
            if let Some((_, instead)) = meaning
                && at_map(&self.said, path) != found
            {
                warnings.push(format!("`{path}` in {origin} has no meaning here: {instead}"));
            }
        }
        self.warnings = warnings;
    }

    /// As settings of ours, in no order.
    ///
    /// # Errors
    /// `setting-invalid`.
    pub(super) fn translated(&mut self) -> Result<Vec<Translated>, Error> {
        let mut settings = Vec::new();
        let (host, port) = (self.text("rpc.api.host"), self.text("rpc.api.port"));
        if host.is_some() || port.is_some() {
            let host = host.map_or_else(|| "127.0.0.1".to_owned(), |host| host.replace("localhost", "127.0.0.1"));
            let host = if host.contains(':') { format!("[{host}]") } else { host };
            let text = format!("{host}:{}", port.unwrap_or_else(|| "8080".to_owned()));
            let said_by = if self.origins.contains_key("rpc.api.port") { "rpc.api.port" } else { "rpc.api.host" };
            settings.push(self.setting("server.listen", text, said_by));
        }
        if let Some(level) = self.text("logging.level") {
            let level = match level.to_lowercase().as_str() {
                "warning" => "warn".to_owned(),
                "critical" | "fatal" => "error".to_owned(),
                other => other.to_owned(),
            };
            settings.push(self.setting("log.level", level, "logging.level"));
        }
        if let Some(format) = self.text("logging.format") {
            let format = if format == "console" { "text".to_owned() } else { format };
            settings.push(self.setting("log.format", format, "logging.format"));
        }
        for (path, key) in [
            ("services.compute.default_namespace", "flow.namespace"),
            ("services.compute.run_retention_duration", "flow.run_retention"),
        ] {
            settings.extend(self.text(path).map(|text| self.setting(key, text, path)));
        }
        if let Some(strategy) = self.text("services.compute.default_os_strategy")
            && !STRATEGIES.contains(&strategy.as_str())
        {
            let message = format!("`services.compute.default_os_strategy` is `{strategy}`, which is no strategy");
            return Err(Error::invalid("setting-invalid", message).hint("it is `fallback`, `artifact` or `cluster_memory`"));
        }
        if self.said.get("services").and_then(|services| services.get("compute")) == Some(&json!("disabled")) {
            self.warnings
                .push("`services.compute` is `disabled`, which has no meaning here: runs are what the server is for".to_owned());
        } else {
            self.executor(&mut settings)?;
        }
        Ok(settings)
    }

    fn executor(&mut self, settings: &mut Vec<Translated>) -> Result<(), Error> {
        const PATH: &str = "services.compute.executor";
        let Some(executor) = at_map(&self.said, PATH) else { return Ok(()) };
        let Json::Object(executor) = executor else {
            let message = format!("`{PATH}` is not an object");
            return Err(Error::invalid("setting-invalid", message).hint("it has a `target` and the executor's own options"));
        };
        let mut options = executor.clone();
        let target = options.shift_remove("target").and_then(|target| target.as_str().map(str::to_owned));
        let target = target.filter(|target| !target.trim().is_empty()).unwrap_or_else(|| LOCAL.to_owned());
        if target == LOCAL {
            for option in options.keys() {
                let path = format!("{PATH}.{option}");
                match &options[option] {
                    Json::Number(count) if option == "cpus" => {
                        settings.push(self.setting("engine.workers_per_plugin", count.to_string(), &path));
                    }
                    Json::Null => {}
                    Json::String(word) if option == "cpus" && word == "auto" => {}
                    _ if LOCAL_OPTIONS.contains(&option.as_str()) => {
                        let origin = self.origins.get(&path).cloned().unwrap_or_default();
                        self.warnings.push(format!(
                            "`{path}` in {origin} has no meaning here: workers are always processes, and share memory"
                        ));
                    }
                    _ => {
                        let origin = self.origins.get(&path).cloned().unwrap_or_default();
                        self.warnings.push(format!("`{path}` in {origin} is no option of the local executor and is ignored"));
                    }
                }
            }
            return Ok(());
        }
        settings.push(self.setting("flow.executor.target", target, &format!("{PATH}.target")));
        let first = options.keys().next().cloned();
        if let Some(first) = first {
            settings.push(self.setting("flow.executor.options", Json::Object(options).to_string(), &format!("{PATH}.{first}")));
        }
        Ok(())
    }

    /// A scalar as text; nothing for null.
    fn text(&self, path: &str) -> Option<String> {
        match at_map(&self.said, path)? {
            Json::Null | Json::Object(_) | Json::Array(_) => None,
            Json::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }

    fn setting(&self, key: &'static str, text: String, path: &str) -> Translated {
        let exact = self.origins.get(path);
        let below = || self.origins.iter().find(|(known, _)| known.starts_with(path)).map(|(_, origin)| origin);
        let origin = exact.or_else(below).cloned().unwrap_or_else(|| "Flowdapt's default".to_owned());
        Translated { key, text, origin: format!("{origin} ({path})") }
    }
}

/// As the dialect converts the text of a variable.
fn converted(text: &str) -> Json {
    let lower = text.trim().to_lowercase();
    match lower.as_str() {
        "true" => Json::Bool(true),
        "false" => Json::Bool(false),
        "none" | "null" => Json::Null,
        _ if lower.starts_with(['{', '[', '-']) || lower.starts_with(|c: char| c.is_ascii_digit()) => {
            serde_json::from_str(&lower).or_else(|_| serde_json::from_str(text)).unwrap_or_else(|_| json!(text))
        }
        _ => json!(text),
    }
}

fn at<'a>(tree: &'a Json, path: &str) -> Option<&'a Json> {
    path.split('.').try_fold(tree, |tree, key| tree.get(key))
}

fn at_map<'a>(tree: &'a Map<String, Json>, path: &str) -> Option<&'a Json> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let inner = tree.get(first)?;
    rest.map_or(Some(inner), |rest| at(inner, rest))
}

fn insert(tree: &mut Map<String, Json>, path: &str, value: Json) {
    match path.split_once('.') {
        None => {
            tree.insert(path.to_owned(), value);
        }
        Some((first, rest)) => {
            let inner = tree.entry(first.to_owned()).or_insert_with(|| Json::Object(Map::new()));
            if !inner.is_object() {
                *inner = Json::Object(Map::new());
            }
            if let Json::Object(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

fn known_paths(tree: &Json) -> Vec<String> {
    let Json::Object(entries) = tree else { return Vec::new() };
    let below = |(key, value): (&String, &Json)| {
        let inner = known_paths(value);
        if inner.is_empty() { vec![key.clone()] } else { inner.iter().map(|path| format!("{key}.{path}")).collect() }
    };
    entries.iter().flat_map(below).collect()
}
