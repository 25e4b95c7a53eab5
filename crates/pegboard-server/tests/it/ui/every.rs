//! Every page of the table, in a browser: for those who do not see it or use no mouse, on a telephone, at its first visit.

use std::fs;
use std::process::Command;
use std::sync::OnceLock;

use pegboard_server::listed_routes;
use serde_json::{Value as Json, json};

use crate::dashboard::devtools::Browser;
use crate::dashboard::{Dashboard, browser, panel};
use crate::support::{World, root, until};

/// Most that a first visit may load, bytes as they are sent.
const FIRST_VISIT: f64 = 300_000.0;
/// Most that what is there may move by itself: the limit that browsers' makers call good.
const SHIFT: f64 = 0.1;
/// What axe-core calls serious or worse. What Dash and AG Grid draw inside of their own widgets is theirs.
const FAULTS: &str = "axe.run({ exclude: [['.ag-root-wrapper'], ['.dash-dropdown'], ['.dash-dropdown-wrapper'], ['.dash-options-list']] }, \
     { resultTypes: ['violations'] }).then((result) => result.violations.filter((each) => ['serious', 'critical'].includes(each.impact)).map((each) => \
     each.id + ': ' + each.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(' | ')))";
/// How far things have moved since the page came.
const MOVED: &str = "new Promise((told) => { let sum = 0; const observer = new PerformanceObserver((list) => { for (const entry of list.getEntries()) \
     if (!entry.hadRecentInput) sum += entry.value; }); observer.observe({ type: 'layout-shift', buffered: true }); setTimeout(() => { observer.disconnect(); \
     told(sum); }, 150); })";
/// Bytes that came for the page and all that it names.
const WEIGHT: &str = "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')].reduce((sum, each) => sum + each.transferSize, 0)";

/// An export that says something, tells how far it is, and takes its time.
const SCRIPT: &str = r#"
import os, time
from pegboard.hub import ExportPlugin, run

def work(payload):
    payload.logger.info("half of it")
    payload.progress(1, 2)
    time.sleep(600)

run(ExportPlugin(os.environ["PLUGIN_ID"], os.environ["PLUGIN_SECRET"], work))
"#;

/// The script of axe-core, as the package index has it.
fn axe() -> &'static str {
    static AXE: OnceLock<String> = OnceLock::new();
    AXE.get_or_init(|| {
        let folder = root().join("target/axe");
        let file = folder.join("axe_playwright_python/axe.min.js");
        if !file.is_file() {
            let place = folder.to_string_lossy().into_owned();
            let package = "axe-playwright-python==0.1.8";
            #[expect(clippy::disallowed_methods, reason = "a test gets its tool as a developer would")]
            let got = Command::new("python3")
                .args(["-m", "pip", "install", "--quiet", "--no-deps", "--target", &place, package])
                .output()
                .unwrap();
            assert!(got.status.success(), "{}", String::from_utf8_lossy(&got.stderr));
        }
        fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    })
}

/// A server with one of everything, and a page of each kind.
fn furnished(world: &World) -> Vec<String> {
    world.install_good();
    world.workflow("greet", "    - name: greet\n      target: pegboard_fixture_good.hello\n");
    let config = "kind: config\nmetadata: {name: words}\nspec: {selector: {type: name, value: greet}, data: {word: good}}\n";
    world.run(&["apply", &world.file("config.yaml", config)]).well();
    let trigger = "kind: trigger_rule\nmetadata: {name: nightly}\nspec:\n  type: schedule\n  rule: ['@daily']\n  \
                   action: {target: run_workflow, parameters: {workflow: greet}}\n";
    world.run(&["apply", &world.file("trigger.yaml", trigger)]).well();
    let text = |answer: &Json, key: &str| answer[key].as_str().unwrap().to_owned();
    let run = text(&world.run(&["run", "greet", "--wait", "--json"]).json(), "uid");
    let project = text(&world.run(&["project", "create", "cars", "--json"]).well().json(), "id");
    world.run(&["project", "upload", &project, &world.file("one.txt", "one")]).well();
    let asset = text(&world.get(&format!("/api/v1/projects/{project}/assets"))["assets"][0], "id");
    let plugin = text(&world.run(&["hub", "create", "--type", "export", "--name", "Tables", "--json"]).well().json(), "id");
    world.run(&["hub", "host", "Tables", &world.file("tables.py", SCRIPT), "--wait"]).well();
    let session = text(&world.run(&["hub", "run", "Tables", "--project", &project, "--json"]).well().json(), "id");
    let panel = text(&world.get("/api/v1/dashboard/plugins")["plugins"][0], "id");
    let fixed = [
        "/ui/",
        "/ui/sign-in",
        "/ui/link/nobodys",
        "/ui/account",
        "/ui/plugins",
        "/ui/plugins/development",
        "/ui/plugins/packages",
        "/ui/plugins/packages/pegboard-fixture-good",
        "/ui/plugins/panels",
        "/ui/sessions",
        "/ui/workflows",
        "/ui/workflows/greet",
        "/ui/runs",
        "/ui/triggers",
        "/ui/configs",
        "/ui/edit/workflow",
        "/ui/edit/workflow/greet",
        "/ui/artifacts/model/alpha",
        "/ui/projects",
        "/ui/admin",
        "/ui/admin/settings",
        "/ui/admin/keys",
        "/ui/admin/storages",
        "/ui/admin/secrets",
        "/ui/admin/backup",
        "/ui/admin/people",
        "/ui/admin/organizations",
        "/ui/admin/audit",
        "/api/docs",
    ];
    let mut paths: Vec<String> = fixed.map(str::to_owned).into();
    paths.extend([
        format!("/ui/plugins/panels/{panel}"),
        format!("/ui/plugins/hub/{plugin}"),
        format!("/ui/plugins/hub/{plugin}/run?project={project}"),
        format!("/ui/sessions/{session}"),
        format!("/ui/runs/{run}"),
        format!("/ui/projects/{project}/assets/{asset}"),
    ]);
    for tab in ["", "/assets", "/tasks", "/stages", "/schema", "/batches", "/exchange", "/plugins"] {
        paths.push(format!("/ui/projects/{project}{tab}"));
    }
    paths
}

