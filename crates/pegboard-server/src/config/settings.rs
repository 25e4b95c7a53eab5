//! The resolved settings.

use pegboard_flow::FlowOptions;
use pegboard_model::Error;
use pegboard_store::StoreOptions;

use super::dashboard::DashboardSettings;
use super::engine::EngineSettings;
use super::hub::HubSettings;
use super::layers::Sources;
use super::log::LogSettings;
use super::server::ServerSettings;
use super::values::{SettingValue, Values};
use super::{flow, store};

/// All settings, resolved and checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Section `server`.
    pub server: ServerSettings,
    /// Section `store`.
    pub store: StoreOptions,
    /// Section `engine`.
    pub engine: EngineSettings,
    /// Section `flow`.
    pub flow: FlowOptions,
    /// Section `hub`.
    pub hub: HubSettings,
    /// Section `dashboard`.
    pub dashboard: DashboardSettings,
    /// Section `log`.
    pub log: LogSettings,
    /// Every setting with its value and origin; secrets masked.
    pub listing: Vec<SettingValue>,
    /// What was said in Flowdapt's own configuration and does not count, one sentence each.
    pub warnings: Vec<String>,
}

impl Settings {
    /// Lays the sources on each other.
    ///
    /// # Errors
    /// `setting-unknown`, `setting-invalid`, `settings-file`.
    pub fn load(sources: &Sources) -> Result<Self, Error> {
        let values = Values::read(sources)?;
        let server = ServerSettings::from_values(&values)?;
        Ok(Self {
            store: store::from_values(&values, server.data.clone()),
            engine: EngineSettings::from_values(&values, server.data.clone())?,
            flow: flow::from_values(&values, &server.data)?,
            hub: HubSettings::from_values(&values),
            dashboard: DashboardSettings::from_values(&values, &sources.directory),
            log: LogSettings::from_values(&values)?,
            listing: values.listing,
            warnings: values.dialect.warnings,
            server,
        })
    }
}

