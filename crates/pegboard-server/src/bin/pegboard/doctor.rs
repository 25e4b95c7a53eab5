//! `pegboard doctor`: looks at this machine and says what is missing and how to get it. Changes nothing.

use std::path::Path;
use std::time::Duration;

use pegboard_engine::{EnvironmentOptions, Environments, Installer, KernelView};
use pegboard_server::Settings;
use pegboard_server::config::{package_index, print_size};
use serde::Serialize;
use serde_json::json;

use crate::failure::{CommandFailure, FAILED};
use crate::output::Output;

/// Longest time for the index to take a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// Less than this on the disk makes trouble soon; less than a tenth of it now.
const SPACE: u64 = 2 << 30;

/// Each plugin needs some descriptors, each shared value one.
const OPEN_FILES: u64 = 4096;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Ok,
    /// Works, but not as well as it could.
    Weak,
    /// Pegboard cannot do its work without.
    Missing,
}

#[derive(Debug, Serialize)]
struct Finding {
    subject: &'static str,
    verdict: Verdict,
    found: String,
    hint: Option<String>,
}

impl Finding {
    fn ok(subject: &'static str, found: impl Into<String>) -> Self {
        Self { subject, verdict: Verdict::Ok, found: found.into(), hint: None }
    }

    fn weak(subject: &'static str, found: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { subject, verdict: Verdict::Weak, found: found.into(), hint: Some(hint.into()) }
    }

    fn missing(subject: &'static str, found: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { subject, verdict: Verdict::Missing, found: found.into(), hint: Some(hint.into()) }
    }
}

pub(crate) async fn examine(settings: &Settings, output: &Output) -> Result<(), CommandFailure> {
    let (mut findings, index) = tokio::join!(tools(settings), index(settings));
    findings.extend(kernel());
    findings.push(rights().await);
    findings.push(open_files());
    findings.extend(data_directory(&settings.server.data));
    findings.push(index);
    if output.json {
        output.data(&json!({ "findings": findings }));
    } else {
        for finding in &findings {
            let mark = match finding.verdict {
                Verdict::Ok => "ok",
                Verdict::Weak => "weak",
                Verdict::Missing => "MISSING",
            };
            output.line(&format!("{mark:<8} {:<16} {}", finding.subject, finding.found));
            if let Some(hint) = &finding.hint {
                output.line(&format!("{:<26}{hint}", ""));
            }
        }
    }
    if findings.iter().any(|finding| finding.verdict == Verdict::Missing) {
        return Err(CommandFailure::silent(FAILED));
    }
    Ok(())
}

/// Python and what installs packages, as the engine would find them.
async fn tools(settings: &Settings) -> Vec<Finding> {
    const HOW: &str = "install Python 3.10 or newer (Debian: `apt install python3 python3-venv`), or set `engine.python`";
    // A folder of its own: opening the real one would tidy up under a server that is at work there.
    let scratch = std::env::temp_dir().join(format!("pegboard-doctor-{}", std::process::id()));
    let options = EnvironmentOptions { data: scratch.clone(), ..settings.engine.environments.clone() };
    let found = async { Environments::open(options).await?.tools().await }.await;
    // Nothing of worth was put there.
    let _ = tokio::fs::remove_dir_all(&scratch).await;
    let tools = match found {
        Ok(tools) => tools,
        Err(error) => return vec![Finding::missing("python", error.message, error.hint.unwrap_or_else(|| HOW.to_owned()))],
    };
    let python = Finding::ok("python", format!("{} at {}", tools.python_version, tools.python.display()));
    let installer = match tools.installer {
        Installer::Uv { path, version } => Finding::ok("uv", format!("{version} at {}", path.display())),
        Installer::UvPending => Finding::weak(
            "uv",
            "not on PATH",
            "it is installed into the data directory with the first environment; `pip install uv` gives it to everybody",
        ),
        Installer::Pip { reason } => {
            Finding::weak("uv", reason, "environments are made with venv and pip, which is slower; `pip install uv`")
        }
    };
    vec![python, installer]
}

/// What the kernel must have for shared values and for supervision.
fn kernel() -> Vec<Finding> {
    let Ok(release) = std::fs::read_to_string("/proc/sys/kernel/osrelease") else {
        return vec![Finding::missing(
            "kernel",
            "this is not Linux, or /proc is not mounted",
            "run Pegboard on Linux 5.3 or newer, in a container with /proc",
        )];
    };
    let release = release.trim();
    let numbers: Vec<u32> = release.split(['.', '-']).map_while(|part| part.parse().ok()).collect();
    let since = |major: u32, minor: u32| numbers.as_slice() >= [major, minor].as_slice();
    vec![if since(5, 3) {
        Finding::ok("kernel", format!("{release}: shared memory files and process handles"))
    } else {
        Finding::missing("kernel", format!("{release} has no process handles (pidfd)"), "use Linux 5.3 or newer")
    }]
}

/// With whose rights plugins run: those of whoever starts the server.
async fn rights() -> Finding {
    const SUBJECT: &str = "plugins run as";
    match KernelView::of(None).await {
        Ok(view) if view.user == 0 => Finding::weak(
            SUBJECT,
            "root, when you start the server",
            "they may read, write and reach whatever root may, and `engine.processes` does not hold; start it as a user of its own",
        ),
        Ok(view) => Finding::ok(SUBJECT, format!("user {}, and may what that user may", view.user)),
        Err(error) => Finding::weak(SUBJECT, format!("cannot be read: {error}"), "mount /proc"),
    }
}

