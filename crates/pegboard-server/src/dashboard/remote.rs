//! Plugin folders in object storage: copied to this machine, and looked at again and again.
//!
//! Invariant: what was copied stays and serves while the storage is away.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::PoisonError;

use pegboard_model::Error;
use pegboard_store::RemoteFolder;

use crate::app::App;
use crate::config::PluginFolder;

/// Where the copy of a folder lies.
pub(crate) fn copy_of(app: &App, place: &str) -> PathBuf {
    let name = &blake3::hash(place.as_bytes()).to_hex()[..16];
    let path = app.settings.server.data.join("dashboard").join("remote").join(name);
    std::path::absolute(&path).unwrap_or(path)
}

/// Keeps the copies of all remote folders true, for as long as the server runs.
pub(crate) fn follow_all(app: &App) {
    for folder in &app.settings.dashboard.plugins {
        if let PluginFolder::Remote(place) = folder {
            let (app, place) = (app.clone(), place.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = follow(&app, &place) => {}
                    () = app.shutdown.begun() => {}
                }
            });
        }
    }
}

async fn follow(app: &App, place: &str) {
    let target = copy_of(app, place);
    let mut known = BTreeMap::new();
    loop {
        let copied = async {
            let folder = RemoteFolder::open(place, app.settings.store.s3.as_ref())?;
            folder.copy(&target, &mut known).await
        };
        let copied = copied.await;
        let is_changed = matches!(copied, Ok(true));
        let error = copied.err().map(|error| {
            Error::unavailable("plugin-folder", format!("cannot read the plugin folder `{place}`: {error}"))
                .hint("what was copied before goes on serving; look at the name, the network and the credentials")
        });
        let is_news = {
            let mut errors = app.dashboard.remote_errors.lock().unwrap_or_else(PoisonError::into_inner);
            // The text of an error says how long the request took: another text is no news.
            match error {
                Some(error) => {
                    let message = error.message.clone();
                    let is_first = errors.insert(place.to_owned(), error).is_none();
                    if is_first {
                        tracing::warn!("{message}");
                    }
                    is_first
                }
                None => errors.remove(place).is_some(),
            }
        };
        if is_changed || is_news {
            app.dashboard.look.notify_one();
        }
        tokio::time::sleep(app.settings.dashboard.poll).await;
    }
}
