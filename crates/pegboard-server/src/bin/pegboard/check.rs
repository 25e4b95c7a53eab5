//! `pegboard check`: loads each plugin file of the dashboard as a server would, in a worker of its own, and says what is wrong with it. No
//! server is needed; plugins find an empty catalog.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use pegboard_engine::{Engine, Environments, HostedPlugin, Invocation, Preparation};
use pegboard_model::{Error, Failure, FailureKind, PluginName};
use pegboard_server::{PanelRequirements, REQUIREMENTS_FILE, Settings};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::failure::{CommandFailure, FAILED};
use crate::output::Output;

/// What the worker is asked.
const CHECK: &str = "pegboard.panels.check";
/// Folders of a plugin folder, and what their files are.
const KINDS: [(&str, &str); 3] = [("components", "component"), ("views", "view"), ("pages", "page")];

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Finding {
    file: String,
    line: Option<u64>,
    level: String,
    text: String,
    remedy: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Checked {
    findings: Vec<Finding>,
    #[serde(default)]
    loaded: Vec<String>,
}

/// A file to look at.
struct PluginFile {
    root: PathBuf,
    path: PathBuf,
    kind: &'static str,
}

/// Asks one worker about one file and keeps the answer.
struct Question {
    payload: Bytes,
    deadline: std::time::Duration,
    answer: Mutex<Option<Bytes>>,
}

impl Preparation for Question {
    fn first(&self) -> Invocation {
        Invocation { target: CHECK.to_owned(), payload: self.payload.clone(), deadline: self.deadline }
    }

    fn accept(&self, answer: Bytes) -> Result<(), Failure> {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        Ok(())
    }

    fn again(&self) -> Vec<Invocation> {
        Vec::new()
    }
}

/// Prints the findings; fails when one of them is an error.
pub(crate) async fn check(settings: Settings, place: &Path, output: &Output) -> Result<(), CommandFailure> {
    let place = std::path::absolute(place).unwrap_or_else(|_| place.to_owned());
    let wanted = place.clone();
    let files = tokio::task::spawn_blocking(move || files_of(&wanted)).await;
    let files = files.map_err(|error| Error::internal("check", error.to_string()))?.map_err(CommandFailure::usage)?;
    let mut all = Checked::default();
    if !files.is_empty() {
        let environments = Environments::open(settings.engine.environments.clone()).await?;
        let mut options = settings.engine.options.clone();
        // A server may be at work in the data directory.
        options.data = settings.server.data.join("check");
        let engine = Engine::start(options, environments).await?;
        let (requirements, warnings) = requirements_of(&engine, &settings, &files[0].root).await;
        if !output.json {
            warnings.iter().for_each(|finding| tell(finding, &place, output));
        }
        all.findings.extend(warnings);
        for (number, file) in files.iter().enumerate() {
            let found = look_at(&engine, &settings, &requirements, file, number as u64).await;
            if !output.json {
                found.findings.iter().for_each(|finding| tell(finding, &place, output));
            }
            all.findings.extend(found.findings);
            all.loaded.extend(found.loaded);
        }
        engine.shutdown().await;
    }
    let errors = all.findings.iter().filter(|finding| finding.level == "error").count();
    if output.json {
        output.data(&json!({ "files": files.len(), "errors": errors, "findings": all.findings, "loaded": all.loaded }));
    } else {
        let loaded = if all.loaded.is_empty() { "nothing".to_owned() } else { all.loaded.join(", ") };
        output.line(&format!("{}, {}; loaded: {loaded}", counted(files.len(), "file"), counted(errors, "error")));
    }
    if errors > 0 { Err(CommandFailure::silent(FAILED)) } else { Ok(()) }
}

/// What the files of the folder run with, and why that is not what the settings ask for.
async fn requirements_of(engine: &Engine, settings: &Settings, root: &Path) -> (PanelRequirements, Vec<Finding>) {
    let (mut requirements, unused) = PanelRequirements::read(&[root.to_owned()], settings.dashboard.original_workbench).await;
    let refused = requirements.try_original(engine).await.err();
    let file = root.join(REQUIREMENTS_FILE).display().to_string();
    let warn = |error: Error| {
        let level = "warning".to_owned();
        Finding { file: file.clone(), line: None, level, text: error.message, remedy: error.hint }
    };
    (requirements, unused.into_iter().chain(refused).map(warn).collect())
}

async fn look_at(
    engine: &Engine,
    settings: &Settings,
    requirements: &PanelRequirements,
    file: &PluginFile,
    number: u64,
) -> Checked {
    let asked = json!({ "roots": [file.root], "file": file.path, "kind": file.kind });
    let question = Arc::new(Question {
        payload: Bytes::from(asked.to_string()),
        deadline: settings.dashboard.load_deadline,
        answer: Mutex::new(None),
    });
    let name = PluginName::panel(number);
    let plugin = HostedPlugin { name: name.clone(), environment: requirements.of(&file.root), preparation: question.clone() };
    let hosted = engine.host(plugin, &PanelRequirements::preload()).await;
    engine.unhost(&name).await;
    let broken = |text: String, line: Option<u64>, remedy: Option<String>| {
        let file = file.path.display().to_string();
        let findings = vec![Finding { file, line, level: "error".to_owned(), text, remedy }];
        Checked { findings, loaded: Vec::new() }
    };
    if let Err(failure) = hosted {
        let line = failure.traceback.as_deref().and_then(|trace| line_in(trace, &file.path));
        let (text, remedy) = worded(failure);
        return broken(text, line, remedy);
    }
    let answer = question.answer.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
    serde_json::from_slice(&answer)
        .unwrap_or_else(|error| broken(format!("the worker's answer cannot be read: {error}"), None, None))
}

/// What ended the worker, in the words of somebody who wrote a panel.
fn worded(failure: Failure) -> (String, Option<String>) {
    let (text, hint) = match failure.kind {
        FailureKind::Deadline => {
            ("the file took too long to load", "put what takes long into `update_properties`, or raise `dashboard.load_deadline`")
        }
        FailureKind::Died => (
            "the process ended while the file was loaded",
            "look for `os._exit`, and for crashes in compiled libraries that the file imports",
        ),
        FailureKind::Memory => ("the file needed too much memory while it was loaded", "load less, or raise `engine.memory`"),
        _ => return (failure.message, failure.hint),
    };
    (text.to_owned(), Some(hint.to_owned()))
}

/// Where the file was in a traceback or a dump of the stack: the innermost of its lines.
fn line_in(trace: &str, path: &Path) -> Option<u64> {
    let place = format!("File \"{}\", line ", path.display());
    // A dump begins with the innermost frame, a traceback ends with it.
    let found = if trace.contains("most recent call first") { trace.find(&place) } else { trace.rfind(&place) };
    let rest = trace.get(found? + place.len()..)?;
    rest.split(|each: char| !each.is_ascii_digit()).next()?.parse().ok()
}

fn tell(finding: &Finding, place: &Path, output: &Output) {
    let path = Path::new(&finding.file);
    let folder = if place.is_dir() { place } else { place.parent().unwrap_or(place) };
    let shown = path.strip_prefix(folder).unwrap_or(path).display();
    let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
    output.line(&format!("{shown}{line}: {}: {}", finding.level, finding.text));
    if let Some(remedy) = &finding.remedy {
        output.line(&format!("    hint: {remedy}"));
    }
}

fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// The files of a plugin folder in the order in which a server loads them, or the one file.
fn files_of(place: &Path) -> Result<Vec<PluginFile>, Error> {
    let cannot = |error: &std::io::Error| {
        Error::not_found("plugin-folder", format!("`{}` cannot be read: {error}", place.display()))
            .hint("name a plugin folder, which has `components/`, `views/` or `pages/`, or one file of it")
    };
    if std::fs::metadata(place).map_err(|error| cannot(&error))?.is_file() {
        return one_file(place).map(|file| vec![file]);
    }
    let mut files = Vec::new();
    let mut has_folder = false;
    for (folder, kind) in KINDS {
        let Ok(entries) = std::fs::read_dir(place.join(folder)) else { continue };
        has_folder = true;
        let mut paths: Vec<PathBuf> =
            entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| is_plugin(path)).collect();
        paths.sort();
        files.extend(paths.into_iter().map(|path| PluginFile { root: place.to_owned(), path, kind }));
    }
    if !has_folder {
        return Err(Error::invalid("plugin-folder", format!("`{}` is no plugin folder", place.display()))
            .hint("it needs `components/`, `views/` or `pages/`; `pegboard new panel NAME` writes one"));
    }
    Ok(files)
}

