//! Saving, breaking, mending and removing files while the dashboard serves.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::Duration;

use super::{Dashboard, panel};
use crate::support::until;

/// What open pages are told, as it comes.
fn changes(dashboard: &Dashboard) -> mpsc::Receiver<String> {
    let address = dashboard.world.url.strip_prefix("http://").unwrap().to_owned();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /api/v1/news HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let (sender, receiver) = mpsc::channel();
    let (begun, hello) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if line.contains("hello") {
                let _ = begun.send(());
            }
            if let Some(data) = line.strip_prefix("data:")
                && sender.send(data.trim().to_owned()).is_err()
            {
                return;
            }
        }
    });
    hello.recv_timeout(Duration::from_secs(10)).unwrap();
    receiver
}

#[test]
fn a_save_is_live_and_a_broken_one_keeps_the_old() {
    let dashboard = Dashboard::with(&[
        ("components/a.py", panel("Changes", "changes", "old")),
        ("components/b.py", panel("Stays", "stays", "same")),
    ]);
    let news = changes(&dashboard);
    let told = |what: &str| {
        until(what, || {
            news.recv_timeout(Duration::from_secs(20)).ok().filter(|change| change.contains("\"type\"") && change.contains(what))
        });
    };
    let before = dashboard.plugin("b.py")["process_id"].clone();
    assert_eq!(dashboard.shown("changes", "alpha"), "old alpha held-out");

    dashboard.save("components/a.py", &panel("Changes", "changes", "new"));
    told("panels");
    assert_eq!(dashboard.shown("changes", "alpha"), "new alpha held-out");

    dashboard.save("components/a.py", "class Changes(:\n");
    told("notices");
    assert_eq!(dashboard.shown("changes", "alpha"), "new alpha held-out");
    let plugin = dashboard.plugin("a.py");
    assert!(plugin["state"] == "broken" && plugin["failure"]["message"].as_str().unwrap().contains("SyntaxError"), "{plugin}");
    let page = dashboard.page("/ui/dash/models", "").to_string();
    assert!(page.contains("The last change does not load"), "{page}");

    dashboard.save("components/a.py", &panel("Changes", "changes", "mended"));
    told("panels");
    assert_eq!(dashboard.shown("changes", "alpha"), "mended alpha held-out");
    assert!(!dashboard.page("/ui/dash/models", "").to_string().contains("The last change does not load"));

    // Another set of callbacks is another site; a file that goes takes its panels along.
    dashboard.save("components/c.py", &panel("Comes", "comes", "new"));
    told("site");
    assert_eq!(dashboard.shown("comes", "alpha"), "new alpha held-out");
    std::fs::remove_file(dashboard.path("components/c.py")).unwrap();
    until("the removal", || {
        (!dashboard.plugins().to_string().contains("c.py")
            && !dashboard.world.get("/ui/dash/_dash-dependencies").to_string().contains("comes"))
        .then_some(())
    });
    assert_eq!(dashboard.plugin("b.py")["process_id"], before, "the other file's worker is the same");

    // By hand, although nothing changed.
    let id = dashboard.plugin("b.py")["id"].as_str().unwrap().to_owned();
    assert_eq!(dashboard.post(&format!("/api/v1/dashboard/plugins/{id}/reload"), &serde_json::json!({})).0, 200);
    until("the new worker", || (dashboard.plugin("b.py")["process_id"] != before).then_some(()));
    assert_eq!(dashboard.post("/api/v1/dashboard/plugins/nobody/reload", &serde_json::json!({})).0, 404);
}

#[test]
fn no_callback_fails_while_a_file_is_saved_again_and_again() {
    let dashboard = Dashboard::with(&[("components/a.py", panel("Busy", "busy", "v0"))]);
    let dashboard = &dashboard;
    std::thread::scope(|scope| {
        let saver = scope.spawn(move || {
            for version in 1..=8 {
                dashboard.save("components/a.py", &panel("Busy", "busy", &format!("v{version}")));
                std::thread::sleep(Duration::from_millis(300));
            }
        });
        while !saver.is_finished() {
            assert!(dashboard.shown("busy", "alpha").starts_with('v'));
        }
    });
    until("the last version", || dashboard.shown("busy", "alpha").starts_with("v8 ").then_some(()));
}

#[test]
fn a_folder_that_is_not_there_is_told_and_served_when_it_comes() {
    let dashboard = Dashboard::with(&[("components/a.py", panel("Here", "here", "here"))]);
    let folder = dashboard.path("");
    let away = folder.with_file_name("away");
    std::fs::rename(&folder, &away).unwrap();
    until("the problem", || {
        let problems = dashboard.plugins()["problems"].to_string();
        problems.contains("cannot read the plugin folder").then_some(())
    });
    assert_eq!(dashboard.shown("here", "alpha"), "here alpha held-out", "what is loaded goes on");
    std::fs::rename(&away, &folder).unwrap();
    until("the folder", || dashboard.plugins()["problems"].as_array().unwrap().is_empty().then_some(()));
}

#[test]
fn other_requirements_make_another_environment() {
    let needs = panel("Needs", "needs", "{__import__(\"iniconfig\").__name__}");
    let dashboard = Dashboard::with(&[("components/a.py", needs), ("components/b.py", panel("Stays", "stays", "same"))]);
    let failed = |answer: &serde_json::Value| answer["response"].to_string().contains("iniconfig");
    assert!(failed(&dashboard.select("needs", "alpha").1));

    dashboard.save("requirements.txt", "a-package-that-nobody-has==9\n");
    until("the problem", || dashboard.plugins()["problems"].to_string().contains("a-package-that-nobody-has").then_some(()));
    assert_eq!(dashboard.shown("stays", "alpha"), "same alpha held-out");

    dashboard.save("requirements.txt", "iniconfig\n");
    until("the package", || {
        let (_, answer) = dashboard.select("needs", "alpha");
        (answer["response"]["needs"]["children"] == "iniconfig alpha held-out").then_some(())
    });
    assert_eq!(dashboard.plugins()["problems"], serde_json::json!([]));
    assert_eq!(dashboard.shown("stays", "alpha"), "same alpha held-out");

    // A folder that is away for a moment has not changed its mind: our own panels are not loaded anew without its packages.
    let process = || dashboard.plugin("model_panels.py")["process_id"].clone();
    let (folder, before) = (dashboard.path(""), process());
    let away = folder.with_file_name("away");
    std::fs::rename(&folder, &away).unwrap();
    until("the problem", || dashboard.plugins()["problems"].to_string().contains("cannot read the plugin folder").then_some(()));
    std::fs::rename(&away, &folder).unwrap();
    until("the folder", || (dashboard.plugins()["problems"] == serde_json::json!([])).then_some(()));
    assert_eq!(process(), before);
    assert_eq!(dashboard.shown("needs", "beta"), "iniconfig beta held-out");
}
