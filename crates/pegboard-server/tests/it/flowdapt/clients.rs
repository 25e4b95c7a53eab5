//! The real clients, unmodified, as they lie on the package index: `flowctl` and `flowdapt_sdk` do every recorded step against
//! the real binary; exit codes, printed output, returned types and raised exceptions are compared with the recording.
//!
//! They live in a virtual environment below the target directory, made once.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value as Json, json};

use super::compare::Bindings;
use super::exchange::Ask;
use super::golden::{Scenario, Step, scenario};
use super::replay::{clean, world};
use crate::support::root;

const CLIENTS: [&str; 2] = ["flowctl==0.1.4", "flowdapt_sdk==0.1.8"];

/// What a client prints otherwise than in the recording, because the server answers better.
const PRINTED: &[(&str, &str, &str)] = &[
    ("07", "flowctl get plugin flowdapt-probe-plugin -f json", "\"url\": \"https://example.com/probe\","),
    ("07", "flowctl inspect plugin flowdapt-probe-plugin", "url: https://example.com/probe"),
];

/// What the SDK does otherwise, for the same reason.
const RETURNED: &[(&str, &str, &str)] = &[("10", "metrics, all series", "V1Alpha1Metrics")];

/// A program, started as a user would.
#[expect(clippy::disallowed_methods, reason = "a test drives the clients as a user would")]
fn program(path: impl AsRef<OsStr>) -> Command {
    Command::new(path)
}

/// Folder of the clients' programs; made on first use.
pub(crate) fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let folder = root().join("target/flowdapt-clients");
        let marker = folder.join("made-of");
        if fs::read_to_string(&marker).ok().as_deref() != Some(&CLIENTS.join("\n")) {
            let _ = fs::remove_dir_all(&folder);
            run(program("python3").args(["-m", "venv"]).arg(&folder));
            run(program(folder.join("bin/python")).args(["-m", "pip", "install", "--quiet"]).args(CLIENTS));
            fs::write(&marker, CLIENTS.join("\n")).unwrap();
        }
        folder.join("bin")
    })
}

#[track_caller]
fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code(), stdout.into_owned(), stderr.into_owned())
}

/// `flowctl` in a folder of its own, with nothing from the user's.
fn flowctl(folder: &Path, url: &str, arguments: &[String]) -> (Option<i32>, String) {
    let (code, stdout, stderr) = run(program(programs().join("flowctl"))
        .args(arguments)
        .current_dir(folder)
        .env("HOME", folder)
        .env("FLOWCTL__SERVER", url)
        .env("NO_COLOR", "1")
        .env("TERM", "dumb")
        .env("COLUMNS", "200"));
    (code, format!("{stdout}{stderr}"))
}

/// Lines with runs of blanks collapsed, without colours, frames and empty lines.
fn lines(text: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c == '\u{1b}' {
            // Up to the letter that ends the sequence.
            for c in rest.by_ref() {
                if c.is_ascii_alphabetic() {
                    break;
                }
            }
        } else {
            plain.push(c);
        }
    }
    let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ").trim_end_matches(',').to_owned();
    plain.lines().map(line).filter(|line| !line.is_empty()).collect()
}

/// Compares printed lines; where files of a folder come in the order of the file system, in any order.
fn same_lines(expected: &str, found: &str, bindings: &mut Bindings) -> Result<(), String> {
    let (recorded, mut left) = (lines(expected), lines(found));
    let differs = || Err(format!("recorded\n{expected}\nfound\n{found}"));
    if recorded.len() != left.len() {
        return differs();
    }
    for pattern in &recorded {
        let Some(position) = left.iter().position(|line| bindings.text(pattern, line)) else { return differs() };
        left.remove(position);
    }
    Ok(())
}

