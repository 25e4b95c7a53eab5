//! Search over everything that has a name, for the pages' palette and for scripts.

use axum::Json;
use pegboard_hub::PluginScope;
use pegboard_model::{ArtifactKind, ConfigSpec, TriggerSpec, WorkflowSpec};
use pegboard_store::RunFilter;
use serde::{Deserialize, Serialize};

use super::{plugins, runs};
use crate::access::Here;
use crate::error::ApiError;
use crate::extract::Parameters;

/// Most that is found at once.
const MOST: usize = 30;
/// Latest runs that are looked through for a part of their name; any older one is found by its whole name or uid.
const RUNS: usize = 300;
/// Artifacts of a kind and projects that are looked through.
const MANY: usize = 2000;

/// Places that are always there.
const PLACES: &[(&str, &str)] = &[
    ("Home", "/ui/"),
    ("Plugins", "/ui/plugins"),
    ("Workflows", "/ui/workflows"),
    ("Runs", "/ui/runs"),
    ("Triggers", "/ui/triggers"),
    ("Configurations", "/ui/configs"),
    ("Projects", "/ui/projects"),
    ("Dashboard", "/ui/dash/"),
    ("HTTP API", "/api/docs"),
];

/// What to look for.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchParameters {
    /// Words that all occur in a name or its description; upper and lower case are the same.
    #[serde(default)]
    q: String,
}

/// What was found, best first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct SearchAnswer {
    /// At most 30.
    pub found: Vec<Found>,
}

/// Something with a name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct Found {
    /// `plugin`, `workflow`, `run`, `trigger`, `project`, `model`, …
    pub kind: String,
    /// Its name.
    pub title: String,
    /// A word about it.
    pub text: String,
    /// Its page.
    pub path: String,
}

struct Search {
    words: Vec<String>,
    found: Vec<(usize, Found)>,
}

impl Search {
    /// Keeps what matches: names that begin with the first word come first.
    fn offer(&mut self, kind: &str, title: &str, text: &str, path: String) {
        let name = title.to_lowercase();
        let whole = format!("{name} {} {kind}", text.to_lowercase());
        if !self.words.iter().all(|word| whole.contains(word.as_str())) {
            return;
        }
        let rank = match self.words.first() {
            Some(word) if name == *word => 0,
            Some(word) if name.starts_with(word.as_str()) => 1,
            Some(word) if name.contains(word.as_str()) => 2,
            _ => 3,
        };
        self.found.push((rank, Found { kind: kind.to_owned(), title: title.to_owned(), text: text.to_owned(), path }));
    }
}

/// Looks for words in the names of everything. Without words: the places.
#[utoipa::path(get, path = "/api/v1/search", tag = "server", params(SearchParameters), responses((status = 200, body = SearchAnswer)))]
pub(crate) async fn search(
    app: Here,
    Parameters(parameters): Parameters<SearchParameters>,
) -> Result<Json<SearchAnswer>, ApiError> {
    let words: Vec<String> = parameters.q.split_whitespace().map(str::to_lowercase).collect();
    let mut search = Search { words, found: Vec::new() };
    for (title, path) in PLACES {
        search.offer("page", title, "", (*path).to_owned());
    }
    if !search.words.is_empty() {
        gather(&app, &mut search, parameters.q.trim()).await?;
    }
    let mut found = search.found;
    found.sort_by_key(|(rank, _)| *rank);
    Ok(Json(SearchAnswer { found: found.into_iter().take(MOST).map(|(_, found)| found).collect() }))
}

async fn gather(app: &Here, search: &mut Search, whole: &str) -> Result<(), ApiError> {
    let organization = app.organization();
    for plugin in app.hub.plugins(PluginScope::Own(organization), None, MANY) {
        search.offer("hub plugin", &plugin.name, &plugin.description, format!("/ui/plugins/hub/{}", plugin.id));
    }
    let (projects, _) = app.labelling.projects(organization, 0, MANY).await?;
    for project in projects {
        search.offer("project", &project.name, &project.description, format!("/ui/projects/{}", project.id));
    }
    // The rest is the server's own.
    if organization != app.labelling.organization().id {
        return Ok(());
    }
    for plugin in plugins::answers(app) {
        let path = format!("/ui/plugins/packages/{}", plugin.name);
        search.offer("plugin", &plugin.name, &plugin.summary, path);
    }
    for workflow in app.store.resources::<WorkflowSpec>().await? {
        search.offer("workflow", workflow.metadata.name.as_str(), "", format!("/ui/workflows/{}", workflow.metadata.name));
    }
    for trigger in app.store.resources::<TriggerSpec>().await? {
        let path = format!("/ui/edit/trigger/{}", trigger.metadata.name);
        search.offer("trigger", trigger.metadata.name.as_str(), "", path);
    }
    for config in app.store.resources::<ConfigSpec>().await? {
        search.offer("configuration", config.metadata.name.as_str(), "", format!("/ui/edit/config/{}", config.metadata.name));
    }
    for (kind, word, page) in [
        (ArtifactKind::Model, "model", "models"),
        (ArtifactKind::Endpoint, "endpoint", "endpoints"),
        (ArtifactKind::FeatureSet, "feature set", "feature_sets"),
        (ArtifactKind::DataSource, "data source", "data_sources"),
    ] {
        for artifact in app.store.artifacts(kind, "", MANY).await? {
            search.offer(word, artifact.name.as_str(), &artifact.description, format!("/ui/dash/{page}?name={}", artifact.name));
        }
    }
    for run in app.store.runs(&RunFilter { limit: RUNS, ..RunFilter::default() }).await? {
        search.offer("run", &run.name, &format!("{} {}", run.workflow, run.state.as_str()), format!("/ui/runs/{}", run.uid));
    }
    if let Ok(run) = runs::find(app, whole).await {
        let path = format!("/ui/runs/{}", run.uid);
        if !search.found.iter().any(|(_, found)| found.path == path) {
            search.found.push((0, Found { kind: "run".to_owned(), title: run.name.clone(), text: String::new(), path }));
        }
    }
    Ok(())
}
