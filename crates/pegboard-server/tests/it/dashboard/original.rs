//! A folder that brings a `workbench` of its own: the switch to it, and what happens where that cannot be.

use std::io::Write as _;
use std::path::Path;

use serde_json::json;
use zip::write::SimpleFileOptions;

use super::{Dashboard, panel, share_downloads, write};
use crate::support::{World, end, until};

/// What stands for the original: the same names, and artifacts that know what they are. As there, a method that raises is kept from it, and
/// nothing can be imported without AWS.
const STAND_IN: &[(&str, &str)] = &[
    ("workbench/__init__.py", "__version__ = '0.8.999'\n"),
    ("workbench/utils/__init__.py", ""),
    (
        "workbench/utils/config_manager.py",
        "class ConfigManager:\n    said = {}\n    def set_config(self, key, value):\n        assert isinstance(value, str)\n        self.said[key] = value\n",
    ),
    ("workbench/cached/__init__.py", ""),
    (
        "workbench/cached/cached_model.py",
        "class CachedModel:\n    def __init__(self, name):\n        self.name = name\n    def exists(self):\n        return self.name == 'alpha'\n    def get_owner(self):\n        return 'aws'\n",
    ),
    ("workbench/web_interface/__init__.py", ""),
    ("workbench/web_interface/components/__init__.py", ""),
    (
        "workbench/web_interface/components/plugin_interface.py",
        r#"import enum, functools, os

os.environ["AWS_ACCESS_KEY_ID"]
PROCESS = os.getpid()


class PluginPage(enum.Enum):
    MODEL = "model"


class PluginInputType(enum.Enum):
    MODEL = "model"


def contained(method):
    @functools.wraps(method)
    def call(self, *given, **named):
        try:
            return method(self, *given, **named)
        except Exception:
            return ["kept to itself"] * len(self.properties)
    return call


class PluginInterface:
    def __init__(self):
        self.properties, self.signals, self.component_id, self.container = [], [], None, None

    def __init_subclass__(cls, **named):
        super().__init_subclass__(**named)
        cls.create_component = contained(cls.create_component)
        cls.update_properties = contained(cls.update_properties)

    @classmethod
    def validate_subclass(cls):
        return True, "as it should be"

    def generate_component_id(self):
        return type(self).__name__.lower()

    def register_internal_callbacks(self):
        pass
"#,
    ),
];
/// No AWS credentials, whoever runs the tests.
const WITHOUT: [(&str, &str); 5] = [
    ("AWS_ACCESS_KEY_ID", ""),
    ("AWS_SECRET_ACCESS_KEY", ""),
    ("AWS_SHARED_CREDENTIALS_FILE", "/nowhere"),
    ("AWS_CONFIG_FILE", "/nowhere"),
    ("AWS_PROFILE", ""),
];
const WITH: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "invented"), ("AWS_SECRET_ACCESS_KEY", "invented")];
const SWITCH: (&str, &str) = ("PEGBOARD__DASHBOARD__ORIGINAL_WORKBENCH", "true");

/// Writes a wheel of it.
fn stand_in(path: &Path) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut wheel = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    let about = "workbench-0.8.999.dist-info";
    let metadata = "Metadata-Version: 2.1\nName: workbench\nVersion: 0.8.999\n".to_owned();
    let tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n".to_owned();
    let mut files: Vec<(String, String)> = STAND_IN.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    files.extend([(format!("{about}/METADATA"), metadata), (format!("{about}/WHEEL"), tags)]);
    let record: String = files.iter().map(|(name, _)| format!("{name},,\n")).collect();
    files.push((format!("{about}/RECORD"), format!("{record}{about}/RECORD,,\n")));
    for (name, text) in files {
        wheel.start_file(name, SimpleFileOptions::default()).unwrap();
        wheel.write_all(text.as_bytes()).unwrap();
    }
    wheel.finish().unwrap();
}

/// A panel that says whose artifact it was given, and whether the package was imported in its own process.
fn who(class: &str, id: &str) -> String {
    panel(class, id, "{data_object.get_owner()}").replace(
        "        return [f'",
        "        import os\n        from workbench.web_interface.components import plugin_interface\n        \
         own = getattr(plugin_interface, 'PROCESS', None) in (None, os.getpid())\n        return [f'{own} ",
    )
}

/// What [`who`] shows.
fn said(owner: &str, model: &str) -> String {
    format!("True {owner} {model} held-out")
}

struct Folders {
    dashboard: Dashboard,
    plugins: String,
}

