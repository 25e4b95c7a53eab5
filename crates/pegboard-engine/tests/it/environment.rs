//! Environments with real tools: tiny packages written here, wheels and indexes in folders of their own. Only setuptools, the
//! build backend, comes from the default package index.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pegboard_engine::{Environment, EnvironmentOptions, Environments, InstallRequest, Installer, Progress};
use pegboard_model::{Error, PluginRecord, PluginSource, PluginState};

/// A data directory and a place for sources.
struct World {
    folder: tempfile::TempDir,
    lines: Arc<Mutex<Vec<String>>>,
}

impl World {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), lines: Arc::default() }
    }

    fn options(&self) -> EnvironmentOptions {
        EnvironmentOptions::new(self.folder.path().join("data"))
    }

    async fn open(&self) -> Environments {
        Environments::open(self.options()).await.unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn progress(&self) -> Progress {
        let lines = self.lines.clone();
        Arc::new(move |step, detail| lines.lock().unwrap().push(format!("{step}: {detail}")))
    }

    fn told(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }

    /// A package with one module of its own name; `extra` goes to the project table.
    fn package(&self, name: &str, extra: &str, module: &str) -> PathBuf {
        let folder = self.path(name);
        let package = name.replace('-', "_");
        fs::create_dir_all(folder.join(&package)).unwrap();
        let project = format!(
            "[project]\nname = \"{name}\"\nversion = \"1.0\"\n{extra}\n[build-system]\nrequires = [\"setuptools\"]\n\
             build-backend = \"setuptools.build_meta\"\n[tool.setuptools]\npackages = [\"{package}\"]\n\
             [tool.setuptools.package-data]\n\"*\" = [\"*.csv\"]\n"
        );
        fs::write(folder.join("pyproject.toml"), project).unwrap();
        fs::write(folder.join(&package).join("__init__.py"), module).unwrap();
        fs::write(folder.join(&package).join("points.csv"), "1,2\n").unwrap();
        folder
    }

    /// The same with an entry point and dependencies.
    fn plugin(&self, name: &str, dependencies: &[&str]) -> PathBuf {
        let package = name.replace('-', "_");
        self.package(
            name,
            &format!("dependencies = {dependencies:?}\n[project.entry-points.\"flowdapt.plugins\"]\nx = \"{package}\""),
            "def answer():\n    return 1\n",
        )
    }

    /// A wheel without code in a folder that serves as an index for tests.
    fn wheel(&self, name: &str, version: &str, entry_point: Option<&str>) -> PathBuf {
        let folder = self.path("wheels");
        fs::create_dir_all(&folder).unwrap();
        let script = r#"
import sys, zipfile
folder, name, version, point = sys.argv[1:]
path = f"{folder}/{name}-{version}-py3-none-any.whl"
info = f"{name}-{version}.dist-info"
files = {
    f"{name}.py": f"VERSION = '{version}'\n",
    f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: made for a test\n",
    f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
}
if point:
    files[f"{info}/entry_points.txt"] = f"[flowdapt.plugins]\nx = {point}\n"
files[f"{info}/RECORD"] = "".join(f"{item},,\n" for item in [*files, f"{info}/RECORD"])
with zipfile.ZipFile(path, "w") as archive:
    for item, text in files.items():
        archive.writestr(item, text)
print(path)
"#;
        let shown = python(Path::new("python3"), &["-c", script, folder.to_str().unwrap(), name, version, entry_point.unwrap_or("")]);
        PathBuf::from(shown.trim())
    }
}

#[expect(clippy::disallowed_methods, reason = "the tests look into environments from outside")]
fn python(program: &Path, arguments: &[&str]) -> String {
    let output = std::process::Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn ask(environment: &Environment, code: &str) -> String {
    python(&environment.python, &["-I", "-c", code]).trim().to_owned()
}

fn request(requirement: impl AsRef<Path>) -> InstallRequest {
    InstallRequest {
        requirement: requirement.as_ref().to_str().unwrap().to_owned(),
        editable: false,
        index_url: None,
        original_flowdapt: false,
    }
}

async fn install(world: &World, environments: &Environments, path: &Path) -> (Environment, PluginRecord) {
    environments.install(&request(path), &world.progress()).await.unwrap_or_else(|error| panic!("{error:?}\n{}", world.told()))
}

async fn refused(world: &World, environments: &Environments, request: InstallRequest) -> Error {
    let error = environments.install(&request, &world.progress()).await.unwrap_err();
    assert!(error.hint.is_some(), "{error:?}");
    assert!(!error.message.contains('\n') && error.message.len() < 400, "{error:?}");
    assert_eq!(made(world), 0, "something half-made stayed after {error:?}");
    error
}

/// How many environments there are, complete or not.
fn made(world: &World) -> usize {
    fs::read_dir(world.path("data/environments")).unwrap().filter(|entry| !entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.')).count()
}

#[tokio::test]
async fn a_plugin_is_installed_described_and_shared() {
    let world = World::new();
    let environments = world.open().await;
    let source = world.plugin("first-plugin", &["flowdapt>=0.1.2,<0.2"]);
    let (environment, record) = install(&world, &environments, &source).await;

    assert_eq!(record.name.as_str(), "first-plugin");
    assert_eq!((record.metadata.version.as_str(), record.state), ("1.0", PluginState::Installing));
    assert_eq!((record.entry_points.as_slice(), record.modules.as_slice()), (&["first_plugin".to_owned()][..], &["first_plugin".to_owned()][..]));
    assert_eq!(record.data_files, ["first_plugin/points.csv"]);
    assert_eq!(record.environment, environment.key);
    assert_eq!(record.contributions.len(), 1);
    assert_eq!(ask(&environment, "import first_plugin, flowdapt, pegboard; print(first_plugin.answer())"), "1");
    assert_eq!(ask(&environment, "from importlib.metadata import version; print(version('flowdapt'))"), "0.1.52+pegboard");
    let cached = ask(&environment, "import importlib.util as u; print(u.find_spec('first_plugin').cached)");
    assert!(Path::new(&cached).is_file(), "not byte-compiled: {cached}");
    for step in ["resolve: resolved", "create: ", "install: ", "compile: Bytecode", "discover: found first-plugin 1.0"] {
        assert!(world.told().contains(step), "no `{step}` in\n{}", world.told());
    }
    assert!(environment.directory.join("requirements.lock").is_file());
    assert_eq!(environments.get(&environment.key), Some(environment.clone()));
    assert_eq!(environments.get("../../etc"), None);

    // The same content elsewhere shares the environment; the build's left-overs in the source do not count.
    let copy = World { folder: tempfile::tempdir_in(world.folder.path()).unwrap(), lines: world.lines.clone() };
    let twin = copy.plugin("first-plugin", &["flowdapt>=0.1.2,<0.2"]);
    let again = install(&world, &environments, &source).await.0;
    assert_eq!(again.key, environment.key);
    assert!(world.told().contains("create: sharing environment"));
    assert_eq!(install(&world, &environments, &twin).await.0.key, environment.key, "the place does not count");

    // An edit is seen, although its build is in the cache.
    fs::write(source.join("first_plugin/__init__.py"), "def answer():\n    return 2\n").unwrap();
    let (edited, _) = install(&world, &environments, &source).await;
    assert_ne!(edited.key, environment.key);
    assert_eq!(ask(&edited, "import first_plugin; print(first_plugin.answer())"), "2");
}