/// Whether a path is one of a pattern's.
fn fits(pattern: &str, path: &str) -> bool {
    let parts = |text: &str| text.split('?').next().unwrap_or_default().split('/').map(str::to_owned).collect::<Vec<_>>();
    let (pattern, path) = (parts(pattern), parts(path));
    pattern.len() == path.len() && pattern.iter().zip(&path).all(|(one, other)| one == other || one.starts_with('{'))
}

/// What is wrong with a page as it is shown now.
fn wrong(browser: &Browser, path: &str, is_narrow: bool) -> Vec<String> {
    browser.until("document.readyState === 'complete'");
    let mut found = Vec::new();
    let moved = browser.value(MOVED);
    if moved.as_f64().is_none_or(|moved| moved > SHIFT) {
        found.push(format!("things move by {moved}"));
    }
    let is_of_dash = path.starts_with("/ui/dash/");
    let weight = browser.value(WEIGHT);
    if !is_of_dash && weight.as_f64().is_none_or(|weight| !(1_000.0..FIRST_VISIT).contains(&weight)) {
        found.push(format!("a first visit takes {weight} bytes"));
    }
    if is_narrow {
        let wide = browser.value("document.documentElement.scrollWidth - document.documentElement.clientWidth");
        if wide != json!(0) {
            found.push(format!("{wide} pixels wider than a telephone"));
        }
    }
    browser.value(&format!("{}; null", axe()));
    let faults = browser.value(FAULTS);
    match faults.as_array() {
        Some(faults) => found.extend(faults.iter().map(Json::to_string)),
        None => found.push(format!("axe did not run: {faults}")),
    }
    found
}

#[test]
fn no_page_has_a_serious_fault_jumps_or_is_heavy() {
    let Some(browser) = browser() else { return };
    let dashboard = Dashboard::with(&[("components/a.py", panel("Seen", "seen", "shown"))]);
    let world = &dashboard.world;
    let mut paths = furnished(world);
    let patterns: Vec<&str> = listed_routes().iter().filter(|route| route.method == "GET").map(|route| route.path).collect();
    let is_page = |pattern: &&&str| {
        pattern.starts_with("/ui/") && !["/ui/dash", "/ui/assets", "/ui/openid"].iter().any(|other| pattern.starts_with(other))
    };
    for pattern in patterns.iter().filter(is_page) {
        assert!(paths.iter().any(|path| fits(pattern, path)), "no page of `{pattern}` is looked at");
    }
    paths.extend(["/ui/dash/", "/ui/dash/models?name=alpha", "/ui/dash/data_sources", "/ui/dash/status"].map(str::to_owned));
    browser.forget_everything();
    let mut found = Vec::new();
    for path in paths {
        for (theme, width, height) in [("light", 1280, 900), ("dark", 390, 844)] {
            browser.be_wide(width, height);
            browser.prefer(theme, &world.url);
            browser.open(&format!("{}{path}", world.url));
            if path.starts_with("/ui/dash/") {
                until("the dashboard's page", || {
                    (browser.value("!!document.querySelector('#_pages_content')") == json!(true)).then_some(())
                });
            }
            found.extend(wrong(&browser, &path, width < 600).into_iter().map(|fault| format!("{path} {theme} {width}: {fault}")));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
