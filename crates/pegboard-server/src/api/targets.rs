//! Targets that would not resolve, told at apply. A run would tell it, too; here it is a warning, because the plugin may come later.
//!
//! Which attributes a module has only the module knows, and plugins' code runs nowhere but in their workers: so each plugin is
//! asked there, once for all of its targets, and a plugin that does not answer soon is not waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::join_all;
use futures::stream::BoxStream;
use pegboard_model::{Argument, Call, CallEvent, CallId, Operation, PluginName, PluginRunner, RunContext, Value, WorkflowSpec};
use serde_json::json;
use uuid::Uuid;

use super::parameters::Descriptions;
use crate::app::App;

/// Longest wait for the plugins.
const PATIENCE: Duration = Duration::from_secs(3);
/// Asked of a worker: raises one line per target that does not resolve.
const CHECK: &str = "pegboard._targets.check";
/// Asked of a worker: the parameters of each target.
const DESCRIBE: &str = "pegboard._targets.describe";
/// Modules of the data directory.
const USER_MODULES: &str = "user_modules";
/// What the host brings along.
const OURS: [&str; 2] = ["flowdapt", "pegboard"];

/// One sentence for each target that does not resolve.
pub(super) async fn unresolved(app: &App, spec: &WorkflowSpec) -> Vec<String> {
    let runner = app.engine.runner();
    let targets: BTreeSet<&str> = spec.stages.iter().map(|stage| stage.target.trim()).collect();
    let mut warnings = Vec::new();
    let mut of_plugins: BTreeMap<PluginName, Vec<&str>> = BTreeMap::new();
    for target in targets {
        let owner = runner.owner(target);
        let problem = match malformed(target) {
            None if owner == PluginName::base() => without_plugin(app, target).await,
            malformed => malformed,
        };
        match problem {
            Some(problem) => warnings.push(format!("target `{target}` does not resolve: {problem}")),
            None => of_plugins.entry(owner).or_default().push(target),
        }
    }
    let asked = of_plugins.into_iter().map(|(plugin, targets)| {
        let said = ask(Arc::clone(&runner), plugin, targets);
        async { tokio::time::timeout(PATIENCE, said).await.unwrap_or_default() }
    });
    warnings.extend(join_all(asked).await.into_iter().flatten());
    warnings
}

/// What is wrong with a target that names nothing, whatever is installed.
fn malformed(target: &str) -> Option<String> {
    const FORM: &str = "a target is a dotted path such as `package.module.function`";
    if target.is_empty() {
        return Some(format!("it is empty; {FORM}"));
    }
    let is_path = target.contains('.') && target.split('.').all(|part| !part.is_empty() && !part.contains([':', '/', ' ', '(']));
    if is_path {
        return None;
    }
    let meant = target.trim_matches(['.', ':']).replace([':', '/'], ".");
    let meant = if meant != target && meant.contains('.') && !meant.contains([' ', '(']) {
        format!("; did you mean `{meant}`?")
    } else {
        String::new()
    };
    Some(format!("{FORM}{meant}"))
}

/// What is wrong with a target that no plugin owns, as far as that is known without asking a worker.
async fn without_plugin(app: &App, target: &str) -> Option<String> {
    let (module, _) = target.rsplit_once('.')?;
    let first = module.split('.').next().unwrap_or_default();
    if first == USER_MODULES {
        let parts: Vec<&str> = module.split('.').collect();
        let folder = app.settings.server.data.join(parts.join("/"));
        let is_there = tokio::fs::try_exists(folder.with_extension("py")).await.unwrap_or(true)
            || tokio::fs::try_exists(&folder).await.unwrap_or(true);
        return (!is_there).then(|| format!("there is no `{}.py` in the data directory", parts.join("/")));
    }
    let is_known = OURS.contains(&first) || is_standard_module(first);
    (!is_known).then(|| format!("no installed plugin has a module `{first}`"))
}

/// Whether Python itself has a module of that name, in one of its versions.
#[must_use]
pub fn is_standard_module(module: &str) -> bool {
    STANDARD_LIBRARY.split(' ').any(|name| name == module)
}

/// What workers say of the parameters of these targets. Those that do not resolve, or do not answer soon, are left out.
pub(super) async fn described(app: &App, targets: BTreeSet<&str>) -> Descriptions {
    let runner = app.engine.runner();
    let mut of_plugins: BTreeMap<PluginName, Vec<&str>> = BTreeMap::new();
    for target in targets.into_iter().filter(|target| malformed(target).is_none()) {
        of_plugins.entry(runner.owner(target)).or_default().push(target);
    }
    let asked = of_plugins.into_iter().map(|(plugin, targets)| {
        let said = describe(Arc::clone(&runner), plugin, targets);
        async { tokio::time::timeout(PATIENCE, said).await.ok().flatten().unwrap_or_default() }
    });
    join_all(asked).await.into_iter().flatten().collect()
}

