//! Every plugin file with its state, for the status page, the API and the command line.

use std::collections::HashMap;

use pegboard_model::{Error, PluginName, PluginState, Timestamp, WorkerStatus};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::node::{self, around, block, html};
use super::told::{Message, PanelFailure};
use super::{PanelFile, Phase, Site, site};
use crate::app::App;

/// The dashboard and its plugin files.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DashboardPlugins {
    /// `asleep` until somebody opens it, `preparing`, `ready` or `failed`.
    pub state: String,
    /// Path of the dashboard.
    pub url: String,
    /// Plugin files, ours first.
    pub plugins: Vec<DashboardPlugin>,
    /// What is wrong with folders, or with the dashboard as a whole.
    pub problems: Vec<Message>,
}

/// One plugin file.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DashboardPlugin {
    /// Names it in URLs.
    pub id: String,
    /// Where it lies.
    pub file: String,
    /// `component`, `view` or `page`.
    pub kind: String,
    /// Comes with Pegboard.
    pub built_in: bool,
    /// `loading`, `ready`, `resting` (ready, its worker starts when it is asked), `broken` (does not load) or `parked` (crashed too often).
    pub state: String,
    /// What it adds.
    pub panels: Vec<DashboardPanel>,
    /// Why it is broken, or why its last change does not serve.
    pub failure: Option<PanelFailure>,
    /// What was found in it.
    pub messages: Vec<Message>,
    /// Process of its worker.
    pub process_id: Option<u32>,
    /// Memory of its worker; what it shares with other workers counts in proportion.
    pub memory_bytes: Option<u64>,
    /// Calls so far.
    pub calls: u64,
    /// Those that failed.
    pub failed: u64,
    /// Workers started in place of one that was lost.
    pub restarts: u64,
    /// Milliseconds from the look at the file until it served.
    pub load_ms: u64,
    /// When that was.
    pub loaded_at: Option<String>,
    /// What its worker may do; only told of one file by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<crate::shape::PluginPermissions>,
}

/// A panel, view or page.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DashboardPanel {
    /// Its class.
    pub class: String,
    /// Panel: the artifact page it is on. Page: its path.
    pub page: Option<String>,
    /// Id of its component.
    pub component_id: Option<String>,
    /// Why it is shown as an error.
    pub failure: Option<PanelFailure>,
}

/// How everything stands.
pub(crate) async fn overview(app: &App) -> DashboardPlugins {
    let site = app.dashboard.loaded_site();
    let mut workers: HashMap<PluginName, WorkerStatus> = HashMap::new();
    for worker in app.engine.workers() {
        if workers.get(&worker.plugin).is_none_or(|known| known.generation <= worker.generation) {
            workers.insert(worker.plugin.clone(), worker);
        }
    }
    let mut files = app.dashboard.files();
    files.sort_by_key(|file| (!file.is_ours, file.root.clone(), file.kind, file.path.clone()));
    let mut plugins: Vec<DashboardPlugin> = files
        .iter()
        .map(|file| {
            let mut plugin = plugin(app, file);
            plugin.process_id = workers.get(&file.name).and_then(|worker| worker.process_id);
            plugin.messages.extend(site.iter().filter_map(|site| site.problems.get(&file.key)).flatten().cloned());
            plugin
        })
        .collect();
    let processes: Vec<u32> = plugins.iter().filter_map(|plugin| plugin.process_id).collect();
    let memory = app.dashboard.memory.of(&processes).await;
    for plugin in &mut plugins {
        plugin.memory_bytes = plugin.process_id.and_then(|process| memory.get(&process)).copied();
    }
    let mut problems: Vec<Message> = app
        .dashboard
        .folder_errors()
        .into_iter()
        .map(|(place, error)| Message {
            level: "error".to_owned(),
            text: error.message,
            file: Some(place),
            line: None,
            remedy: error.hint,
        })
        .collect();
    let state = match app.dashboard.phase() {
        Phase::Asleep => "asleep",
        Phase::Preparing => "preparing",
        Phase::Ready => "ready",
        Phase::Failed(error) => {
            problems.push(Message { level: "error".to_owned(), text: error.message, file: None, line: None, remedy: error.hint });
            "failed"
        }
    };
    DashboardPlugins { state: state.to_owned(), url: super::PREFIX.to_owned(), plugins, problems }
}

