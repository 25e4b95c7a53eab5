//! Pages as those see them who may not do everything: viewers, and people of other organizations.

use std::collections::BTreeSet;

use pegboard_model::OrganizationRole;
use pegboard_server::{Access, Route, listed_routes};
use serde_json::{Value as Json, json};

use super::world::Door;
use crate::dashboard::share_downloads;
use crate::support::{World, end, root, until};

const SCRIPT: &str = "
import os
from pegboard.hub import BatchModelPlugin, run

run(BatchModelPlugin(os.environ['PLUGIN_ID'], os.environ['PLUGIN_SECRET'], lambda payload: {'said': 'done'}))
";

/// A server with one of everything that has a page.
struct Shown {
    world: World,
    admin: String,
    project: String,
    asset: String,
    plugin: String,
    session: String,
    run: String,
}

impl Shown {
    fn new() -> Self {
        let mut world = World::unstarted();
        std::fs::create_dir_all(world.data()).unwrap();
        share_downloads(&world);
        world.start_with(&[("PEGBOARD__SERVER__SIGN_IN", "always")]);
        let admin = Self::own(&world, &["key", "create"]).trim().to_owned();
        let mut shown = Self {
            world,
            admin,
            project: String::new(),
            asset: String::new(),
            plugin: String::new(),
            session: String::new(),
            run: String::new(),
        };
        let good = root().join("fixtures/plugins/good");
        Self::own(&shown.world, &["install", good.to_str().unwrap()]);
        let stages = json!([{ "name": "greet", "target": "pegboard_fixture_good.hello" }]);
        shown.well(
            "POST",
            "/api/v1/apply",
            &json!({ "kind": "workflow", "metadata": { "name": "greet" }, "spec": { "stages": stages } }),
        );
        let selector = json!({ "kind": "workflow", "type": "name", "value": "greet" });
        shown.well(
            "POST",
            "/api/v1/apply",
            &json!({ "kind": "config", "metadata": { "name": "c" }, "spec": { "selector": selector, "data": {} } }),
        );
        let action = json!({ "target": "run_workflow", "parameters": { "workflow": "greet" } });
        let spec = json!({ "type": "schedule", "rule": ["0 3 * * *"], "action": action });
        shown.well("POST", "/api/v1/apply", &json!({ "kind": "trigger_rule", "metadata": { "name": "t" }, "spec": spec }));
        shown.run = text(&shown.well("POST", "/api/v1/runs", &json!({ "workflow": "greet" })), "uid");
        let model = json!({ "facts": { "model_type": "regressor", "target": "y" } });
        shown.well("POST", "/api/v1/catalog/model/alpha", &model);
        let project = text(&shown.well("POST", "/api/v1/projects", &json!({ "name": "cars" })), "id");
        let below = |rest: &str| format!("/api/v1/projects/{project}{rest}");
        shown.well("PUT", &below("/schema"), &json!({ "tools": [{ "tool": "bounding-box", "title": "Car" }] }));
        shown.well("POST", &below("/assets"), &json!({ "items": [{ "data": "one", "externalId": "one" }], "batches": ["b"] }));
        shown.well("POST", &below("/batches"), &json!({ "name": "other" }));
        shown.asset = text(&shown.well("GET", &below("/assets"), &Json::Null)["assets"][0], "id");
        let plugin = json!({ "type": "batch-model", "name": "Steps", "class_names": ["car"], "listed": true });
        let plugin = text(&shown.well("POST", "/api/v1/hub/plugins", &plugin), "id");
        let host = json!({ "file_name": "steps.py", "script": SCRIPT, "requirements": "" });
        shown.well("PUT", &format!("/api/v1/hub/plugins/{plugin}/host"), &host);
        until("the light", || {
            (shown.well("GET", &format!("/api/v1/hub/plugins/{plugin}"), &Json::Null)["live"] == true).then_some(())
        });
        let asked = json!({ "project": project });
        shown.session = text(&shown.well("POST", &format!("/api/v1/hub/plugins/{plugin}/sessions"), &asked), "id");
        (shown.project, shown.plugin) = (project, plugin);
        shown.well("GET", &format!("/api/v1/hub/sessions/{}?wait=50", shown.session), &Json::Null);
        // The server's own panels are there as soon as somebody opens the dashboard.
        assert_eq!(shown.page(&shown.admin, "/ui/dash/").0, 200);
        until("the panels", || {
            let all = shown.well("GET", "/api/v1/dashboard/plugins", &Json::Null);
            assert_ne!(all["state"], "failed", "{all}");
            let is_there = |all: &Vec<Json>| !all.is_empty() && all.iter().all(|panel| panel["state"] != "loading");
            all["plugins"].as_array().filter(|all| is_there(all)).map(drop)
        });
        until("the run", || {
            let run = shown.well("GET", &format!("/api/v1/runs/{}", shown.run), &Json::Null);
            (run["state"] == "finished").then_some(())
        });
        shown
    }