/// One call that gathers, and one that says it as JSON.
async fn describe(runner: Arc<dyn PluginRunner>, plugin: PluginName, targets: Vec<&str>) -> Option<Descriptions> {
    let context = context(&targets);
    let gather = Operation::Stage { target: DESCRIBE.to_owned(), arguments: None };
    let gathered = value(runner.call(call(&plugin, gather, Arc::clone(&context)))).await?;
    let say = Operation::Encode { argument: Argument::Single(gathered) };
    let said = value(runner.call(call(&plugin, say, context))).await?;
    serde_json::from_slice(&runner.content(&said).await?).ok()
}

/// What a call ends with, when it ends well.
async fn value(mut events: BoxStream<'static, CallEvent>) -> Option<Value> {
    while let Some(event) = events.next().await {
        match event {
            CallEvent::Finished { mut values, .. } => return values.pop(),
            CallEvent::Failed(_) => return None,
            _ => {}
        }
    }
    None
}

fn context(targets: &[&str]) -> Arc<RunContext> {
    let context = json!({ "input": { "targets": targets }, "namespace": "", "executor": "local", "config": {} });
    Arc::new(RunContext { id: format!("check-{}", Uuid::new_v4()), json: Bytes::from(context.to_string()) })
}

fn call(plugin: &PluginName, operation: Operation, context: Arc<RunContext>) -> Call {
    let (plugin, stage) = (plugin.clone(), "check".to_owned());
    Call { id: CallId::next(), plugin, operation, context, stage, deadline: Some(PATIENCE) }
}

async fn ask(runner: Arc<dyn PluginRunner>, plugin: PluginName, targets: Vec<&str>) -> Vec<String> {
    let operation = Operation::Stage { target: CHECK.to_owned(), arguments: None };
    let mut events = runner.call(call(&plugin, operation, context(&targets)));
    while let Some(event) = events.next().await {
        // Other failures are the plugin's own trouble, which is shown with the plugin.
        if let CallEvent::Failed(failure) = event
            && failure.class == "UnresolvedTargets"
        {
            return failure.message.lines().map(str::to_owned).collect();
        }
    }
    Vec::new()
}

/// Top-level modules that every Python has, between blanks.
const STANDARD_LIBRARY: &str = "\
    abc aifc antigravity argparse array ast asynchat asyncio asyncore atexit audioop base64 bdb binascii bisect builtins bz2 \
    cProfile calendar cgi cgitb chunk cmath cmd code codecs codeop collections colorsys compileall concurrent configparser \
    contextlib contextvars copy copyreg crypt csv ctypes curses dataclasses datetime dbm decimal difflib dis distutils doctest \
    email encodings ensurepip enum errno faulthandler fcntl filecmp fileinput fnmatch fractions ftplib functools gc \
    genericpath getopt getpass gettext glob graphlib grp gzip hashlib heapq hmac html http idlelib imaplib imghdr imp \
    importlib inspect io ipaddress itertools json keyword lib2to3 linecache locale logging lzma mailbox mailcap marshal math \
    mimetypes mmap modulefinder msilib msvcrt multiprocessing netrc nis nntplib nt ntpath nturl2path numbers opcode operator \
    optparse os ossaudiodev pathlib pdb pickle pickletools pipes pkgutil platform plistlib poplib posix posixpath pprint \
    profile pstats pty pwd py_compile pyclbr pydoc pydoc_data pyexpat queue quopri random re readline reprlib resource \
    rlcompleter runpy sched secrets select selectors shelve shlex shutil signal site smtpd smtplib sndhdr socket socketserver \
    spwd sqlite3 sre_compile sre_constants sre_parse ssl stat statistics string stringprep struct subprocess sunau symtable \
    sys sysconfig syslog tabnanny tarfile telnetlib tempfile termios textwrap this threading time timeit tkinter token \
    tokenize tomllib trace traceback tracemalloc tty turtle turtledemo types typing unicodedata unittest urllib uu uuid venv \
    warnings wave weakref webbrowser winreg winsound wsgiref xdrlib xml xmlrpc zipapp zipfile zipimport zlib zoneinfo";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_dotted_path_is_told_with_what_was_meant() {
        for (target, words) in [
            ("", Some("it is empty")),
            ("stages", Some("dotted path")),
            ("chaos:stages", Some("did you mean `chaos.stages`?")),
            ("chaos.stages:work", Some("did you mean `chaos.stages.work`?")),
            ("a..b", Some("dotted path")),
            (".a.b", Some("did you mean `a.b`?")),
            ("a.b()", Some("dotted path")),
            ("a.b", None),
            ("a.b.c", None),
        ] {
            let found = malformed(target);
            assert_eq!(found.is_some(), words.is_some(), "{target}: {found:?}");
            assert!(found.unwrap_or_default().contains(words.unwrap_or_default()), "{target}");
        }
    }
}