fn plugin(app: &App, file: &PanelFile) -> DashboardPlugin {
    let standing = file.standing();
    let engine = app.engine.hosted_state(&file.name);
    let counts = app.engine.hosted_counts(&file.name).unwrap_or_default();
    let inner = standing.loaded.as_deref().and_then(site::first_error);
    let (state, failure) = match (&standing, &engine) {
        (standing, _) if standing.is_loading => ("loading", standing.failure.clone()),
        (_, Some((PluginState::Parked, failure))) => ("parked", failure.clone().map(PanelFailure::from)),
        (standing, _) if standing.failure.is_some() => ("broken", standing.failure.clone()),
        (_, Some((PluginState::Broken, failure))) => ("broken", failure.clone().map(PanelFailure::from)),
        _ if inner.is_some() => ("broken", inner),
        _ if app.dashboard.rota.is_resting(file) => ("resting", None),
        _ => ("ready", None),
    };
    let (panels, messages) = match &standing.loaded {
        Some(loaded) => {
            let panels = loaded.panels.iter().map(|panel| DashboardPanel {
                class: panel.class.clone(),
                page: Some(panel.page.clone()),
                component_id: (!panel.id.is_empty()).then(|| panel.id.clone()),
                failure: panel.error.clone(),
            });
            let views = loaded.views.iter().map(|view| DashboardPanel {
                class: view.class.clone(),
                page: None,
                component_id: None,
                failure: view.error.clone(),
            });
            let pages = loaded.pages.iter().map(|page| DashboardPanel {
                class: page.class.clone(),
                page: page.path.clone(),
                component_id: None,
                failure: page.error.clone(),
            });
            (panels.chain(views).chain(pages).collect(), loaded.messages.clone())
        }
        None => (Vec::new(), Vec::new()),
    };
    DashboardPlugin {
        id: file.id(),
        file: file.path.display().to_string(),
        kind: file.kind.as_str().to_owned(),
        built_in: file.is_ours,
        state: state.to_owned(),
        panels,
        failure,
        messages,
        process_id: None,
        memory_bytes: None,
        calls: counts[0],
        failed: counts[1],
        restarts: counts[2],
        load_ms: u64::try_from(standing.took.as_millis()).unwrap_or(u64::MAX),
        loaded_at: standing.loaded_at.map(|time| Timestamp::from(time).to_string()),
        permissions: None,
    }
}

/// What the engine calls the worker of that file.
pub(crate) fn worker_name(app: &App, id: &str) -> Option<String> {
    app.dashboard.files().iter().find(|file| file.id() == id).map(|file| file.name.to_string())
}

/// The dashboard has no such file, or no longer.
pub(crate) fn no_such_file(id: &str) -> Error {
    Error::not_found("dashboard-plugin-not-found", format!("the dashboard has no plugin file `{id}`"))
        .hint("`/api/v1/dashboard/plugins` lists them with their ids")
}

/// Has a file loaded again, although it did not change.
pub(crate) fn reload(app: &App, id: &str) -> Result<(), Error> {
    let files = app.dashboard.files();
    let file = files.iter().find(|file| file.id() == id).ok_or_else(|| no_such_file(id))?;
    app.dashboard.again.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(file.path.clone());
    app.dashboard.look.notify_one();
    Ok(())
}

