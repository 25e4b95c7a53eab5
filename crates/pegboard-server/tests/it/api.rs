//! The router without a socket, over a real store and flow and a plugin runner that the test scripts.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use pegboard_engine::{Engine, Environments};
use pegboard_flow::Flow;
use pegboard_hub::{Hub, HubOptions, HubParts, Keyring, Labelling};
use pegboard_model::{
    Call, CallEvent, Failure, FailureKind, LogLevel, LogLine, LogStream, Operation, PluginName, PluginRunner, Timestamp, Value,
};
use pegboard_server::config::Sources;
use pegboard_server::{App, LocalKeys, Parts, Settings, Shutdown, app, join};
use pegboard_store::Store;
use serde_json::{Value as Json, json};
use tower::ServiceExt as _;

/// Answers every call by its target: `say.*` logs and ends well, `fail.*` fails, `wait.*` never ends.
struct Scripted;

impl PluginRunner for Scripted {
    fn call(&self, call: Call) -> BoxStream<'static, CallEvent> {
        let target = match &call.operation {
            Operation::Stage { target, .. } | Operation::Items { target, .. } => target.clone(),
            _ => String::new(),
        };
        let line = LogLine {
            time: Timestamp(0),
            stage: Some(call.stage.clone()),
            stream: LogStream::Stdout,
            level: LogLevel::Info,
            text: "<b>said</b>".to_owned(),
        };
        let value = Value::Inline(Bytes::from_static(b"\"done\""));
        let finished = CallEvent::Finished { values: vec![value], busy: Duration::from_millis(1) };
        let begun = CallEvent::Started { process_id: None };
        match target.split('.').next() {
            Some("wait") => stream::iter([begun]).chain(stream::pending()).boxed(),
            Some("fail") => {
                let failure = Failure { class: "ValueError".to_owned(), ..Failure::noticed(FailureKind::Raised, "no <good>") };
                stream::iter([begun, CallEvent::Failed(failure.traceback("Traceback: <script>"))]).boxed()
            }
            _ => stream::iter([begun, CallEvent::Log(vec![line]), finished]).boxed(),
        }
    }

    fn slots(&self, _: &PluginName) -> usize {
        2
    }

    fn owner(&self, _: &str) -> PluginName {
        PluginName::base()
    }
}

/// The app in process.
pub(crate) struct Api {
    pub(crate) router: Router,
    pub(crate) labelling: Labelling,
    pub(crate) store: Store,
    shutdown: Shutdown,
    _folder: tempfile::TempDir,
}

impl Api {
    async fn new() -> Self {
        Self::with(&[]).await
    }

    /// With these settings.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sources = Sources { directory: folder.path().to_owned(), ..Sources::default() };
        let sources = sources.flag("--set", "server.body_limit", Some("64KiB".to_owned()));
        let sources =
            settings.iter().fold(sources, |sources, (key, value)| sources.flag("--set", key, Some((*value).to_owned())));
        let settings = Settings::load(&sources).unwrap();
        let store = Store::open(settings.store.clone()).await.unwrap();
        let environments = Environments::open(settings.engine.environments.clone()).await.unwrap();
        let engine = Engine::start(settings.engine.options.clone(), environments).await.unwrap();
        let flow = Flow::start(settings.flow.clone(), store.clone(), Arc::new(Scripted)).await.unwrap();
        let shutdown = Shutdown::default();
        let keyring = Keyring::ephemeral();
        let labelling = Labelling::open(store.clone(), keyring.clone()).await.unwrap();
        let parts = HubParts {
            store: store.clone(),
            keyring,
            labelling: labelling.clone(),
            options: HubOptions::default(),
            base_url: "http://localhost".to_owned(),
            message_limit: 1 << 20,
        };
        let hub = Hub::start(parts).await.unwrap();
        let local_url = "http://localhost".to_owned();
        let (known, stored, local_keys) = (labelling.clone(), store.clone(), LocalKeys::nobodys().unwrap());
        let shutdown_of_app = shutdown.clone();
        let parts = Parts { store, engine, flow, hub, labelling, settings, shutdown: shutdown_of_app, local_url, local_keys };
        let shared = App::new(parts);
        tokio::spawn(join(shared.clone()));
        Self { router: app(shared), labelling: known, store: stored, shutdown, _folder: folder }
    }

    async fn send(&self, method: &str, path: &str, content_type: &str, body: impl Into<Body>) -> axum::response::Response {
        let request =
            Request::builder().method(method).uri(path).header("host", "localhost").header("content-type", content_type);
        self.router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap()
    }

    async fn ask(&self, method: &str, path: &str, body: Json) -> (u16, Json) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let response = self.send(method, path, "application/json", body).await;
        let (status, text) = (response.status().as_u16(), text(response).await);
        (status, serde_json::from_str(&text).unwrap_or(Json::String(text)))
    }

    async fn get(&self, path: &str) -> Json {
        let (status, body) = self.ask("GET", path, Json::Null).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn workflow(&self, name: &str, target: &str) {
        let text =
            format!("kind: workflow\nmetadata: {{name: {name}}}\nspec:\n  stages:\n    - {{name: only, target: {target}}}\n");
        let response = self.send("POST", "/api/v1/workflows", "application/yaml", text).await;
        assert_eq!(response.status(), StatusCode::OK);
    }

    /// Starts a run and waits for its end by its event stream.
    async fn ended(&self, workflow: &str) -> (String, String) {
        let (_, run) = self.ask("POST", "/api/v1/runs", json!({ "workflow": workflow })).await;
        let uid = run["uid"].as_str().unwrap().to_owned();
        let events = text(self.send("GET", &format!("/api/v1/runs/{uid}/events"), "", Body::empty()).await).await;
        (uid, events)
    }
}

