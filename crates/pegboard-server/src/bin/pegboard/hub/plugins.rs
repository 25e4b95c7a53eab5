//! Remote plugins' records on the command line.

use pegboard_model::Error;
use pegboard_server::shape::{HubPluginAnswer, HubPluginBody, HubPluginList, HubPluginMade, HubScriptList};
use serde_json::{Map, Value as Json};

use super::arguments::PluginFields;
use super::{read, read_text};
use crate::client::Client;
use crate::failure::CommandFailure;
use crate::output::{Output, instant};

pub(crate) async fn create(
    client: &Client,
    plugin_type: &str,
    name: &str,
    fields: &PluginFields,
    output: &Output,
) -> Result<(), CommandFailure> {
    let mut body = body(Some(name), fields)?;
    body.plugin_type = Some(plugin_type.to_owned());
    let made: HubPluginMade = client.post(&["hub", "plugins"], &body).await?;
    told(&made, output);
    Ok(())
}

pub(crate) async fn rotate(client: &Client, plugin: &str, output: &Output) -> Result<(), CommandFailure> {
    let made: HubPluginMade = client.post(&["hub", "plugins", plugin, "secret"], &Map::new()).await?;
    told(&made, output);
    Ok(())
}

fn told(made: &HubPluginMade, output: &Output) {
    if output.json {
        output.data(made);
    } else {
        output.line(&format!("id      {}", made.plugin.id));
        output.line(&format!("secret  {}", made.secret));
        output.note("the secret is not told again");
    }
}

pub(crate) async fn show(client: &Client, plugin: &str, output: &Output) -> Result<(), CommandFailure> {
    let plugin: HubPluginAnswer = client.get(&["hub", "plugins", plugin], &[]).await?;
    print(&plugin, output);
    Ok(())
}

pub(crate) async fn edit(
    client: &Client,
    plugin: &str,
    name: Option<&str>,
    fields: &PluginFields,
    output: &Output,
) -> Result<(), CommandFailure> {
    let body = body(name, fields)?;
    if body == HubPluginBody::default() {
        return Err(CommandFailure::usage(
            Error::invalid("usage", "there is nothing to change").hint("`pegboard hub edit --help` lists what can be said"),
        ));
    }
    let plugin: HubPluginAnswer = client.put(&["hub", "plugins", plugin], &body).await?;
    print(&plugin, output);
    Ok(())
}

pub(crate) async fn delete(client: &Client, plugin: &str, output: &Output) -> Result<(), CommandFailure> {
    let answer: Json = client.delete(&["hub", "plugins", plugin]).await?;
    done(&answer, &format!("plugin {plugin} deleted"), output);
    Ok(())
}

pub(crate) async fn install(client: &Client, plugin: &str, output: &Output) -> Result<(), CommandFailure> {
    let answer: HubPluginAnswer = client.post(&["hub", "plugins", plugin, "install"], &Map::new()).await?;
    done(&answer, &format!("plugin {plugin} installed"), output);
    Ok(())
}

pub(crate) async fn remove(client: &Client, plugin: &str, output: &Output) -> Result<(), CommandFailure> {
    let answer: HubPluginAnswer = client.delete(&["hub", "plugins", plugin, "install"]).await?;
    done(&answer, &format!("plugin {plugin} removed from the organization"), output);
    Ok(())
}

/// The script for one of the clients, on standard output.
pub(crate) async fn script(client: &Client, plugin: &str, wanted: &str, output: &Output) -> Result<(), CommandFailure> {
    let list: HubScriptList = client.get(&["hub", "plugins", plugin, "scripts"], &[]).await?;
    if let Some(script) = list.scripts.into_iter().find(|script| script.client == wanted) {
        if output.json {
            output.data(&script);
        } else {
            output.line(script.script.trim_end());
        }
    }
    Ok(())
}

