//! The labelling half of the demo: a project of real images, a hosted plugin of every type, a model run and an export.

use std::collections::BTreeMap;
use std::path::Path;

use pegboard_model::Error;
use pegboard_server::shape::{
    AssetList, HubHostBody, HubPluginAnswer, HubPluginBody, HubPluginList, HubPluginMade, HubRunBody, HubSessionAnswer,
    ProjectAnswer, ProjectBody, ProjectList,
};
use rust_embed::Embed;
use serde_json::{Value as Json, json};

use crate::client::Client;
use crate::failure::{CommandFailure, FAILED};
use crate::hub::hosting::until_live;
use crate::output::Output;

/// The scripts, so that an installed binary has them wherever it is.
#[derive(Embed)]
#[folder = "../../examples/hub/"]
#[include = "*.py"]
#[include = "README.md"]
#[include = "requirements.txt"]
struct Scripts;

/// One of the plugins.
struct Plugin {
    name: &'static str,
    plugin_type: &'static str,
    script: &'static str,
    /// Whether it imports more than our own client.
    heavy: bool,
    description: &'static str,
}

const PLUGINS: [Plugin; 6] = [
    Plugin {
        name: "Digits",
        plugin_type: "input",
        script: "digits.py",
        heavy: true,
        description: "Adds images of handwritten digits",
    },
    Plugin {
        name: "Classify",
        plugin_type: "model",
        script: "classify.py",
        heavy: true,
        description: "Says which digit an image shows",
    },
    Plugin {
        name: "Prelabel",
        plugin_type: "batch_model",
        script: "prelabel.py",
        heavy: true,
        description: "Draws a box around the ink of every image without a label",
    },
    Plugin { name: "Table", plugin_type: "export", script: "table.py", heavy: false, description: "Exports labels as a table" },
    Plugin {
        name: "Folder",
        plugin_type: "file_explorer",
        script: "folder.py",
        heavy: false,
        description: "Imports files from a folder on its machine",
    },
    Plugin {
        name: "Pages",
        plugin_type: "markdown_generator",
        script: "pages.py",
        heavy: false,
        description: "Makes pages of a table and a template",
    },
];

const PROJECT: &str = "Digits";
/// What the export becomes in the catalog.
const LABELS: &str = "digits-labels";
/// Images that are added, and how many of them get a label.
const IMAGES: (u64, u64) = (100, 60);
/// Place of the image that the model is shown: one without a label.
const SHOWN: &str = "65";

/// Starts the plugins; they become live while other things happen.
pub(super) async fn host(client: &Client, data: &Path, output: &Output) -> Result<Vec<HubPluginAnswer>, CommandFailure> {
    let changed = super::unpack::<Scripts>(&data.join("examples").join("hub")).await?;
    let known: HubPluginList = client.get(&["hub", "plugins"], &[("limit", "1000")]).await?;
    let mut hosted = Vec::new();
    for plugin in &PLUGINS {
        let present = known.plugins.iter().find(|one| one.name == plugin.name && one.plugin_type == plugin.plugin_type);
        let record = match present {
            Some(record) => record.clone(),
            None => create(client, plugin).await?,
        };
        if record.hosted.is_some() && !changed {
            hosted.push(record);
            continue;
        }
        output.note(&format!("host: {} ({})", plugin.name, plugin.script));
        let requirements = if plugin.heavy { text("requirements.txt") } else { String::new() };
        let body = HubHostBody { file_name: plugin.script.to_owned(), script: text(plugin.script), requirements };
        hosted.push(client.put(&["hub", "plugins", &record.id, "host"], &body).await?);
    }
    Ok(hosted)
}

async fn create(client: &Client, plugin: &Plugin) -> Result<HubPluginAnswer, CommandFailure> {
    let is_model = matches!(plugin.plugin_type, "model" | "batch_model");
    let body = HubPluginBody {
        plugin_type: Some(plugin.plugin_type.to_owned()),
        name: Some(plugin.name.to_owned()),
        description: Some(plugin.description.to_owned()),
        class_names: is_model.then(|| vec!["ink".to_owned()]),
        ..HubPluginBody::default()
    };
    let made: HubPluginMade = client.post(&["hub", "plugins"], &body).await?;
    Ok(made.plugin)
}

fn text(name: &str) -> String {
    Scripts::get(name).map(|file| String::from_utf8_lossy(&file.data).into_owned()).unwrap_or_default()
}