async fn text(response: axum::response::Response) -> String {
    String::from_utf8(axum::body::to_bytes(response.into_body(), 1 << 24).await.unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn a_run_from_start_to_end() {
    let api = Api::new().await;
    api.workflow("w", "say.hello").await;
    let (uid, events) = api.ended("w").await;
    let names: Vec<&str> = events.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!((names.first(), names.last()), (Some(&"run"), Some(&"end")), "{events}");
    assert!(names.contains(&"log") && events.contains("id: 1\n"), "{events}");
    let run = api.get(&format!("/api/v1/runs/{uid}")).await;
    assert_eq!((run["state"].as_str(), run["result"].as_str()), (Some("finished"), Some("done")), "{run}");
    let log = api.get(&format!("/api/v1/runs/{uid}/log")).await;
    let said = log["lines"].as_array().unwrap().iter().find(|line| line["stage"] == "only").unwrap();
    assert_eq!(said["text"], "<b>said</b>");
    assert_eq!(api.get(&format!("/api/v1/runs/{uid}/log?after={}", log["last"])).await["lines"], json!([]));
    assert_eq!(api.get(&format!("/api/v1/runs/{uid}/result")).await, "done");
    // A stream taken up after the last line says no line again.
    let request = Request::builder()
        .uri(format!("/api/v1/runs/{uid}/events"))
        .header("host", "localhost")
        .header("last-event-id", log["last"].to_string());
    let resumed = text(api.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()).await;
    assert!(!resumed.contains("event: log") && resumed.contains("event: end"), "{resumed}");
    assert_eq!(api.ask("DELETE", &format!("/api/v1/runs/{uid}"), Json::Null).await.0, 200);
    assert_eq!(api.ask("GET", &format!("/api/v1/runs/{uid}"), Json::Null).await.0, 404);
}

#[tokio::test]
async fn runs_are_paged_newest_first() {
    let api = Api::new().await;
    api.workflow("w", "say.hello").await;
    let mut all = Vec::new();
    for _ in 0..5 {
        all.push(api.ended("w").await.0);
    }
    all.reverse();
    let mut seen = Vec::new();
    let mut path = "/api/v1/runs?limit=2&workflow=w&state=finished".to_owned();
    loop {
        let page = api.get(&path).await;
        seen.extend(page["runs"].as_array().unwrap().iter().map(|run| run["uid"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/runs?limit=2&workflow=w&state=finished&before={next}");
    }
    assert_eq!(seen, all);
    assert_eq!(api.get("/api/v1/runs?state=failed").await["runs"], json!([]));
}

#[tokio::test]
async fn a_run_under_way_is_cancelled_but_not_deleted() {
    let api = Api::new().await;
    api.workflow("w", "wait.long").await;
    let (_, run) = api.ask("POST", "/api/v1/runs", json!({ "workflow": "w" })).await;
    let uid = run["uid"].as_str().unwrap();
    let (status, body) = api.ask("DELETE", &format!("/api/v1/runs/{uid}"), Json::Null).await;
    assert_eq!((status, body["error"]["code"].as_str()), (409, Some("run-under-way")));
    assert_eq!(api.ask("GET", &format!("/api/v1/runs/{uid}/result"), Json::Null).await.0, 404);
    let (status, run) = api.ask("POST", &format!("/api/v1/runs/{uid}/cancel"), Json::Null).await;
    assert_eq!((status, run["state"].as_str()), (200, Some("cancelled")));
}

#[tokio::test]
async fn refusals_have_codes_and_hints() {
    let api = Api::new().await;
    for (method, path, body, status, code) in [
        ("GET", "/api/v1/nothing", Json::Null, 404, "route-not-found"),
        ("GET", "/elsewhere", Json::Null, 404, "route-not-found"),
        ("PATCH", "/api/v1/runs", Json::Null, 405, "method-not-allowed"),
        ("POST", "/api/v1/runs", json!({ "workflow": "absent" }), 404, "workflow-not-found"),
        ("POST", "/api/v1/runs", json!({ "workflow": "not a name" }), 400, "resource-name"),
        ("POST", "/api/v1/runs", json!({ "workflw": "w" }), 400, "body"),
        ("POST", "/api/v1/runs", json!([1]), 400, "body"),
        ("GET", "/api/v1/runs/absent", Json::Null, 404, "run-not-found"),
        ("GET", "/api/v1/runs?state=dancing", Json::Null, 400, "query"),
        ("GET", "/api/v1/runs?before=absent", Json::Null, 404, "run-not-found"),
        ("GET", "/api/v1/runs?limt=1", Json::Null, 400, "query"),
        ("GET", "/api/v1/plugins/absent", Json::Null, 404, "plugin-not-found"),
        ("GET", "/api/v1/plugins/..", Json::Null, 400, "plugin-name"),
        ("POST", "/api/v1/plugins/absent/reload", Json::Null, 404, "plugin-not-found"),
        ("POST", "/api/v1/plugins", json!({ "requirement": " " }), 400, "requirement"),
        ("DELETE", "/api/v1/workflows/absent", Json::Null, 404, "workflow-not-found"),
        ("GET", "/api/v1/configs/absent", Json::Null, 404, "config-not-found"),
        ("DELETE", "/api/v1/triggers/absent", Json::Null, 404, "trigger-not-found"),
        ("GET", "/api/v1/events?afetr=1", Json::Null, 400, "query"),
        ("POST", "/api/v1/apply", json!({ "x": "y".repeat(70_000) }), 413, "body-too-large"),
        ("PUT", "/api/v1/configs/c", json!({ "x": "y".repeat(70_000) }), 413, "body-too-large"),
        ("POST", "/api/v1/runs", json!({ "workflow": "w", "input": { "x": "y".repeat(70_000) } }), 413, "body-too-large"),
    ] {
        let (found, answer) = api.ask(method, path, body).await;
        assert_eq!((found, answer["error"]["code"].as_str()), (status, Some(code)), "{method} {path}: {answer}");
        assert!(answer["error"]["message"].is_string() && answer["error"]["hint"].is_string(), "{method} {path}: {answer}");
    }
    let response = api.send("PATCH", "/api/v1/runs", "", Body::empty()).await;
    let allowed: Vec<&str> = response.headers()["allow"].to_str().unwrap().split(',').collect();
    assert!(["GET", "POST"].iter().all(|method| allowed.contains(method)), "{allowed:?}");
    let response = api.send("POST", "/api/v1/workflows", "application/yaml", "kind: [").await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert!(text(response).await.contains("line 1"));
}

#[tokio::test]
async fn pages_escape_what_plugins_say_and_work_without_scripts() {
    let api = Api::new().await;
    api.workflow("good", "say.hello").await;
    api.workflow("bad", "fail.always").await;
    let (good, _) = api.ended("good").await;
    let (bad, _) = api.ended("bad").await;
    for (path, words) in [
        ("/ui/".to_owned(), vec!["ValueError: no &lt;good&gt;", "finished"]),
        (format!("/ui/runs/{good}"), vec!["&lt;b&gt;said&lt;/b&gt;", "done", "<main id=\"content\""]),
        (format!("/ui/runs/{bad}"), vec!["Traceback: &lt;script&gt;", "failed"]),
        ("/api/docs".to_owned(), vec!["/api/v1/runs/{id}/cancel", "RunAnswer"]),
    ] {
        let response = api.send("GET", &path, "", Body::empty()).await;
        let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self'"), "{policy}");
        let page = text(response).await;
        words.iter().for_each(|word| assert!(page.contains(word), "{path}: `{word}` in\n{page}"));
        assert!(!page.contains("<b>said") && !page.contains("<script>") && !page.contains("style="), "{path}");
    }
    for (asset, kind) in [("bootstrap.css", "text/css"), ("pegboard.js", "text/javascript"), ("icon.svg", "image/svg+xml")] {
        let response = api.send("GET", &format!("/ui/assets/{asset}"), "", Body::empty()).await;
        assert!(response.headers()["content-type"].to_str().unwrap().starts_with(kind));
    }
    assert_eq!(api.send("GET", "/ui/assets/absent", "", Body::empty()).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_door_tells_browsers_from_clients() {
    let api = Api::new().await;
    assert_eq!(api.get("/").await["app"], "flowdapt");
    let request = Request::builder().uri("/").header("host", "localhost").header("accept", "text/html,*/*;q=0.8");
    let response = api.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!((response.status().is_redirection(), response.headers()["location"].to_str().unwrap()), (true, "/ui/"));
}

#[tokio::test]
async fn a_browser_gets_a_page_for_what_is_not_there_and_a_program_gets_json() {
    let api = Api::new().await;
    let ask = |path: &str, accept: &str| {
        let request = Request::builder().uri(path).header("host", "localhost").header("accept", accept);
        api.router.clone().oneshot(request.body(Body::empty()).unwrap())
    };
    for path in ["/ui/nope", "/ui/runs/no-such-run", "/ui/assets/absent", "/ui/<b>"] {
        let path = path.replace('<', "%3C").replace('>', "%3E");
        let page = ask(&path, "text/html,application/xhtml+xml,*/*;q=0.8").await.unwrap();
        assert_eq!(page.status(), StatusCode::NOT_FOUND, "{path}");
        assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"), "{path}");
        assert!(page.headers().contains_key("content-security-policy"), "{path}");
        let page = text(page).await;
        assert!(page.contains("There is nothing here") && page.contains("href=\"/ui/\"") && !page.contains("<b>"), "{page}");
        let refused = text(ask(&path, "application/json").await.unwrap()).await;
        assert!(refused.contains("\"error\""), "{path}: {refused}");
    }
    let api_path = text(ask("/api/v1/nope", "text/html").await.unwrap()).await;
    assert!(api_path.contains("route-not-found"), "{api_path}");
}

#[tokio::test]
async fn operations_see_the_server() {
    let api = Api::new().await;
    api.workflow("w", "say.hello").await;
    api.ended("w").await;
    assert_eq!(api.get("/-/health").await["status"], "ok");
    assert_eq!(api.get("/api/v1/status").await["app"], "pegboard");
    assert_eq!(api.get("/api/v1/workers").await["workers"], json!([]));
    assert!(api.get("/api/v1/settings").await["settings"].as_array().unwrap().len() > 30);
    assert_eq!(api.get("/api/v1/openapi.json").await["openapi"].as_str().map(|version| &version[..3]), Some("3.1"));
    let metrics = text(api.send("GET", "/-/metrics", "", Body::empty()).await).await;
    assert!(
        metrics.contains("pegboard_http_requests_total{method=\"POST\",route=\"/api/v1/runs\",status=\"200\"} 1"),
        "{metrics}"
    );
    assert!(metrics.contains("pegboard_runs_ended_total{state=\"finished\"} 1"), "{metrics}");
    api.shutdown.begin();
    assert_eq!(api.ask("GET", "/-/ready", Json::Null).await.0, 503);
}

#[tokio::test]
async fn the_stream_of_everything_ends_with_the_server() {
    let api = Api::new().await;
    api.workflow("w", "say.hello").await;
    let response = api.send("GET", "/api/v1/news", "", Body::empty()).await;
    let reading = tokio::spawn(text(response));
    api.ended("w").await;
    // What is on its way arrives; what comes after the stop does not.
    tokio::time::sleep(Duration::from_millis(200)).await;
    api.shutdown.begin();
    let events = tokio::time::timeout(Duration::from_secs(10), reading).await.unwrap().unwrap();
    for name in ["hello", "run", "stage", "log"] {
        assert!(events.contains(&format!("event: {name}\n")), "{name} in\n{events}");
    }
}
