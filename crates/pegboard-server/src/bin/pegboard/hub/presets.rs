//! Presets on the command line.

use pegboard_server::shape::{HubPresetAnswer, HubPresetList};
use serde_json::Value as Json;

use super::arguments::{HubCommand, text};
use super::parameters;
use crate::client::Client;
use crate::failure::CommandFailure;
use crate::output::Output;

pub(crate) async fn presets(client: &Client, command: &HubCommand, output: &Output) -> Result<(), CommandFailure> {
    let HubCommand::Presets { project, plugin, save, config, classes, parameters: more, delete, .. } = command else {
        return Ok(());
    };
    if let Some(preset) = delete {
        let answer: Json = client.delete(&["hub", "presets", preset]).await?;
        if output.json {
            output.data(&answer);
        } else {
            output.note(&format!("preset {preset} deleted"));
        }
        return Ok(());
    }
    if let (Some(name), Some(plugin), Some(project)) = (save, plugin, project) {
        let body = HubPresetAnswer {
            id: String::new(),
            project: project.clone(),
            plugin: plugin.clone(),
            name: name.clone(),
            config: text(config.as_ref()).map_or(Json::Null, Json::String),
            classes: classes.iter().cloned().collect(),
            parameters: parameters(more),
        };
        let saved: HubPresetAnswer = client.post(&["hub", "presets"], &body).await?;
        print(&[saved], output);
        return Ok(());
    }
    let named = [("project", project), ("plugin", plugin)];
    let query: Vec<(&str, &str)> = named.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
    let list: HubPresetList = client.get(&["hub", "presets"], &query).await?;
    if output.json {
        output.data(&list);
    } else if list.presets.is_empty() {
        output.note("no preset; `--save NAME` saves one");
    } else {
        print(&list.presets, output);
    }
    Ok(())
}

fn print(presets: &[HubPresetAnswer], output: &Output) {
    if let ([preset], true) = (presets, output.json) {
        output.data(preset);
        return;
    }
    let said = |config: &Json| config.as_str().map_or_else(|| config.to_string(), str::to_owned);
    let row = |preset: &HubPresetAnswer| {
        vec![preset.id.clone(), preset.project.clone(), preset.plugin.clone(), preset.name.clone(), said(&preset.config)]
    };
    output.table(&["PRESET", "PROJECT", "PLUGIN", "NAME", "CONFIG"], presets.iter().map(row).collect());
}