impl Folders {
    /// A server with two folders, of which one brings a `workbench`.
    fn new(variables: &[(&str, &str)]) -> Self {
        let world = World::unstarted();
        std::fs::create_dir_all(world.data()).unwrap();
        share_downloads(&world);
        let wheel = world.folder.path().join("wheels/workbench-0.8.999-py3-none-any.whl");
        stand_in(&wheel);
        let (real, other) = (world.folder.path().join("plugins"), world.folder.path().join("other"));
        let raises = panel("Raises", "raises", "{data_object.no_such_word}");
        write(&real.join("components/a.py"), &who("Who", "who"));
        write(&real.join("components/b.py"), &raises);
        write(&real.join("requirements.txt"), &format!("workbench @ file://{}\n", wheel.display()));
        write(&other.join("components/c.py"), &who("Other", "other"));
        let plugins = format!("{},{}", real.display(), other.display());
        let mut folders = Self { dashboard: Dashboard { world }, plugins };
        folders.start(variables);
        folders
    }

    fn start(&mut self, variables: &[(&str, &str)]) {
        let all: Vec<_> =
            WITHOUT.iter().chain(&[("WORKBENCH_PLUGINS", self.plugins.as_str())]).chain(variables).copied().collect();
        if self.dashboard.world.server.is_some() {
            self.dashboard.world.kill();
        }
        self.dashboard.world.start_with(&all);
        for name in ["alpha", "beta"] {
            let body = json!({ "facts": { "model_type": "regressor", "target": "y" }, "owner": "vera" });
            assert_eq!(self.dashboard.post(&format!("/api/v1/catalog/model/{name}"), &body).0, 200);
        }
        self.dashboard.settle();
    }

    fn problems(&self) -> String {
        self.dashboard.plugins()["problems"].to_string()
    }

    /// `pegboard check` of the folder that brings a `workbench`.
    #[track_caller]
    fn checked(&self, variables: &[(&str, &str)]) -> String {
        let data = self.dashboard.world.data().display().to_string();
        let mut command = self.dashboard.world.command(&["check", "plugins", "--data", &data]);
        end(command.envs(WITHOUT).envs(variables.iter().copied())).well().stdout
    }
}

#[test]
fn a_folder_gets_the_workbench_that_it_names_where_aws_can_be_asked() {
    let mut folders = Folders::new(&[SWITCH, WITH[0], WITH[1]]);
    let dashboard = &folders.dashboard;
    assert_eq!(folders.problems(), "[]");
    assert_eq!(dashboard.shown("who", "alpha"), said("aws", "alpha"));
    assert_eq!(dashboard.shown("other", "alpha"), said("vera", "alpha"), "a folder that names none");
    assert!(dashboard.page("/status", "").to_string().contains("original-workbench 0.8.999"));
    // What the original would have kept to itself.
    let (status, answer) = dashboard.select("raises", "alpha");
    assert_eq!(status, 200, "{answer}");
    assert!(Dashboard::notice(&answer).contains("no_such_word"), "{answer}");
    // Pages list our catalog; an artifact that the original does not know is the panel's failure and nobody else's.
    let (_, answer) = dashboard.select("who", "beta");
    let notice = Dashboard::notice(&answer);
    assert!(notice.contains("there is no model `beta` where the original `workbench` looks"), "{answer}");
    assert_eq!(dashboard.shown("other", "beta"), said("vera", "beta"));
    let checked = folders.checked(&[SWITCH, WITH[0], WITH[1]]);
    assert!(checked.contains("0 errors; loaded: Who, Raises") && !checked.contains("warning"), "{checked}");

    // It is asked for, and cannot be had.
    dashboard.save("requirements.txt", "workbench==0.8.999; python_version < '3'\n");
    let problems = until("the problem", || Some(folders.problems()).filter(|problems| problems != "[]"));
    assert!(problems.contains("the environment has no `workbench`"), "{problems}");
    until("ours", || (dashboard.shown("who", "alpha") == said("vera", "alpha")).then_some(()));
    let checked = folders.checked(&[SWITCH, WITH[0], WITH[1]]);
    assert!(checked.contains("warning: the environment has no `workbench`") && checked.contains("loaded: Who"), "{checked}");

    // No credentials, and nobody asks for it.
    let wheel = dashboard.world.folder.path().join("wheels/workbench-0.8.999-py3-none-any.whl");
    dashboard.save("requirements.txt", &format!("workbench @ file://{}\n", wheel.display()));
    folders.start(&[SWITCH]);
    assert!(folders.problems().contains("there are no AWS credentials"), "{}", folders.problems());
    assert_eq!(folders.dashboard.shown("who", "alpha"), said("vera", "alpha"));
    let checked = folders.checked(&[SWITCH]);
    assert!(checked.contains("warning: `dashboard.original_workbench` is on, but there are no AWS credentials"), "{checked}");

    folders.start(&WITH);
    assert_eq!(folders.problems(), "[]");
    assert_eq!(folders.dashboard.shown("who", "alpha"), said("vera", "alpha"));
}
