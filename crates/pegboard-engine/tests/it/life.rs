//! Lives of plugins, in real environments and real processes.

use std::time::{Duration, Instant};

use futures::StreamExt;
use pegboard_engine::EngineEvent;
use pegboard_model::{CallEvent, ErrorKind, FailureKind, PluginName, PluginRunner, PluginState, WorkerState};
use serde_json::json;

use crate::support::{World, call, eventually, follow, name, silent, stage};

#[tokio::test(flavor = "multi_thread")]
async fn installed_called_answered() {
    let world = World::new().await;
    let record = world.install(&world.fixture("steady"), false).await;
    assert_eq!((record.name.as_str(), record.state, &record.failure), ("steady", PluginState::Ready, &None));
    assert_eq!(world.engine.plugins(), [record]);
    assert_eq!(world.engine.owner("steady.stages.echo"), name("steady"));

    assert_eq!(world.call("steady", "steady.stages.echo", json!({ "value": [1, "two"] })).await, Ok(json!([1, "two"])));
    let raised = world.call("steady", "steady.stages.echo", json!({})).await.unwrap_err();
    assert!(matches!(raised.kind, FailureKind::Raised | FailureKind::Target), "{raised:?}");

    eventually("all is quiet", || world.engine.workers().iter().all(|worker| worker.state == WorkerState::Idle)).await;
    let statistics = world.engine.statistics();
    assert_eq!((statistics.calls, statistics.failed, statistics.workers.idle), (3, 1, world.engine.workers().len()));
    assert!(statistics.workers.idle >= 1);
    world.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_version_of_a_target_changes_with_its_source_and_only_then() {
    let world = World::new().await;
    world.install(&world.fixture("steady"), false).await;
    let version = async |target: &str| world.engine.version(target).await;
    let installed = version("steady.stages.echo").await.expect("a version");
    assert_eq!(version("steady.stages.version").await.as_ref(), Some(&installed), "of the package as a whole");
    assert_eq!(version("platform.python_version").await, None, "of nobody's code");

    let package = world.package("edited", "1.0", &[], "def answer():\n    return 1\n");
    world.install(&package, true).await;
    let before = version("edited.answer").await.expect("a version");
    assert_eq!(version("edited.answer").await.as_ref(), Some(&before));
    package.write("edited/__init__.py", "def answer():\n    return 42\n");
    assert_ne!(version("edited.answer").await.expect("a version"), before);
    assert_eq!(version("steady.stages.echo").await, Some(installed));
    world.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn code_of_no_plugin_runs_in_the_base_environment() {
    let world = World::new().await;
    let owner = world.engine.owner("platform.python_version");
    assert_eq!(owner, PluginName::base());
    let version = world.call(owner.as_str(), "platform.python_version", json!({})).await.unwrap();
    assert!(version.as_str().unwrap().starts_with("3."), "{version}");
    world.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clashing_pins_run_side_by_side() {
    let world = World::new().await;
    for version in ["1.0", "2.0"] {
        let dependency = world.package("clashing", version, &[], &format!("VERSION = {version}\n"));
        let plugin = format!("wants-{}", &version[..1]);
        let pin = format!("clashing @ file://{}", dependency.folder.display());
        let code = "import clashing\n\ndef version():\n    return clashing.VERSION\n";
        let record = world.install(&world.package(&plugin, "1.0", &[pin], code), false).await;
        assert_eq!(record.state, PluginState::Ready, "{:?}", record.failure);
    }
    let (one, two) =
        tokio::join!(world.call("wants-1", "wants_1.version", json!({})), world.call("wants-2", "wants_2.version", json!({})),);
    assert_eq!((one, two), (Ok(json!(1.0)), Ok(json!(2.0))));
    world.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_import_harms_nothing_and_is_mended_by_a_reload() {
    let world = World::new().await;
    world.install(&world.fixture("steady"), false).await;
    let package = world.package("broken", "1.0", &[], "import nowhere_to_be_found\n");
    let record = world.install(&package, true).await;
    let failure = record.failure.expect("a failure");
    assert_eq!(
        (record.state, failure.kind, failure.class.as_str()),
        (PluginState::Broken, FailureKind::Load, "ModuleNotFoundError")
    );
    assert!(failure.traceback.unwrap().contains("import nowhere_to_be_found"));
    let hint = failure.hint.unwrap();
    assert!(hint.contains("nowhere_to_be_found") && hint.contains("`pegboard plugin reload broken`"), "{hint}");

    let refused = world.call("broken", "broken.answer", json!({})).await.unwrap_err();
    assert_eq!((refused.kind, refused.class.as_str()), (FailureKind::Load, "ModuleNotFoundError"));
    assert_eq!(world.call("steady", "steady.stages.version", json!({})).await, Ok(json!(1)));

    package.write("broken/__init__.py", "def answer():\n    return 42\n");
    let record = world.engine.reload(&name("broken")).await.unwrap();
    assert_eq!((record.state, record.failure), (PluginState::Ready, None));
    assert_eq!(world.call("broken", "broken.answer", json!({})).await, Ok(json!(42)));
    world.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missing_may_come_without_a_reload() {
    let world = World::new().await;
    let package = world.package("patient", "1.0", &[], "import patient.late\n\ndef answer():\n    return patient.late.ANSWER\n");
    let mut events = world.engine.events();
    assert_eq!(world.install(&package, true).await.state, PluginState::Broken);
    package.write("patient/late.py", "ANSWER = 1\n");
    let begun = Instant::now();
    while world.call("patient", "patient.answer", json!({})).await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it never came back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(world.engine.plugins()[0].state, PluginState::Ready);
    let mut states = Vec::new();
    while let Ok(event) = events.try_recv() {
        if let EngineEvent::PluginChanged(record) = event {
            states.push(record.state);
        }
    }
    assert_eq!((states.first(), states.last()), (Some(&PluginState::Broken), Some(&PluginState::Ready)));
    world.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_under_load_loses_no_call_and_a_broken_one_never_serves() {
    let world = World::new().await;
    let package = world.fixture("steady");
    world.install(&package, true).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let (engine, stopped) = (world.engine.clone(), stopped.clone());
            tokio::spawn(async move {
                let mut versions = Vec::new();
                while !*stopped.borrow() {
                    let answer = call(&engine, "steady", "steady.stages.version", json!({})).await;
                    versions.push(answer.expect("no call is lost").as_u64().unwrap());
                }
                versions
            })
        })
        .collect();
    for version in 2..=5 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        package.write("steady/version.py", &format!("VERSION = {version}\n"));
        world.engine.reload(&name("steady")).await.unwrap();
        assert_eq!(world.call("steady", "steady.stages.version", json!({})).await, Ok(json!(version)));
    }
    package.write("steady/version.py", "VERSION = 1 / 0\n");
    let error = world.engine.reload(&name("steady")).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::PluginFailed, "reload-failed"));
    assert!(error.detail.unwrap().contains("ZeroDivisionError"));
    let record = world.engine.plugins().remove(0);
    assert_eq!((record.state, record.failure.unwrap().class.as_str()), (PluginState::Ready, "ZeroDivisionError"));
    // A module that no entry point imports, but that calls have named.
    package.write("steady/version.py", "VERSION = 5\n");
    package.write("steady/stages.py", "this is no Python\n");
    let error = world.engine.reload(&name("steady")).await.unwrap_err();
    assert!(error.detail.unwrap().contains("SyntaxError"));
    tokio::time::sleep(Duration::from_millis(100)).await;
    stop.send(true).unwrap();
    let mut calls = 0;
    for caller in callers {
        let versions = caller.await.unwrap();
        assert!(versions.is_sorted(), "a call went back to older code: {versions:?}");
        assert_eq!(versions.last(), Some(&5), "the last good version serves on");
        calls += versions.len();
    }
    assert!(calls > 100, "only {calls} calls: no load");
    world.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_loop_parks_with_what_was_said_last_and_a_reload_ends_it() {
    let world = World::new().await;
    world.install(&world.fixture("steady"), false).await;
    for _ in 0..5 {
        let failure = world.call("steady", "steady.stages.crash", json!({})).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Died, "{failure:?}");
    }
    let refused = world.call("steady", "steady.stages.version", json!({})).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Unavailable, "{refused:?}");
    assert!(refused.hint.unwrap().contains("`pegboard plugin reload steady`"));
    eventually("the record says so", || world.engine.plugins()[0].state == PluginState::Parked).await;
    let failure = world.engine.plugins().remove(0).failure.unwrap();
    assert!(failure.traceback.as_deref().is_some_and(|said| said.contains("about to crash")), "{failure:?}");
    assert_eq!(world.engine.statistics().restarts, 4);

    assert_eq!(world.engine.reload(&name("steady")).await.unwrap().state, PluginState::Ready);
    assert_eq!(world.call("steady", "steady.stages.version", json!({})).await, Ok(json!(1)));
    world.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_taken_once_and_upgrades_need_one() {
    let world = World::new().await;
    let package = world.package("twice", "1.0", &[], "def version():\n    return 1\n");
    let missing = world.engine.install(package.request(false), true, silent()).await.unwrap_err();
    assert_eq!((missing.kind, missing.code.as_str()), (ErrorKind::NotFound, "plugin-not-found"));
    for error in
        [world.engine.reload(&name("twice")).await.unwrap_err(), world.engine.uninstall(&name("twice")).await.unwrap_err()]
    {
        assert_eq!(error.code, "plugin-not-found");
    }
    let first = world.install(&package, false).await;

    let newer = world.package("twice", "2.0", &[], "def version():\n    return 2\n");
    let taken = world.engine.install(newer.request(false), false, silent()).await.unwrap_err();
    assert_eq!((taken.kind, taken.code.as_str()), (ErrorKind::Conflict, "plugin-exists"));
    assert!(taken.hint.unwrap().contains("`pegboard upgrade twice`"));
    assert_eq!(world.call("twice", "twice.version", json!({})).await, Ok(json!(1)));

    let second = world.engine.install(newer.request(false), true, silent()).await.unwrap();
    assert_eq!((second.metadata.version.as_str(), second.installed_at), ("2.0", first.installed_at));
    assert_eq!(world.call("twice", "twice.version", json!({})).await, Ok(json!(2)));
    let old = world.folder.path().join("data/environments").join(&first.environment);
    eventually("the old environment is removed", || !old.exists()).await;

    let broken = world.package("twice", "3.0", &[], "raise RuntimeError('third time unlucky')\n");
    let error = world.engine.install(broken.request(false), true, silent()).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::PluginFailed, "plugin-import-failed"));
    assert!(error.detail.unwrap().contains("third time unlucky"));
    let record = world.engine.plugins().remove(0);
    assert_eq!(
        (record.metadata.version.as_str(), record.state, &record.environment),
        ("2.0", PluginState::Ready, &second.environment)
    );
    assert!(record.failure.unwrap().message.contains("third time unlucky"));
    assert_eq!(world.call("twice", "twice.version", json!({})).await, Ok(json!(2)));
    world.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_call_outlives_the_removal() {
    let world = World::new().await;
    let record = world.install(&world.fixture("steady"), false).await;
    let mut running = world.engine.call(stage("steady", "steady.stages.nap", json!({ "seconds": 1.5 })));
    assert!(matches!(running.next().await, Some(CallEvent::Started { .. })));
    let (removed, refused, end) = tokio::join!(
        world.engine.uninstall(&record.name),
        async {
            eventually("it is gone from the list", || world.engine.plugins().is_empty()).await;
            world.call("steady", "steady.stages.version", json!({})).await
        },
        async { running.collect::<Vec<_>>().await.pop() },
    );
    removed.unwrap();
    assert_eq!(refused.unwrap_err().kind, FailureKind::Unavailable);
    assert!(matches!(end, Some(CallEvent::Finished { .. })), "{end:?}");
    assert_eq!(world.engine.workers(), []);
    let environment = world.folder.path().join("data/environments").join(&record.environment);
    eventually("its environment is removed", || !environment.exists()).await;
    eventually("its processes are gone", || world.processes().is_empty()).await;
    world.install(&world.fixture("steady"), false).await;
    assert_eq!(world.call("steady", "steady.stages.version", json!({})).await, Ok(json!(1)));
    world.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_leaves_no_process() {
    let world = World::new().await;
    world.install(&world.fixture("steady"), false).await;
    let running = world.engine.call(stage("steady", "steady.stages.nap", json!({ "seconds": 600 })));
    let queued: Vec<_> =
        (0..10).map(|_| world.engine.call(stage("steady", "steady.stages.nap", json!({ "seconds": 600 })))).collect();
    eventually("two are busy", || world.engine.statistics().workers.busy == 2).await;
    assert!(!world.processes().is_empty());
    world.engine.shutdown().await;
    eventually("what was killed is reaped", || world.processes().is_empty()).await;
    for stream in std::iter::once(running).chain(queued) {
        let end = stream.collect::<Vec<_>>().await.pop();
        let Some(CallEvent::Failed(failure)) = end else { panic!("{end:?}") };
        assert!(matches!(failure.kind, FailureKind::Cancelled | FailureKind::Unavailable), "{failure:?}");
    }
    let refused = world.call("steady", "steady.stages.version", json!({})).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Unavailable);
    assert_eq!(world.engine.reload(&name("steady")).await.unwrap_err().kind, ErrorKind::Unavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_engine_ends_its_processes() {
    let world = World::new().await;
    world.install(&world.fixture("steady"), false).await;
    let running = world.engine.call(stage("steady", "steady.stages.nap", json!({ "seconds": 600 })));
    eventually("it runs", || world.engine.statistics().workers.busy == 1).await;
    let World { folder, engine } = world;
    drop(engine);
    eventually("its processes are gone", || crate::support::processes_of(folder.path()).is_empty()).await;
    assert!(matches!(running.collect::<Vec<_>>().await.last(), Some(CallEvent::Failed(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_server_knows_the_plugins_of_the_former() {
    let mut world = World::new().await;
    let known = world.install(&world.fixture("steady"), false).await;
    let package = world.package("lost", "1.0", &[], "def version():\n    return 1\n");
    let lost = world.install(&package, false).await;
    world.engine.shutdown().await;
    std::fs::remove_dir_all(world.folder.path().join("data/environments").join(&lost.environment)).unwrap();

    world.engine = World::engine(world.folder.path(), 2).await;
    world.engine.activate(vec![known.clone(), lost]);
    assert_eq!((world.engine.workers(), world.processes()), (vec![], vec![]), "nothing is started");
    let [broken, ready] = &world.engine.plugins()[..] else { panic!("two plugins") };
    assert_eq!((ready, broken.state), (&known, PluginState::Broken));
    assert!(broken.failure.as_ref().unwrap().hint.as_ref().unwrap().contains("`pegboard upgrade lost`"));

    assert_eq!(world.call("steady", "steady.stages.version", json!({})).await, Ok(json!(1)));
    let refused = world.call("lost", "lost.version", json!({})).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Unavailable);
    assert_eq!(world.engine.reload(&name("lost")).await.unwrap_err().code, "environment-missing");
    world.engine.install(package.request(false), true, silent()).await.unwrap();
    assert_eq!(world.call("lost", "lost.version", json!({})).await, Ok(json!(1)));
    world.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_call_frees_its_worker() {
    let world = World::new().await;
    world.install(&world.fixture("steady"), false).await;
    let mut calls: Vec<_> =
        (0..2).map(|_| world.engine.call(stage("steady", "steady.stages.nap", json!({ "seconds": 600 })))).collect();
    for call in &mut calls {
        assert!(matches!(call.next().await, Some(CallEvent::Started { .. })));
    }
    let waiting = world.engine.call(stage("steady", "steady.stages.nap", json!({ "seconds": 600 })));
    assert_eq!(world.engine.statistics().queued, 1);
    drop(waiting);
    assert_eq!(world.engine.statistics().queued, 0);
    drop(calls);
    let begun = Instant::now();
    assert!(follow(&world.engine, stage("steady", "steady.stages.nothing", json!({}))).await.1.is_ok());
    assert!(begun.elapsed() < Duration::from_secs(10));
    world.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_processes_are_replaced() {
    let world = World::new().await;
    world.install(&world.fixture("steady"), false).await;
    for victim in ["worker", "parked interpreter"] {
        let worker = world.call("steady", "steady.stages.process", json!({})).await.unwrap().as_i64().unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{worker}/stat")).unwrap();
        let parent = stat.rsplit(')').next().unwrap().split_whitespace().nth(1).unwrap().parse().unwrap();
        let process = if victim == "worker" { i32::try_from(worker).unwrap() } else { parent };
        rustix::process::kill_process(rustix::process::Pid::from_raw(process).unwrap(), rustix::process::Signal::KILL).unwrap();
        let gone = || world.engine.workers().iter().all(|status| status.process_id.map(i64::from) != Some(worker));
        eventually("it is missed", gone).await;
        let next = world.call("steady", "steady.stages.process", json!({})).await;
        assert_ne!(next.unwrap_or_else(|failure| panic!("after the {victim} died: {failure:?}")).as_i64(), Some(worker));
    }
    world.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reloads_asked_for_at_once_are_few() {
    let world = World::new().await;
    world.install(&world.fixture("steady"), false).await;
    let steady = name("steady");
    let all = futures::future::join_all((0..30).map(|_| world.engine.reload(&steady))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    world.call("steady", "steady.stages.version", json!({})).await.unwrap();
    // The install was the first generation; whoever asked while a reload was under way shared the next one.
    let generation = world.engine.workers().iter().map(|worker| worker.generation).max().unwrap();
    assert!((2..=4).contains(&generation), "{generation} generations");
    world.engine.shutdown().await;
}
