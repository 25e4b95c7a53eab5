//! A world for one test: a data directory, an engine, packages made on the spot.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use pegboard_engine::{Engine, EngineOptions, EnvironmentOptions, Environments, InstallRequest, Progress, WorkerLimits};
use pegboard_model::{
    Argument, Call, CallEvent, CallId, Failure, Operation, PluginName, PluginRecord, PluginRunner, RunContext, Value,
};
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// Where tests keep what is dear to make; survives between runs.
fn shared() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("engine")
}

/// The uv that all tests share, so that it is installed once; none when this machine has its own, or cannot have one.
async fn uv() -> Option<PathBuf> {
    static UV: OnceCell<Option<PathBuf>> = OnceCell::const_new();
    let find = async || {
        let environments = Environments::open(EnvironmentOptions::new(shared())).await.expect("a Python interpreter");
        environments.base(&silent()).await.expect("the base environment");
        let installed = shared().join("tools/uv/bin/uv");
        installed.is_file().then_some(installed)
    };
    UV.get_or_init(find).await.clone()
}

pub(crate) fn silent() -> Progress {
    Arc::new(|_, _| {})
}

pub(crate) fn name(text: &str) -> PluginName {
    text.parse().expect("a plugin name")
}

/// A test's own machine. Its folder is removed in the end.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) engine: Engine,
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let engine = Self::engine(folder.path(), 2).await;
        Self { folder, engine }
    }

    /// An engine on a data directory, which may have served before.
    pub(crate) async fn engine(folder: &Path, workers_per_plugin: usize) -> Engine {
        let data = folder.join("data");
        let options = EnvironmentOptions { uv: uv().await, ..EnvironmentOptions::new(&data) };
        let environments = Environments::open(options).await.expect("environments");
        let limits = WorkerLimits {
            memory_bytes: Some(2 << 30),
            mapped_bytes: 4 << 30,
            cpu_seconds: None,
            file_bytes: None,
            open_files: None,
            processes: None,
        };
        let options = EngineOptions {
            data,
            workers_per_plugin,
            limits,
            executor: None,
            load_deadline: Duration::from_secs(30),
            call_deadline: Some(Duration::from_secs(60)),
            stop_deadline: Duration::from_secs(2),
            heartbeat: Duration::from_millis(500),
            idle_timeout: Duration::from_secs(60),
            inline_limit: 64 << 10,
            memory_budget: 1 << 30,
            read_only_values: false,
            preload: vec!["json".to_owned(), "module_that_nobody_has".to_owned()],
            output_limit: 1 << 20,
            variables: Vec::new(),
        };
        Engine::start(options, environments).await.expect("an engine")
    }

    /// A copy of a fixture, to be changed at will.
    pub(crate) fn fixture(&self, plugin: &str) -> Package {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/plugins").join(plugin);
        let folder = self.folder.path().join("sources").join(plugin);
        copy(&source, &folder);
        Package { folder }
    }

    /// A package of one module.
    pub(crate) fn package(&self, plugin: &str, version: &str, dependencies: &[String], code: &str) -> Package {
        let folder = self.folder.path().join("sources").join(format!("{plugin}-{version}"));
        let module = plugin.replace('-', "_");
        std::fs::create_dir_all(folder.join(&module)).expect("a folder");
        let package = Package { folder };
        let dependencies = serde_json::to_string(dependencies).expect("JSON");
        package.write(
            "pyproject.toml",
            &format!(
                "[build-system]\nrequires = [\"uv_build>=0.8,<1\"]\nbuild-backend = \"uv_build\"\n\n[project]\nname = \
                 \"{plugin}\"\nversion = \"{version}\"\nrequires-python = \">=3.10\"\ndependencies = \
                 {dependencies}\n\n[project.entry-points.\"flowdapt.plugins\"]\n{module} = \
                 \"{module}\"\n\n[tool.uv.build-backend]\nmodule-root = \"\"\n"
            ),
        );
        package.write(&format!("{module}/__init__.py"), code);
        package
    }

    /// Installs a source folder.
    pub(crate) async fn install(&self, package: &Package, editable: bool) -> PluginRecord {
        self.engine.install(package.request(editable), false, silent()).await.expect("an install")
    }

    pub(crate) async fn call(&self, plugin: &str, target: &str, input: Json) -> Result<Json, Failure> {
        call(&self.engine, plugin, target, input).await
    }

    /// Processes whose command line names this world.
    pub(crate) fn processes(&self) -> Vec<String> {
        processes_of(self.folder.path())
    }
}

/// Source folder of a package.
pub(crate) struct Package {
    pub(crate) folder: PathBuf,
}

impl Package {
    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.folder.join(file);
        std::fs::write(&path, text).expect("a file");
        // Python tells byte code from source by size and whole seconds.
        static EDITION: AtomicU64 = AtomicU64::new(1);
        let time = std::time::SystemTime::now() + Duration::from_secs(EDITION.fetch_add(1, Ordering::Relaxed));
        std::fs::File::options().append(true).open(&path).and_then(|file| file.set_modified(time)).expect("its time");
    }

    pub(crate) fn request(&self, editable: bool) -> InstallRequest {
        InstallRequest { requirement: self.folder.display().to_string(), editable, index_url: None, original_flowdapt: false }
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a fixture") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("its type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

/// A call of a stage without dependencies: its parameters are taken from the run's input.
pub(crate) fn stage(plugin: &str, target: &str, input: Json) -> Call {
    static NUMBERS: AtomicU64 = AtomicU64::new(1);
    let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
    let context = json!({
        "run": { "uid": number.to_string(), "name": "test" }, "definition": {}, "input": input, "namespace": "default",
        "executor": "local", "config": {},
    });
    Call {
        id: CallId(number),
        plugin: name(plugin),
        operation: Operation::Stage { target: target.to_owned(), arguments: None },
        context: Arc::new(RunContext { id: number.to_string(), json: Bytes::from(context.to_string()) }),
        stage: "stage".to_owned(),
        deadline: None,
    }
}

/// Everything that happened, and how it ended. Checks that the end comes once.
pub(crate) async fn follow(engine: &Engine, call: Call) -> (Vec<CallEvent>, Result<Vec<Value>, Failure>) {
    let mut stream = engine.call(call);
    let (mut events, mut end) = (Vec::new(), None);
    while let Some(event) = stream.next().await {
        assert!(end.is_none(), "{event:?} after the end");
        match event {
            CallEvent::Finished { values, .. } => end = Some(Ok(values)),
            CallEvent::Failed(failure) => end = Some(Err(failure)),
            event => events.push(event),
        }
    }
    (events, end.expect("an end"))
}

/// Calls a stage and says its result as JSON.
pub(crate) async fn call(engine: &Engine, plugin: &str, target: &str, input: Json) -> Result<Json, Failure> {
    let mut values = follow(engine, stage(plugin, target, input)).await.1?;
    assert_eq!(values.len(), 1);
    let argument = Argument::Single(values.remove(0));
    let encode = Call { operation: Operation::Encode { argument }, ..stage(plugin, target, json!({})) };
    let values = follow(engine, encode).await.1?;
    let [Value::Inline(text)] = &values[..] else { panic!("{values:?}") };
    Ok(serde_json::from_slice(text).expect("JSON"))
}

/// Waits until something is so.
pub(crate) async fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    for _ in 0..500 {
        if so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never happened: {what}");
}

pub(crate) fn processes_of(folder: &Path) -> Vec<String> {
    let folder = folder.display().to_string();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        if command.contains(&folder) {
            found.push(format!("{} {command}", entry.file_name().display()));
        }
    }
    found
}
