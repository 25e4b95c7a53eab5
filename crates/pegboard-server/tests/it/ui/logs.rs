//! Logs that are far longer than anybody reads: their pages stay small, and all of it can be had.

use std::fs;

use serde_json::{Value as Json, json};

use super::{page, well};
use crate::support::{World, until};

/// Most that a page with a log may weigh, bytes.
const MOST: usize = 256 << 10;

const STAGES: &str = "
def talk():
    print('x' * 50_000_000 + ' end')
    for number in range(200_000):
        print('line', number)
    return 'said'
";

#[test]
fn the_page_of_a_run_that_said_much_has_its_end() {
    let world = World::new();
    let modules = world.data().join("user_modules");
    fs::create_dir_all(&modules).unwrap();
    fs::write(modules.join("talk.py"), STAGES).unwrap();
    world.workflow("talk", "    - name: talk\n      target: user_modules.talk.talk\n");
    let run = well(&world, "POST", "/api/v1/runs", &json!({ "workflow": "talk" }));
    let uid = run["uid"].as_str().unwrap();
    until("the end of the run", || {
        let run = world.get(&format!("/api/v1/runs/{uid}"));
        assert!(run["state"] == "running" || run["state"] == "pending" || run["state"] == "finished", "{run}");
        (run["state"] == "finished").then_some(())
    });
    let shown = page(&world, &format!("/ui/runs/{uid}"));
    assert!(shown.len() < MOST, "{} bytes", shown.len());
    assert!(shown.contains(">line 199999<") && shown.contains("Earlier lines") && !shown.contains(">line 100<"));
    assert_eq!(shown.matches("<li class=\"log-").count(), 400);
    // From its begin on: the line without an end is cut where it is kept, and again where it is shown.
    let first = page(&world, &format!("/ui/runs/{uid}?earlier=400"));
    assert!(first.len() < MOST && first.contains(">line 300<") && first.contains("xxx…"), "{} bytes", first.len());
    let log = world.get(&format!("/api/v1/runs/{uid}/log?limit=2"));
    let long = log["lines"][0]["text"].as_str().unwrap();
    assert!(long.len() > 10_000 && long.len() < 20_000 && long.ends_with('…'), "{} bytes", long.len());
    // The list of lines goes on from page to page without a gap.
    let before = world.get(&format!("/api/v1/runs/{uid}/log?limit=1000&last=true"));
    let earlier = world.get(&format!("/api/v1/runs/{uid}/log?limit=1000&before={}", before["earlier"]));
    assert_eq!(
        earlier["lines"].as_array().unwrap().last().unwrap()["sequence"].as_u64().map(|last| last + 1),
        before["lines"][0]["sequence"].as_u64()
    );
}

const SCRIPT: &str = "
import os
from pegboard.hub import BatchModelPlugin, run

def work(payload):
    payload.logger.info('x' * 500_000)
    for number in range(20_000):
        payload.logger.info('line %d', number)
    return {'said': 'much'}

run(BatchModelPlugin(os.environ['PLUGIN_ID'], os.environ['PLUGIN_SECRET'], work))
";

#[test]
fn the_page_of_a_session_that_said_much_has_its_end() {
    let world = World::new();
    let project = well(&world, "POST", "/api/v1/projects", &json!({ "name": "cars" }));
    let plugin = well(&world, "POST", "/api/v1/hub/plugins", &json!({ "type": "batch-model", "name": "Talks" }));
    let plugin = plugin["id"].as_str().unwrap();
    let host = json!({ "file_name": "talks.py", "script": SCRIPT, "requirements": "" });
    well(&world, "PUT", &format!("/api/v1/hub/plugins/{plugin}/host"), &host);
    until("the light", || (world.get(&format!("/api/v1/hub/plugins/{plugin}"))["live"] == true).then_some(()));
    let session = well(&world, "POST", &format!("/api/v1/hub/plugins/{plugin}/sessions"), &json!({ "project": project["id"] }));
    let path = format!("/api/v1/hub/sessions/{}", session["id"].as_str().unwrap());
    let session = until("the end of the session", || {
        let session = world.get(&format!("{path}?wait=50"));
        matches!(session["state"].as_str(), Some("finished" | "failed")).then_some(session)
    });
    assert_eq!(session["state"], "finished", "{session}");
    assert!(session["log_dropped"].as_u64().unwrap() > 9_000, "{session}");
    let shown = page(&world, &format!("/ui/sessions/{}", session["id"].as_str().unwrap()));
    assert!(shown.len() < MOST, "{} bytes", shown.len());
    assert!(shown.contains("Earlier lines") && shown.contains("more lines were not kept") && !shown.contains(">line 100<"));
    assert!(!shown.contains("data-log="), "nothing more will come");
    let first = page(&world, &format!("/ui/sessions/{}?earlier=300", session["id"].as_str().unwrap()));
    assert!(first.len() < MOST && first.contains(">line 100<") && first.contains("xxx…"), "{} bytes", first.len());
    assert!(first.contains("The last lines") && !first.contains("data-log="));
    // All of it, from its end to its begin, without a gap.
    let (mut numbers, mut before) = (Vec::new(), String::from("last=true"));
    loop {
        let part = world.get(&format!("{path}/log?limit=3000&{before}"));
        let lines = part["lines"].as_array().unwrap();
        let mut these: Vec<u64> = lines.iter().map(|line| line["sequence"].as_u64().unwrap()).collect();
        assert_eq!(part["over"], json!(before == "last=true"));
        these.append(&mut numbers);
        numbers = these;
        match &part["earlier"] {
            Json::Null => break,
            earlier => before = format!("before={earlier}"),
        }
    }
    assert!(numbers.len() > 10_000 && numbers.iter().copied().eq(1..=numbers.len() as u64), "{} lines", numbers.len());
}
