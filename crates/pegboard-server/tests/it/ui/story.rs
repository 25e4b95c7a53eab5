//! The whole story in one browser: a plugin of one's own hung up, run and its export had; a panel edited while it is looked at; a workflow
//! followed to its model.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::dashboard::{Dashboard, browser, panel};
use crate::hub::clients::{NEWEST, python};

const STAGES: &str = "
from pegboard.catalog import RunResults, catalog


def train():
    predictions = [{'id': each, 'y': each, 'prediction': each + 0.5} for each in range(20)]
    runs = {'held-out': RunResults(predictions=predictions, metrics={'rmse': 0.5, 'support': 20})}
    catalog.publish_model('gamma', model_type='regressor', target='y', features=['x'], runs=runs)
    return 'published'
";

fn press(text: &str) -> String {
    format!(
        "(() => {{ const all = [...document.querySelectorAll('main button, main a.btn, dialog[open] button')].filter((each) => \
         each.textContent.trim() === {} && !each.disabled && each.offsetParent !== null); if (all.length) all[0].click(); return all.length > 0; }})()",
        json!(text)
    )
}

#[test]
fn a_team_hangs_up_plugins_and_follows_them_in_a_browser() {
    let Some(browser) = browser() else { return };
    let dashboard = Dashboard::with(&[("components/a.py", panel("Story", "story", "first words for"))]);
    let world = &dashboard.world;
    let modules = world.data().join("user_modules");
    fs::create_dir_all(&modules).unwrap();
    fs::write(modules.join("story.py"), STAGES).unwrap();
    world.workflow("train-gamma", "    - name: train\n      target: user_modules.story.train\n");
    let project = world.run(&["project", "create", "cars", "--json"]).well().json()["id"].as_str().unwrap().to_owned();
    world.run(&["project", "upload", &project, &world.file("one.txt", "one")]).well();

    // A plugin is made in the browser, and its script is what the page says.
    browser.open(&format!("{}/ui/plugins/development", world.url));
    browser.until(&press("Make a plugin"));
    browser.value("document.querySelector('#create-name').value = 'Tables'");
    browser.until(&press("Make it"));
    browser.sees("The secret is told this once");
    let script = browser.value("document.querySelector('#told-script-0').textContent").as_str().unwrap().to_owned();
    assert!(script.contains("imerit_ango"), "{script}");
    let file = world.file("tables.py", &script);
    #[expect(clippy::disallowed_methods, reason = "a test starts the script as a user would")]
    let mut client = Command::new(python(NEWEST));
    client.arg(file).env("PYTHONDONTWRITEBYTECODE", "1").env_remove("CONNECTOR").stdin(Stdio::null());
    let log = fs::File::create(world.folder.path().join("script.log")).unwrap();
    let mut client = client.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
    browser.until("document.querySelector('#created .light')?.textContent === 'live'");
    browser.until(&press("I have kept the secret"));
    browser.sees("Tables");
    let plugin = world.get("/api/v1/hub/plugins/Tables")["id"].as_str().unwrap().to_owned();

    // It is run on a project, and what it made is there to be had.
    browser.open(&format!("{}/ui/plugins/hub/{plugin}/run?project={project}", world.url));
    browser.until(&press("Run"));
    browser.until("location.pathname.startsWith('/ui/sessions/')");
    browser.until("document.querySelector('main .state')?.textContent.trim() === 'finished'");
    browser.until("document.querySelector('a[download]') !== null");
    assert_eq!(browser.value("fetch(document.querySelector('a[download]').href).then((answer) => answer.status)"), json!(200));
    let _ = client.kill();
    let _ = client.wait();

    // A panel is edited while somebody looks at it.
    browser.open(&format!("{}/ui/dash/models?name=alpha", world.url));
    browser.sees("first words for alpha");
    dashboard.save("components/a.py", &panel("Story", "story", "other words for"));
    browser.sees("other words for alpha");
    browser.sees("Administration");

    // A workflow is run and followed to its model, and from there to where it came from.
    browser.open(&format!("{}/ui/workflows/train-gamma", world.url));
    browser.until(&press("Run"));
    browser.until("document.querySelector('#run-dialog')?.open === true");
    browser.until("(() => { const submit = document.querySelector('#run-form [type=submit]'); if (submit.disabled) return false; submit.click(); return true; })()");
    browser.until("location.pathname.startsWith('/ui/runs/')");
    browser.until("document.querySelector('main .state')?.textContent.trim() === 'finished'");
    browser.sees("What it made");
    browser.until("(() => { const link = document.querySelector('a[href*=\"/ui/artifacts/model/gamma\"]'); link?.click(); return link !== null; })()");
    browser.until("location.pathname.startsWith('/ui/artifacts/')");
    browser.sees("train-gamma");
    browser.until("(() => { const link = document.querySelector('main a[href*=\"/ui/dash/models?name=gamma\"]'); link?.click(); return link !== null; })()");
    browser.sees("other words for gamma");

    // And back again: the dashboard's row knows where it comes from.
    browser.until("(() => { const link = document.querySelector('#models_origin'); if (!link || link.hidden || !link.href.endsWith('/gamma')) return false; link.click(); return true; })()");
    browser.until("location.pathname === '/ui/artifacts/model/gamma'");
    browser.sees("Where it comes from");
    assert_eq!(browser.errors(), Vec::<String>::new());
}
