//! What Flowdapt's configuration becomes, through the whole of the settings.

use std::path::Path;

use pegboard_flow::Retention;
use serde_json::{Value as Json, json};

use super::{Settings, Sources};

/// As the original writes it on its first start, with some of it changed.
const FILE: &str = "
name: flowdapt.wise-owl
rpc:
  api: {host: 127.0.0.1, port: 8081}
  event_bus: {url: 'memory://'}
database:
  __target__: flowdapt.lib.database.storage.tdb.TinyDBStorage
logging: {level: WARNING, format: console, include_trace_id: false, traceback_max_frames: 20}
storage:
  protocol: s3
  base_path: $BUCKET/team
  parameters: {endpoint_url: 'http://minio:9000'}
services:
  compute:
    executor:
      __target__: flowdapt.compute.executor.local.LocalExecutor
      cpus: 3
      use_processes: true
    default_namespace: team
    default_os_strategy: artifact
    run_retention_duration: 1d
telemetry: {enabled: true}
";

fn load(directory: &Path, file: &str, variables: &[(&str, &str)]) -> Result<Settings, pegboard_model::Error> {
    let path = directory.join("flowdapt.yaml");
    std::fs::write(&path, file).unwrap();
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Settings::load(&Sources { variables, file: Some(path), directory: directory.to_owned(), ..Sources::default() })
}

fn listed(settings: &Settings, key: &str) -> (String, String) {
    let found = settings.listing.iter().find(|setting| setting.key == key).unwrap();
    (found.text.clone(), found.origin.clone())
}

#[test]
fn a_file_of_the_original_becomes_settings_and_what_stages_read() {
    let directory = tempfile::tempdir().unwrap();
    let settings = load(directory.path(), FILE, &[("BUCKET", "plugins")]).unwrap();
    assert_eq!(settings.server.listen.to_string(), "127.0.0.1:8081");
    assert_eq!(settings.log.level, "warn");
    assert_eq!(settings.flow.default_namespace, "team");
    assert!(matches!(settings.flow.retention, Retention::For(time) if time.as_secs() == 86_400), "{:?}", settings.flow.retention);
    assert_eq!(settings.flow.executor, "local");
    assert_eq!(settings.engine.options.workers_per_plugin, 3);
    let (text, origin) = listed(&settings, "flow.namespace");
    assert!(text == "team" && origin.ends_with("flowdapt.yaml (services.compute.default_namespace)"), "{origin}");

    let said = Json::Object(settings.flow.configuration.clone());
    let at = |pointer: &str| said.pointer(pointer).cloned().unwrap_or_default();
    assert_eq!(
        said["storage"],
        json!({ "protocol": "s3", "base_path": "plugins/team", "parameters": { "endpoint_url": "http://minio:9000" } })
    );
    assert_eq!(at("/name"), json!("flowdapt.wise-owl"));
    assert_eq!(at("/rpc/api/port"), json!(8081));
    assert_eq!(at("/services/compute/default_os_strategy"), json!("artifact"));
    assert_eq!(at("/services/compute/run_retention_duration"), json!("1d"));
    assert_eq!(at("/services/compute/executor"), json!({ "target": "flowdapt.compute.executor.local.LocalExecutor" }));
    assert_eq!(at("/logging/level"), json!("WARNING"));
    assert_eq!(at("/telemetry/enabled"), json!(true));

    let named = |path: &str| settings.warnings.iter().filter(|warning| warning.starts_with(&format!("`{path}`"))).count();
    assert_eq!(settings.warnings.len(), 3, "{:?}", settings.warnings);
    for path in ["logging.traceback_max_frames", "telemetry.enabled", "services.compute.executor.use_processes"] {
        assert_eq!(named(path), 1, "{path} in {:?}", settings.warnings);
    }
}

#[test]
fn without_any_of_it_stages_read_our_own_settings() {
    let directory = tempfile::tempdir().unwrap();
    let sources = Sources { directory: directory.path().to_owned(), ..Sources::default() }.flag(
        "--set",
        "flow.run_retention",
        Some("60".to_owned()),
    );
    let settings = Settings::load(&sources).unwrap();
    let artifacts = settings.server.data.join("artifacts");
    assert!(settings.warnings.is_empty());
    assert_eq!(
        Json::Object(settings.flow.configuration),
        json!({
            "app_dir": settings.server.data,
            "rpc": { "api": { "host": "127.0.0.1", "port": 8480 } },
            "logging": { "level": "INFO", "format": "console" },
            "services": { "compute": {
                "executor": { "target": "flowdapt.compute.executor.local.LocalExecutor" },
                "default_namespace": "default",
                "run_retention_duration": 60,
            } },
            "storage": { "protocol": "file", "base_path": artifacts },
        })
    );
}

