//! From an export's table back to the session, the plugin and the project that made it; and what plugins may do.

use serde_json::{Value as Json, json};

use super::{page, well};
use crate::dashboard::{Dashboard, panel};
use crate::support::{World, root, until};

#[test]
fn a_table_that_an_export_published_leads_back_to_its_project() {
    let world = World::new();
    let project = well(&world, "POST", "/api/v1/projects", &json!({ "name": "cars" }))["id"].as_str().unwrap().to_owned();
    world.run(&["project", "upload", &project, &world.file("one.txt", "one")]).well();
    let made = world.run(&["hub", "create", "--type", "export", "--name", "Tables", "--json"]).well().json();
    let plugin = made["id"].as_str().unwrap();
    let script = root().join("examples/hub/table.py");
    world.run(&["hub", "host", "Tables", script.to_str().unwrap(), "--wait"]).well();
    let config = json!({ "data_source": "team/labels" }).to_string();
    let asked = ["hub", "run", "Tables", "--project", &project, "--stage", "all", "--config", &config, "--wait", "--json"];
    let session = world.run(&asked).well().json()["id"].as_str().unwrap().to_owned();
    assert_eq!(world.get("/api/v1/catalog/data_source/team%2Flabels")["origin"]["session"], session.as_str());
    let shown = page(&world, "/ui/artifacts/data_source/team%2Flabels");
    for link in [
        format!("/ui/sessions/{session}"),
        format!("/ui/plugins/hub/{plugin}"),
        format!("/ui/projects/{project}"),
        "/ui/dash/data_sources?name=team%2Flabels".to_owned(),
    ] {
        assert!(shown.contains(&format!("href=\"{link}\"")) || shown.contains(&link.replace("%2F", "/")), "{link} in {shown}");
    }
    assert!(world.run(&["catalog", "show", "data-source", "team/labels"]).well().stdout.contains(&session));

    // What is gone is said to be gone.
    let body =
        json!({ "files": [{ "role": "data", "content": [{ "a": 1 }] }], "origin": { "session": "64e5f00d0000000000000001" } });
    well(&world, "POST", "/api/v1/catalog/data_source/old", &body);
    let shown = page(&world, "/ui/artifacts/data_source/old");
    assert!(shown.contains("its record was removed") && !shown.contains("/ui/sessions/64e5"), "{shown}");

    // The hosted script may what this server gives it, and its page says so without the secret's value.
    let record = world.get(&format!("/api/v1/hub/plugins/{plugin}"));
    let may = &record["permissions"];
    assert_eq!((&may["process_id"], &may["files"]), (&record["hosted"]["process_id"], &json!("server")));
    assert!(may["variables"].as_array().unwrap().contains(&json!("PLUGIN_SECRET")), "{may}");
    assert!(!may.to_string().contains(made["secret"].as_str().unwrap()));
    assert!(page(&world, &format!("/ui/plugins/hub/{plugin}")).contains("What it may do"));
}

