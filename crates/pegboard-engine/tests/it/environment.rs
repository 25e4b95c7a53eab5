//! Environments with real tools: tiny packages written here, wheels and indexes in folders of their own. Only setuptools, the
//! build backend, comes from the default package index.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use pegboard_engine::{Environment, EnvironmentOptions, Environments, InstallRequest, Installer, Progress};
use pegboard_model::{Error, PluginRecord, PluginSource, PluginState};
use tokio::sync::OnceCell;

/// A data directory and a place for sources.
struct World {
    folder: tempfile::TempDir,
    lines: Arc<Mutex<Vec<String>>>,
    uv: PathBuf,
}

/// Where the tests keep what is dear to fetch; survives between runs.
fn shared() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("environments")
}

/// The uv that all tests share: the machine's, or one that the first of them fetches.
async fn uv() -> PathBuf {
    static UV: OnceCell<PathBuf> = OnceCell::const_new();
    let find = async || {
        let environments = Environments::open(EnvironmentOptions::new(shared())).await.unwrap();
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let told = lines.clone();
        let progress: Progress = Arc::new(move |step, detail| told.lock().unwrap().push(format!("{step}: {detail}")));
        environments.base(&progress).await.unwrap();
        match environments.tools().await.unwrap().installer {
            Installer::Uv { path, .. } => path,
            other => panic!("no uv: {other:?} {:?}", lines.lock().unwrap()),
        }
    };
    UV.get_or_init(find).await.clone()
}

impl World {
    /// With a cache that other tests have warmed.
    async fn new() -> Self {
        let world = Self::cold().await;
        fs::create_dir_all(world.path("data/cache")).unwrap();
        std::os::unix::fs::symlink(shared().join("cache/uv"), world.path("data/cache/uv")).unwrap();
        world
    }

    /// With nothing but uv. There is a blank in its path.
    async fn cold() -> Self {
        Self {
            folder: tempfile::Builder::new().prefix("a b").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap(),
            lines: Arc::default(),
            uv: uv().await,
        }
    }