/// Fills the project unless it is there, runs the model and the export, and says where their results are.
pub(super) async fn show(client: &Client, hosted: Vec<HubPluginAnswer>, output: &Output) -> Result<(), CommandFailure> {
    for plugin in hosted {
        let now: HubPluginAnswer = client.get(&["hub", "plugins", &plugin.id], &[]).await?;
        if !now.live {
            until_live(client, plugin).await?;
        }
    }
    let project = project(client, output).await?;
    let page: AssetList = client.get(&["projects", &project.id, "assets"], &[("skip", SHOWN), ("limit", "1")]).await?;
    let asset = page.assets.into_iter().next().ok_or_else(|| {
        Error::not_found("demo-project", format!("the demo's project `{PROJECT}` has fewer images than it should"))
            .hint("delete it with `pegboard project rm` and run the demo again")
    })?;
    let ink = BTreeMap::from([("ink".to_owned(), "Ink".to_owned())]);
    let body = run_body(&project, json!({ "assetId": asset.id }), ink);
    let model = run(client, "Classify", &body, output).await?;
    let mut body = run_body(&project, json!({ "stage": [] }), BTreeMap::new());
    body.config = Some(json!({ "data_source": LABELS }));
    let export = run(client, "Table", &body, output).await?;
    if output.json {
        return Ok(());
    }
    let answer = model.result["classifications"][0]["answer"].as_str().unwrap_or("?").to_owned();
    let url = client.link("");
    let said = [
        String::new(),
        format!("project {PROJECT} ({}): {} images, hosted plugins of all six types", project.id, page.total),
        format!(
            "model   Classify says that {} shows a {answer}: pegboard hub result {} --url {url}",
            asset.external_id, model.id
        ),
        format!("image   {}", asset.data),
        format!("export  Table made {}", export.download.as_deref().unwrap_or("nothing")),
        format!("        and the data source {LABELS}: {}", client.link(&format!("/ui/artifacts/data_source/{LABELS}"))),
        format!("        pegboard hub ls --url {url}"),
        format!("        pegboard project show {} --url {url}", project.id),
    ];
    said.iter().for_each(|line| output.line(line));
    Ok(())
}

async fn project(client: &Client, output: &Output) -> Result<ProjectAnswer, CommandFailure> {
    let known: ProjectList = client.get(&["projects"], &[("limit", "1000")]).await?;
    let mut project = match known.projects.into_iter().find(|project| project.name == PROJECT) {
        Some(known) => client.get(&["projects", &known.id], &[]).await?,
        None => {
            let description = "Handwritten digits of scikit-learn, made by the demo".to_owned();
            let body = ProjectBody { name: PROJECT.to_owned(), description, kind: None };
            client.post::<_, ProjectAnswer>(&["projects"], &body).await?
        }
    };
    if project.assets.unwrap_or_default() == 0 {
        let values: Vec<Json> = (0..10).map(|digit| json!({ "value": digit.to_string() })).collect();
        let schema = json!({
            "tools": [{ "tool": "bounding-box", "title": "Ink" }],
            "classifications": [{ "tool": "radio", "title": "Value", "options": values }],
            "relations": [],
        });
        project = client.put(&["projects", &project.id, "schema"], &schema).await?;
        let mut body = run_body(&project, json!({}), BTreeMap::new());
        body.config = Some(json!({ "count": IMAGES.0, "labelled": IMAGES.1 }));
        run(client, "Digits", &body, output).await?;
    }
    Ok(project)
}

fn run_body(project: &ProjectAnswer, parameters: Json, classes: BTreeMap<String, String>) -> HubRunBody {
    let parameters = parameters.as_object().cloned().unwrap_or_default();
    HubRunBody { project: Some(project.id.clone()), parameters, classes, ..HubRunBody::default() }
}

/// Runs a plugin to its end.
async fn run(client: &Client, plugin: &str, body: &HubRunBody, output: &Output) -> Result<HubSessionAnswer, CommandFailure> {
    let mut session: HubSessionAnswer = client.post(&["hub", "plugins", plugin, "sessions"], body).await?;
    while matches!(session.state.as_str(), "queued" | "running") {
        session = client.get(&["hub", "sessions", &session.id], &[("wait", "50")]).await?;
    }
    if session.state == "finished" {
        return Ok(session);
    }
    let why = session.failure.map(|failure| failure.message).unwrap_or_default();
    output.note(&format!("session {} of {plugin} {}: {why}", session.id, session.state));
    output.note(&format!("`pegboard hub logs {}` shows what it said", session.id));
    Err(CommandFailure::silent(FAILED))
}
