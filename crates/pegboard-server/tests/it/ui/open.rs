//! Pages that stay open: two tabs on one thing, a server that goes and comes back, a session that ends.

use serde_json::{Value as Json, json};

use super::{ask, well};
use crate::dashboard::browser;
use crate::support::{World, end, until};

#[track_caller]
fn project(world: &World, name: &str) -> String {
    well(world, "POST", "/api/v1/projects", &json!({ "name": name }))["id"].as_str().unwrap().to_owned()
}

/// Asks with the version that was seen.
fn ask_of(world: &World, path: &str, version: &str, body: &Json) -> (u16, Json) {
    let body = body.to_string();
    let (status, _, answer) = world.http(&format!(
        "PUT {path} HTTP/1.0\nHost: localhost\nIf-Match: {version}\nContent-Type: application/json\nContent-Length: {}\n\n{body}",
        body.len()
    ));
    (status, serde_json::from_str(&answer).unwrap_or(Json::Null))
}

#[test]
fn who_names_the_version_that_was_seen_overwrites_nobody() {
    let world = World::new();
    let id = project(&world, "cars");
    let path = format!("/api/v1/projects/{id}");
    let seen = world.get(&path);
    let (_, head, _) = world.http(&format!("GET {path} HTTP/1.0\nHost: localhost\n\n"));
    assert!(head.contains(&format!("etag: \"{}\"", seen["revision"])), "{head}");
    let version = format!("\"{}\"", seen["revision"]);
    let schema = |title: &str| json!({ "tools": [{ "tool": "point", "title": title }] });
    let (status, first) = ask_of(&world, &format!("{path}/schema"), &version, &schema("One"));
    assert_eq!((status, first["revision"].as_u64()), (200, seen["revision"].as_u64().map(|revision| revision + 1)), "{first}");
    for (part, body) in [("schema", schema("Two")), ("stages", seen["stages"].clone())] {
        let (status, refused) = ask_of(&world, &format!("{path}/{part}"), &version, &body);
        assert_eq!((status, &refused["error"]["code"]), (409, &json!("changed-meanwhile")), "{part}: {refused}");
        assert!(refused["error"]["hint"].as_str().unwrap().contains("read it again"), "{refused}");
        let (status, refused) = ask_of(&world, &format!("{path}/{part}"), "yesterday", &body);
        assert_eq!((status, &refused["error"]["code"]), (400, &json!("if-match")), "{part}: {refused}");
    }
    assert_eq!(world.get(&path)["schema"]["tools"][0]["title"], "One");
    // Who names none is the last writer, as ever.
    well(&world, "PUT", &format!("{path}/schema"), &schema("Three"));

    let plugin = well(&world, "POST", "/api/v1/hub/plugins", &json!({ "type": "export", "name": "Tables" }));
    let path = format!("/api/v1/hub/plugins/{}", plugin["id"].as_str().unwrap());
    let version = format!("\"{}\"", world.get(&path)["updated_at"].as_str().unwrap());
    let (status, _) = ask_of(&world, &path, &version, &json!({ "description": "one" }));
    assert_eq!(status, 200);
    let (status, refused) = ask_of(&world, &path, &version, &json!({ "description": "two" }));
    assert_eq!((status, &refused["error"]["code"]), (409, &json!("changed-meanwhile")), "{refused}");
    assert_eq!(world.get(&path)["description"], "one");
}

const CONFLICT: &str = "document.querySelector('.conflict')";

fn press(text: &str) -> String {
    format!(
        "(() => {{ const all = [...document.querySelectorAll('button')].filter((each) => each.textContent.trim() === {} && !each.disabled \
         && each.offsetParent !== null); all[0]?.click(); return all.length > 0; }})()",
        json!(text)
    )
}

fn add_stage(name: &str) -> String {
    format!(
        "(() => {{ const form = document.querySelector('#add-stage-form'); if (!form) return false; document.querySelector('[data-open=add-stage]').click(); \
         form.elements.name.value = {}; form.elements.type.value = 'Review'; form.requestSubmit(); return true; }})()",
        json!(name)
    )
}