#[test]
fn variables_lie_over_the_file_and_ours_over_theirs() {
    let directory = tempfile::tempdir().unwrap();
    let variables = [
        ("FLOWDAPT__RPC__API__PORT", "8082"),
        ("FLOWDAPT__SERVICES__COMPUTE__EXECUTOR__TARGET", "flowdapt.compute.executor.dask.DaskExecutor"),
        ("FLOWDAPT__SERVICES__COMPUTE__EXECUTOR__CPUS", "2"),
        ("FLOWDAPT__SERVICES__COMPUTE__DEFAULT_NAMESPACE", "theirs"),
        ("FLOWDAPT__STORAGE__PROTOCOL", "memory"),
        ("PEGBOARD__FLOW__NAMESPACE", "ours"),
    ];
    let file = "services: {compute: {executor: {__target__: flowdapt.compute.executor.ray.RayExecutor, threads: 1}}}\n";
    let settings = load(directory.path(), file, &variables).unwrap();
    assert_eq!(settings.server.listen.to_string(), "127.0.0.1:8082");
    assert_eq!(settings.flow.default_namespace, "ours");
    assert_eq!(settings.flow.executor, "dask", "a variable wins over the other spelling in the file");
    let executor = settings.engine.options.executor.clone().unwrap();
    assert_eq!((executor.target.as_str(), Json::Object(executor.options)), ("dask", json!({ "threads": 1, "cpus": 2 })));
    assert_eq!(
        listed(&settings, "flow.executor.target").1.split(' ').next(),
        Some("FLOWDAPT__SERVICES__COMPUTE__EXECUTOR__TARGET")
    );
    assert_eq!(settings.flow.configuration["services"]["compute"]["default_namespace"], "ours");
    assert_eq!(settings.flow.configuration["storage"], json!({ "protocol": "memory" }));
}

#[test]
fn the_file_is_found_where_the_original_has_it() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().join("home");
    std::fs::create_dir(&home).unwrap();
    std::fs::write(home.join("flowdapt.yaml"), "services: {compute: {default_namespace: found}}\n").unwrap();
    std::fs::write(home.join("other.toml"), "[services.compute]\ndefault_namespace = \"wrong\"\n").unwrap();
    std::fs::write(home.join("flowdapt.toml"), "[services.compute]\ndefault_namespace = \"toml\"\n").unwrap();
    let load = |more: &[(&str, &str)]| {
        let home = home.to_str().unwrap();
        let variables =
            [("FLOWDAPT__APP_DIR", home)].iter().chain(more).map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Settings::load(&Sources { variables, directory: directory.path().to_owned(), ..Sources::default() })
    };
    let settings = load(&[]).unwrap();
    assert_eq!((settings.server.data.as_path(), settings.flow.default_namespace.as_str()), (home.as_path(), "found"));
    assert_eq!(load(&[("FLOWDAPT__CONFIG_FILE", "flowdapt.toml")]).unwrap().flow.default_namespace, "toml");
    assert_eq!(load(&[("FLOWDAPT__CONFIG_FILE", "none.yaml")]).unwrap_err().code, "settings-file");
    // Ours, where there is one, is the one file.
    std::fs::write(home.join("pegboard.toml"), "[flow]\nnamespace = \"ours\"\n").unwrap();
    assert_eq!(load(&[]).unwrap().flow.default_namespace, "ours");
}

#[test]
fn what_is_wrong_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let settings = load(directory.path(), "servces: {compute: {}}\nrpc: {api: {prot: 1}}\n", &[("FLOWDAPT__LOGING__LEVEL", "x")]);
    let warnings = settings.unwrap().warnings;
    for words in [
        ["`servces.compute` in file:", "ignored", "`services.compute"],
        ["`rpc.api.prot` in file:", "ignored", "`rpc.api.port`"],
        ["`loging.level` in FLOWDAPT__LOGING__LEVEL", "ignored", "`logging.level`"],
    ] {
        assert!(warnings.iter().any(|warning| words.iter().all(|word| warning.contains(word))), "{words:?} in {warnings:?}");
    }
    for (file, code, words) in [
        ("rpc: [", "settings-file", "line 1"),
        ("- a", "settings-file", "table"),
        ("services: {compute: {default_os_strategy: guess}}", "setting-invalid", "guess"),
        ("services: {compute: {run_retention_duration: soon}}", "setting-invalid", "soon"),
        ("services: {compute: {executor: 3}}", "setting-invalid", "executor"),
        ("storage: {base_path: '$upper{a}'}", "setting-invalid", "$upper{a}"),
        ("logging: {format: xml}", "setting-invalid", "xml"),
    ] {
        let error = load(directory.path(), file, &[]).expect_err(file);
        let text = format!("{} {}", error.message, error.detail.clone().unwrap_or_default());
        assert!(error.code == code && text.contains(words), "{file}: {error:?}");
    }
    // An executor without a target is the local one; an empty file says nothing.
    assert_eq!(load(directory.path(), "services: {compute: {executor: {cpus: auto}}}", &[]).unwrap().flow.executor, "local");
    assert!(load(directory.path(), "", &[]).unwrap().warnings.is_empty());
}
