//! Hosted plugins: scripts that the engine keeps running, with what they need to connect back to us.
//!
//! Invariant: the secret is in the environment of the process and nowhere else; each start asks the hub for it anew, so that a
//! rotated one is known at the next.

use std::sync::Arc;

use pegboard_engine::ScriptVariables;
use pegboard_model::{Error, HubId};

use crate::app::App;

/// What public samples read: where the hub is, who the plugin is, what proves it.
pub(crate) fn variables(app: &App, plugin: HubId) -> ScriptVariables {
    let (hub, engine, host) = (app.hub.clone(), app.engine.clone(), app.local_url.clone());
    Arc::new(move || {
        let mut variables = engine.granted(&plugin.to_string());
        variables.extend([("HOST".to_owned(), host.clone()), ("PLUGIN_ID".to_owned(), plugin.to_string())]);
        // For `pegboard.catalog`.
        variables.push(("PEGBOARD_URL".to_owned(), host.clone()));
        // Without a secret the script says itself what is missing.
        variables.extend(hub.secret(plugin).ok().map(|secret| ("PLUGIN_SECRET".to_owned(), secret)));
        variables
    })
}

/// Starts every script that an earlier server hosted.
pub async fn start_hosted(app: App) {
    let scripts = app.engine.scripts();
    let keys = match scripts.keys().await {
        Ok(keys) => keys,
        Err(error) => return tracing::error!("hosted plugins are not started: {error}"),
    };
    for key in keys {
        let started = async {
            let id: HubId = key.parse()?;
            app.hub.plugin(id)?;
            scripts.start(&key, variables(&app, id)).await
        };
        if let Err(error) = started.await {
            tracing::error!(plugin.id = key, "a hosted plugin is not started: {error}");
        }
    }
}

/// Starts the plugin's script anew, if it has one: its secret has changed.
pub(crate) async fn restart(app: &App, plugin: HubId) -> Result<(), Error> {
    let key = plugin.to_string();
    if app.engine.scripts().status(&key).is_none() {
        return Ok(());
    }
    app.engine.scripts().start(&key, variables(app, plugin)).await
}

/// Ends the plugin's script, if it has one.
pub(crate) async fn forget(app: &App, plugin: HubId) -> Result<bool, Error> {
    app.engine.scripts().remove(&plugin.to_string()).await
}