#[test]
fn of_two_who_edit_one_thing_nobody_loses_what_they_wrote() {
    let (Some(ada), Some(bob)) = (browser(), browser()) else { return };
    let world = World::new();
    let id = project(&world, "cars");
    let path = format!("/api/v1/projects/{id}");
    let names = || -> Vec<String> {
        let stages = world.get(&path)["stages"].clone();
        stages.as_array().unwrap().iter().map(|stage| stage["name"].as_str().unwrap().to_owned()).collect()
    };

    // Both add a stage to what they see. The second is told, and adds hers to his.
    let page = format!("{}/ui/projects/{id}/stages", world.url);
    ada.open(&page);
    bob.open(&page);
    ada.until(&add_stage("Check"));
    ada.until("[...document.querySelectorAll('tbody th')].some((cell) => cell.textContent.startsWith('Check'))");
    bob.until(&add_stage("Accept"));
    bob.until(&format!("{CONFLICT}?.textContent.includes('Somebody else changed it') ?? false"));
    let both = bob.value(&format!("[...{CONFLICT}.querySelectorAll('pre')].map((pre) => pre.textContent)"));
    assert!(both[0].as_str().unwrap().contains("Check") && !both[0].as_str().unwrap().contains("Accept"), "{both}");
    assert!(both[1].as_str().unwrap().contains("Accept") && !both[1].as_str().unwrap().contains("Check"), "{both}");
    assert!(!names().contains(&"Accept".to_owned()));
    bob.until(&press("Take theirs"));
    assert_eq!(bob.value("document.querySelector('#stage-name').value"), json!("Accept"), "what was filled in is there still");
    bob.until("[...document.querySelector('#stage-after').options].some((option) => option.textContent === 'Check')");
    bob.until(&press("Add it"));
    bob.until("[...document.querySelectorAll('tbody th')].some((cell) => cell.textContent.startsWith('Accept'))");
    assert!(names().contains(&"Accept".to_owned()) && names().contains(&"Check".to_owned()), "{:?}", names());

    // A change of something else of the project is in nobody's way.
    let page = format!("{}/ui/projects/{id}/schema", world.url);
    ada.open(&page);
    bob.open(&page);
    well(&world, "POST", &format!("{path}/batches"), &json!({ "name": "b" }));
    let draw = |title: &str| {
        format!(
            "(() => {{ document.querySelector('[data-add=tools]').click(); const title = [...document.querySelectorAll('.schema-row input[maxlength]')].at(-1); \
             title.value = {}; title.dispatchEvent(new Event('input')); document.querySelector('#schema-form').requestSubmit(); return true; }})()",
            json!(title)
        )
    };
    let titles = || -> Vec<Json> {
        world.get(&path)["schema"]["tools"].as_array().unwrap().iter().map(|tool| tool["title"].clone()).collect()
    };
    ada.until(&draw("Car"));
    until("her class", || (titles() == ["Car"]).then_some(()));
    // His are others: he goes on editing, is told again, and puts his over hers.
    bob.until(&draw("Road"));
    bob.until(&format!("{CONFLICT} !== null"));
    bob.until(&press("Go on editing mine"));
    assert_eq!(bob.value("[...document.querySelectorAll('.schema-row input[maxlength]')].at(-1).value"), json!("Road"));
    bob.until("document.querySelector('#schema-form').requestSubmit(), true");
    bob.until(&format!("{CONFLICT} !== null"));
    assert_eq!(titles(), ["Car"]);
    bob.until(&press("Save mine over theirs"));
    until("his class", || (titles() == ["Road"]).then_some(()));

    // The same as JSON.
    ada.open(&page);
    bob.open(&page);
    let whole = |title: &str| {
        format!(
            "(() => {{ document.querySelector('[data-open=edit-schema]').click(); const text = document.querySelector('#schema-json'); \
             text.value = text.value.replace(/Road/g, {}); text.form.requestSubmit(); return true; }})()",
            json!(title)
        )
    };
    ada.until(&whole("Street"));
    until("her title", || (titles() == ["Street"]).then_some(()));
    bob.until(&whole("Way"));
    bob.until(&format!("{CONFLICT}?.textContent.includes('Street') ?? false"));
    bob.until(&press("Take theirs"));
    bob.until("document.querySelector('#schema-json').value.includes('Street')");
    bob.until("(() => { const text = document.querySelector('#schema-json'); text.value = text.value.replace(/Street/g, 'Street or way'); text.form.requestSubmit(); return true; })()");
    until("both titles", || (titles() == ["Street or way"]).then_some(()));

    // The record of a plugin.
    let plugin =
        well(&world, "POST", "/api/v1/hub/plugins", &json!({ "type": "export", "name": "Tables", "description": "old" }));
    let plugin = plugin["id"].as_str().unwrap();
    let page = format!("{}/ui/plugins/hub/{plugin}", world.url);
    ada.open(&page);
    bob.open(&page);
    let describe = |field: &str, text: &str| {
        format!(
            "(() => {{ document.querySelector('[data-open=edit]').click(); const form = document.querySelector('#edit form'); \
             form.elements[{}].value = {}; form.requestSubmit(); return true; }})()",
            json!(field),
            json!(text)
        )
    };
    ada.until(&describe("description", "hers"));
    ada.sees("hers");
    bob.until(&describe("details", "his"));
    bob.until(&format!("{CONFLICT}?.querySelector('pre').textContent.includes('hers') ?? false"));
    assert_eq!(bob.value("document.querySelector('#edit-details').value"), json!("his"));
    let stored = |key: &str| world.get(&format!("/api/v1/hub/plugins/{plugin}"))[key].clone();
    assert_eq!((stored("description"), stored("details")), (json!("hers"), json!("")));
    bob.until(&press("Save mine over theirs"));
    until("his record", || (stored("details") == "his").then_some(()));
    assert_eq!(stored("description"), "old", "he was shown both, and chose");
    // A preset of the same name, which neither has seen before.
    let page = format!("{}/ui/plugins/hub/{plugin}/run?project={id}", world.url);
    ada.open(&page);
    bob.open(&page);
    let keep = |config: &str| {
        format!(
            "(() => {{ const form = document.querySelector('#preset-save'); document.querySelector('#config').value = {}; \
             form.elements.name.value = 'night'; form.requestSubmit(); return true; }})()",
            json!(config)
        )
    };
    let presets = || -> Vec<Json> {
        let all = world.get(&format!("/api/v1/hub/presets?project={id}"))["presets"].clone();
        all.as_array().unwrap().iter().map(|preset| preset["config"].clone()).collect()
    };
    ada.until(&keep("{\"of\": \"ada\"}"));
    ada.sees("night is saved.");
    bob.until(&keep("{\"of\": \"bob\"}"));
    bob.until(&format!("{CONFLICT}?.querySelector('pre').textContent.includes('ada') ?? false"));
    assert_eq!(presets(), ["{\"of\": \"ada\"}"]);
    bob.until(&press("Save mine over theirs"));
    bob.sees("night is saved.");
    assert_eq!(presets(), ["{\"of\": \"bob\"}"]);
    // What was refused is all that went wrong.
    let others = |errors: Vec<String>| errors.into_iter().filter(|error| !error.starts_with("409 ")).collect::<Vec<_>>();
    assert_eq!((others(ada.errors()), others(bob.errors())), (Vec::new(), Vec::new()));
}

