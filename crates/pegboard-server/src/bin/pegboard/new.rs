//! `pegboard new`: writes a package to begin with. The files are templates with two words in them. Files for the dashboard are written by
//! `new_panel`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use pegboard_model::{Error, PluginName, ResourceName};
use pegboard_server::is_standard_module;
use serde_json::json;

use crate::failure::CommandFailure;
use crate::new_panel::{self, DashboardFile, DashboardFileArguments, PanelPage};
use crate::output::Output;

#[derive(Subcommand, Debug)]
pub(crate) enum NewCommand {
    /// A package with two stages, a workflow and tests.
    #[command(
        after_help = "Examples:\n  pegboard new stage-plugin churn-models\n  pegboard new stage-plugin churn-models --directory ~/plugins/churn"
    )]
    StagePlugin {
        /// Name of the package: letters, digits, `-` and `_`.
        name: String,
        /// Where it is written; must not exist, or be empty [default: the name].
        #[arg(long, value_name = "DIR")]
        directory: Option<PathBuf>,
    },
    /// A panel for one of the dashboard's artifact pages, with a test.
    #[command(
        after_help = "Examples:\n  pegboard new panel error-table\n  pegboard new panel traffic --page endpoint --directory ~/panels"
    )]
    Panel {
        #[command(flatten)]
        file: DashboardFileArguments,
        /// The page that shows it.
        #[arg(long, value_enum, default_value_t)]
        page: PanelPage,
    },
    /// What a page of the dashboard shows, with a test.
    #[command(after_help = "Example:\n  pegboard new view champions --directory ~/panels")]
    View(DashboardFileArguments),
    /// A page of its own in the dashboard, with a test.
    #[command(after_help = "Example:\n  pegboard new page overview --directory ~/panels")]
    Page(DashboardFileArguments),
}

/// Writes what was asked for.
pub(crate) fn write_new(command: &NewCommand, output: &Output) -> Result<(), CommandFailure> {
    match command {
        NewCommand::StagePlugin { name, directory } => stage_plugin(name, directory.as_deref(), output),
        NewCommand::Panel { file, page } => new_panel::write(DashboardFile::Panel(*page), file, output),
        NewCommand::View(file) => new_panel::write(DashboardFile::View, file, output),
        NewCommand::Page(file) => new_panel::write(DashboardFile::Page, file, output),
    }
}

/// Path, which may have the words as well, and text.
const FILES: [(&str, &str); 8] = [
    ("pyproject.toml", include_str!("../../../templates/stage-plugin/pyproject.toml.txt")),
    ("README.md", include_str!("../../../templates/stage-plugin/readme.txt")),
    (".gitignore", include_str!("../../../templates/stage-plugin/gitignore.txt")),
    ("@MODULE@/__init__.py", include_str!("../../../templates/stage-plugin/init.py.txt")),
    ("@MODULE@/py.typed", ""),
    ("@MODULE@/stages.py", include_str!("../../../templates/stage-plugin/stages.py.txt")),
    ("workflows/@NAME@.yaml", include_str!("../../../templates/stage-plugin/workflow.yaml.txt")),
    ("tests/test_stages.py", include_str!("../../../templates/stage-plugin/test_stages.py.txt")),
];

/// Words that cannot be the name of a module.
const KEYWORDS: &str = "\
    and as assert async await break class continue def del elif else except finally for from global if import in is lambda \
    nonlocal not or pass raise return try while with yield";

/// Names that a plugin's environment has already, or that its package uses for something else.
const TAKEN: &str = "flowdapt pegboard test tests user_modules workflows";

/// Distributions that plugins use, by the names of their modules: a package of such a name takes the place of the other.
const WELL_KNOWN: &str = "\
    aiohttp attrs boto3 catboost click cloudpickle cv2 dash dask datasets django duckdb fastapi flask fsspec httpx jax jinja2 joblib \
    keras lightgbm matplotlib mlflow networkx nltk numpy onnx opencv optuna orjson packaging pandas pip plotly polars pyarrow pydantic \
    pytest pyyaml ray requests rich ruff scikit_learn scipy seaborn setuptools six sklearn spacy sqlalchemy statsmodels sympy tensorflow \
    torch torchvision tqdm transformers typer urllib3 uv wheel workbench xarray xgboost yaml";

/// The two words.
struct Words {
    name: String,
    module: String,
}

impl Words {
    fn of(name: &str) -> Result<Self, Error> {
        let refused = |reason: &str| {
            Error::invalid("plugin-name", format!("`{name}` cannot be the name of a plugin package: {reason}"))
                .hint("begin with a letter, go on with letters, digits, `-` and `_`, such as `churn-models`")
        };
        let name = name.parse::<PluginName>().map_err(|_| refused("it is not a name of a Python distribution"))?.to_string();
        if name.parse::<ResourceName>().is_err() {
            return Err(refused("a workflow cannot have it"));
        }
        let module = name.replace('-', "_");
        if !module.starts_with(|first: char| first.is_ascii_alphabetic()) {
            return Err(refused("a Python module begins with a letter"));
        }
        let has = |words: &str| words.split(' ').any(|word| word == module);
        if has(KEYWORDS) {
            return Err(refused("it is a word of Python's own"));
        }
        if is_standard_module(&module) {
            return Err(refused(&format!("Python's standard library has a module `{module}`, and one would hide the other")));
        }
        if has(TAKEN) {
            return Err(refused(&format!("the name `{module}` is used already in a plugin's environment or package")));
        }
        Ok(Self { name, module })
    }