fn one_file(path: &Path) -> Result<PluginFile, Error> {
    let folder = path.parent().unwrap_or_else(|| Path::new("/"));
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let kind = KINDS.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
    match kind.filter(|_| path.extension().is_some_and(|end| end == "py")) {
        Some(kind) => Ok(PluginFile { root: folder.parent().unwrap_or(folder).to_owned(), path: path.to_owned(), kind }),
        None => Err(Error::invalid("plugin-folder", format!("`{}` is no plugin file", path.display()))
            .hint("a plugin file ends in `.py` and lies in a folder `components`, `views` or `pages`")),
    }
}

fn is_plugin(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.ends_with(".py") && !name.starts_with('_') && path.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_in_traces() {
        let path = Path::new("/p/a.py");
        let traceback = "Traceback (most recent call last):\n  File \"/p/a.py\", line 3\n  File \"/p/a.py\", line 14, in f\nx";
        assert_eq!(line_in(traceback, path), Some(14));
        let dump =
            "Thread 0x1 (most recent call first):\n  File \"/p/a.py\", line 7 in f\n  File \"/p/a.py\", line 2 in <module>";
        assert_eq!(line_in(dump, path), Some(7));
        assert_eq!(line_in("nothing", path), None);
    }

    #[test]
    fn files_are_those_that_a_server_would_load() {
        let folder = tempfile::tempdir().unwrap();
        for name in
            ["components/b.py", "components/a.py", "components/_c.py", "components/README.md", "pages/p.py", "views/v.py", "x.py"]
        {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let found = files_of(folder.path()).unwrap();
        let names: Vec<_> = found.iter().map(|file| (file.kind, file.path.file_name().unwrap().to_str().unwrap())).collect();
        assert_eq!(names, [("component", "a.py"), ("component", "b.py"), ("view", "v.py"), ("page", "p.py")]);
        let one = files_of(&folder.path().join("pages/p.py")).unwrap();
        assert_eq!((one[0].kind, one[0].root.as_path()), ("page", folder.path()));
        for (place, code) in [("x.py", "plugin-folder"), ("nothing", "plugin-folder"), ("components", "plugin-folder")] {
            assert_eq!(files_of(&folder.path().join(place)).err().map(|error| error.code.to_string()).unwrap(), code, "{place}");
        }
    }
}
