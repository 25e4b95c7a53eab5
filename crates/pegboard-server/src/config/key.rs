//! The one table of settings: key, kind, default, meaning. Documents, `pegboard config`, the check for unknown keys and
//! the variables' names all come from here, so a setting that is not in this table does not exist.

/// What a setting's text means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// A path, relative to the working directory.
    Path,
    /// `IP:PORT`.
    Address,
    /// Bytes with a unit: `64KiB`.
    Size,
    /// Time with a unit: `30s`.
    Duration,
    /// A whole number.
    Count,
    /// `true` or `false`.
    Flag,
    /// Texts: an array in the file, commas elsewhere.
    List,
    /// Names and values of any kind: a table in the file, JSON elsewhere; `__NAME` after its variable sets one of them.
    Table,
}

impl Kind {
    /// As the reference page names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Path => "path",
            Self::Address => "address",
            Self::Size => "size",
            Self::Duration => "duration",
            Self::Count => "number",
            Self::Flag => "true or false",
            Self::List => "list",
            Self::Table => "table",
        }
    }
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// `section.key`.
    pub(crate) key: &'static str,
    /// What its text means.
    pub(crate) kind: Kind,
    /// As it would stand in a variable; `none` for an absent value.
    pub(crate) default: &'static str,
    /// Never shown in full.
    pub(crate) secret: bool,
    /// Whether `none` is allowed.
    pub(crate) optional: bool,
    /// One sentence.
    pub(crate) help: &'static str,
}