fn open_files() -> Finding {
    match rlimit::Resource::NOFILE.get() {
        Ok((soft, hard)) if hard >= OPEN_FILES => Finding::ok("open files", format!("{soft}, can be raised to {hard}")),
        Ok((_, hard)) => Finding::weak(
            "open files",
            format!("at most {hard}"),
            format!("raise the hard limit to {OPEN_FILES} or more (`ulimit -Hn`, or LimitNOFILE= of the service)"),
        ),
        Err(error) => Finding::weak("open files", format!("cannot be read: {error}"), "look at `ulimit -n`"),
    }
}

fn data_directory(data: &Path) -> Vec<Finding> {
    let existing = data.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
    let probe = existing.join(format!(".pegboard-doctor-{}", std::process::id()));
    let writable = std::fs::write(&probe, b"").and_then(|()| std::fs::remove_file(&probe));
    let mut findings = vec![match writable {
        Ok(()) if existing == data => Finding::ok("data directory", data.display().to_string()),
        Ok(()) => Finding::ok("data directory", format!("{} does not exist yet and can be made", data.display())),
        Err(error) => Finding::missing(
            "data directory",
            format!("cannot write to {}: {error}", existing.display()),
            "choose another one with `--set server.data=DIR`",
        ),
    }];
    findings.push(match fs4::available_space(existing) {
        Ok(free) if free >= SPACE => Finding::ok("disk space", format!("{} free", rounded(free))),
        Ok(free) if free >= SPACE / 10 => Finding::weak(
            "disk space",
            format!("{} free", rounded(free)),
            "environments with large packages need more: free some space",
        ),
        Ok(free) => Finding::missing(
            "disk space",
            format!("{} free", rounded(free)),
            "free some space, or choose another disk with `--set server.data=DIR`",
        ),
        Err(error) => Finding::weak("disk space", format!("cannot be read: {error}"), "look at `df`"),
    });
    findings
}

fn rounded(bytes: u64) -> String {
    print_size(if bytes >= 10 << 30 { bytes >> 30 << 30 } else { bytes >> 20 << 20 })
}

async fn index(settings: &Settings) -> Finding {
    if settings.engine.environments.offline {
        return Finding::ok("package index", "not used: `engine.offline` is set");
    }
    let Some(index) = settings.engine.index_url.clone().or_else(package_index) else {
        // Which one that is, and whether it can be reached, is the tool's own affair.
        return Finding::ok("package index", "the default of uv and pip; `engine.index_url` names another");
    };
    let Some((host, target)) = place(&index) else {
        return Finding::ok("package index", format!("{} on this machine", index.trim_start_matches("file://")));
    };
    match tokio::time::timeout(PATIENCE, tokio::net::TcpStream::connect(&target)).await {
        Ok(Ok(_)) => Finding::ok("package index", format!("{host} takes connections")),
        _ => Finding::weak(
            "package index",
            format!("{host} does not take a direct connection"),
            "behind a proxy this may be well; else name a reachable index with `engine.index_url`, or set `engine.offline` and install from wheels",
        ),
    }
}

/// Host as it is shown, and where to connect to; none for a folder.
fn place(index: &str) -> Option<(String, String)> {
    let (scheme, rest) = index.split_once("://").unwrap_or(("https", index));
    if scheme == "file" {
        return None;
    }
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let default_port = if scheme == "http" { 80 } else { 443 };
    // A port follows the last colon, unless that is inside of an IPv6 address.
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.chars().all(|c| c.is_ascii_digit()) && !port.is_empty());
    let has_port = has_port && (!host.starts_with('[') || host.contains("]:"));
    let target = if has_port { host.to_owned() } else { format!("{host}:{default_port}") };
    Some((host.to_owned(), target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_asked_at_its_own_place() {
        for (index, expected) in [
            ("https://index.example/simple", Some(("index.example", "index.example:443"))),
            ("http://me:secret@index.example:8080/simple/", Some(("index.example:8080", "index.example:8080"))),
            ("http://[::1]/simple", Some(("[::1]", "[::1]:80"))),
            ("file:///srv/wheels", None),
        ] {
            let found = place(index);
            assert_eq!(found.as_ref().map(|(host, target)| (host.as_str(), target.as_str())), expected, "{index}");
        }
    }

    #[tokio::test]
    async fn no_registry_is_named_or_asked_when_none_is_configured() {
        let sources = pegboard_server::config::Sources { directory: std::env::temp_dir(), ..Default::default() };
        let mut settings = Settings::load(&sources).unwrap();
        settings.engine.index_url = None;
        if package_index().is_none() {
            let finding = index(&settings).await;
            assert_eq!(finding.verdict, Verdict::Ok);
            assert!(!finding.found.contains('/') && finding.found.contains("default"), "{finding:?}");
        }
        let source = include_str!("doctor.rs").split("#[cfg(test)]").next().unwrap();
        assert!(!source.contains("https://"), "doctor falls back to a registry of its own choice");
    }
}
