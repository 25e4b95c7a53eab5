//! More files than may have workers at once, and files that are not what they seem.

use std::os::unix::fs::symlink;

use serde_json::json;

use super::{Dashboard, panel};
use crate::support::until;

/// A file and its text.
fn named(number: usize) -> (String, String) {
    (format!("components/p{number:02}.py"), panel(&format!("P{number}"), &format!("p{number}"), &format!("p{number}")))
}

fn states(dashboard: &Dashboard) -> Vec<(String, String, bool)> {
    let all = dashboard.plugins();
    let each = all["plugins"].as_array().unwrap().iter();
    each.map(|plugin| {
        let text = |key: &str| plugin[key].as_str().unwrap().to_owned();
        (text("file"), text("state"), !plugin["process_id"].is_null())
    })
    .collect()
}

#[test]
fn of_many_files_the_few_that_are_asked_have_workers_and_no_callback_notices() {
    let files: Vec<(String, String)> = (0..20).map(named).collect();
    let mut files: Vec<(&str, String)> = files.iter().map(|(name, text)| (name.as_str(), text.clone())).collect();
    let counts = panel("Counts", "counts", "fine")
        .replace("        return [f'", "        self.last = data_object.name\n        return [f'")
        + "
    def register_internal_callbacks(self):
        @callback(Output('counts', 'title'), Input('counts', 'n_clicks'))
        def ask(clicks):
            return f'last {self.last}'
";
    files.push(("components/z_counts.py", counts));
    let dashboard = Dashboard::with_settings(&files, &[("PEGBOARD__DASHBOARD__WORKERS", "5")]);
    let dashboard = &dashboard;
    let processes =
        || until("the rest", || Some(states(dashboard).iter().filter(|one| one.2).count()).filter(|&count| count <= 5));
    assert_eq!(processes(), 5);
    assert!(states(dashboard).iter().all(|(_, state, _)| state == "ready" || state == "resting"), "{:?}", states(dashboard));
    for number in (0..20).chain((0..20).rev()) {
        assert_eq!(dashboard.shown(&format!("p{number}"), "beta"), format!("p{number} beta held-out"));
    }
    assert_eq!(processes(), 5);

    // All at once, again and again.
    std::thread::scope(|scope| {
        for first in 0..10 {
            scope.spawn(move || {
                for number in (0..20).map(|number| (number + first * 2) % 20) {
                    assert_eq!(dashboard.shown(&format!("p{number}"), "alpha"), format!("p{number} alpha held-out"));
                }
            });
        }
    });
    assert_eq!(processes(), 5);

    // What a panel was told last it knows when it comes back; resting is no crash.
    dashboard.shown("counts", "beta");
    for number in 0..6 {
        dashboard.shown(&format!("p{number}"), "beta");
    }
    until("its rest", || (dashboard.plugin("z_counts.py")["state"] == "resting").then_some(()));
    let body = json!({
        "output": "counts.title", "outputs": { "id": "counts", "property": "title" },
        "inputs": [{ "id": "counts", "property": "n_clicks", "value": 1 }], "changedPropIds": ["counts.n_clicks"],
    });
    assert_eq!(dashboard.post("/ui/dash/_dash-update-component", &body).1["response"]["counts"]["title"], "last beta");
    assert_eq!(dashboard.plugin("z_counts.py")["restarts"], 0);

    // A save that does not load leaves a panel that rests as it was.
    until("its rest", || {
        (0..6).for_each(|number| drop(dashboard.shown(&format!("p{number}"), "beta")));
        (dashboard.plugin("p19.py")["state"] == "resting").then_some(())
    });
    dashboard.save("components/p19.py", "class P19(:\n");
    until("the broken save", || (dashboard.plugin("p19.py")["state"] == "broken").then_some(()));
    assert_eq!(dashboard.shown("p19", "alpha"), "p19 alpha held-out");
    dashboard.save("components/p19.py", &panel("P19", "p19", "mended"));
    until("the mended save", || (dashboard.shown("p19", "alpha") == "mended alpha held-out").then_some(()));
    assert_eq!(processes(), 5);
}