fn write_files(scenario: &Scenario, folder: &Path) {
    for (name, text) in &scenario.files {
        let path = folder.join("res").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

#[test]
fn flowctl_does_every_recorded_step() {
    let world = world();
    let mut problems = Vec::new();
    let mut steps = 0;
    for number in ["01", "03", "04", "05", "06", "07", "08"] {
        let scenario = scenario(number);
        let folder = tempfile::tempdir().unwrap();
        write_files(&scenario, folder.path());
        let mut bindings = Bindings::default();
        for step in &scenario.steps {
            let Some(argv) = &step.argv else {
                raw(&world.url, step, &mut bindings);
                continue;
            };
            steps += 1;
            let argv: Vec<String> = argv.iter().map(|argument| bindings.fill(argument)).collect();
            let (code, printed) = flowctl(folder.path(), &world.url, &argv);
            let stdout = step.stdout.as_deref().unwrap_or_default();
            let expected = match PRINTED.iter().find(|(scenario, label, _)| *scenario == number && *label == step.label) {
                Some((_, _, line)) => {
                    let old = if line.contains('"') { "\"url\": \"\"," } else { "url: ''" };
                    assert!(stdout.contains(old), "{stdout}");
                    stdout.replace(old, line)
                }
                None => stdout.to_owned(),
            };
            let outcome = if code == step.exit_code {
                same_lines(&expected, &printed, &mut bindings)
            } else {
                Err(format!("exit code {code:?}, recorded {:?}: {printed}", step.exit_code))
            };
            if let Err(problem) = outcome {
                problems.push(format!("{number} {}: {problem}", step.label));
            }
        }
        clean(&world.url);
    }
    assert!(steps > 80, "only {steps} steps were read");
    assert!(problems.is_empty(), "{} of {steps} steps differ:\n{}", problems.len(), problems.join("\n"));
}

/// A step that was recorded without a client; only what it teaches about placeholders matters here.
fn raw(url: &str, step: &Step, bindings: &mut Bindings) {
    for exchange in step.exchanges.iter().filter(|exchange| exchange.request.method == "GET") {
        let answer = Ask::new("GET", &bindings.fill(&exchange.request.path)).send(url);
        let recorded = &exchange.response;
        if let (Some(body), None, 200, 200) = (&recorded.body, &recorded.body_text, recorded.status, answer.status) {
            // Compared by the replay; here a mismatch only leaves the placeholders unknown.
            let _ = bindings.json("", body, &answer.json());
        }
    }
}

/// Options that no recording has.
#[test]
fn flowctl_takes_every_other_option() {
    let world = world();
    let folder = tempfile::tempdir().unwrap();
    write_files(&scenario("06"), folder.path());
    let check = |arguments: &[&str], expected_code: i32, words: &[&str]| {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let (code, printed) = flowctl(folder.path(), &world.url, &arguments);
        assert_eq!(code, Some(expected_code), "{arguments:?}: {printed}");
        words.iter().for_each(|word| assert!(printed.contains(word), "{arguments:?}: `{word}` in\n{printed}"));
    };
    check(&["apply", "-p", "res/workflows", "-p", "res/configs"], 0, &["[workflow/hello] created", "[config/main] created"]);
    check(&["run", "hello", "--name", "Bob", "-f", "json"], 0, &["hello Bob"]);
    check(&["run", "hello", "--name", "Bob", "-f", "yaml"], 0, &["hello Bob"]);
    check(&["get", "runs", "hello", "-f", "yaml"], 0, &["workflow: hello", "state: finished"]);
    check(&["get", "runs", "hello", "--limit", "1", "--select", "[].state"], 0, &["finished"]);
    check(&["get", "workflow_runs", "hello"], 0, &["finished"]);
    check(&["metrics", "cpu", "-f", "json", "-l", "1"], 0, &[]);
    check(&["metrics", "memory", "-f", "raw", "-s", "2020-01-01 00:00:00", "-e", "2099-01-01 00:00:00"], 0, &["["]);
    check(&["metrics", "api_latency", "-f", "raw"], 0, &[]);
    check(&["metrics", "memory"], 0, &[]);
    check(&["-s", &world.url, "get", "workflows"], 0, &["hello"]);
    check(&["config", "show"], 0, &[]);
    check(&["config", "add", "mine", &world.url], 0, &[]);
    check(&["config", "get", "mine"], 0, &[]);
    check(&["get", "plugins", "-f", "json"], 0, &["flowdapt-probe-plugin"]);
    check(&["delete", "-p", "res/workflows"], 0, &["deleted"]);
}

#[test]
fn the_sdk_does_every_recorded_call() {
    let world = world();
    let mut problems = Vec::new();
    let mut methods = BTreeSet::new();
    for number in ["09", "10"] {
        let scenario = scenario(number);
        let outcomes = drive(&world.url, &scenario);
        assert_eq!(outcomes.len(), scenario.steps.len());
        for (step, outcome) in scenario.steps.iter().zip(&outcomes) {
            methods.extend(step.call.as_deref().and_then(|call| call.split('(').next()).map(str::to_owned));
            let better = RETURNED.iter().find(|(scenario, label, _)| *scenario == number && step.label.starts_with(label));
            if let Err(problem) = outcome_is(step, outcome, better.map(|(_, _, returns)| *returns)) {
                problems.push(format!("{number} {}: {problem}", step.label));
            }
        }
        clean(&world.url);
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    // ping, status, metrics; five each of workflows, configs and triggers; four of runs; four of plugins.
    assert_eq!(methods.len(), 26, "{methods:?}");
}

fn drive(url: &str, scenario: &Scenario) -> Vec<Json> {
    let bodies: Vec<Option<&Json>> = scenario.steps.iter().map(|step| step.exchanges.first()?.request.body.as_ref()).collect();
    let step = |(index, step): (usize, &Step)| {
        let exchanges: Vec<Json> = step
            .exchanges
            .iter()
            .map(|exchange| {
                let request = json!({ "path": exchange.request.path, "body": exchange.request.body });
                json!({ "request": request, "response": { "body": exchange.response.body } })
            })
            .collect();
        // A call that the client refuses itself made no request; it was made with the body of the create before it.
        let body = bodies[..index].iter().rev().flatten().next();
        json!({ "label": step.label, "call": step.call, "exchanges": exchanges, "body": body })
    };
    let steps: Vec<Json> = scenario.steps.iter().enumerate().map(step).collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/flowdapt/sdk_client.py");
    let mut child = program(programs().join("python"))
        .arg(script)
        .arg(url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(Json::from(steps).to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {stderr}"))
}

fn outcome_is(step: &Step, outcome: &Json, better: Option<&str>) -> Result<(), String> {
    let differs = |what: &str| Err(format!("recorded {what}, found {outcome}"));
    if let Some(returns) = better.or(step.returns.as_deref()) {
        return if outcome["returns"] == returns { Ok(()) } else { differs(returns) };
    }
    let (raises, message) = (step.raises.as_deref().unwrap_or_default(), step.message.as_deref().unwrap_or_default());
    let said = outcome["message"].as_str().unwrap_or_default();
    // Texts of the original's validation library are its own.
    let same = message == "<VALIDATION>" || said == message;
    if outcome["raises"] == raises && !said.is_empty() && same { Ok(()) } else { differs(&format!("{raises}: {message}")) }
}
