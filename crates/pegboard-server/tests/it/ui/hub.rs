//! Pages of plugins and sessions.

use serde_json::json;

use super::{ESCAPED, HOSTILE, ask, page};
use crate::support::{World, until};

#[track_caller]
fn create(world: &World, kind: &str, name: &str) -> String {
    let body = json!({
        "type": kind, "name": name, "description": HOSTILE, "class_names": [HOSTILE, "a.b"], "listed": true,
        "details": "# Heading\n\n<img src=x onerror=alert(1)> [x](javascript:alert(1))",
        "default_config": json!({ "said": HOSTILE }).to_string(),
        "config_schema": { "type": "object", "properties": { HOSTILE: { "type": "string", "description": HOSTILE } } },
    });
    let (status, made) = ask(world, "POST", "/api/v1/hub/plugins", &body);
    assert_eq!(status, 200, "{made}");
    assert!(made["secret"].is_string());
    made["id"].as_str().unwrap().to_owned()
}

#[test]
fn hostile_records_are_text_on_every_page() {
    let world = World::new();
    let (_, project) = ask(&world, "POST", "/api/v1/projects", &json!({ "name": HOSTILE }));
    let project = project["id"].as_str().unwrap();
    let schema = json!({ "tools": [{ "tool": "bounding-box", "title": HOSTILE, "schemaId": "s-1" }] });
    assert_eq!(ask(&world, "PUT", &format!("/api/v1/projects/{project}/schema"), &schema).0, 200);
    assert_eq!(ask(&world, "POST", &format!("/api/v1/projects/{project}/batches"), &json!({ "name": HOSTILE })).0, 200);
    for kind in ["export", "model", "batch_model", "file_explorer", "markdown_generator", "input"] {
        let id = create(&world, kind, &format!("{HOSTILE} {kind}"));
        let preset = json!({ "project": project, "plugin": id, "name": HOSTILE, "config": "{}" });
        assert_eq!(ask(&world, "POST", "/api/v1/hub/presets", &preset).0, 200);
        let shown = page(&world, &format!("/ui/plugins/hub/{id}"));
        assert!(shown.contains(ESCAPED) && shown.contains("<h1>Heading</h1>") && shown.contains(&id), "{kind}");
        assert!(shown.contains("from imerit_ango.plugins import") && shown.contains("from pegboard.hub import"));
        let run = page(&world, &format!("/ui/plugins/hub/{id}/run?project={project}"));
        assert!(run.contains(ESCAPED) && run.contains("preset-save"), "{kind}");
        assert_eq!(run.contains("id=\"pairs\""), kind.ends_with("model"), "{kind}: class mapping");
        assert_eq!(run.contains("id=\"browser\""), kind == "file_explorer", "{kind}: folders");
        assert_eq!(run.contains("id=\"template\""), kind == "markdown_generator", "{kind}: template");
        assert_eq!(run.contains("name=\"stage\""), kind == "export", "{kind}: stages");
    }
    for path in ["/ui/plugins", "/ui/plugins/development"] {
        assert!(page(&world, path).contains(ESCAPED), "{path}");
    }
}