    /// Why the name is a bad choice, though it is possible.
    fn warning(&self) -> Option<String> {
        let Self { name, module } = self;
        WELL_KNOWN.split(' ').any(|word| word == module).then(|| {
            format!(
                "`{name}` is the name of a well-known package: yours takes its place, for itself and for what it depends on; \
                 better choose another, such as `{name}-stages`"
            )
        })
    }

    fn fill(&self, text: &str) -> String {
        text.replace("@NAME@", &self.name).replace("@MODULE@", &self.module)
    }
}

/// Writes a package with two stages. Refuses to write into a folder that has something in it.
fn stage_plugin(name: &str, directory: Option<&Path>, output: &Output) -> Result<(), CommandFailure> {
    let words = Words::of(name).map_err(CommandFailure::usage)?;
    let folder = directory.map_or_else(|| PathBuf::from(&words.name), Path::to_owned);
    let written = write(&words, &folder)?;
    if let Some(warning) = words.warning() {
        output.note(&format!("warning: {warning}"));
    }
    if output.json {
        output.data(&json!({ "name": words.name, "directory": folder, "files": written }));
        return Ok(());
    }
    written.iter().for_each(|path| output.line(&folder.join(path).display().to_string()));
    output.note("");
    output.note("next:");
    output.note(&format!("  cd {}", folder.display()));
    output.note("  pegboard dev                    run its workflow at every save");
    output.note("or on a server that runs:");
    output.note("  pegboard install --editable .");
    output.note(&format!("  pegboard apply workflows/{}.yaml", words.name));
    output.note(&format!("  pegboard run {} --follow", words.name));
    Ok(())
}

fn write(words: &Words, folder: &Path) -> Result<Vec<String>, CommandFailure> {
    let cannot = |path: &Path, error: &std::io::Error| {
        CommandFailure::from(
            Error::unavailable("cannot-write", format!("cannot write `{}`: {error}", path.display()))
                .hint("choose another place with `--directory`"),
        )
    };
    match std::fs::read_dir(folder) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                let message = format!("`{}` exists and is not empty", folder.display());
                return Err(Error::conflict("directory-not-empty", message)
                    .hint("choose another place with `--directory`")
                    .into());
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(cannot(folder, &error)),
    }
    let mut written = Vec::with_capacity(FILES.len());
    for (path, text) in FILES {
        let name = words.fill(path);
        let path = folder.join(&name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|error| cannot(parent, &error))?;
        }
        // Never over a file that somebody else put there meanwhile.
        let file = std::fs::OpenOptions::new().write(true).create_new(true).open(&path);
        file.and_then(|mut file| file.write_all(words.fill(text).as_bytes())).map_err(|error| cannot(&path, &error))?;
        written.push(name);
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (given, expected) in [
            ("churn-models", Some(("churn-models", "churn_models"))),
            ("Churn_Models", Some(("churn-models", "churn_models"))),
            ("a1", Some(("a1", "a1"))),
            ("1a", None),
            ("class", None),
            ("json", None),
            ("tomllib", None),
            ("Concurrent", None),
            ("flowdapt", None),
            ("numpy", Some(("numpy", "numpy"))),
            ("Tests", None),
            ("../evil", None),
            ("a b", None),
            ("-a", None),
            ("", None),
            ("ümlaut", None),
        ] {
            let words = Words::of(given).ok();
            assert_eq!(words.as_ref().map(|words| (words.name.as_str(), words.module.as_str())), expected, "{given}");
        }
    }

    #[test]
    fn why_a_name_cannot_be_or_better_would_not_be() {
        let reason = |name: &str| Words::of(name).err().map(|error| error.message).unwrap_or_default();
        assert!(reason("statistics").contains("standard library"), "{}", reason("statistics"));
        assert!(reason("lambda").contains("a word of Python's own"), "{}", reason("lambda"));
        for (name, is_known) in [("numpy", true), ("scikit-learn", true), ("Pandas", true), ("churn-models", false)] {
            let warning = Words::of(name).unwrap().warning();
            assert_eq!(warning.as_ref().is_some_and(|warning| warning.contains("-stages`")), is_known, "{name}");
        }
    }

    #[test]
    fn no_word_is_left_in_what_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let words = Words::of("churn-models").unwrap();
        let written = write(&words, folder.path()).unwrap();
        assert_eq!(written.len(), FILES.len());
        for path in written {
            let text = std::fs::read_to_string(folder.path().join(&path)).unwrap();
            assert!(!path.contains('@') && !text.contains("@NAME@") && !text.contains("@MODULE@"), "{path}");
        }
        let again = write(&words, folder.path()).unwrap_err();
        assert_eq!(again.error.unwrap().code, "directory-not-empty");
    }
}
