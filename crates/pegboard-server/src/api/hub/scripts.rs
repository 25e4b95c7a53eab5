//! Scripts to begin with: for each type one that runs as it is, with this server's address and the plugin's id in it.

use axum::Json;
use axum::extract::Path;
use axum::http::HeaderMap;
use axum::http::header::HOST;
use pegboard_model::{PluginType, RemotePlugin};

use super::super::shape::{ErrorAnswer, HubScript, HubScriptList};
use crate::access::Here;
use crate::app::App;
use crate::error::ApiError;

/// The released clients import `pkg_resources`, which newer setuptools do not have any more.
const RELEASED: &str = "imerit_ango\nsetuptools<81\n";

/// One file of `scripts/` for each client and type.
macro_rules! script {
    ($client:literal, $name:literal) => {
        include_str!(concat!("../../../scripts/", $client, "/", $name, ".py"))
    };
}

/// A plugin's scripts to begin with: one for the released client, one for `pegboard.hub`. The secret is not in them.
#[utoipa::path(get, path = "/api/v1/hub/plugins/{id}/scripts", tag = "hub", params(("id" = String, Path, description = "The plugin's id, or its name")),
    responses((status = 200, body = HubScriptList), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn scripts(app: Here, Path(id): Path<String>, headers: HeaderMap) -> Result<Json<HubScriptList>, ApiError> {
    let plugin = app.plugin(&id)?;
    Ok(Json(HubScriptList { scripts: of(&app, &plugin, None, &headers) }))
}

/// The scripts of a plugin; with its secret when that is just being told.
pub(super) fn of(app: &App, plugin: &RemotePlugin, secret: Option<&str>, headers: &HeaderMap) -> Vec<HubScript> {
    let host = address(app, headers);
    let stem = plugin.plugin_type.as_str();
    let make = |client: &str, text: &str, requirements: &str| HubScript {
        client: client.to_owned(),
        file_name: format!("{stem}.py"),
        requirements: requirements.to_owned(),
        script: filled(text, &host, &plugin.id.to_string(), secret),
    };
    vec![make("imerit_ango", released(plugin.plugin_type), RELEASED), make("pegboard", own(plugin.plugin_type), "")]
}

/// Where a script reaches this server: what the settings say, or where the request was sent to.
fn address(app: &App, headers: &HeaderMap) -> String {
    let asked = || headers.get(HOST).and_then(|host| host.to_str().ok()).map(|host| format!("http://{host}"));
    app.settings.server.public_url.clone().or_else(asked).unwrap_or_else(|| app.local_url.clone())
}

/// A text of JSON is a text of Python, too.
fn filled(text: &str, host: &str, id: &str, secret: Option<&str>) -> String {
    let quoted = |word: &str| serde_json::Value::from(word).to_string();
    let secret = match secret {
        Some(secret) => format!("os.environ.get(\"PLUGIN_SECRET\", {})", quoted(secret)),
        None => "os.environ[\"PLUGIN_SECRET\"]".to_owned(),
    };
    text.replace("@HOST@", &quoted(host)).replace("@ID@", &quoted(id)).replace("@SECRET@", &secret)
}

fn released(plugin_type: PluginType) -> &'static str {
    match plugin_type {
        PluginType::Export => script!("imerit_ango", "export"),
        PluginType::Model => script!("imerit_ango", "model"),
        PluginType::BatchModel => script!("imerit_ango", "batch_model"),
        PluginType::FileExplorer => script!("imerit_ango", "file_explorer"),
        PluginType::MarkdownGenerator => script!("imerit_ango", "markdown_generator"),
        PluginType::Input => script!("imerit_ango", "input"),
    }
}

fn own(plugin_type: PluginType) -> &'static str {
    match plugin_type {
        PluginType::Export => script!("pegboard", "export"),
        PluginType::Model => script!("pegboard", "model"),
        PluginType::BatchModel => script!("pegboard", "batch_model"),
        PluginType::FileExplorer => script!("pegboard", "file_explorer"),
        PluginType::MarkdownGenerator => script!("pegboard", "markdown_generator"),
        PluginType::Input => script!("pegboard", "input"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_filled_and_hold_no_mark() {
        for plugin_type in PluginType::ALL {
            for text in [released(plugin_type), own(plugin_type)] {
                let open = filled(text, "http://h:1", "5ec7", None);
                assert!(
                    open.contains("os.environ[\"PLUGIN_SECRET\"]")
                        && open.contains("\"http://h:1\"")
                        && open.contains("\"5ec7\"")
                );
                let told = filled(text, "http://h:1", "5ec7", Some("a\"b"));
                assert!(told.contains("os.environ.get(\"PLUGIN_SECRET\", \"a\\\"b\")"), "{told}");
                for mark in ["@HOST@", "@ID@", "@SECRET@"] {
                    assert!(!told.contains(mark), "{mark} in {told}");
                }
            }
        }
    }
}