#[test]
fn a_page_says_that_the_server_is_gone_and_is_right_again_when_it_is_back() {
    let Some(browser) = browser() else { return };
    let mut world = World::new();
    let listen = world.url.strip_prefix("http://").unwrap().to_owned();
    project(&world, "before");
    browser.open(&format!("{}/ui/projects", world.url));
    browser.sees("before");
    browser.until("document.querySelector('#connection').textContent === ''");
    world.kill();
    browser.until("document.querySelector('#connection').textContent.includes('connection lost')");
    assert!(browser.value("document.body.innerText").as_str().unwrap().contains("before"), "what was there stays to be read");
    // What is pressed meanwhile says that nothing happened.
    browser.until("(() => { document.querySelector('[data-open=make]').click(); const form = document.querySelector('#make form'); form.elements.name.value = 'lost'; form.requestSubmit(); return true; })()");
    browser.sees("The server cannot be reached");
    assert_eq!(browser.value("document.querySelector('#make-name').value"), json!("lost"));
    browser.until(&press("Cancel"));
    // Meanwhile it changes: a server at another address has the same data.
    world.start();
    project(&world, "while it was away");
    world.kill();
    world.start_at(&listen, &[]);
    browser.sees("The server is back.");
    browser.sees("while it was away");
    browser.until("document.querySelector('#connection').textContent === ''");
}

#[test]
fn a_session_that_ends_is_told_and_one_comes_back_to_where_one_was() {
    let Some(browser) = browser() else { return };
    let mut world = World::unstarted();
    world.start_with(&[("PEGBOARD__SERVER__SIGN_IN", "always")]);
    let own = |arguments: &[&str]| end(world.command(arguments).env("PEGBOARD__SERVER__DATA", world.data())).well().stdout;
    let link = |said: String| said.split_whitespace().find(|word| word.contains("/ui/link/")).unwrap().to_owned();
    let first = link(own(&["user", "add", "ann@example.org"]));
    let choose = |password: &str| {
        format!(
            "(() => {{ const field = document.querySelector('#password'); if (!field) return false; field.value = {}; field.form.requestSubmit(); return true; }})()",
            json!(password)
        )
    };
    browser.open(&first);
    browser.until(&choose("a sentence of my own"));
    browser.until("location.pathname === '/ui/'");
    browser.open(&format!("{}/ui/projects?name=cars", world.url));
    browser.sees("Projects");
    // Somebody with a link for another password ends all sessions; this page is told without being touched.
    let second = link(own(&["user", "link", "ann@example.org"]));
    let path = second.split_once("/ui/link/").map(|(_, token)| format!("/api/v1/links/{token}")).unwrap();
    let (status, answer) = ask(&world, "POST", &path, &json!({ "password": "another sentence" }));
    assert_eq!(status, 200, "{answer}");
    browser.sees("You are signed out.");
    assert_eq!(browser.value("document.querySelector('#connection').textContent"), json!("signed out"));
    browser.until("(() => { const link = [...document.querySelectorAll('#toasts a')].find((each) => each.textContent.startsWith('Sign in')); link?.click(); return Boolean(link); })()");
    browser.until("location.pathname === '/ui/sign-in'");
    browser.until("(() => { const email = document.querySelector('#email'); if (!email) return false; email.value = 'ann@example.org'; return true; })()");
    browser.until(&choose("another sentence"));
    browser.until("location.pathname + location.search === '/ui/projects?name=cars'");
    browser.sees("ann@example.org");
}
