//! Joins the rooms: what the engine says of plugins goes to the directory, what the flow says of runs to the numbers.

use pegboard_engine::EngineEvent;
use tokio::sync::broadcast::error::RecvError;

use crate::app::App;
use crate::{directory, flowdapt};

/// Follows engine and flow until the server stops. Run it as a task of its own, before the first request.
pub async fn join(app: App) {
    let (mut engine, mut flow) = (app.engine.events(), app.flow.events());
    tokio::spawn(flowdapt::follow(app.clone()));
    loop {
        tokio::select! {
            () = app.shutdown.begun() => break,
            event = engine.recv() => match event {
                Ok(EngineEvent::PluginChanged(record)) => keep(&app, &record.name).await,
                Ok(EngineEvent::WorkerChanged(_)) => {}
                // Missed news are no loss for the directory: it copies what is, not what was said.
                Err(RecvError::Lagged(_)) => {
                    for record in app.engine.plugins() {
                        keep(&app, &record.name).await;
                    }
                }
                Err(RecvError::Closed) => break,
            },
            event = flow.recv() => match event {
                Ok(event) => app.metrics.run(&event),
                Err(RecvError::Lagged(missed)) => tracing::debug!(missed, "run counters missed news"),
                Err(RecvError::Closed) => break,
            },
        }
    }
}

async fn keep(app: &App, name: &pegboard_model::PluginName) {
    if let Err(error) = directory::follow(app, name).await {
        tracing::error!(plugin.name = %name, error = %error, "cannot store the plugin's record");
    }
}
