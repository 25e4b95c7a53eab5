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
        "    - {name: numbers, target: pegboard_fixture_good.numbers}\n    - {name: rest, type: parameterized, target: pegboard_fixture_good.sleep_async, depends_on: [numbers]}\n    - {name: total, target: pegboard_fixture_good.total, depends_on: [rest]}\n",
    );
    // The moments are random; when a test fails, they are printed.
    let mut seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos() | 1;
    let mut acknowledged = Vec::new();
    for time in 0..TIMES {
        acknowledged.push(world.run(&["run", "long", "--input", "n=200"]).well().stdout.trim().to_owned());
        // xorshift: uniform enough over the run's two seconds.
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        let moment = Duration::from_millis(u64::from(seed % 2200));
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
    world.run(&["run", "long", "--input", "n=2", "--wait"]).well();
}