/// Processor cores that this process may use.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(directory: &std::path::Path, variables: &[(&str, &str)]) -> Sources {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Sources { variables, directory: directory.to_owned(), ..Sources::default() }
    }

    fn origin(settings: &Settings, key: &str) -> (String, String) {
        let found = settings.listing.iter().find(|setting| setting.key == key).expect("listed");
        (found.text.clone(), found.origin.clone())
    }

    #[test]
    fn flags_lie_over_variables_over_file_over_defaults() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("pegboard.toml");
        let text = "[engine]\nmemory = \"1GiB\"\nopen_files = 64\npreload = [\"numpy\", \"x\"]\nstop_deadline = \"7s\"\noffline = true\n";
        std::fs::write(&file, text).unwrap();
        let sources = sources(directory.path(), &[("PEGBOARD__ENGINE__MEMORY", "2GiB"), ("PEGBOARD__SERVER__DATA", "here")])
            .flag("--data", "server.data", Some("there".to_owned()))
            .flag("--listen", "server.listen", None);
        let settings = Settings::load(&sources).unwrap();
        let from_file = format!("file:{}", file.display());
        assert_eq!(settings.server.data, directory.path().join("there"));
        assert_eq!(settings.engine.options.limits.memory_bytes, Some(2 << 30));
        assert_eq!(settings.engine.options.stop_deadline.as_secs(), 7);
        assert_eq!(settings.engine.options.preload, ["numpy", "x"]);
        assert!(settings.engine.environments.offline);
        assert_eq!(origin(&settings, "server.data").1, "--data");
        assert_eq!(origin(&settings, "engine.memory"), ("2GiB".to_owned(), "PEGBOARD__ENGINE__MEMORY".to_owned()));
        assert_eq!(origin(&settings, "engine.open_files"), ("64".to_owned(), from_file));
        assert_eq!(origin(&settings, "server.listen"), ("127.0.0.1:8480".to_owned(), "default".to_owned()));
    }

    #[test]
    fn the_file_in_the_data_directory_is_read_when_the_working_directory_has_none() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("d")).unwrap();
        std::fs::write(directory.path().join("d/pegboard.toml"), "[log]\nlevel = \"debug\"\n").unwrap();
        let settings = Settings::load(&sources(directory.path(), &[("PEGBOARD__SERVER__DATA", "d")])).unwrap();
        assert_eq!(settings.log.level, "debug");
        std::fs::write(directory.path().join("pegboard.toml"), "[log]\nlevel = \"trace\"\n").unwrap();
        let settings = Settings::load(&sources(directory.path(), &[("PEGBOARD__SERVER__DATA", "d")])).unwrap();
        assert_eq!(settings.log.level, "trace");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let check = |file: &str, variables: &[(&str, &str)], code: &str, words: &[&str]| {
            std::fs::write(directory.path().join("pegboard.toml"), file).unwrap();
            let error = Settings::load(&sources(directory.path(), variables)).expect_err(code);
            assert_eq!(error.code, code, "{error:?}");
            let text = format!("{} {} {}", error.message, error.hint.unwrap_or_default(), error.detail.unwrap_or_default());
            words.iter().for_each(|word| assert!(text.contains(word), "{word} in {text}"));
        };
        check("[engine]\nmemry = 1\n", &[], "setting-unknown", &["engine.memry", "pegboard.toml", "`engine.memory`"]);
        check("engine = 1\n", &[], "setting-unknown", &["`engine`"]);
        check("[engine\n", &[], "settings-file", &["pegboard.toml", "line 1"]);
        check("", &[("PEGBOARD__ENGINE__MEMRY", "1")], "setting-unknown", &["PEGBOARD__ENGINE__MEMORY"]);
        check("[engine]\nmemory = \"2 parsecs\"\n", &[], "setting-invalid", &["engine.memory", "parsecs", "512MiB"]);
        check("", &[("PEGBOARD__ENGINE__STOP_DEADLINE", "30")], "setting-invalid", &["PEGBOARD__ENGINE__STOP_DEADLINE", "30s"]);
        check("", &[("PEGBOARD__SERVER__SIGN_IN", "never")], "setting-invalid", &["server.sign_in", "never", "`always`"]);
        check("[server]\ntrusted_proxies = [\"proxy\"]\n", &[], "setting-invalid", &["trusted_proxies", "`proxy`"]);
        check("[server.openid]\nissuer = \"https://i\"\n", &[], "setting-invalid", &["openid.client_id", "missing"]);
        check(
            "[server.openid]\nissuer = \"https://i\"\nclient_id = \"x\"\nrole = \"admin\"\n",
            &[],
            "setting-invalid",
            &["openid.role", "admin"],
        );
        check("[flow]\nrun_retention = \"soon\"\n", &[], "setting-invalid", &["flow.run_retention", "soon", "`1w`"]);
        check("", &[("PEGBOARD_URL", "127.0.0.1")], "setting-invalid", &["server.url"]);
        check(
            "[flow.executor]\ntarget = \"dusk\"\n",
            &[],
            "setting-invalid",
            &["`dusk`", "pegboard.toml", "nearest one is `dask`"],
        );
        check(
            "",
            &[("PEGBOARD__FLOW__EXECUTOR__TARGET", "a..B")],
            "setting-invalid",
            &["EXECUTOR__TARGET", "package.module.Class"],
        );
        check("[log]\nformat = \"xml\"\n", &[], "setting-invalid", &["log.format", "json"]);
    }

    #[test]
    fn sign_in_is_needed_beyond_this_machine() {
        let directory = tempfile::tempdir().unwrap();
        for (listen, word, needed) in [
            ("127.0.0.1:0", "auto", false),
            ("[::1]:0", "auto", false),
            ("127.0.0.1:0", "always", true),
            ("0.0.0.0:0", "auto", true),
            ("[::]:0", "auto", true),
            ("192.0.2.1:0", "auto", true),
        ] {
            let variables = [("PEGBOARD__SERVER__LISTEN", listen), ("PEGBOARD__SERVER__SIGN_IN", word)];
            let settings = Settings::load(&sources(directory.path(), &variables)).unwrap();
            assert_eq!(settings.server.needs_sign_in(), needed, "{listen} {word}");
        }
    }

    #[test]
    fn secrets_are_masked() {
        let directory = tempfile::tempdir().unwrap();
        let variables = [
            ("PEGBOARD__STORE__POSTGRES_URL", "postgres://u:hunter2@h/d"),
            ("PEGBOARD__ENGINE__INDEX_URL", "https://u:hunter2@index/simple"),
        ];
        let settings = Settings::load(&sources(directory.path(), &variables)).unwrap();
        assert_eq!(settings.store.postgres_url.as_deref(), Some("postgres://u:hunter2@h/d"));
        assert_eq!(origin(&settings, "engine.index_url").0, "https://***@index/simple");
        assert!(!format!("{:?}", settings.listing).contains("hunter2"));
    }
}
