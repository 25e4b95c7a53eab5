//! The same workflows on the built-in executor, on a Ray cluster, on a Dask cluster, and on classes of the plugin's own.
//!
//! The clusters are real: two nodes of Ray, a Dask scheduler with two workers, started from the plugin's own environment and
//! ended with the test.

use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value as Json, json};

use crate::support::{World, root, until};

const FIXTURE: &str = "pegboard_fixture_cluster";
/// File with the token of a Ray cluster.
const TOKEN: &str = "ray-token";

/// Processes of a cluster; each leads a group, which ends with it.
struct Cluster {
    nodes: Vec<Child>,
    folder: PathBuf,
}

impl Cluster {
    fn new(folder: &Path) -> Self {
        Self { nodes: Vec::new(), folder: folder.to_owned() }
    }

    #[expect(clippy::disallowed_methods, reason = "a test starts a cluster as its operator would")]
    fn start(&mut self, program: &Path, arguments: &[&str], variables: &[(&str, &str)]) {
        let log = fs::File::create(self.folder.join(format!("node-{}.log", self.nodes.len()))).unwrap();
        let mut command = Command::new(program);
        command.args(arguments).envs(variables.iter().copied()).current_dir(&self.folder).process_group(0);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.nodes.push(command.spawn().unwrap());
    }

    fn log(&self, node: usize) -> String {
        fs::read_to_string(self.folder.join(format!("node-{node}.log"))).unwrap_or_default()
    }

    fn wait_for(&self, node: usize, words: &str) {
        until(words, || {
            let log = self.log(node);
            let ended = log.contains("Traceback") || log.contains("error:");
            assert!(!ended, "node {node} does not start:\n{log}");
            log.contains(words).then_some(())
        });
    }