#[test]
fn a_package_is_told_to_be_bounded_by_what_the_kernel_has_for_it() {
    let mut world = World::unstarted();
    world.start_with(&[("PEGBOARD__ENGINE__OPEN_FILES", "777"), ("PEGBOARD__ENGINE__CALL_DEADLINE", "3m")]);
    world.install_good();
    let token = world.file("token", "s3cret-value");
    world.run(&["secret", "set", "REGISTRY_TOKEN", "--file", &token, "--plugin", "pegboard-fixture-good"]).well();
    world.workflow("greet", "    - name: greet\n      target: pegboard_fixture_good.hello\n");
    world.run(&["run", "greet", "--wait"]).well();
    let path = "/api/v1/plugins/pegboard-fixture-good";
    let may = until("a worker with the secret", || {
        let may = world.get(path)["permissions"].clone();
        (may["process_id"].is_u64() && may["secrets"] == json!(["REGISTRY_TOKEN"])).then_some(may)
    });
    let limit = |name: &str| -> Json {
        may["limits"].as_array().unwrap().iter().find(|limit| limit["name"] == name).cloned().unwrap_or_default()
    };
    let files = limit("open files");
    assert_eq!((&files["value"], &files["enforced_by"], &files["in_force"]), (&json!("777"), &json!("kernel"), &json!("777")));
    assert_eq!((&limit("memory")["value"], &limit("memory")["enforced_by"]), (&Json::Null, &Json::Null));
    assert_eq!((&limit("time of a call")["value"], &limit("time of a call")["enforced_by"]), (&json!("3m"), &json!("server")));
    assert_eq!((&may["files"], &may["network"]), (&json!("server"), &json!("server")));
    assert!(may["user"].as_str().unwrap().contains('('), "{may}");
    let shown = page(&world, "/ui/plugins/packages/pegboard-fixture-good");
    assert!(
        shown.contains("777, by the kernel") && shown.contains("REGISTRY_TOKEN") && !shown.contains("s3cret-value"),
        "{shown}"
    );
    let told = world.run(&["plugin", "show", "pegboard-fixture-good"]).well().stdout;
    assert!(told.contains("open files") && told.contains("777") && told.contains("engine.open_files"), "{told}");
    assert!(world.get("/api/v1/plugins")["plugins"][0].get("permissions").is_none(), "lists stay short");
}

#[test]
fn a_panel_is_told_to_have_a_deadline_and_a_remote_plugin_its_presets() {
    let dashboard = Dashboard::with(&[("components/a.py", panel("Bounded", "bounded", "shown"))]);
    let world = &dashboard.world;
    let id = until("the panel", || {
        let all = world.get("/api/v1/dashboard/plugins");
        let mine = all["plugins"].as_array()?.iter().find(|plugin| plugin["built_in"] == false)?.clone();
        mine["id"].as_str().map(str::to_owned)
    });
    let may = world.get(&format!("/api/v1/dashboard/plugins/{id}"))["permissions"].clone();
    assert!(may.to_string().contains("dashboard.callback_deadline"), "{may}");
    assert!(page(world, &format!("/ui/plugins/panels/{id}")).contains("Time of a callback"));

    let plugin = world.run(&["hub", "create", "--type", "export", "--name", "Tables", "--json"]).well().json()["id"].clone();
    let plugin = plugin.as_str().unwrap();
    for name in ["cars", "roads"] {
        let project = well(world, "POST", "/api/v1/projects", &json!({ "name": name }))["id"].clone();
        let body = json!({ "project": project, "plugin": plugin, "name": format!("nightly {name}"), "config": "{\"a\": 1}" });
        well(world, "POST", "/api/v1/hub/presets", &body);
    }
    let presets = world.get(&format!("/api/v1/hub/presets?plugin={plugin}"))["presets"].clone();
    assert_eq!(presets.as_array().unwrap().len(), 2, "{presets}");
    let shown = page(world, &format!("/ui/plugins/hub/{plugin}"));
    for preset in presets.as_array().unwrap() {
        let (id, project) = (preset["id"].as_str().unwrap(), preset["project"].as_str().unwrap());
        assert!(shown.contains(&format!("/run?project={project}&amp;preset={id}")), "{shown}");
        assert!(shown.contains(&format!("DELETE /api/v1/hub/presets/{id}")), "{shown}");
    }
    assert!(shown.contains("nightly roads") && shown.contains("for roads"), "{shown}");
    let (status, refused) = super::ask(world, "GET", "/api/v1/hub/presets", &Json::Null);
    assert!(status == 400 && refused["error"]["hint"].as_str().unwrap().contains("`project`, `plugin`"), "{refused}");
    let listed = world.run(&["hub", "presets", "--plugin", "Tables"]).well().stdout;
    assert!(listed.contains("nightly cars") && listed.contains("nightly roads"), "{listed}");
}
