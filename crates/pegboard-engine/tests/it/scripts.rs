//! Scripts that are kept running, as real processes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pegboard_engine::{ScriptVariables, Scripts};
use pegboard_model::{LogStream, Script, ScriptState, ScriptStatus};

use crate::support::World;

const KEY: &str = "64e5f00d0000000000000001";

fn script(text: &str) -> Script {
    Script { file_name: "plugin.py".to_owned(), text: text.to_owned(), requirements: String::new() }
}

fn variables(values: &[(&str, &str)]) -> ScriptVariables {
    let values: Vec<_> = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Arc::new(move || values.clone())
}

/// Waits until the status is as wanted.
async fn status(scripts: &Scripts, what: &str, wanted: impl Fn(&ScriptStatus) -> bool) -> ScriptStatus {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let now = scripts.status(KEY);
        match now {
            Some(status) if wanted(&status) => return status,
            other => assert!(Instant::now() < end, "not {what}: {other:?}\n{}", printed(scripts).join("\n")),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn printed(scripts: &Scripts) -> Vec<String> {
    scripts.lines(KEY).into_iter().filter(|line| line.stream != LogStream::Pegboard).map(|line| line.text).collect()
}

async fn says(scripts: &Scripts, words: &str) {
    let end = Instant::now() + Duration::from_secs(60);
    while !printed(scripts).iter().any(|line| line.contains(words)) {
        assert!(Instant::now() < end, "`{words}` in {:?}", scripts.lines(KEY));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn lives(process_id: u32) -> bool {
    std::path::Path::new(&format!("/proc/{process_id}")).exists()
}

#[tokio::test]
async fn a_script_runs_as_on_the_command_line_and_ends_when_it_is_removed() {
    let world = World::new().await;
    let scripts = world.engine.scripts().clone();
    let text = "import os, sys, time, resource\nfrom pegboard.hub import ModelPlugin\n\
                print('main', __name__, sys.argv == [__file__], os.path.basename(os.getcwd()), os.environ['PLUGIN_SECRET'])\n\
                print('path', sys.path[0] == os.path.dirname(__file__), 'PYTHONPATH' in os.environ)\n\
                print('memory', resource.getrlimit(resource.RLIMIT_DATA)[0])\n\
                print('no line feed', end='')\nsys.stdout.flush()\ntime.sleep(600)\n";
    scripts.host(KEY, script(text), variables(&[("PLUGIN_SECRET", "s-1")])).await.unwrap();
    says(&scripts, "memory").await;
    let running = status(&scripts, "running", |status| status.state == ScriptState::Running).await;
    assert_eq!(printed(&scripts)[..3], ["main __main__ True work s-1", "path True False", "memory 2147483648"]);
    let process_id = running.process_id.unwrap();
    assert!(lives(process_id));
    assert!(scripts.remove(KEY).await.unwrap());
    assert!(!lives(process_id) && scripts.status(KEY).is_none() && scripts.keys().await.unwrap().is_empty());
    assert!(!scripts.remove(KEY).await.unwrap());
}

#[tokio::test]
async fn a_script_that_ends_is_started_again_and_says_why() {
    let world = World::new().await;
    let scripts = world.engine.scripts().clone();
    let text = "import os, sys\nprint('attempt')\nprint('the reason', file=sys.stderr)\nsys.exit(3)\n";
    scripts.host(KEY, script(text), variables(&[])).await.unwrap();
    let waiting = status(&scripts, "waiting", |status| status.state == ScriptState::Waiting).await;
    let failure = waiting.failure.unwrap();
    assert_eq!((failure.code.as_str(), failure.message.as_str()), ("script-ended", "`plugin.py` ended with status 3"));
    assert_eq!(failure.detail.as_deref(), Some("the reason"));
    assert!(waiting.next_start.is_some());
    let begun = Instant::now();
    status(&scripts, "started twice again", |status| status.restarts >= 3).await;
    assert!(begun.elapsed() > Duration::from_millis(2500), "the pauses grow: {:?}", begun.elapsed());
    assert!(printed(&scripts).iter().filter(|line| *line == "attempt").count() >= 3);

    // Another script in its place takes over at once.
    scripts.host(KEY, script("print('another')\nimport time\ntime.sleep(600)\n"), variables(&[])).await.unwrap();
    says(&scripts, "another").await;
    assert_eq!(status(&scripts, "running", |status| status.state == ScriptState::Running).await.restarts, 0);
}

#[tokio::test]
async fn scripts_start_again_with_the_next_engine_and_die_with_theirs() {
    let world = World::new().await;
    let stubborn = "import signal, time\nsignal.signal(signal.SIGTERM, lambda *_: print('no', flush=True))\nprint('here')\n\
                    while True:\n    time.sleep(600)\n";
    let scripts = world.engine.scripts().clone();
    scripts.host(KEY, script(stubborn), variables(&[])).await.unwrap();
    says(&scripts, "here").await;
    let process_id = status(&scripts, "running", |status| status.state == ScriptState::Running).await.process_id.unwrap();
    world.engine.shutdown().await;
    let status = std::fs::read_to_string(format!("/proc/{process_id}/status")).unwrap_or_default();
    assert!(!lives(process_id), "killed at the deadline: {status}");
    assert_eq!(scripts.host(KEY, script(""), variables(&[])).await.unwrap_err().code, "stopping");

    let next = World::engine(world.folder.path(), 1).await;
    let scripts = next.scripts().clone();
    assert_eq!(scripts.keys().await.unwrap(), [KEY]);
    assert_eq!(scripts.script(KEY).await.unwrap().unwrap().text, stubborn);
    scripts.start(KEY, variables(&[])).await.unwrap();
    says(&scripts, "here").await;
    assert_eq!(scripts.start("unknown", variables(&[])).await.unwrap_err().code, "script-not-found");
    next.shutdown().await;
}

#[tokio::test]
async fn what_cannot_be_installed_is_said_and_tried_again() {
    let world = World::new().await;
    let scripts = world.engine.scripts().clone();
    let wanting = Script { requirements: "-r other.txt\n".to_owned(), ..script("print('never')") };
    scripts.host(KEY, wanting, variables(&[])).await.unwrap();
    let waiting = status(&scripts, "waiting", |status| status.state == ScriptState::Waiting).await;
    assert_eq!(waiting.failure.unwrap().code, "bad-requirement");
    status(&scripts, "tried again", |status| status.restarts >= 2).await;
    assert!(printed(&scripts).is_empty());
}
