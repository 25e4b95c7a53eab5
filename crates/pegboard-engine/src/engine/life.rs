//! A plugin's life: known from before, installed, upgraded, reloaded, removed.

use std::sync::Arc;
use std::time::Duration;

use pegboard_model::{Error, ErrorKind, Failure, FailureKind, PluginName, PluginRecord, PluginState};

use super::edition::Edition;
use super::plugin::{Plugin, Reloaded, history, now};
use super::{Inner, stopping};
use crate::environment::{Environment, InstallRequest, Progress};
use crate::pool::WorkerSource;
use crate::supervisor::{History, Standing, refusal};

/// How long running calls may go on after their plugin was removed.
const REMOVAL_GRACE: Duration = Duration::from_secs(30);

impl Inner {
    pub(super) fn activate(self: &Arc<Self>, records: Vec<PluginRecord>) {
        let mut changed = Vec::new();
        let mut known = Vec::new();
        for record in records {
            let pool = self.pool(&record.name, history(&record));
            let environment = self.environments.get(&record.environment);
            let plugin = Plugin::new(record, pool);
            let record = plugin.record();
            if let Some(environment) = environment {
                plugin.pool.offer(self.source(&record, Vec::new(), environment));
            } else {
                let failure = environment_missing(&record);
                plugin.pool.withhold(failure.clone());
                changed.extend(plugin.change(|record| {
                    record.state = PluginState::Broken;
                    record.failure = Some(failure);
                }));
            }
            known.push((record.name, Arc::new(plugin)));
        }
        self.edit(|plugins| plugins.extend(known));
        for record in changed {
            self.tell_record(Some(record));
        }
    }

    pub(super) async fn install(
        self: Arc<Self>,
        request: InstallRequest,
        replace: bool,
        progress: Progress,
    ) -> Result<PluginRecord, Error> {
        let record = {
            let _installing = self.installing.read().await;
            let (environment, record) = tokio::select! {
                made = self.environments.install(&request, &progress) => made?,
                () = self.closing.cancelled() => return Err(stopping()),
            };
            let turns = self.turns(&record.name);
            let _turn = turns.own().await;
            match (self.plugin(&record.name), replace) {
                (Err(missing), true) => Err(missing),
                (Ok(plugin), true) => self.upgrade(&plugin, environment, record, &progress).await,
                (Ok(_), false) => Err(Error::conflict("plugin-exists", format!("plugin `{}` is installed already", record.name))
                    .hint(format!("replace it with `pegboard upgrade {}`", record.name))),
                (Err(_), false) => self.add(environment, record, &progress).await,
            }
        };
        self.collect_later(Vec::new());
        record
    }

    /// A new plugin. One that does not load is added, too: it is there to be mended.
    async fn add(
        self: &Arc<Self>,
        environment: Environment,
        mut record: PluginRecord,
        progress: &Progress,
    ) -> Result<PluginRecord, Error> {
        progress("load", &format!("importing {}", record.name));
        let source = self.source(&record, Vec::new(), environment);
        let pool = self.pool(&record.name, History::default());
        match pool.swap(Arc::clone(&source)).await {
            Ok(_) => (record.state, record.failure) = (PluginState::Ready, None),
            Err(_) if self.closing.is_cancelled() => return Err(stopping()),
            Err(failure) => {
                let failure = shown(&record.name, failure);
                pool.offer_broken(source, failure.clone());
                (record.state, record.failure) = (PluginState::Broken, Some(failure));
            }
        }
        record.updated_at = now();
        if record.state == PluginState::Ready {
            progress("swap", &format!("{} takes calls", record.name));
        }
        let plugin = Arc::new(Plugin::new(record.clone(), pool));
        self.edit(|plugins| {
            plugins.insert(record.name.clone(), Arc::clone(&plugin));
        });
        if self.closing.is_cancelled() {
            // It came too late for the shutdown to see.
            self.close();
            return Err(stopping());
        }
        self.tell_record(Some(record.clone()));
        Ok(record)
    }

    async fn upgrade(
        self: &Arc<Self>,
        plugin: &Arc<Plugin>,
        environment: Environment,
        mut record: PluginRecord,
        progress: &Progress,
    ) -> Result<PluginRecord, Error> {
        let name = record.name.clone();
        progress("load", &format!("importing {name} {}", record.metadata.version));
        match plugin.pool.swap(self.source(&record, plugin.called(), environment)).await {
            Ok(former) => {
                progress("swap", &format!("{name} {} takes calls", record.metadata.version));
                let changed = plugin.change(|old| {
                    record.installed_at = old.installed_at;
                    (record.state, record.failure) = (PluginState::Ready, None);
                    *old = record;
                });
                // The modules may be others.
                self.edit(|_| {});
                self.tell_record(changed);
                self.collect_later(former.into_iter().collect());
                Ok(plugin.record())
            }
            Err(_) if self.closing.is_cancelled() => Err(stopping()),
            Err(failure) => {
                let failure = shown(&name, failure);
                // The old version goes on serving, if it did: state and environment stay.
                self.tell_record(plugin.change(|old| old.failure = Some(failure.clone())));
                let message = format!("version `{}` of `{name}` does not load: {}", record.metadata.version, failure.message);
                let old = plugin.record().metadata.version;
                Err(refused_change(ErrorKind::PluginFailed, "plugin-import-failed", message, failure)
                    .hint(format!("version `{old}` stays installed; mend the new one and run `pegboard upgrade {name}` again")))
            }
        }
    }

