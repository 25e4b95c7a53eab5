//! `pegboard new panel`, `new view` and `new page`: a file for a plugin folder of the dashboard, with a test that passes. The files are
//! templates with a few words in them.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use pegboard_model::Error;
use serde_json::json;

use crate::failure::CommandFailure;
use crate::output::Output;

/// What is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DashboardFile {
    Panel(PanelPage),
    View,
    Page,
}

/// The page that a panel is shown on.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum PanelPage {
    DataSource,
    FeatureSet,
    #[default]
    Model,
    Endpoint,
}

/// Name and place of a file for the dashboard.
#[derive(Args, Debug)]
pub(crate) struct DashboardFileArguments {
    /// Its name: letters, digits, `-` and `_`; a class is called after it.
    name: String,
    /// The plugin folder, which may have others already.
    #[arg(long, value_name = "DIR", default_value = ".")]
    directory: PathBuf,
}

/// Python's own words, and modules that a file of this name would hide from the plugin's tests.
const TAKEN: &str = "\
    and as assert async await break class continue dash def del elif else except false finally for from global if import in is lambda \
    match none nonlocal not numpy or pandas pass pegboard plotly raise return sys test tests true try type typing while with workbench \
    yield";

impl DashboardFile {
    /// Folder, template of the file, template of its test.
    const fn parts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Panel(_) => (
                "components",
                include_str!("../../../templates/dashboard/panel.py.txt"),
                include_str!("../../../templates/dashboard/test_panel.py.txt"),
            ),
            Self::View => (
                "views",
                include_str!("../../../templates/dashboard/view.py.txt"),
                include_str!("../../../templates/dashboard/test_view.py.txt"),
            ),
            Self::Page => (
                "pages",
                include_str!("../../../templates/dashboard/page.py.txt"),
                include_str!("../../../templates/dashboard/test_page.py.txt"),
            ),
        }
    }

    /// Member of `PluginPage`.
    const fn member(self) -> &'static str {
        match self {
            Self::Panel(PanelPage::DataSource) => "DATA_SOURCE",
            Self::Panel(PanelPage::FeatureSet) => "FEATURE_SET",
            Self::Panel(PanelPage::Endpoint) => "ENDPOINT",
            Self::Panel(PanelPage::Model) | Self::View | Self::Page => "MODEL",
        }
    }
}

/// One name in all its forms.
struct Words {
    name: String,
    module: String,
    class: String,
    title: String,
}

impl Words {
    fn of(said: &str) -> Result<Self, Error> {
        let refused = |reason: &str| {
            Error::invalid("plugin-name", format!("`{said}` cannot be the name of a plugin file: {reason}"))
                .hint("begin with a letter, go on with letters, digits, `-` and `_`, such as `error-table`")
        };
        if !said.chars().all(|each| each.is_ascii_alphanumeric() || each == '-' || each == '_') {
            return Err(refused("it has other characters"));
        }
        let words = split(said);
        if !words.first().is_some_and(|first| first.starts_with(|each: char| each.is_ascii_alphabetic())) {
            return Err(refused("a Python module begins with a letter"));
        }
        let module = words.join("_");
        if TAKEN.split(' ').any(|taken| taken == module) {
            return Err(refused("Python or a library has that word already"));
        }
        let class = words.iter().map(|word| capital(word)).collect();
        Ok(Self { name: words.join("-"), module, class, title: capital(&words.join(" ")) })
    }

    fn fill(&self, text: &str, member: &str) -> String {
        text.replace("@NAME@", &self.name)
            .replace("@MODULE@", &self.module)
            .replace("@CLASS@", &self.class)
            .replace("@TITLE@", &self.title)
            .replace("@MEMBER@", member)
    }
}