#[test]
fn the_directory_is_narrowed_by_its_address() {
    let world = World::new();
    for (kind, name) in [("export", "Tables"), ("model", "Cars"), ("model", "Roads")] {
        create(&world, kind, name);
    }
    let names = |path: &str| -> Vec<String> {
        let shown = page(&world, path);
        ["Tables", "Cars", "Roads"]
            .into_iter()
            .filter(|name| shown.contains(&format!(">{name}</a>")))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(names("/ui/plugins"), ["Tables", "Cars", "Roads"]);
    assert_eq!(names("/ui/plugins?type=model"), ["Cars", "Roads"]);
    assert_eq!(names("/ui/plugins?q=roa&type=model"), ["Roads"]);
    assert_eq!(names("/ui/plugins?live=true"), Vec::<String>::new());
    assert_eq!(names("/ui/plugins?q=&type=&live=&scope="), ["Tables", "Cars", "Roads"]);
    assert_eq!(names("/ui/plugins?scope=directory&live=false"), ["Tables", "Cars", "Roads"]);
    let id = world.get("/api/v1/hub/plugins/Cars")["id"].as_str().unwrap().to_owned();
    assert_eq!(ask(&world, "DELETE", &format!("/api/v1/hub/plugins/{id}/install"), &json!({})).0, 200);
    assert_eq!(names("/ui/plugins?scope=installed"), ["Tables", "Roads"]);
    assert!(
        page(&world, "/ui/plugins?q=Cars").contains(&format!("POST /api/v1/hub/plugins/{id}/install")),
        "it can be installed again"
    );
    for wrong in ["type=nonsense", "scope=nonsense", "live=perhaps", "after=nonsense"] {
        let (status, _, body) = world.http(&format!("GET /ui/plugins?{wrong} HTTP/1.0\nHost: localhost\nAccept: text/html\n\n"));
        assert!(status == 400 && body.contains("class=\"failure\""), "{wrong}: {status}");
    }
    let listed = world.run(&["hub", "ls", "--type", "model", "--search", "ROADS", "--json"]).well().json();
    assert_eq!(listed["plugins"].as_array().unwrap().len(), 1);
}

#[test]
fn a_run_is_looked_at_before_it_is_sent() {
    let world = World::new();
    let (_, project) = ask(&world, "POST", "/api/v1/projects", &json!({ "name": "cars" }));
    let project = project["id"].as_str().unwrap();
    let schema = json!({ "type": "object", "properties": { "n": { "type": "integer" } }, "required": ["n"] });
    let body = json!({ "type": "export", "name": "Counted", "default_config": "{\"n\": 1}", "config_schema": schema });
    let (_, made) = ask(&world, "POST", "/api/v1/hub/plugins", &body);
    let path = format!("/api/v1/hub/plugins/{}/check", made["id"].as_str().unwrap());
    let (status, good) = ask(&world, "POST", &path, &json!({ "project": project }));
    assert_eq!((status, &good["live"], &good["config"]), (200, &json!(false), &json!("{\"n\": 1}")));
    for (body, code) in [
        (json!({ "project": project, "config": "{\"n\": \"x\"}" }), "hub-config"),
        (json!({ "project": project, "config": "{" }), "hub-config"),
        (json!({ "project": project, "parameters": { "stage": ["Nowhere"] } }), "session-parameter"),
        (json!({ "project": "nowhere" }), "project-not-found"),
        (json!({ "project": project, "preset": "none" }), "preset-not-found"),
    ] {
        let (status, refused) = ask(&world, "POST", &path, &body);
        assert!((400..500).contains(&status) && refused["error"]["code"] == code, "{body}: {refused}");
    }
    assert_eq!(world.get("/api/v1/hub/sessions")["sessions"], json!([]), "nothing was made");
    world.run(&["hub", "run", "Counted", "--project", "cars", "--check"]).well();
    world.run(&["hub", "run", "Counted", "--project", "cars", "--config", "[]", "--check"]).failed(1, &["no JSON object"]);
    let (_, preview) = ask(&world, "POST", "/api/v1/hub/preview", &json!({ "markdown": "# A\n\n<script>alert(1)</script>|b|" }));
    assert!(preview["html"].as_str().unwrap().contains("<h1>A</h1>") && !preview.to_string().contains("<script"), "{preview}");
}

const SCRIPT: &str = r#"
import os, time
from pegboard.hub import BatchModelPlugin, run

def work(payload):
    if payload.config.get("fail"):
        raise ValueError("<b>no model</b>")
    for done in range(4):
        payload.logger.info("step <i>%d</i>", done)
        payload.progress(done, 4)
        time.sleep(0.2)
    return {"said": "<u>done</u>"}

run(BatchModelPlugin(os.environ["PLUGIN_ID"], os.environ["PLUGIN_SECRET"], work))
"#;

#[test]
fn a_session_is_told_as_it_goes_and_stays_to_be_read() {
    let world = World::new();
    let (_, project) = ask(&world, "POST", "/api/v1/projects", &json!({ "name": "cars" }));
    let project = project["id"].as_str().unwrap();
    let (_, made) = ask(&world, "POST", "/api/v1/hub/plugins", &json!({ "type": "batch-model", "name": "Steps" }));
    let id = made["id"].as_str().unwrap().to_owned();
    // News are listened to from before the light turns until both sessions are over.
    let url = world.url.clone();
    let news = std::thread::spawn(move || listen(&url, "/api/v1/news", |text| text.matches("\"state\":\"failed\"").count() > 0));
    let host = json!({ "file_name": "steps.py", "script": SCRIPT, "requirements": "" });
    assert_eq!(ask(&world, "PUT", &format!("/api/v1/hub/plugins/{id}/host"), &host).0, 200);
    until("the light", || (world.get(&format!("/api/v1/hub/plugins/{id}"))["live"] == true).then_some(()));
    assert!(page(&world, &format!("/ui/plugins/hub/{id}")).contains("Hosted here"));
    let run = format!("/api/v1/hub/plugins/{id}/sessions");
    let (status, session) = ask(&world, "POST", &run, &json!({ "project": project }));
    assert_eq!(status, 200, "{session}");
    let session = session["id"].as_str().unwrap().to_owned();
    // The stream ends with the session, and has every line once.
    let events = listen(&world.url, &format!("/api/v1/hub/sessions/{session}/events"), |text| text.contains("event: end"));
    let kinds: Vec<&str> = events.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!((kinds.first(), kinds.last()), (Some(&"session"), Some(&"end")), "{events}");
    assert_eq!(kinds.iter().filter(|kind| **kind == "log").count(), 4, "{events}");
    assert!(events.contains("\"state\":\"finished\"") && events.contains("id: 4"), "{events}");
    let rest = listen(&world.url, &format!("/api/v1/hub/sessions/{session}/events?after=3"), |text| text.contains("event: end"));
    assert_eq!(rest.matches("event: log").count(), 1, "{rest}");
    let shown = page(&world, &format!("/ui/sessions/{session}"));
    for said in ["step &lt;i&gt;3&lt;/i&gt;", "&lt;u&gt;done&lt;/u&gt;", "Run again", "Change and run", "state-finished"] {
        assert!(shown.contains(said), "{said} in {shown}");
    }
    let (_, failed) = ask(&world, "POST", &run, &json!({ "project": project, "config": { "fail": true } }));
    let failed = failed["id"].as_str().unwrap();
    world.get(&format!("/api/v1/hub/sessions/{failed}?wait=50"));
    let shown = page(&world, &format!("/ui/sessions/{failed}"));
    assert!(shown.contains("&lt;b&gt;no model&lt;/b&gt;") && shown.contains("state-failed"), "{shown}");
    let list = page(&world, "/ui/sessions?state=failed");
    assert!(list.contains(failed) && !list.contains(&session), "{list}");
    assert_eq!(world.get("/api/v1/hub/sessions?limit=1")["next"], *failed);
    assert!(
        page(&world, &format!("/ui/plugins/hub/{id}/run?again={failed}")).contains("&quot;fail&quot;"),
        "the settings of before are there"
    );
    let news = news.join().unwrap();
    assert!(news.contains("event: live") && news.contains("\"live\":true"), "{news}");
    for state in ["queued", "running", "finished", "failed"] {
        assert!(news.contains(&format!("\"state\":\"{state}\"")), "{state} in {news}");
    }
    assert!(news.contains("\"done\":3") || news.contains("\"done\":2"), "{news}");
    let missing = "64e5f00d0000000000000001";
    for path in [
        format!("/ui/sessions/{missing}"),
        format!("/ui/plugins/hub/{missing}"),
        "/ui/plugins/packages/none".to_owned(),
        "/ui/plugins/panels/none".to_owned(),
    ] {
        assert_eq!(world.http(&format!("GET {path} HTTP/1.0\nHost: localhost\nAccept: text/html\n\n")).0, 404, "{path}");
    }
}

/// Reads an event stream until it has said enough, or ends.
fn listen(url: &str, path: &str, enough: impl Fn(&str) -> bool) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(120))).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
    let (mut text, mut bytes) = (String::new(), [0; 4096]);
    while !enough(&text) {
        match stream.read(&mut bytes).unwrap() {
            0 => break,
            count => text.push_str(&String::from_utf8_lossy(&bytes[..count])),
        }
    }
    text
}