    pub(super) async fn reload(self: Arc<Self>, name: &PluginName) -> Reloaded {
        // Known before the turn, so that a wrong name makes no turns.
        self.plugin(name)?;
        let turns = self.turns(name);
        turns.shared(self.reload_now(name)).await
    }

    async fn reload_now(self: &Arc<Self>, name: &PluginName) -> Reloaded {
        let plugin = self.plugin(name)?;
        let record = plugin.record();
        let Some(environment) = self.environments.get(&record.environment) else {
            let failure = environment_missing(&record);
            return Err(refused_change(ErrorKind::Unavailable, "environment-missing", failure.message.clone(), failure));
        };
        match plugin.pool.swap(self.source(&record, plugin.called(), environment)).await {
            Ok(_) => {
                let changed = plugin.change(|record| (record.state, record.failure) = (PluginState::Ready, None));
                self.tell_record(changed);
                Ok(plugin.record())
            }
            Err(_) if self.closing.is_cancelled() => Err(stopping()),
            Err(failure) => {
                let failure = shown(name, failure);
                // What was loaded before goes on serving, if it did: the state stays.
                self.tell_record(plugin.change(|record| record.failure = Some(failure.clone())));
                let message = format!("plugin `{name}` does not load: {}", failure.message);
                Err(refused_change(ErrorKind::PluginFailed, "reload-failed", message, failure)
                    .hint(format!("what was loaded before goes on serving; mend it and run `pegboard plugin reload {name}`")))
            }
        }
    }

    pub(super) async fn uninstall(self: Arc<Self>, name: &PluginName) -> Result<(), Error> {
        self.plugin(name)?;
        let turns = self.turns(name);
        let _turn = turns.own().await;
        let plugin = self.plugin(name)?;
        self.edit(|plugins| {
            plugins.remove(name);
        });
        let pool = &plugin.pool;
        pool.close(
            Failure::noticed(FailureKind::Unavailable, format!("plugin `{name}` was uninstalled"))
                .hint("`pegboard install` brings it back"),
        );
        if tokio::time::timeout(REMOVAL_GRACE, pool.drained()).await.is_err() {
            pool.cancel_running();
            pool.drained().await;
        }
        self.forget(pool);
        // Its lease goes with it.
        drop(plugin);
        self.collect_later(Vec::new());
        Ok(())
    }

    /// Removes environments that nobody uses, once these generations are gone.
    fn collect_later(self: &Arc<Self>, former: Vec<Arc<crate::pool::Generation>>) {
        // Weak: a long last call of old code does not keep an engine alive that everybody dropped.
        let (engine, closing) = (Arc::downgrade(self), self.closing.clone());
        self.tasks.spawn(async move {
            let collect = async {
                for generation in former {
                    generation.drained().await;
                    // With it goes its lease.
                }
                let Some(inner) = engine.upgrade() else { return };
                if let Err(error) = inner.collect().await {
                    tracing::warn!(error = %error, "unused environments stay");
                }
            };
            tokio::select! {
                () = collect => {}
                () = closing.cancelled() => {}
            }
        });
    }

    fn source(&self, record: &PluginRecord, called: Vec<String>, environment: Environment) -> Arc<dyn WorkerSource> {
        self.sources.plugin(&record.name, &record.entry_points, called, environment, Edition::of(&record.source))
    }
}

/// A failed load as the record and the calls show it.
fn shown(name: &PluginName, failure: Failure) -> Failure {
    refusal(name.as_str(), &Standing::Broken(failure))
}

fn environment_missing(record: &PluginRecord) -> Failure {
    let name = &record.name;
    Failure::noticed(FailureKind::Unavailable, format!("the environment of plugin `{name}` is missing or incomplete"))
        .hint(format!("make it again with `pegboard upgrade {name}`"))
}

/// A change that failed, with the traceback as its detail.
fn refused_change(kind: ErrorKind, code: &str, message: String, failure: Failure) -> Error {
    let mut error = Error::new(kind, code, message);
    (error.hint, error.detail) = (failure.hint, failure.traceback);
    error
}