    /// A command of whoever works on the server's machine.
    #[track_caller]
    fn own(world: &World, arguments: &[&str]) -> String {
        end(world.command(arguments).env("PEGBOARD__SERVER__DATA", world.data())).well().stdout
    }

    /// A key of a new user with this role.
    fn key(&self, role: &str) -> String {
        let email = format!("{role}@example.org");
        Self::own(&self.world, &["user", "add", &email, "--role", role]);
        Self::own(&self.world, &["key", "create", "--user", &email]).trim().to_owned()
    }

    #[track_caller]
    fn well(&self, method: &str, path: &str, body: &Json) -> Json {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, _, answer) = self.world.http(&format!(
            "{method} {path} HTTP/1.0\nHost: localhost\nAuthorization: Bearer {}\nContent-Type: application/json\nContent-Length: {}\n\n{body}",
            self.admin,
            body.len()
        ));
        assert_eq!(status, 200, "{method} {path}: {answer}");
        serde_json::from_str(&answer).unwrap_or(Json::Null)
    }

    fn page(&self, key: &str, path: &str) -> (u16, String) {
        let (status, _, body) =
            self.world.http(&format!("GET {path} HTTP/1.0\nHost: localhost\nAuthorization: Bearer {key}\nAccept: text/html\n\n"));
        (status, body)
    }

    /// Addresses of a page.
    fn paths(&self, pattern: &str) -> Vec<String> {
        let all = match pattern {
            "/ui/workflows/{name}" => vec!["/ui/workflows/greet".to_owned()],
            "/ui/runs/{id}" => vec![format!("/ui/runs/{}", self.run)],
            "/ui/edit/{kind}" => vec!["/ui/edit/workflow".to_owned(), "/ui/edit/trigger?from=t".to_owned()],
            "/ui/edit/{kind}/{name}" => {
                vec!["/ui/edit/workflow/greet".to_owned(), "/ui/edit/config/c".to_owned(), "/ui/edit/trigger/t".to_owned()]
            }
            "/ui/artifacts/{kind}/{name}" => vec!["/ui/artifacts/model/alpha".to_owned()],
            "/ui/plugins/packages/{name}" => vec!["/ui/plugins/packages/pegboard-fixture-good".to_owned()],
            "/ui/plugins/panels/{id}" => {
                let all = self.well("GET", "/api/v1/dashboard/plugins", &Json::Null);
                let all = all["plugins"].as_array().unwrap().iter();
                assert!(all.len() > 0, "no panel is there");
                all.map(|panel| format!("/ui/plugins/panels/{}", text(panel, "id"))).collect()
            }
            "/ui/sessions/{id}" => vec![format!("/ui/sessions/{}", self.session)],
            pattern if pattern.starts_with("/ui/plugins/hub/{id}") => vec![pattern.replace("{id}", &self.plugin)],
            pattern if pattern.starts_with("/ui/projects/{id}") => {
                vec![pattern.replace("{id}", &self.project).replace("{asset_id}", &self.asset)]
            }
            pattern => vec![pattern.to_owned()],
        };
        assert!(all.iter().all(|path| !path.contains('{')), "say what stands in the place of the names of `{pattern}`");
        all
    }
}

