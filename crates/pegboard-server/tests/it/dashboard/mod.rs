//! The dashboard with the real binary: over HTTP as a browser asks, and in a browser.

mod bad;
mod browser;
#[path = "../../../examples/screenshots/browser.rs"]
pub(crate) mod devtools;
mod exchanges;
mod heavy;
mod many;
mod original;
mod protocol;
mod reload;
mod storage;

use std::path::PathBuf;

use serde_json::{Value as Json, json};

use crate::support::{World, until};

/// What every panel of these tests begins with.
const IMPORTS: &str = "from dash import ALL, MATCH, Input, Output, State, callback, dcc, html, no_update, set_props\n\
    from workbench.web_interface.components.plugin_interface import PluginInputType, PluginInterface, PluginPage\n\n";

pub(crate) use browser::browser;

/// A panel of the models' page that says which model and run it was given.
pub(crate) fn panel(class: &str, id: &str, said: &str) -> String {
    format!(
        "{IMPORTS}class {class}(PluginInterface):
    auto_load_page = PluginPage.MODEL
    plugin_input_type = PluginInputType.MODEL

    def create_component(self, component_id):
        self.properties = [('{id}', 'children')]
        return html.Div('waiting', id='{id}')

    def update_properties(self, data_object, **kwargs):
        return [f'{said} {{data_object.name}} {{kwargs.get(\"inference_run\")}}']
"
    )
}

/// A server with a folder of plugins and two models in its catalog.
pub(crate) struct Dashboard {
    pub(crate) world: World,
}

impl Dashboard {
    /// Starts with these files, by their path below the folder, and waits until all are loaded or known to be broken.
    pub(crate) fn with(files: &[(&str, String)]) -> Self {
        Self::with_settings(files, &[])
    }

    /// The same with further variables for the server.
    pub(super) fn with_settings(files: &[(&str, String)], variables: &[(&str, &str)]) -> Self {
        let mut world = World::new();
        world.kill();
        share_downloads(&world);
        let dashboard = {
            let folder = world.folder.path().join("plugins");
            std::fs::create_dir_all(&folder).unwrap();
            let folder = folder.to_str().unwrap().to_owned();
            for (name, text) in files {
                write(&PathBuf::from(&folder).join(name), text);
            }
            let mut all = vec![
                ("WORKBENCH_PLUGINS", folder.as_str()),
                ("PEGBOARD__DASHBOARD__CALLBACK_DEADLINE", "3s"),
                ("PEGBOARD__DASHBOARD__LOAD_DEADLINE", "20s"),
            ];
            all.extend(variables);
            world.start_with(&all);
            Self { world }
        };
        for name in ["alpha", "beta"] {
            let body = json!({ "facts": { "model_type": "regressor", "target": "y" }, "owner": "vera" });
            assert_eq!(dashboard.post(&format!("/api/v1/catalog/model/{name}"), &body).0, 200);
        }
        dashboard.settle();
        dashboard
    }

    /// Waits until every file that is there was loaded.
    pub(super) fn settle(&self) {
        until("the dashboard", || {
            let all = self.plugins();
            assert_ne!(all["state"], "failed", "{all}");
            let plugins = all["plugins"].as_array()?;
            let is_settled = plugins.iter().all(|plugin| plugin["state"] != "loading");
            (all["state"] == "ready" && is_settled).then_some(())
        });
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.world.folder.path().join("plugins").join(name)
    }

    pub(crate) fn save(&self, name: &str, text: &str) {
        write(&self.path(name), text);
    }

    pub(super) fn plugins(&self) -> Json {
        self.world.get("/api/v1/dashboard/plugins")
    }

    /// The plugin file of that name.
    #[track_caller]
    pub(super) fn plugin(&self, name: &str) -> Json {
        let all = self.plugins();
        let found = all["plugins"].as_array().unwrap().iter().find(|plugin| plugin["file"].as_str().unwrap().ends_with(name));
        found.unwrap_or_else(|| panic!("no {name} in {all}")).clone()
    }

    /// Posts JSON; status and answer, null when there is none.
    #[track_caller]
    pub(super) fn post(&self, path: &str, body: &Json) -> (u16, Json) {
        let body = body.to_string();
        let length = body.len();
        let request = format!(
            "POST {path} HTTP/1.0\nHost: localhost\nContent-Type: application/json\nContent-Length: {length}\nCookie: wb_theme=light\n\n"
        );
        let (status, _, text) = self.world.http(&format!("{request}{body}"));
        (status, serde_json::from_str(&text).unwrap_or(Json::Null))
    }

    /// A page as the browser's renderer asks for it.
    #[track_caller]
    pub(super) fn page(&self, path: &str, search: &str) -> Json {
        let body = json!({
            "output": ".._pages_content.children..._pages_store.data..",
            "outputs": [{ "id": "_pages_content", "property": "children" }, { "id": "_pages_store", "property": "data" }],
            "inputs": [
                { "id": "_pages_location", "property": "pathname", "value": path },
                { "id": "_pages_location", "property": "search", "value": search },
            ],
            "changedPropIds": ["_pages_location.pathname"],
        });
        let (status, answer) = self.post("/ui/dash/_dash-update-component", &body);
        assert_eq!(status, 200, "{answer}");
        answer["response"]["_pages_content"]["children"].clone()
    }

    pub(super) fn dependencies(&self) -> Vec<Json> {
        self.world.get("/ui/dash/_dash-dependencies").as_array().unwrap().clone()
    }

    /// The key of the callback that updates the panel with this component.
    #[track_caller]
    pub(super) fn output_of(&self, id: &str) -> String {
        let start = format!("..{id}.");
        let all = self.dependencies();
        let found = all.iter().filter_map(|spec| spec["output"].as_str()).find(|output| output.starts_with(&start));
        found.unwrap_or_else(|| panic!("no update of {id}")).to_owned()
    }

    /// Selects a model for the panel with this component: status and answer.
    #[track_caller]
    pub(super) fn select(&self, id: &str, model: &str) -> (u16, Json) {
        let body = json!({
            "output": self.output_of(id),
            "outputs": [{ "id": id, "property": "children" }],
            "inputs": [
                { "id": "models_table", "property": "selectedRows", "value": [{ "name": model }] },
                { "id": "model_details-dropdown", "property": "value", "value": "held-out" },
            ],
            "changedPropIds": ["models_table.selectedRows"],
        });
        self.post("/ui/dash/_dash-update-component", &body)
    }

    /// What the panel shows of that model.
    #[track_caller]
    pub(super) fn shown(&self, id: &str, model: &str) -> String {
        let (status, answer) = self.select(id, model);
        assert_eq!(status, 200, "{answer}");
        answer["response"][id]["children"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// The notice that the answer puts above the panel.
    #[track_caller]
    pub(super) fn notice(answer: &Json) -> String {
        let all = answer["response"].as_object().unwrap_or_else(|| panic!("{answer}"));
        let notice = all.iter().find(|(id, _)| id.ends_with("-notice")).unwrap_or_else(|| panic!("{answer}")).1;
        notice.to_string()
    }
}

/// The environment of the panels is large: what was downloaded for one world is there for all.
pub(crate) fn share_downloads(world: &World) {
    let shared = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("dashboard-downloads");
    std::fs::create_dir_all(&shared).unwrap();
    let own = world.data().join("cache");
    let _ = std::fs::remove_dir_all(&own);
    std::os::unix::fs::symlink(shared, own).unwrap();
}

fn write(path: &std::path::Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}