/// `ErrorTable`, `error-table` and `error_table` are two words each.
fn split(said: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for each in said.chars() {
        if each == '-' || each == '_' || (was_small && each.is_ascii_uppercase()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut()
            && each.is_ascii_alphanumeric()
        {
            word.push(each.to_ascii_lowercase());
        }
        was_small = each.is_ascii_lowercase() || each.is_ascii_digit();
    }
    words.retain(|word| !word.is_empty());
    words
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}

/// Writes the file and its test. Refuses to write over one that is there.
pub(crate) fn write(file: DashboardFile, arguments: &DashboardFileArguments, output: &Output) -> Result<(), CommandFailure> {
    let words = Words::of(&arguments.name).map_err(CommandFailure::usage)?;
    let written = write_files(file, &words, &arguments.directory)?;
    if output.json {
        output.data(&json!({ "name": words.class, "directory": arguments.directory, "files": written }));
        return Ok(());
    }
    written.iter().for_each(|path| output.line(&arguments.directory.join(path).display().to_string()));
    output.note("");
    output.note("next:");
    output.note(&format!("  pegboard serve --plugins {}", arguments.directory.display()));
    output.note("and open the dashboard; each save is live within a second.");
    Ok(())
}

fn write_files(file: DashboardFile, words: &Words, folder: &Path) -> Result<Vec<String>, CommandFailure> {
    let (kind, plugin, test) = file.parts();
    let files = [(format!("{kind}/{}.py", words.module), plugin), (format!("tests/test_{}.py", words.module), test)];
    if let Some((taken, _)) = files.iter().find(|(path, _)| folder.join(path).exists()) {
        let message = format!("`{}` exists", folder.join(taken).display());
        return Err(Error::conflict("file-exists", message)
            .hint("choose another name, or another folder with `--directory`")
            .into());
    }
    for (name, text) in &files {
        let path = folder.join(name);
        put(&path, &words.fill(text, file.member())).map_err(|error| {
            CommandFailure::from(
                Error::unavailable("cannot-write", format!("cannot write `{}`: {error}", path.display()))
                    .hint("choose another place with `--directory`"),
            )
        })?;
    }
    Ok(files.into_iter().map(|(path, _)| path).collect())
}

fn put(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    // Never over a file that somebody else put there meanwhile.
    std::fs::OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (given, expected) in [
            ("error-table", Some(("error-table", "error_table", "ErrorTable", "Error table"))),
            ("ErrorTable", Some(("error-table", "error_table", "ErrorTable", "Error table"))),
            ("error_table2", Some(("error-table2", "error_table2", "ErrorTable2", "Error table2"))),
            ("x", Some(("x", "x", "X", "X"))),
            ("1a", None),
            ("class", None),
            ("Dash", None),
            ("../evil", None),
            ("a b", None),
            ("-", None),
            ("", None),
            ("ümlaut", None),
        ] {
            let words = Words::of(given).ok();
            let found = words.as_ref().map(|each| (&*each.name, &*each.module, &*each.class, &*each.title));
            assert_eq!(found, expected, "{given}");
        }
    }

    #[test]
    fn no_word_is_left_in_what_is_written_and_nothing_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let words = Words::of("error-table").unwrap();
        for file in [DashboardFile::Panel(PanelPage::Endpoint), DashboardFile::View, DashboardFile::Page] {
            let place = folder.path().join(file.parts().0);
            let written = write_files(file, &words, &place).unwrap();
            assert_eq!(written.len(), 2);
            for path in written {
                let text = std::fs::read_to_string(place.join(path)).unwrap();
                assert!(!text.contains('@') || text.contains("@app.callback"), "{text}");
                assert!(
                    !["@NAME@", "@MODULE@", "@CLASS@", "@TITLE@", "@MEMBER@"].iter().any(|word| text.contains(word)),
                    "{text}"
                );
            }
            let again = write_files(file, &words, &place).unwrap_err();
            assert_eq!(again.error.unwrap().code, "file-exists");
        }
        let panel = std::fs::read_to_string(folder.path().join("components/components/error_table.py")).unwrap();
        assert!(
            panel.contains("auto_load_page = PluginPage.ENDPOINT") && panel.contains("class ErrorTable(PluginInterface)"),
            "{panel}"
        );
    }
}