fn text(value: &Json, key: &str) -> String {
    value[key].as_str().unwrap_or_else(|| panic!("no `{key}` in {value}")).to_owned()
}

/// Our own pages: what is below `/ui`, and no files and callbacks of it.
fn pages() -> Vec<Route> {
    let is_page = |path: &str| {
        path.starts_with("/ui/") && !["/ui/dash", "/ui/assets", "/ui/openid"].iter().any(|other| path.starts_with(other))
    };
    listed_routes().into_iter().filter(|route| route.method == "GET" && is_page(route.path)).collect()
}

/// What the table asks of a request; none when it has no such route.
fn access(routes: &[Route], method: &str, path: &str) -> Option<Access> {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').collect();
    let fits = |pattern: &str| {
        let pattern: Vec<&str> = pattern.split('/').collect();
        pattern.len() == parts.len()
            && pattern.iter().zip(&parts).all(|(one, part)| one == part || (one.starts_with('{') && !part.is_empty()))
    };
    // A word of the path counts more than a name that stands for any.
    let found = routes.iter().filter(|route| route.method == method && fits(route.path));
    found.min_by_key(|route| route.path.matches('{').count()).map(|route| route.access)
}

fn is_for_viewers(access: Access) -> bool {
    access.role().is_none_or(|least| least <= OrganizationRole::Viewer)
}

/// The values of an attribute, in the page's order.
fn attributes<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let begin = format!(" {name}=\"");
    page.match_indices(&begin).map(|(at, _)| page[at + begin.len()..].split('"').next().unwrap()).collect()
}

/// Requests that a page offers to send, and pages that it leads to.
fn offered(page: &str) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for name in ["data-send", "data-whole"] {
        for sent in attributes(page, name) {
            let (method, path) = sent.split_once(' ').unwrap();
            found.insert((method.to_owned(), path.to_owned()));
        }
    }
    found.extend(attributes(page, "data-stream").iter().map(|path| ("POST".to_owned(), (*path).to_owned())));
    let links = attributes(page, "href").into_iter().filter(|path| path.starts_with("/ui/"));
    found.extend(links.map(|path| ("GET".to_owned(), path.replace("&amp;", "&"))));
    found
}

