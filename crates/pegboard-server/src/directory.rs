//! The stored directory of plugins follows the engine. There is one way to change it: [`follow`].

use pegboard_model::PluginName;
use pegboard_store::StoreError;

use crate::app::App;

/// Makes the stored record of `name` what the engine has now: written when the engine knows the plugin, deleted when not.
///
/// Durable when it returns. Whoever installs, upgrades or removes calls it before answering; news from the engine lead
/// here too, and since the engine is asked under the lock, late news cannot undo what came after them.
pub(crate) async fn follow(app: &App, name: &PluginName) -> Result<(), StoreError> {
    let _one_at_a_time = app.directory.lock().await;
    match app.engine.plugins().into_iter().find(|record| record.name == *name) {
        Some(record) => app.store.put_plugin(&record).await,
        None => app.store.delete_plugin(name).await.map(|_| ()),
    }
}