impl Setting {
    const fn new(key: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Self {
        Self { key, kind, default, secret: false, optional: false, help }
    }

    const fn set_optional(key: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Self {
        Self { key, kind, default, secret: false, optional: true, help }
    }

    const fn optional(key: &'static str, kind: Kind, help: &'static str) -> Self {
        Self { key, kind, default: NONE, secret: false, optional: true, help }
    }

    const fn secret(key: &'static str, help: &'static str) -> Self {
        Self { key, kind: Kind::Text, default: NONE, secret: true, optional: true, help }
    }

    /// The variable that sets it: `PEGBOARD__SECTION__KEY`.
    pub(crate) fn variable(&self) -> String {
        format!("{VARIABLE_PREFIX}{}", self.key.replace('.', "__").to_uppercase())
    }
}

/// The word for an absent value.
pub(crate) const NONE: &str = "none";

/// What every settings variable begins with.
pub(crate) const VARIABLE_PREFIX: &str = "PEGBOARD__";

/// Short name for the variable of `server.url`, the one setting that clients use most.
pub(crate) const URL_VARIABLE: &str = "PEGBOARD_URL";

/// Name that Workbench has for `dashboard.plugins`.
pub(crate) const PLUGINS_VARIABLE: &str = "WORKBENCH_PLUGINS";

/// Variable with the key that client commands send: no setting, so that no file and no listing ever has it.
pub(super) const KEY_VARIABLE: &str = "PEGBOARD_KEY";

use Kind::{Address, Count, Duration, Flag, List, Path, Size, Table, Text};

/// All settings, by section.
pub(crate) const SETTINGS: &[Setting] = &[
    Setting::new(
        "server.listen",
        Address,
        "127.0.0.1:8480",
        "Where the server listens. Beyond loopback everybody has to sign in. Port 0 takes a free one.",
    ),
    Setting::new(
        "server.sign_in",
        Text,
        "auto",
        "Who has to sign in or send a key: `auto` everybody when the server listens beyond loopback, else nobody; `always` everybody.",
    ),
    Setting::new("server.session_idle", Duration, "7days", "A browser that is not used for so long has to sign in again."),
    Setting::new("server.session_lifetime", Duration, "30days", "A browser has to sign in again after so long, used or not."),
    Setting::new(
        "server.trusted_proxies",
        List,
        "",
        "IP addresses of reverse proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.",
    ),
    Setting::set_optional(
        "server.audit_retention",
        Duration,
        "365days",
        "How long the record of who did what is kept; none: for ever.",
    ),
    Setting::optional("server.openid.issuer", Text, "Address of an OpenID Connect provider that people may sign in by."),
    Setting::optional("server.openid.client_id", Text, "What the provider calls this server."),
    Setting::secret("server.openid.client_secret", "What only the provider and this server know; none for a public client."),
    Setting::new(
        "server.openid.domains",
        List,
        "",
        "Hosts of the email addresses that may come in by the provider; empty: all that it vouches for.",
    ),
    Setting::optional(
        "server.openid.role",
        Text,
        "Role of those who come for the first time, `viewer` or `member`; none: only those come in who are users already.",
    ),
    Setting::new("server.data", Path, "pegboard-data", "The data directory: database, objects, environments. Made when absent."),
    Setting::new(
        "server.url",
        Text,
        "http://127.0.0.1:8480",
        "The server that client commands talk to; `PEGBOARD_URL` sets it too.",
    ),
    Setting::new(
        "server.allowed_hosts",
        List,
        "",
        "Host names beyond localhost that requests may name, for a reverse proxy in front.",
    ),
    Setting::optional(
        "server.public_url",
        Text,
        "Where others reach this server, for the links in its answers; none: where the request was sent to.",
    ),
    Setting::new("server.body_limit", Size, "16MiB", "Largest request body; files have a limit of their own."),
    Setting::new("server.upload_limit", Size, "2GiB", "Largest file that is uploaded."),
    Setting::optional("server.threads", Count, "Threads that serve requests; none: one per core, at most four."),
    Setting::new("server.shutdown_deadline", Duration, "20s", "Longest time that an orderly stop may take."),
    Setting::secret("store.postgres_url", "`postgres://…`: records go to PostgreSQL instead of SQLite in the data directory."),
    Setting::optional("store.s3_bucket", Text, "Objects go to this bucket instead of a folder in the data directory."),
    Setting::new("store.s3_prefix", Text, "pegboard", "What the keys in the bucket begin with."),
    Setting::optional("store.s3_endpoint", Text, "URL of an S3-compatible service; none: Amazon's."),
    Setting::new("store.s3_region", Text, "us-east-1", "Region of the bucket."),
    Setting::optional("store.s3_access_key_id", Text, "Key id for the bucket; none: from the machine's role."),
    Setting::secret("store.s3_secret_access_key", "Secret that belongs to the key id."),
    Setting::optional("engine.python", Path, "Python that environments are made from, 3.10 or newer; none: `python3` on PATH."),
    Setting::optional("engine.uv", Path, "The uv program; none: on PATH, else installed once into the data directory."),
    Setting::new("engine.without_uv", Flag, "false", "Never use uv, only venv and pip."),
    Setting::new("engine.offline", Flag, "false", "Never use the network to make environments."),
    Setting::optional("engine.index_url", Text, "Package index for installs that name none; none: uv's default."),
    Setting::optional("engine.workers_per_plugin", Count, "Most worker processes of one plugin; none: one per core."),
    Setting::optional("engine.memory", Size, "Memory that a worker may use; none: no limit."),
    Setting::new("engine.mapped_memory", Size, "16GiB", "Shared values that a worker may map on top of `engine.memory`."),
    Setting::optional("engine.cpu_time", Duration, "Processor time that one call may use; none: no limit."),
    Setting::optional("engine.file_size", Size, "Largest file that a worker may write; none: no limit."),
    Setting::optional("engine.open_files", Count, "Files that a worker may hold open; none: the machine's limit."),
    Setting::optional("engine.processes", Count, "Processes that a worker may have (no effect for root); none: no limit."),
    Setting::new("engine.load_deadline", Duration, "2m", "Longest time that the import of a plugin may take."),
    Setting::optional("engine.call_deadline", Duration, "Longest time that one call may take; none: no limit."),
    Setting::new("engine.stop_deadline", Duration, "5s", "From the request to stop, or to cancel, until the process is killed."),
    Setting::new("engine.heartbeat", Duration, "2s", "How often a worker is asked whether it is alive."),
    Setting::new("engine.idle_timeout", Duration, "5m", "An idle worker beyond a plugin's first is stopped after this long."),
    Setting::new("engine.inline_limit", Size, "64KiB", "Values above this pass through shared memory."),
    Setting::new("engine.memory_budget", Size, "2GiB", "Shared values in all; above it the oldest go to disk."),
    Setting::new("engine.read_only_values", Flag, "false", "Map shared values read-only instead of copy-on-write."),
    Setting::new(
        "engine.preload",
        List,
        "numpy,pandas,scipy,pyarrow,sklearn",
        "Modules that the parked interpreter imports, where the environment has them.",
    ),
    Setting::new("engine.output_limit", Size, "16MiB", "Captured output kept per call."),
    Setting::new(
        "flow.result_limit",
        Size,
        "256KiB",
        "Results whose JSON is longer are kept as an object, not in the run's record.",
    ),
    Setting::new("flow.log_limit", Size, "16MiB", "Log kept per run; what comes later is counted and said."),
    Setting::new("flow.namespace", Text, "default", "Namespace of runs that name none."),
    Setting::new(
        "flow.run_retention",
        Text,
        "-1",
        "How long runs are kept after their end: `-1` for ever, `0` not at all, seconds, or a duration such as `2 hours` or `1w`.",
    ),
    Setting::new(
        "flow.resources",
        List,
        "",
        "What stages may ask for together, as `cpus=4,memory=8GB,label=1`; cores and memory are those of the machine when not given.",
    ),
    Setting::new(
        "flow.executor.target",
        Text,
        "local",
        "Where stages run: `local`, `ray`, `dask`, or the dotted path of a class in the plugins' environments.",
    ),
    Setting::new("flow.executor.options", Table, "{}", "Options of the executor, by the names that it gives them."),
    Setting::new("hub.message_limit", Size, "32MiB", "Largest message of a remote plugin. A larger one fails its session."),
    Setting::new(
        "hub.time_to_live",
        Duration,
        "150s",
        "A connection that is silent for so long counts as gone; clients beat once a minute.",
    ),
    Setting::new(
        "hub.grace",
        Duration,
        "3s",
        "A plugin whose last connection closed stays live for so long: clients come back within milliseconds.",
    ),
    Setting::new(
        "hub.orphan_grace",
        Duration,
        "30s",
        "A session whose plugin went away fails when the plugin is not back after so long.",
    ),
    Setting::new("hub.log_lines", Count, "10000", "Lines kept per session; what comes later is counted and said."),
    Setting::new("hub.log_limit", Size, "8MiB", "Bytes of lines kept per session."),
    Setting::optional("hub.session_retention", Duration, "How long sessions are kept after their end; none: for ever."),
    Setting::new(
        "dashboard.plugins",
        List,
        "",
        "Folders of panels, views and pages: paths, or `s3://bucket/prefix`; `WORKBENCH_PLUGINS` sets it too.",
    ),
    Setting::new("dashboard.callback_deadline", Duration, "30s", "Longest time that one callback of a panel may take."),
    Setting::new("dashboard.load_deadline", Duration, "30s", "Longest time for loading one file of panels."),
    Setting::new("dashboard.poll", Duration, "5s", "How often folders of panels in object storage are looked at."),
    Setting::new(
        "dashboard.workers",
        Count,
        "64",
        "Most files of panels that have a worker at once; those asked longest ago rest, and start again when they are asked.",
    ),
    Setting::new(
        "dashboard.original_workbench",
        Flag,
        "false",
        "Files of a folder whose `requirements.txt` names `workbench` get that distribution instead of Pegboard's own; needs AWS credentials.",
    ),
    Setting::new(
        "log.level",
        Text,
        "info",
        "What the server logs: `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,pegboard_engine=debug`.",
    ),
    Setting::new("log.format", Text, "text", "`text` or `json`, one event per line, on standard error."),
];

/// The setting of this key.
pub(crate) fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

/// The table that this key is an entry of.
pub(crate) fn table_of(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| {
        setting.kind == Kind::Table && key.strip_prefix(setting.key).is_some_and(|rest| rest.starts_with('.') && rest.len() > 1)
    })
}

/// The valid key that looks most like `key`.
pub(crate) fn nearest(key: &str) -> &'static str {
    let distance = |setting: &&Setting| (strsim::jaro_winkler(setting.key, key) * 1e6) as u64;
    SETTINGS.iter().max_by_key(distance).map_or("server.listen", |setting| setting.key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_unique_and_variables_follow_from_them() {
        for (position, setting) in SETTINGS.iter().enumerate() {
            assert!(!SETTINGS[..position].iter().any(|other| other.key == setting.key), "{}", setting.key);
            assert!(setting.optional || setting.default != NONE, "{}", setting.key);
        }
        assert!(table_of("flow.executor.options.cpus").is_some() && table_of("flow.executor.optionsx").is_none());
        assert_eq!(SETTINGS[0].variable(), "PEGBOARD__SERVER__LISTEN");
    }

    #[test]
    fn the_nearest_key_is_the_one_meant() {
        for (wrong, right) in [
            ("engine.memry", "engine.memory"),
            ("server.lissten", "server.listen"),
            ("flow.names_space", "flow.namespace"),
            ("log.levl", "log.level"),
        ] {
            assert_eq!(nearest(wrong), right);
        }
    }
}