#[test]
fn viewers_are_offered_nothing_that_they_may_not_do() {
    let shown = Shown::new();
    let (viewer, member) = (shown.key("viewer"), shown.key("member"));
    let routes = listed_routes();
    let (mut problems, mut looked, mut for_members) = (Vec::new(), 0, BTreeSet::new());
    for route in pages() {
        // The link of whoever has no password yet is nobody's here.
        if route.path == "/ui/link/{token}" {
            continue;
        }
        for path in shown.paths(route.path) {
            let (status, page) = shown.page(&viewer, &path);
            if !is_for_viewers(route.access) {
                let is_told = status == 403 && page.contains("This takes the role") && page.contains("admins");
                assert!(is_told, "{path}: {status} {page}");
                continue;
            }
            assert_eq!(status, 200, "{path}: {page}");
            looked += 1;
            for (method, offer) in offered(&page) {
                match access(&routes, &method, &offer) {
                    None => problems.push(format!("{path} offers {method} {offer}, which nobody serves")),
                    Some(access) if !is_for_viewers(access) => problems.push(format!("{path} offers {method} {offer}")),
                    Some(_) => {}
                }
            }
            // Forms that a script sends say nowhere what they send: only those that ask for a page are left.
            for form in page.match_indices("<form").map(|(at, _)| page[at..].split('>').next().unwrap()) {
                let asks = ["data-send", "method=\"get\"", "data-one-of", "role=\"search\""];
                if !asks.iter().any(|attribute| form.contains(attribute)) {
                    problems.push(format!("{path} has {form}>"));
                }
            }
            for button in ["data-run", "data-again", "data-add", "data-remove-stage"] {
                if !attributes(&page, button).is_empty() {
                    problems.push(format!("{path} has a button {button}"));
                }
            }
            for dialog in attributes(&page, "data-open") {
                if !page.contains(&format!("id=\"{dialog}\"")) {
                    problems.push(format!("{path} opens {dialog}, which is not there"));
                }
            }
            let (status, page) = shown.page(&member, &path);
            assert_eq!(status, 200, "{path}: {page}");
            for (method, offer) in offered(&page) {
                let asked = access(&routes, &method, &offer);
                assert!(asked.is_some(), "{path} offers a member {method} {offer}, which nobody serves");
                if asked == Some(Access::Member) && method != "GET" {
                    for_members.insert((route.path, method));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(looked > 30, "only {looked} pages were looked at");
    // Members have what viewers lack, so that this looks at something.
    assert!(for_members.len() > 15, "{for_members:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_of_other_organizations_see_their_own_and_are_told_what_is_not_theirs() {
    let door = Door::new().await;
    let boss = door.stranger("elsewhere").await;
    let key = door.key_of(&boss, None).await;
    let bearer = format!("Bearer {key}");
    let page = async |path: &str| door.ask("GET", path, &[("accept", "text/html"), ("authorization", &bearer)], Json::Null).await;
    let text = |body: &Json| body.as_str().unwrap_or_default().to_owned();

    let first = text(&page("/ui/").await.is(200).body);
    assert!(first.contains("Hang up your first plugin") && !first.contains("A workflow plugin"), "{first}");
    let project = door.by_key(&key, "POST", "/api/v1/projects", json!({ "name": "theirs" })).await.is(200).body;
    let project = project["id"].as_str().unwrap();
    let item = json!({ "items": [{ "data": "one", "externalId": "one" }] });
    door.by_key(&key, "POST", &format!("/api/v1/projects/{project}/assets"), item).await.is(200);
    let plugin = json!({ "name": "Tables", "type": "export" });
    let plugin = door.by_key(&key, "POST", "/api/v1/hub/plugins", plugin).await.is(200).body;
    let plugin = plugin["id"].as_str().unwrap();

    let home = text(&page("/ui/").await.is(200).body);
    assert!(home.contains("Tables") && home.contains("Hub plugins") && home.contains("Latest sessions"), "{home}");
    for absent in ["Latest runs", "Next triggers", "href=\"/ui/workflows\"", "href=\"/ui/dash/\""] {
        assert!(!home.contains(absent), "{absent} in {home}");
    }
    assert!(home.contains("href=\"/ui/admin/people\""));
    let plugin = format!("/ui/plugins/hub/{plugin}");
    for path in [
        "/ui/plugins",
        "/ui/plugins/development",
        &plugin,
        &format!("{plugin}/run?project={project}"),
        "/ui/sessions",
        "/ui/projects",
        "/ui/account",
        "/ui/admin/people",
        "/ui/admin/keys",
        "/ui/admin/storages",
        "/ui/admin/audit",
        "/api/docs",
    ] {
        page(path).await.is(200);
    }
    for tab in ["", "/assets", "/tasks", "/stages", "/batches", "/schema", "/exchange", "/plugins"] {
        page(&format!("/ui/projects/{project}{tab}")).await.is(200);
    }
    for path in [
        "/ui/workflows",
        "/ui/runs",
        "/ui/triggers",
        "/ui/configs",
        "/ui/edit/workflow",
        "/ui/plugins/packages",
        "/ui/plugins/panels",
        "/ui/artifacts/model/alpha",
        "/ui/dash/",
        "/ui/admin",
        "/ui/admin/settings",
        "/ui/admin/organizations",
    ] {
        let refused = text(&page(path).await.is(403).body);
        let says = ["the server&#x27;s own organization", "the server's own organization", "the server&#39;s own organization"];
        assert!(says.iter().any(|words| refused.contains(words)) && refused.contains("<h1>"), "{path}: {refused}");
        assert!(refused.contains("ask an admin of the server"), "{path}: {refused}");
    }
}
