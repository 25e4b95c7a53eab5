//! A `flowdapt.yaml` in the data directory, from the file to what a stage reads and where its artifacts land.

use serde_json::json;

use super::exchange::Ask;
use crate::support::World;

const MODULE: &str = r#"
def read():
    from flowdapt.compute.resources.workflow.context import get_run_context
    from flowdapt.lib.config import get_app_dir, get_configuration
    found = get_configuration()
    compute = found.services.compute
    return {
        "namespace": get_run_context().namespace,
        "compute": [compute.default_namespace, compute.default_os_strategy, compute.run_retention_duration],
        "executor": compute.executor.target,
        "storage": [found.storage.protocol, found.storage.base_path],
        "logging": [found.logging.level, found.logging.format, found.logging.traceback_max_frames],
        "name": found.name,
        "port": found.rpc.api.port,
        "app_dir": str(get_app_dir()),
    }

def keep():
    from flowdapt.compute import object_store
    object_store.put("kept", 5)
    return object_store.get("kept")
"#;

#[test]
fn a_file_of_the_original_counts_and_stages_read_it() {
    let mut world = World::new();
    world.kill();
    let artifacts = world.folder.path().join("store");
    let modules = world.data().join("user_modules");
    std::fs::create_dir_all(&modules).unwrap();
    std::fs::write(modules.join("conf.py"), MODULE).unwrap();
    let text = format!(
        "name: flowdapt.wise-owl\nrpc: {{api: {{port: 8099}}}}\nloging: {{level: INFO}}\ntelemetry: {{enabled: true}}\n\
         logging: {{level: WARNING, traceback_max_frames: 4}}\nstorage: {{protocol: file, base_path: '{}'}}\n\
         services: {{compute: {{default_namespace: team, default_os_strategy: artifact, run_retention_duration: 2 hours}}}}\n",
        artifacts.display()
    );
    std::fs::write(world.data().join("flowdapt.yaml"), text).unwrap();
    world.start();

    for (name, target) in [("read", "user_modules.conf.read"), ("keep", "user_modules.conf.keep")] {
        let body = json!({ "metadata": { "name": name }, "spec": { "stages": [{ "name": "s", "target": target }] } });
        assert_eq!(Ask::new("POST", "/workflows/").body(body.to_string()).send(&world.url).status, 200);
    }
    let read = Ask::new("POST", "/workflows/read/run").send(&world.url).json();
    let port: u16 = world.url.rsplit(':').next().unwrap().parse().unwrap();
    assert_ne!(port, 8099, "the flag of the test lies over the file");
    assert_eq!(
        read["result"],
        json!({
            "namespace": "team",
            "compute": ["team", "artifact", "2 hours"],
            "executor": "flowdapt.compute.executor.local.LocalExecutor",
            "storage": ["file", artifacts],
            "logging": ["WARNING", "console", 4],
            "name": "flowdapt.wise-owl",
            "port": 0,
            "app_dir": world.data(),
        }),
        "{read}"
    );
    assert_eq!(Ask::new("POST", "/workflows/keep/run").send(&world.url).json()["result"], 5);
    assert!(artifacts.join("artifacts/team/kept/object").is_file());

    for words in ["`loging.level` in file:", "`telemetry.enabled` in file:", "`logging.traceback_max_frames` in file:"] {
        assert!(world.log().contains(words), "`{words}` in {}", world.log());
    }
    let shown = world.run(&["config", "--config", world.data().join("flowdapt.yaml").to_str().unwrap()]).well();
    assert!(shown.stderr.contains("the nearest one is `logging.level`"), "{}", shown.stderr);
    assert!(shown.stdout.contains("services.compute.default_namespace"), "{}", shown.stdout);
}
