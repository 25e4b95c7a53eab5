//! `kill -9` of the server at twenty moments of a run. What was acknowledged is there afterwards, and nothing stays "running".

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::World;

const TIMES: u32 = 20;

#[test]
fn no_run_is_lost_and_none_stays_running() {
    let mut world = World::new();
    world.install_good();
    world.workflow(
        "long",
        "    - {name: rest, type: parameterized, target: pegboard_fixture_good.sleep, options: {map_on: seconds}}\n    - {name: total, target: pegboard_fixture_good.total, depends_on: [rest]}\n",
    );
    // On two workers about a second, so that some runs are over when the server is killed.
    let input = world.file("input.json", &serde_json::json!({ "seconds": vec![0.02; 100] }).to_string());
    world.run(&["run", "long", "--input", "seconds=[0]", "--wait"]).well();
    // The moments are random; when a test fails, they are printed.
    let mut seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos() | 1;
    let mut acknowledged = Vec::new();
    for time in 0..TIMES {
        acknowledged.push(world.run(&["run", "long", "--input-file", &input]).well().stdout.trim().to_owned());
        // xorshift: uniform enough over two seconds.
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        let moment = Duration::from_millis(u64::from(seed % 2000));
        std::thread::sleep(moment);
        world.kill();
        world.start();
        for name in &acknowledged {
            let run = world.get(&format!("/api/v1/runs/{name}"));
            let state = run["state"].as_str().unwrap();
            assert!(matches!(state, "finished" | "interrupted"), "time {time} after {moment:?}: {name} is {state}");
            for stage in run["stages"].as_array().unwrap() {
                assert!(!matches!(stage["state"].as_str(), Some("running")), "time {time} after {moment:?}: {stage}");
            }
        }
    }
    // The log is readable, and the plugin still works.
    world.run(&["logs", &acknowledged[0]]).well();
    assert_eq!(world.run(&["run", "long", "--input", "seconds=[0.5, 0.25]", "--wait"]).well().json(), 0.75);
}