    /// Asks all of them to end, then makes sure of it.
    #[expect(clippy::disallowed_methods, reason = "the shell's kill is at hand everywhere")]
    fn stop(&mut self) {
        for name in ["TERM", "KILL"] {
            for node in &mut self.nodes {
                let _ = Command::new("kill").args([&format!("-{name}"), "--", &format!("-{}", node.id())]).output();
            }
            if name == "TERM" {
                let begun = std::time::Instant::now();
                while begun.elapsed().as_secs() < 10 && self.nodes.iter_mut().any(|node| node.try_wait().unwrap().is_none()) {
                    std::thread::sleep(std::time::Duration::from_millis(50));
                }
            }
        }
        for mut node in self.nodes.drain(..) {
            let _ = node.wait();
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A server whose settings name an executor, with the plugin installed.
fn world(target: &str, options: &str) -> World {
    let mut world = World { folder: tempfile::tempdir().unwrap(), url: String::new(), server: None };
    let settings = format!("[flow.executor]\ntarget = \"{target}\"\n[flow.executor.options]\n{options}\n");
    world.file("pegboard.toml", &settings);
    // Ray's nodes and drivers show each other the token in this file, whatever the home directory has.
    let token = world.file(TOKEN, &"5e".repeat(32));
    world.start_with(&[("RAY_AUTH_TOKEN_PATH", &token)]);
    // Builds of one source folder share its scratch files: one at a time.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    world.run(&["install", root().join("fixtures/plugins/cluster").to_str().unwrap()]).well();
    workflows(&world);
    world
}

/// Folder of the programs of the plugin's environment.
fn programs(world: &World, name: &str) -> PathBuf {
    let environments = fs::read_dir(world.data().join("environments")).unwrap();
    let found = environments.map(|entry| entry.unwrap().path().join("bin")).find(|path| path.join(name).exists());
    found.unwrap_or_else(|| panic!("no environment has `{name}`"))
}

fn workflows(world: &World) {
    let stage = |name: &str, function: &str, more: &str| format!("    - {{name: {name}, target: {FIXTURE}.{function}{more}}}\n");
    let fan = ", type: parameterized, depends_on: [numbers]";
    for (name, stages) in [
        (
            "squares",
            [
                stage("numbers", "numbers", ""),
                stage("square", "square", fan),
                stage("waiting", "square_async", fan),
                stage("total", "total", ", depends_on: [square, waiting]"),
            ]
            .concat(),
        ),
        ("partial", [stage("numbers", "numbers", ""), stage("each", "fail_on", fan)].concat()),
        (
            "strict",
            [
                stage("numbers", "numbers", ""),
                stage("each", "fail_on", &format!("{fan}, options: {{allow_partial_failure: false}}")),
            ]
            .concat(),
        ),
        ("large", [stage("make", "large", ""), stage("size", "size", ", depends_on: [make]")].concat()),
        ("memory", [stage("store", "store", ""), stage("fetch", "fetch", ", depends_on: [store]")].concat()),
        ("where", stage("here", "where", "")),
        ("fail", stage("sour", "fail", "")),
        ("fail-badly", stage("sour", "fail_badly", "")),
        ("leave", stage("out", "leave", "")),
        ("unpicklable", stage("odd", "unpicklable", "")),
        ("rest", stage("nap", "rest", "")),
        ("vanish", stage("gone", "vanish", "")),
        ("first", stage("same", "one", "")),
        ("second", stage("same", "two", "")),
        ("greedy", stage("big", "one", ", resources: {cpus: 64}")),
    ] {
        world.workflow(name, &stages);
    }
}

/// Runs a workflow to its end; the whole record.
fn run(world: &World, workflow: &str, input: &[&str]) -> Json {
    let mut arguments = vec!["run", workflow, "--wait", "--json"];
    input.iter().for_each(|given| arguments.extend(["--input", given]));
    let ended = world.run(&arguments);
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}\n{}", world.log()))
}

#[track_caller]
fn result(world: &World, workflow: &str, input: &[&str], expected: &Json) -> Json {
    let run = run(world, workflow, input);
    assert_eq!((run["state"].as_str(), &run["result"]), (Some("finished"), expected), "{run:#}");
    run
}

#[track_caller]
fn failure(world: &World, workflow: &str, class: &str, words: &str) -> Json {
    let run = run(world, workflow, &[]);
    let failure = &run["failure"];
    assert_eq!((run["state"].as_str(), failure["class"].as_str()), (Some("failed"), Some(class)), "{run:#}");
    assert!(failure["message"].as_str().unwrap().contains(words), "{failure:#}");
    run
}

/// What must be the same everywhere.
fn same_everywhere(world: &World, executor: &str) {
    let squares = result(world, "squares", &["n=40"], &json!(2 * (0..40).map(|n| n * n).sum::<i64>()));
    let states: Vec<_> = squares["stages"].as_array().unwrap().iter().map(|stage| stage["state"].clone()).collect();
    assert_eq!(states, ["finished"; 4]);
    assert_eq!(squares["stages"][1]["items"]["total"], 40, "{squares:#}");
    let log = world.run(&["logs", squares["name"].as_str().unwrap()]).well().stdout;
    assert!(log.contains("counting to 40") && log.contains("counted"), "{log}");
    result(world, "partial", &["n=6"], &json!([0, 10, 20, 40, 50]));
    failure(world, "strict", "RuntimeError", "3 is bad");
    result(world, "large", &["megabytes=3"], &json!(3 << 20));
    let place = run(world, "where", &["x=1"])["result"].clone();
    assert_eq!((place["executor"].as_str(), place["input"]["x"].as_i64()), (Some(executor), Some(1)), "{place}");
    assert_eq!(place["workflow"], "where");
    let sour = failure(world, "fail", "ValueError", "You goofed up");
    assert!(sour["failure"]["traceback"].as_str().unwrap().contains("in fail"), "{sour:#}");
    let log = world.run(&["logs", sour["name"].as_str().unwrap()]).well().stdout;
    assert!(log.contains("about to fail"), "{log}");
    failure(world, "fail-badly", "SourError", "milk: old");
    failure(world, "leave", "SystemExit", "3");
    failure(world, "unpicklable", "TypeError", "generator");
    for (workflow, expected) in [("first", "one"), ("second", "two"), ("first", "one")] {
        result(world, workflow, &[], &json!(expected));
    }
    for strategy in ["fallback", "artifact"] {
        let input = [format!("strategy={strategy}"), format!("key=k-{strategy}")];
        result(world, "memory", &[&input[0], &input[1]], &json!(["stored", 7]));
    }
    cancel(world);
}

/// A run that rests is cancelled, and its stage with it.
fn cancel(world: &World) {
    let beat = world.folder.path().join("beat");
    let input = format!("file={}", beat.display());
    let name = world.run(&["run", "rest", "--input", &input]).well().stdout.trim().to_owned();
    until("the stage", || beat.exists().then_some(()));
    let heard = || world.run(&["logs", &name]).well().stdout.contains("resting").then_some(());
    until("its word, while it runs", heard);
    world.run(&["cancel", &name]).well();
    let shown = until("the end", || {
        let run = world.get(&format!("/api/v1/runs/{name}"));
        (run["ended_at"].is_string() || run["state"] == "cancelled").then_some(run)
    });
    assert_eq!(shown["state"], "cancelled");
    until("silence", || {
        let before = fs::read_to_string(&beat).unwrap_or_default();
        std::thread::sleep(std::time::Duration::from_millis(400));
        (fs::read_to_string(&beat).unwrap_or_default() == before).then_some(())
    });
    fs::remove_file(&beat).unwrap();
}

/// The cluster ends under a run: the run fails and says so.
fn gone(world: &World, cluster: &mut Cluster, kind: &str) {
    let beat = world.folder.path().join("beat");
    let input = format!("file={}", beat.display());
    let name = world.run(&["run", "rest", "--input", &input]).well().stdout.trim().to_owned();
    until("the stage", || beat.exists().then_some(()));
    cluster.stop();
    let run = until("the end", || {
        let run = world.get(&format!("/api/v1/runs/{name}"));
        (run["state"] != "running").then_some(run)
    });
    let failure = &run["failure"];
    assert_eq!((run["state"].as_str(), failure["class"].as_str()), (Some("failed"), Some("WorkflowExecutionError")), "{run:#}");
    assert!(failure["message"].as_str().unwrap().contains(kind) && failure["hint"].is_string(), "{failure:#}");
}

#[test]
fn the_built_in_executor_is_the_measure() {
    let world = world("local", "");
    same_everywhere(&world, "local");
}

#[test]
fn a_dask_cluster_runs_the_same() {
    let port = free_port();
    let address = format!("tcp://127.0.0.1:{port}");
    let world = world("flowdapt.compute.executor.dask.DaskExecutor", &format!("cluster_address = \"{address}\"\nodd = 1"));
    let dask = programs(&world, "dask").join("dask");
    let mut cluster = Cluster::new(world.folder.path());
    let port = port.to_string();
    let start = |cluster: &mut Cluster| {
        let variables = [("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "0")];
        cluster.start(&dask, &["scheduler", "--host", "127.0.0.1", "--port", &port, "--no-dashboard"], &variables);
        for _ in 0..2 {
            cluster.start(&dask, &["worker", &address, "--nthreads", "1", "--no-dashboard"], &[]);
        }
        cluster.wait_for(1, "Registered to");
        cluster.wait_for(2, "Registered to");
    };
    let refused = run(&world, "first", &[]);
    assert!(refused["failure"]["message"].as_str().unwrap().contains("cannot be reached"), "{refused:#}");
    start(&mut cluster);
    same_everywhere(&world, "dask");
    failure(&world, "greedy", "RuntimeError", "Insufficient resources to run stage big. Required 64.0 cpus");
    failure(&world, "vanish", "WorkflowExecutionError", "lost its worker");
    result(&world, "second", &[], &json!("two"));
    gone(&world, &mut cluster, "dask");
    start(&mut cluster);
    result(&world, "first", &[], &json!("one"));
}

#[test]
fn a_ray_cluster_runs_the_same() {
    let port = free_port();
    let options = format!(
        "cluster_address = \"127.0.0.1:{port}\"\nconnection_monitor_interval = 1\nping_timeout = 2\nping_failure_threshold = 3\nupload_plugins = false"
    );
    let world = world("ray", &options);
    let ray = programs(&world, "ray").join("ray");
    let mut cluster = Cluster::new(world.folder.path());
    let (port, address) = (port.to_string(), format!("127.0.0.1:{port}"));
    let token = world.folder.path().join(TOKEN);
    let token = token.to_string_lossy();
    // Slow machines need longer than Ray gives them.
    let variables = [("RAY_raylet_start_wait_time_s", "200"), ("RAY_AUTH_MODE", "token"), ("RAY_AUTH_TOKEN_PATH", &*token)];
    let head = [
        "start",
        "--head",
        "--block",
        "--num-cpus",
        "1",
        "--port",
        &port,
        "--include-dashboard",
        "false",
        "--disable-usage-stats",
    ];
    cluster.start(&ray, &head, &variables);
    cluster.wait_for(0, "Ray runtime started");
    cluster.start(&ray, &["start", "--block", "--address", &address, "--num-cpus", "1", "--disable-usage-stats"], &variables);
    cluster.wait_for(1, "Ray runtime started");
    same_everywhere(&world, "ray");
    result(&world, "memory", &["strategy=cluster_memory", "key=any key"], &json!(["stored", 7]));
    failure(
        &world,
        "greedy",
        "WorkflowExecutionError",
        "Insufficient resources to run stage `big`. Required 64.0 CPU but only 1.0 available.",
    );
    failure(&world, "vanish", "WorkflowExecutionError", "lost its worker");
    result(&world, "second", &[], &json!("two"));
    gone(&world, &mut cluster, "ray");
}

#[test]
fn classes_of_the_plugins_own_are_executors() {
    let world_of_stages = world(&format!("{FIXTURE}.executors.Inline"), "greeting = \"good day\"");
    let squares = result(&world_of_stages, "squares", &["n=4"], &json!(28));
    let log = world_of_stages.run(&["logs", squares["name"].as_str().unwrap()]).well().stdout;
    assert!(log.contains("counting to 4"), "{log}");
    result(&world_of_stages, "partial", &["n=5"], &json!([0, 10, 20, 40]));
    failure(&world_of_stages, "strict", "RuntimeError", "3 is bad");
    failure(&world_of_stages, "fail", "ValueError", "You goofed up");
    assert_eq!(run(&world_of_stages, "where", &[])["result"]["executor"], "Inline");
    let whole = world(&format!("{FIXTURE}.executors.Whole"), "");
    let squares = result(&whole, "squares", &[], &json!(["numbers", "square", "waiting", "total"]));
    assert!(squares["stages"].as_array().unwrap().iter().all(|stage| stage["state"] == "finished"), "{squares:#}");
    let log = whole.run(&["logs", squares["name"].as_str().unwrap()]).well().stdout;
    assert!(log.contains("running squares at once"), "{log}");
}