#[test]
fn links_that_lead_out_are_refused_with_a_word_and_the_rest_goes_on() {
    let dashboard = Dashboard::with(&[
        ("components/a.py", panel("Good", "good", "good")),
        ("components/b_imports.py", format!("import outside_package\n{}", panel("Imports", "imports", "never"))),
        ("assets/own.css", "p { color: red }".to_owned()),
        ("packages/inside.py", "WORD = 'inside'\n".to_owned()),
    ]);
    let outside = dashboard.world.folder.path().join("outside");
    for (name, text) in [
        ("panel.py", panel("Outside", "outside", "secret")),
        ("outside_package/__init__.py", "WORD = 'secret'\n".to_owned()),
        ("key.css", "secret".to_owned()),
        ("pages/page.py", "raise RuntimeError('secret')\n".to_owned()),
    ] {
        super::write(&outside.join(name), &text);
    }
    symlink(outside.join("panel.py"), dashboard.path("components/c_link.py")).unwrap();
    symlink("/etc/passwd", dashboard.path("components/d_passwd.py")).unwrap();
    symlink(outside.join("outside_package"), dashboard.path("packages/outside_package")).unwrap();
    symlink(outside.join("key.css"), dashboard.path("assets/key.css")).unwrap();
    symlink(outside.join("pages"), dashboard.path("pages")).unwrap();
    // Within the folder a link is a file like any other.
    symlink(dashboard.path("components/a.py"), dashboard.path("components/e_twin.py")).unwrap();
    dashboard
        .save("components/b_imports.py", &format!("import outside_package  # now\n{}", panel("Imports", "imports", "never")));

    for name in ["c_link.py", "d_passwd.py"] {
        let plugin = until("the refusal", || {
            let plugins = dashboard.plugins();
            let plugin =
                plugins["plugins"].as_array()?.iter().find(|plugin| plugin["file"].as_str().unwrap().ends_with(name))?.clone();
            (plugin["state"] == "broken").then_some(plugin)
        });
        let failure = plugin["failure"].to_string();
        assert!(
            failure.contains("is a link that leads out of the plugin folder") && failure.contains("dashboard.plugins"),
            "{plugin}"
        );
    }
    let problems = until("the problems", || {
        let problems = dashboard.plugins()["problems"].to_string();
        ["packages/outside_package", "assets/key.css", "/pages"].iter().all(|name| problems.contains(name)).then_some(problems)
    });
    assert!(problems.contains("is a link that leads out of the plugin folder"), "{problems}");
    let imports = until("the import", || {
        let failure = dashboard.plugin("b_imports.py")["failure"].clone();
        failure.to_string().contains("leads out of the plugin folder").then_some(failure)
    });
    assert!(imports["message"].as_str().unwrap().contains("ImportError"), "{imports}");
    assert_eq!(dashboard.world.http("GET /ui/dash/assets/plugins/own.css HTTP/1.0\nHost: localhost\n\n").0, 200);
    assert_eq!(dashboard.world.http("GET /ui/dash/assets/plugins/key.css HTTP/1.0\nHost: localhost\n\n").0, 404);
    assert!(!dashboard.world.get("/ui/dash/_dash-layout").to_string().contains("secret"));
    assert_eq!(dashboard.shown("good", "alpha"), "good alpha held-out");

    // The file itself in the link's place.
    std::fs::remove_file(dashboard.path("components/c_link.py")).unwrap();
    dashboard.save("components/c_link.py", &panel("Outside", "outside", "inside"));
    // A file is ready a moment before the site has it.
    until("the file", || {
        let has = |spec: &serde_json::Value| spec["output"].as_str().is_some_and(|output| output.starts_with("..outside."));
        dashboard.dependencies().iter().any(has).then_some(())
    });
    assert_eq!(dashboard.plugin("c_link.py")["state"], "ready");
    assert_eq!(dashboard.shown("outside", "beta"), "inside beta held-out");
}