    fn options(&self) -> EnvironmentOptions {
        EnvironmentOptions { uv: Some(self.uv.clone()), ..EnvironmentOptions::new(self.folder.path().join("data")) }
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

    /// A wheel with one module that knows its version, in a folder that `index` makes an index of.
    fn wheel(&self, name: &str, version: &str, requires: &[&str], entry_point: &str) -> PathBuf {
        self.wheel_with(name, version, requires, entry_point, "")
    }

    /// The same, its module ends with `text`.
    fn wheel_with(&self, name: &str, version: &str, requires: &[&str], entry_point: &str, text: &str) -> PathBuf {
        let folder = self.path("index").join(name);
        fs::create_dir_all(&folder).unwrap();
        let requires = requires.join("\n");
        let shown = python(
            Path::new("python3"),
            &["-I", "-c", WHEEL, folder.to_str().unwrap(), name, version, &requires, entry_point, text],
        );
        PathBuf::from(shown.trim())
    }

    /// URL of an index with all wheels so far.
    fn index(&self) -> String {
        for entry in fs::read_dir(self.path("index")).unwrap() {
            let folder = entry.unwrap().path();
            let wheels = fs::read_dir(&folder).unwrap().map(|wheel| wheel.unwrap().file_name().into_string().unwrap());
            let links: String =
                wheels.filter(|name| name.ends_with(".whl")).map(|name| format!("<a href=\"{name}\">{name}</a>\n")).collect();
            fs::write(folder.join("index.html"), format!("<!DOCTYPE html><html><body>\n{links}</body></html>\n")).unwrap();
        }
        file_url(&self.path("index"))
    }

    /// A request for something in the test's index.
    fn indexed(&self, requirement: &str) -> InstallRequest {
        InstallRequest { index_url: Some(self.index()), ..request(requirement) }
    }
}

const WHEEL: &str = r#"
import sys, zipfile
folder, name, version, requires, point, text = sys.argv[1:]
module = name.replace("-", "_")
path = f"{folder}/{module}-{version}-py3-none-any.whl"
info = f"{module}-{version}.dist-info"
lines = "".join(f"Requires-Dist: {line}\n" for line in requires.splitlines())
files = {
    f"{module}.py": f"VERSION = '{version}'\n{text}",
    f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: made for a test\n{lines}",
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

#[expect(clippy::disallowed_methods, reason = "the tests look into environments from outside")]
fn python(program: &Path, arguments: &[&str]) -> String {
    let output = std::process::Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn ask(environment: &Environment, code: &str) -> String {
    python(&environment.python, &["-I", "-c", code]).trim().to_owned()
}

fn file_url(path: &Path) -> String {
    format!("file://{}", path.display()).replace(' ', "%20")
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
    fs::read_dir(world.path("data/environments"))
        .unwrap()
        .filter(|entry| !entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'))
        .count()
}

#[tokio::test]
async fn a_plugin_is_installed_described_and_shared() {
    let world = World::new().await;
    let environments = world.open().await;
    let source = world.plugin("first-plugin", &["flowdapt>=0.1.2,<0.2"]);
    let (environment, record) = install(&world, &environments, &source).await;

    assert_eq!(record.name.as_str(), "first-plugin");
    assert_eq!((record.metadata.version.as_str(), record.state), ("1.0", PluginState::Installing));
    assert_eq!(
        (record.entry_points.as_slice(), record.modules.as_slice()),
        (&["first_plugin".to_owned()][..], &["first_plugin".to_owned()][..])
    );
    assert_eq!(record.data_files, ["first_plugin/points.csv"]);
    assert_eq!(record.environment, environment.key);
    assert_eq!(record.contributions.len(), 1);
    assert_eq!(ask(&environment, "import first_plugin, flowdapt, pegboard; print(first_plugin.answer())"), "1");
    assert_eq!(ask(&environment, "from importlib.metadata import version; print(version('flowdapt'))"), "0.1.52+pegboard");
    let cached = ask(&environment, "import importlib.util as u; print(u.find_spec('first_plugin').cached)");
    assert!(Path::new(&cached).is_file(), "not byte-compiled: {cached}");
    for step in ["resolve: resolved", "create: ", "install: ", "compile: compiled", "discover: found first-plugin 1.0"] {
        assert!(world.told().contains(step), "no `{step}` in\n{}", world.told());
    }
    assert!(environment.directory.join("requirements.lock").is_file());
    assert_eq!(environments.get(&environment.key), Some(environment.clone()));
    assert_eq!(environments.get("../../etc"), None);

    // The same content elsewhere shares the environment; the build's left-overs in the source do not count.
    let elsewhere = World::cold().await;
    let twin = elsewhere.plugin("first-plugin", &["flowdapt>=0.1.2,<0.2"]);
    let again = install(&world, &environments, &source).await.0;
    assert_eq!(again.key, environment.key);
    assert!(world.told().contains("create: sharing environment"));
    assert_eq!(install(&world, &environments, &twin).await.0.key, environment.key, "the place does not count");

    // An edit is seen, although its build is in the cache.
    fs::write(source.join("first_plugin/__init__.py"), "def answer():\n    return 2\n").unwrap();
    let (edited, _) = install(&world, &environments, &source).await;
    assert_ne!(edited.key, environment.key);
    assert_eq!(ask(&edited, "import first_plugin; print(first_plugin.answer())"), "2");
    assert!(world.told().contains("shared with other environments"), "{}", world.told());
    let inode = "import pegboard, os; print(os.stat(pegboard.__cached__).st_ino)";
    assert_eq!(ask(&edited, inode), ask(&environment, inode), "byte code is compiled twice");
}

#[tokio::test]
async fn clashing_pins_both_work_at_the_same_time() {
    let world = World::new().await;
    world.wheel("shared-part", "1.0", &[], "");
    world.wheel("shared-part", "2.0", &[], "");
    world.wheel("needs-old", "1.0", &["shared-part==1.0", "flowdapt"], "needs_old");
    world.wheel("needs-new", "1.0", &["shared-part==2.0", "flowdapt"], "needs_new");
    let environments = world.open().await;
    let (old, new, progress) = (world.indexed("needs-old"), world.indexed("needs_new>=1"), world.progress());
    let (old, new) = tokio::join!(environments.install(&old, &progress), environments.install(&new, &progress));
    let ((old, old_record), (new, new_record)) = (old.unwrap(), new.unwrap());
    assert_eq!(ask(&old, "import shared_part; print(shared_part.VERSION)"), "1.0");
    assert_eq!(ask(&new, "import shared_part; print(shared_part.VERSION)"), "2.0");
    assert_eq!((old_record.name.as_str(), new_record.name.as_str()), ("needs-old", "needs-new"));
    assert_eq!(new_record.metadata.requirements, ["shared-part==2.0", "flowdapt"]);
}

#[tokio::test]
async fn extras_of_our_packages_are_kept_and_other_versions_of_them_do_not_matter() {
    let world = World::new().await;
    world.wheel("numpy", "1.26.4", &[], "");
    world.wheel("pandas", "2.0.2", &[], "");
    world.wheel("pyarrow", "15.0", &[], "");
    world.wheel("with-extra", "1.0", &["flowdapt[frames]>=0.1.2,<1"], "with_extra");
    world.wheel("with-pin", "1.0", &["flowdapt==0.1.50"], "with_pin");
    let environments = world.open().await;
    for (name, module) in [("with-extra", "pyarrow"), ("with-pin", "with_pin")] {
        let made = environments.install(&world.indexed(name), &world.progress()).await;
        let (environment, _) = made.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let code = format!("import {module}; from importlib.metadata import version; print(version('flowdapt'))");
        assert_eq!(ask(&environment, &code), "0.1.52+pegboard", "{name}");
    }
}

#[tokio::test]
async fn a_plugin_that_stores_frames_finds_what_the_original_brings() {
    let world = World::new().await;
    for (name, version) in [("numpy", "1.26.4"), ("pandas", "2.0.2"), ("pyarrow", "15.0")] {
        world.wheel(name, version, &[], "");
    }
    let stores = "def stage():\n    from flowdapt.compute.artifacts.dataset.dataframes import dataframe_to_artifact\n";
    world.wheel_with("stores", "1.0", &["flowdapt"], "stores", stores);
    world.wheel("slim", "1.0", &["flowdapt"], "slim");
    let environments = world.open().await;
    let code = "import importlib.util as u; print(u.find_spec('pyarrow') is not None)";
    for (name, has) in [("stores", "True"), ("slim", "False")] {
        let made = environments.install(&world.indexed(name), &world.progress()).await;
        let (environment, record) = made.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!((record.name.as_str(), ask(&environment, code).as_str()), (name, has));
    }
    assert!(world.told().contains("adding numpy, pandas and pyarrow"), "{}", world.told());
}

#[tokio::test]
async fn the_same_plugin_twice_at_once_is_made_once() {
    let world = World::new().await;
    let wheel = world.wheel("lonely", "1.0", &[], "lonely");
    let environments = world.open().await;
    // A second server on the same folder shares the locks.
    let other = Environments::open(world.options()).await.unwrap();
    let (progress, wanted) = (world.progress(), request(&wheel));
    let (one, two, three) = tokio::join!(
        environments.install(&wanted, &progress),
        environments.install(&wanted, &progress),
        other.install(&wanted, &progress)
    );
    let keys = [one, two, three].map(|result| result.unwrap().0.key);
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    assert_eq!(world.told().matches("create: creating").count(), 1, "{}", world.told());
    assert_eq!(made(&world), 1);
}

#[tokio::test]
async fn without_a_network_the_error_is_clear_and_a_retry_works() {
    let world = World::cold().await;
    world.wheel("part", "1.0", &[], "");
    let wheel = world.wheel("networked", "1.0", &["part"], "networked");
    let environments = world.open().await;

    // Nobody listens on port 1.
    let dead = InstallRequest { index_url: Some("http://me:secret@127.0.0.1:1/simple".to_owned()), ..request(&wheel) };
    let error = refused(&world, &environments, dead).await;
    assert_eq!(error.code, "no-network");
    assert!(error.message.contains("http://") && error.hint.as_ref().unwrap().contains("try again"), "{error:?}");
    assert!(!format!("{error:?}{}", world.told()).contains("secret"), "{error:?}");

    let offline = Environments::open(EnvironmentOptions { offline: true, ..world.options() }).await.unwrap();
    let error = refused(&world, &offline, request("part")).await;
    assert_eq!(error.code, "no-network");
    assert!(error.message.contains("switched off"), "{error:?}");

    let retry = InstallRequest { index_url: Some(world.index()), ..request(&wheel) };
    let (environment, record) = environments.install(&retry, &world.progress()).await.unwrap();
    assert_eq!(ask(&environment, "import part; print(part.VERSION)"), "1.0");
    assert_eq!(record.name.as_str(), "networked");

    // What was fetched serves without a network, into a fresh environment too.
    offline.collect(&[]).await.unwrap();
    assert_eq!(made(&world), 0);
    let again = offline.install(&retry, &world.progress()).await.unwrap().0;
    assert_eq!(again.key, environment.key);
}

#[tokio::test]
async fn an_entry_point_to_nothing_is_recorded_for_the_engine_to_judge() {
    let world = World::new().await;
    let wheel = world.wheel("hollow", "1.0", &[], "no_such_module.inside:attribute");
    let (_, record) = install(&world, &world.open().await, &wheel).await;
    assert_eq!(record.entry_points, ["no_such_module.inside"]);
    assert_eq!((record.state, record.failure), (PluginState::Installing, None));
}

#[tokio::test]
async fn what_cannot_be_installed_is_refused_with_a_code_and_leaves_nothing() {
    let world = World::new().await;
    world.wheel("low", "1.0", &[], "");
    world.wheel("high", "2.0", &[], "");
    let plain = world.wheel("plain", "1.0", &[], "");
    world.wheel("lacking", "1.0", &["absent-one>=3"], "lacking");
    world.wheel("torn", "1.0", &["low<1", "high>1"], "torn");
    world.wheel("split", "1.0", &["twisted-part==1.0", "knot"], "split");
    world.wheel("knot", "1.0", &["twisted-part==2.0"], "");
    world.wheel("twisted-part", "1.0", &[], "");
    world.wheel("twisted-part", "2.0", &[], "");
    let environments = world.open().await;
    for (wanted, code, part) in [
        ("lacking", "requirement-not-found", "absent-one"),
        ("never-published", "requirement-not-found", "never-published"),
        ("low==7", "requirement-not-found", "low==7"),
        ("torn", "resolution-impossible", "torn"),
        ("split", "resolution-impossible", "split"),
        ("low >> 3", "bad-requirement", "low >> 3"),
        ("./does/not/exist", "path-not-found", "./does/not/exist"),
        ("plain", "no-plugin", "flowdapt.plugins"),
    ] {
        let error = environments.install(&world.indexed(wanted), &world.progress()).await.unwrap_err();
        assert_eq!(error.code, code, "{wanted}: {error:?}");
        assert!(error.message.contains(part) && error.hint.is_some(), "{error:?}");
        assert!(!error.message.contains('\n') && error.message.len() < 400, "{error:?}");
    }
    let error = environments.install(&request(&plain), &world.progress()).await.unwrap_err();
    assert_eq!(error.code, "no-plugin");
    assert!(error.hint.unwrap().contains("[project.entry-points.\"flowdapt.plugins\"]"));

    environments.collect(&[]).await.unwrap();
    let garbled = world.package("garbled", "", "");
    fs::write(garbled.join("pyproject.toml"), "[project\nname = garbled").unwrap();
    let error = refused(&world, &environments, request(&garbled)).await;
    assert_eq!(error.code, "build-failed");
    assert!(error.detail.unwrap().contains("TOML"));

    let unbuildable = world.package("unbuildable", "", "");
    let broken =
        "[project]\nname = \"unbuildable\"\nversion = \"1\"\n[build-system]\nrequires = []\nbuild-backend = \"no_backend\"\n";
    fs::write(unbuildable.join("pyproject.toml"), broken).unwrap();
    let error = refused(&world, &environments, request(&unbuildable)).await;
    assert_eq!(error.code, "build-failed");
    assert!(error.detail.unwrap().contains("no_backend"));

    let futuristic = world.package("futuristic", "requires-python = \">=3.99\"", "");
    let error = refused(&world, &environments, request(&futuristic)).await;
    assert_eq!(error.code, "python-too-old");
    assert!(error.message.contains("3.99"), "{error}");
}

#[tokio::test]
async fn an_editable_plugin_runs_from_its_folder() {
    let world = World::new().await;
    let environments = world.open().await;
    let source = world.plugin("in-place", &[]);
    let wanted = InstallRequest { editable: true, ..request(&source) };
    let (environment, record) = environments.install(&wanted, &world.progress()).await.unwrap();
    assert_eq!(record.name.as_str(), "in-place");
    assert!(matches!(record.source, PluginSource::Package { editable: true, .. }));
    assert_eq!(record.modules, ["in_place"]);
    let data = source.canonicalize().unwrap().join("in_place/points.csv");
    assert_eq!(record.data_files, [data.to_str().unwrap()]);

    fs::write(source.join("in_place/__init__.py"), "def answer():\n    return 'edited'\n").unwrap();
    assert_eq!(ask(&environment, "import in_place; print(in_place.answer())"), "edited");
    let again = environments.install(&wanted, &world.progress()).await.unwrap().0;
    assert_eq!(again.key, environment.key, "code that runs in place needs no other environment");
}

#[tokio::test]
async fn a_dropped_installation_leaves_nothing_that_counts() {
    let world = World::new().await;
    let environments = world.open().await;
    let source = world.plugin("interrupted", &[]);
    for step in ["create", "install"] {
        let (sender, mut reached) = tokio::sync::mpsc::unbounded_channel();
        let progress: Progress = Arc::new(move |now, _| drop(sender.send(now.to_owned())));
        let (handle, wanted) = (environments.clone(), request(&source));
        let task = tokio::spawn(async move { handle.install(&wanted, &progress).await });
        while reached.recv().await.is_some_and(|now| now != step) {}
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        for entry in fs::read_dir(world.path("data/environments")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert_eq!(environments.get(&name), None, "{name} passes for complete");
        }
    }
    let (environment, _) = install(&world, &environments, &source).await;
    assert_eq!(ask(&environment, "import interrupted; print(interrupted.answer())"), "1");
    assert_eq!(made(&world), 1);
}

#[tokio::test]
async fn half_made_ones_go_at_the_next_start() {
    let world = World::new().await;
    let environments = world.open().await;
    let base = environments.base(&world.progress()).await.unwrap();
    let half = world.path("data/environments").join("0123456789abcdef0123456789abcdef");
    fs::create_dir_all(half.join("bin")).unwrap();
    let reopened = world.open().await;
    assert!(!half.exists());
    assert_eq!(reopened.get(&base.key), Some(base));
}

#[tokio::test]
async fn the_base_environment_is_made_once() {
    let world = World::cold().await;
    let environments = Environments::open(EnvironmentOptions { offline: true, ..world.options() }).await.unwrap();
    let progress = world.progress();
    let (one, two, three) =
        tokio::join!(environments.base(&progress), environments.base(&progress), environments.base(&progress));
    let one = one.unwrap();
    assert_eq!((&one, &one), (&two.unwrap(), &three.unwrap()));
    assert_eq!(world.told().matches("create: creating").count(), 1, "{}", world.told());
    assert_eq!(ask(&one, "import pegboard, flowdapt; print('both')"), "both");
}

#[tokio::test]
async fn collecting_spares_what_is_used_and_what_is_being_made() {
    let world = World::new().await;
    let environments = world.open().await;
    let base = environments.base(&world.progress()).await.unwrap();
    let (one, two) = (world.wheel("one", "1.0", &[], "one"), world.wheel("two", "1.0", &[], "two"));
    let one = install(&world, &environments, &one).await.0;
    let two = install(&world, &environments, &two).await.0;
    let making = world.path("data/environments").join("00000000000000000000000000000000");
    fs::create_dir_all(&making).unwrap();
    let lock = fs::File::create(world.path("data/environments/.locks/00000000000000000000000000000000")).unwrap();
    lock.lock().unwrap();

    environments.collect(&[base.key.clone(), two.key.clone()]).await.unwrap();
    assert_eq!(environments.get(&one.key), None);
    assert!(!one.directory.exists() && making.exists());
    assert!(environments.get(&base.key).is_some() && environments.get(&two.key).is_some());

    drop(lock);
    environments.collect(std::slice::from_ref(&base.key)).await.unwrap();
    assert_eq!(made(&world), 1);
    assert_eq!(fs::read_dir(world.path("data/environments/.scratch")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_repository_is_installed_at_the_commit_that_was_found() {
    let world = World::new().await;
    let environments = world.open().await;
    let source = world.plugin("from-git", &[]);
    let repository = source.to_str().unwrap();
    for arguments in [
        &["init", "--quiet"][..],
        &["add", "."],
        &["-c", "user.name=Test", "-c", "user.email=test@example.org", "commit", "--quiet", "-m", "first"],
    ] {
        python(Path::new("git"), &[&["-C", repository], arguments].concat());
    }
    let (environment, record) =
        environments.install(&request(format!("git+{}", file_url(&source))), &world.progress()).await.unwrap();
    assert_eq!(record.name.as_str(), "from-git");
    assert_eq!(ask(&environment, "import from_git; print(from_git.answer())"), "1");
    let commit = python(Path::new("git"), &["-C", repository, "rev-parse", "HEAD"]);
    let lock = fs::read_to_string(environment.directory.join("requirements.lock")).unwrap();
    assert!(lock.contains(commit.trim()), "{lock}");
}

#[tokio::test]
async fn venv_and_pip_do_as_well() {
    let world = World::cold().await;
    let options = EnvironmentOptions { uv: None, without_uv: true, ..world.options() };
    let environments = Environments::open(options).await.unwrap();
    assert!(matches!(environments.tools().await.unwrap().installer, Installer::Pip { .. }));
    let base = environments.base(&world.progress()).await.unwrap();
    assert_eq!(ask(&base, "import pegboard, flowdapt; print('both')"), "both");

    world.wheel("shared-part", "1.0", &[], "");
    world.wheel("shared-part", "2.0", &[], "");
    world.wheel("piped", "1.0", &["shared-part==1.0", "flowdapt>=0.1.2,<0.2"], "piped");
    world.wheel("lacking", "1.0", &["absent-one>=3"], "lacking");
    let (environment, record) = environments.install(&world.indexed("piped"), &world.progress()).await.unwrap();
    assert_eq!((record.name.as_str(), record.modules.as_slice()), ("piped", &["piped".to_owned()][..]));
    assert_eq!(ask(&environment, "import shared_part, flowdapt; print(shared_part.VERSION)"), "1.0");
    assert_eq!(environments.install(&world.indexed("piped"), &world.progress()).await.unwrap().0, environment);

    let error = environments.install(&world.indexed("lacking"), &world.progress()).await.unwrap_err();
    assert_eq!(error.code, "requirement-not-found", "{error:?}");
    assert!(error.message.contains("absent-one"), "{error}");

    let source = world.plugin("piped-in-place", &[]);
    let wanted = InstallRequest { editable: true, ..request(&source) };
    let (environment, record) = environments.install(&wanted, &world.progress()).await.unwrap();
    assert_eq!(record.name.as_str(), "piped-in-place");
    fs::write(source.join("piped_in_place/__init__.py"), "def answer():\n    return 'edited'\n").unwrap();
    assert_eq!(ask(&environment, "import piped_in_place; print(piped_in_place.answer())"), "edited");
}

#[tokio::test]
async fn a_build_backend_that_cannot_be_fetched_is_a_missing_network() {
    let world = World::cold().await;
    let folder = world.package("backend", "", "");
    let project = "[project]\nname = \"backend\"\nversion = \"1.0\"\n[build-system]\nrequires = [\"uv_build>=0.7\"]\nbuild-backend = \"uv_build\"\n";
    fs::write(folder.join("pyproject.toml"), project).unwrap();
    for offline in [false, true] {
        let options = EnvironmentOptions { uv: None, without_uv: true, offline, ..world.options() };
        let environments = Environments::open(options).await.unwrap();
        // Nobody listens on port 1.
        let wanted = InstallRequest { index_url: Some("http://127.0.0.1:1/simple".to_owned()), ..request(&folder) };
        let error = environments.install(&wanted, &world.progress()).await.unwrap_err();
        assert_eq!(error.code, "no-network", "offline: {offline}: {error:?}");
        assert!(error.hint.as_ref().unwrap().contains("try again"), "{error:?}");
    }
}

/// Serves one file over HTTP to whoever brings the credentials `me:secret`.
async fn guarded(file: PathBuf) -> u16 {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let body = fs::read(&file).unwrap();
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(stream.read_u8().await?);
                }
                let text = String::from_utf8_lossy(&request).to_lowercase();
                // `me:secret` in base 64.
                if !text.contains("authorization: basic bwu6c2vjcmv0") {
                    return stream
                        .write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                        .await;
                }
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                stream.write_all(head.as_bytes()).await?;
                if text.starts_with("get") { stream.write_all(&body).await } else { Ok(()) }
            });
        }
    });
    port
}

#[tokio::test]
async fn credentials_serve_and_are_not_kept() {
    let world = World::cold().await;
    let wheel = world.wheel("guarded", "1.0", &[], "guarded");
    let name = wheel.file_name().unwrap().to_str().unwrap().to_owned();
    let port = guarded(wheel).await;
    for without_uv in [false, true] {
        let uv = (!without_uv).then(|| world.uv.clone());
        let environments = Environments::open(EnvironmentOptions { uv, without_uv, ..world.options() }).await.unwrap();
        let error =
            environments.install(&request(format!("http://127.0.0.1:{port}/{name}")), &world.progress()).await.unwrap_err();
        assert_eq!(error.code, "not-authorized", "{error:?}");
        let wanted = request(format!("guarded @ http://me:secret@127.0.0.1:{port}/{name}"));
        let (environment, record) = environments.install(&wanted, &world.progress()).await.unwrap();
        assert_eq!(ask(&environment, "import guarded; print(guarded.VERSION)"), "1.0");
        let lock = fs::read_to_string(environment.directory.join("requirements.lock")).unwrap();
        let shown = format!("{record:?}{lock}{}", world.told());
        assert!(lock.contains("guarded @ http://") && !shown.contains("secret"), "{shown}");
        environments.collect(&[]).await.unwrap();
    }
}