/// The status page.
pub(crate) async fn page(app: &App, site: &Site) -> Json {
    let overview = overview(app).await;
    let mut children = vec![html("H2", json!({ "children": "Status" }))];
    for problem in &overview.problems {
        let failure = PanelFailure { message: problem.text.clone(), hint: problem.remedy.clone(), ..PanelFailure::default() };
        children.push(node::notice(problem.file.as_deref().unwrap_or("The dashboard"), &failure));
    }
    let versions: Vec<String> = site
        .environment
        .versions
        .iter()
        .filter_map(|(name, version)| version.as_ref().map(|version| format!("{} {version}", name.replace('_', "-"))))
        .collect();
    let folders: Vec<String> = app
        .settings
        .dashboard
        .plugins
        .iter()
        .map(|folder| match folder {
            crate::config::PluginFolder::Local(path) => path.display().to_string(),
            crate::config::PluginFolder::Remote(place) => place.clone(),
        })
        .collect();
    let folders =
        if folders.is_empty() { "none; `pegboard serve --plugins FOLDER` names one".to_owned() } else { folders.join(", ") };
    let facts = [("Plugin Path", folders), ("Versions", versions.join(", "))];
    let facts: Vec<Json> = facts
        .iter()
        .flat_map(|(name, value)| [html("Dt", json!({ "children": name })), html("Dd", json!({ "children": value }))])
        .collect();
    children.push(html("Dl", json!({ "className": "pegboard-facts", "children": facts })));
    let head: Vec<Json> = ["State", "File", "Adds", "Memory", "Calls", "Failed", "Restarts", "Loaded in", ""]
        .iter()
        .map(|title| html("Th", json!({ "children": title })))
        .collect();
    let rows: Vec<Json> = overview.plugins.iter().flat_map(rows).collect();
    let mut table = around("Table", vec![around("Thead", vec![around("Tr", head)]), around("Tbody", rows)]);
    table["props"]["className"] = json!("pegboard-status");
    children.push(block("pegboard-scroll", Json::Array(vec![table])));
    let mut page = around("Div", children);
    page["props"]["id"] = json!("pegboard-status");
    page
}

fn rows(plugin: &DashboardPlugin) -> Vec<Json> {
    let cell = |children: Json| html("Td", Json::Object(Map::from_iter([("children".to_owned(), children)])));
    let name = plugin.file.rsplit('/').next().unwrap_or(&plugin.file).to_owned();
    let adds: Vec<String> = plugin
        .panels
        .iter()
        .map(|panel| match &panel.page {
            Some(page) => format!("{} ({page})", panel.class),
            None => panel.class.clone(),
        })
        .collect();
    let memory = plugin.memory_bytes.map_or_else(|| "–".to_owned(), |bytes| format!("{:.1} MB", bytes as f64 / 1e6));
    let state =
        html("Span", json!({ "className": format!("pegboard-state pegboard-{}", plugin.state), "children": plugin.state }));
    let file = html(
        "Span",
        json!({ "title": plugin.file, "children": if plugin.built_in { format!("{name} (built in)") } else { name } }),
    );
    // A listener of the page's script hears it by the attribute.
    let button = html(
        "Button",
        json!({ "className": "btn btn-sm btn-outline-secondary", "id": format!("pegboard-reload-{}", plugin.id), "children": "Reload" }),
    );
    let cells = vec![
        cell(state),
        cell(file),
        cell(json!(adds.join(", "))),
        cell(json!(memory)),
        cell(json!(plugin.calls.to_string())),
        cell(json!(plugin.failed.to_string())),
        cell(json!(plugin.restarts.to_string())),
        cell(json!(format!("{} ms", plugin.load_ms))),
        cell(button),
    ];
    let mut rows = vec![around("Tr", cells)];
    let mut more = Vec::new();
    if let Some(failure) = &plugin.failure {
        more.push(node::notice("Last error", failure));
    }
    for panel in plugin.panels.iter().filter(|panel| panel.failure.is_some() && panel.failure != plugin.failure) {
        more.extend(panel.failure.as_ref().map(|failure| node::notice(&panel.class, failure)));
    }
    for message in plugin.messages.iter().filter(|message| message.level != "note") {
        let remedy = message.remedy.as_ref().map(|remedy| format!(": {remedy}")).unwrap_or_default();
        more.push(html(
            "P",
            json!({ "className": "pegboard-message", "children": format!("{} — {}{remedy}", message.level, message.text) }),
        ));
    }
    if !more.is_empty() {
        rows.push(html("Tr", json!({ "children": html("Td", json!({ "colSpan": 9, "children": more })) })));
    }
    rows
}