pub(crate) async fn list(client: &Client, filters: &[(&str, Option<&str>)], output: &Output) -> Result<(), CommandFailure> {
    let (mut all, mut after) = (Vec::new(), None::<String>);
    loop {
        let mut query = vec![("limit", "1000")];
        query.extend(filters.iter().filter_map(|(key, value)| Some((*key, (*value)?))));
        query.extend(after.as_deref().map(|after| ("after", after)));
        let page: HubPluginList = client.get(&["hub", "plugins"], &query).await?;
        all.extend(page.plugins);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if output.json {
        output.data(&HubPluginList { plugins: all, next: None });
    } else if all.is_empty() {
        output.note("no plugin here; `pegboard hub create` makes one");
    } else {
        let row = |plugin: &HubPluginAnswer| {
            let light = if plugin.live { "live" } else { "-" };
            let marks = [(plugin.public, "public"), (plugin.listed, "listed"), (plugin.installed, "installed")];
            let marks: Vec<&str> = marks.into_iter().filter(|(set, _)| *set).map(|(_, word)| word).collect();
            vec![
                plugin.id.clone(),
                plugin.name.clone(),
                plugin.plugin_type.clone(),
                light.to_owned(),
                plugin.busy.to_string(),
                plugin.queued.to_string(),
                marks.join(", "),
            ]
        };
        output.table(&["ID", "NAME", "TYPE", "LIVE", "BUSY", "QUEUED", "MARKS"], all.iter().map(row).collect());
    }
    Ok(())
}

fn done<T: serde::Serialize>(answer: &T, words: &str, output: &Output) {
    if output.json {
        output.data(answer);
    } else {
        output.note(words);
    }
}

fn print(plugin: &HubPluginAnswer, output: &Output) {
    if output.json {
        output.data(plugin);
        return;
    }
    let fact = |name: &str, value: &str| {
        if !value.is_empty() {
            output.line(&format!("{name:<12} {value}"));
        }
    };
    fact("id", &plugin.id);
    fact("name", &plugin.name);
    fact("type", &plugin.plugin_type);
    fact("live", if plugin.live { "true" } else { "false" });
    fact("connections", &plugin.connections.to_string());
    fact("heard", &plugin.heard_at.as_deref().map(|time| format!("{} UTC", instant(time))).unwrap_or_default());
    if let Some(hosted) = &plugin.hosted {
        fact("hosted", &super::hosting::told(hosted));
    }
    fact("busy", &plugin.busy.to_string());
    fact("queued", &plugin.queued.to_string());
    if plugin.refused > 0 {
        fact("refused", &format!("{} heartbeats with a wrong secret", plugin.refused));
    }
    fact("description", &plugin.description);
    fact("classes", &plugin.class_names.join(", "));
    fact("public", if plugin.public { "true" } else { "false" });
    fact("listed", if plugin.listed { "true" } else { "false" });
    fact("installed", if plugin.installed { "true" } else { "false" });
    fact("config", &plugin.default_config);
    fact("rest url", plugin.rest_url.as_deref().unwrap_or_default());
    fact("created", &format!("{} UTC", instant(&plugin.created_at)));
    if !plugin.details.is_empty() {
        output.line("");
        output.line(plugin.details.trim_end());
    }
}

fn body(name: Option<&str>, fields: &PluginFields) -> Result<HubPluginBody, CommandFailure> {
    let details = match &fields.details_file {
        Some(path) => Some(read_text(path)?),
        None => fields.details.clone(),
    };
    let config_schema = match &fields.config_schema {
        Some(path) => Some(serde_json::from_slice(&read(path)?).map_err(|error| {
            CommandFailure::usage(Error::invalid("file", format!("`{}` is no JSON: {error}", path.display())))
        })?),
        None => None,
    };
    Ok(HubPluginBody {
        plugin_type: None,
        name: name.map(str::to_owned),
        description: fields.description.clone(),
        details,
        banner_url: fields.banner_url.clone(),
        class_names: (!fields.classes.is_empty()).then(|| fields.classes.clone()),
        public: fields.public,
        listed: fields.listed,
        default_config: fields.default_config.clone().map(Json::String),
        config_schema,
        rest_url: fields.rest_url.clone(),
        sessions: fields.sessions,
        tasks: fields.tasks,
        timeout_ms: fields.timeout.map(milliseconds),
        old_export: fields.old_export,
    })
}

pub(crate) fn milliseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
