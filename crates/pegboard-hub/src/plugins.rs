//! The plugins' records: made, changed, installed, listed.

use std::time::Duration;

use pegboard_model::{Connector, Error, HubId, PluginLimits, PluginType, Preset, RemotePlugin, Timestamp};
use pegboard_store::{Replaces, StoreError};
use serde_json::Value as Json;

use crate::config;
use crate::hub::{Hub, lock, now};
use crate::keyring::{hash_secret, new_secret};

/// Longest name, in characters.
const NAME: usize = 200;
/// Longest text of the other fields, in bytes.
const TEXT: usize = 256 << 10;

/// What can be said about a plugin; what is not said is left as it is, or takes its default.
#[derive(Clone, Debug, Default)]
pub struct PluginEdit {
    /// Shown everywhere.
    pub name: Option<String>,
    /// One sentence.
    pub description: Option<String>,
    /// Markdown.
    pub details: Option<String>,
    /// Empty: none.
    pub banner_url: Option<String>,
    /// Classes that a model knows.
    pub class_names: Option<Vec<String>>,
    /// May be listed beyond its organization.
    pub public: Option<bool>,
    /// Listed in the directory.
    pub listed: Option<bool>,
    /// The text of a JSON object.
    pub default_config: Option<String>,
    /// A JSON Schema; null: none.
    pub config_schema: Option<Json>,
    /// Empty: the script connects to us.
    pub rest_url: Option<String>,
    /// Sessions at once on one connection; 0: the hub's own limit.
    pub sessions: Option<u32>,
    /// Tasks of workflows at once on one connection; 0: one.
    pub tasks: Option<u32>,
    /// Longest time of a session; zero: the hub's own limit.
    pub timeout: Option<Duration>,
    /// Export: add the old shape.
    pub old_export: Option<bool>,
}

/// Which plugins to list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PluginScope {
    /// Those of an organization.
    Own(HubId),
    /// Those that an organization has installed.
    Installed(HubId),
    /// Those that an organization has installed or may install, and its own.
    Available(HubId),
    /// Those that an organization may install: its own that are listed, and everybody's that are public, too.
    Directory(HubId),
}

impl Hub {
    /// Makes a plugin and installs it in its own organization. The secret is told this once.
    ///
    /// # Errors
    /// `plugin-field`, `hub-config`, `config-schema`.
    pub async fn create_plugin(
        &self,
        organization: HubId,
        plugin_type: PluginType,
        edit: PluginEdit,
    ) -> Result<(RemotePlugin, String), Error> {
        let (secret, now) = (new_secret(), now());
        let mut plugin = RemotePlugin {
            id: HubId::random(),
            organization,
            name: String::new(),
            description: String::new(),
            details: String::new(),
            banner_url: String::new(),
            plugin_type,
            class_names: Vec::new(),
            public: false,
            listed: false,
            default_config: "{}".to_owned(),
            config_schema: None,
            connector: Connector::Socket,
            limits: PluginLimits::default(),
            old_export: false,
            secret_hash: hash_secret(&secret),
            sealed_secret: self.inner.keyring.seal(&secret),
            created_at: now,
            updated_at: now,
        };
        edit.apply(&mut plugin)?;
        self.inner.store.create_remote_plugin(&plugin).await?;
        self.know(plugin.clone());
        self.install_plugin(organization, plugin.id).await?;
        Ok((plugin, secret))
    }

    /// The plugin of that id.
    ///
    /// # Errors
    /// `hub-plugin-not-found`.
    pub fn plugin(&self, id: HubId) -> Result<RemotePlugin, Error> {
        self.board().plugin(id).map(|plugin| RemotePlugin::clone(plugin)).ok_or_else(|| plugin_not_found(&id.to_string()))
    }

    /// The plugin with this id, or the only one with this name, of those that the organization owns.
    ///
    /// # Errors
    /// `hub-plugin-not-found`, also for another organization's, `hub-plugin-ambiguous`.
    pub fn plugin_called(&self, organization: HubId, word: &str) -> Result<RemotePlugin, Error> {
        self.find_plugin(word, |plugin| plugin.organization == organization)
    }

    /// The same of those that the organization may see: its own, those that it has installed, and everybody's that are listed.
    ///
    /// # Errors
    /// As [`Self::plugin_called`].
    pub fn visible_plugin(&self, organization: HubId, word: &str) -> Result<RemotePlugin, Error> {
        let installs = lock(&self.inner.installs).clone();
        let is_own = |plugin: &RemotePlugin| plugin.organization == organization;
        let is_seen = |plugin: &RemotePlugin| {
            is_own(plugin) || (plugin.public && plugin.listed) || installs.contains(&(organization, plugin.id))
        };
        match self.find_plugin(word, is_own) {
            Err(error) if error.code == "hub-plugin-not-found" => self.find_plugin(word, is_seen),
            found => found,
        }
    }

    fn find_plugin(&self, word: &str, is_meant: impl Fn(&RemotePlugin) -> bool) -> Result<RemotePlugin, Error> {
        if let Ok(id) = word.parse() {
            return self.plugin(id).ok().filter(is_meant).ok_or_else(|| plugin_not_found(word));
        }
        let board = self.board();
        let mut found = board.plugins().filter(|plugin| plugin.name == word && is_meant(plugin));
        match (found.next(), found.next()) {
            (Some(plugin), None) => Ok(RemotePlugin::clone(plugin)),
            (Some(_), Some(_)) => Err(Error::conflict("hub-plugin-ambiguous", format!("several plugins are named `{word}`"))
                .hint("say its id; `pegboard hub ls` lists them")),
            (None, _) => Err(plugin_not_found(word)),
        }
    }

    /// Plugins of a scope by name, behind the one with id `after`, at most `limit`.
    #[must_use]
    pub fn plugins(&self, scope: PluginScope, after: Option<HubId>, limit: usize) -> Vec<RemotePlugin> {
        let installs = lock(&self.inner.installs).clone();
        let board = self.board();
        let mut found: Vec<&RemotePlugin> = board
            .plugins()
            .map(|plugin| &**plugin)
            .filter(|plugin| match scope {
                PluginScope::Own(organization) => plugin.organization == organization,
                PluginScope::Installed(organization) => installs.contains(&(organization, plugin.id)),
                PluginScope::Available(organization) => {
                    plugin.organization == organization
                        || installs.contains(&(organization, plugin.id))
                        || (plugin.listed && plugin.public)
                }
                PluginScope::Directory(organization) => plugin.listed && (plugin.public || plugin.organization == organization),
            })
            .collect();
        let place = |plugin: &RemotePlugin| (plugin.name.to_lowercase(), plugin.id);
        found.sort_by_key(|plugin| place(plugin));
        let behind = after.and_then(|after| board.plugin(after)).map(|plugin| place(plugin));
        let is_behind = |plugin: &&&RemotePlugin| behind.as_ref().is_none_or(|behind| place(plugin) > *behind);
        found.iter().filter(is_behind).take(limit).map(|plugin| RemotePlugin::clone(plugin)).collect()
    }

    /// The plugin whose session is under way with this API key.
    #[must_use]
    pub fn plugin_of_key(&self, key: HubId) -> Option<RemotePlugin> {
        self.board().plugin_of_key(key).map(|plugin| RemotePlugin::clone(plugin))
    }

    /// Whether the organization has installed it.
    #[must_use]
    pub fn is_installed(&self, organization: HubId, plugin: HubId) -> bool {
        lock(&self.inner.installs).contains(&(organization, plugin))
    }

    /// Changes a record; `seen`: only when it still is the one that was changed at this instant.
    ///
    /// # Errors
    /// `hub-plugin-not-found`, `changed-meanwhile`, and those of [`Self::create_plugin`].
    pub async fn edit_plugin(&self, id: HubId, edit: PluginEdit, seen: Option<Timestamp>) -> Result<RemotePlugin, Error> {
        let mut plugin = self.plugin(id)?;
        if seen.is_some_and(|seen| seen != plugin.updated_at) {
            return Err(StoreError::ChangedMeanwhile(plugin.name).into());
        }
        let seen = plugin.updated_at;
        edit.apply(&mut plugin)?;
        self.replace(plugin, seen).await
    }

    /// Gives the plugin a new secret, told this once. Who is connected with the old one is out at its next beat.
    ///
    /// # Errors
    /// `hub-plugin-not-found`, `changed-meanwhile`.
    pub async fn rotate_secret(&self, id: HubId) -> Result<(RemotePlugin, String), Error> {
        let mut plugin = self.plugin(id)?;
        let (secret, seen) = (new_secret(), plugin.updated_at);
        plugin.secret_hash = hash_secret(&secret);
        plugin.sealed_secret = self.inner.keyring.seal(&secret);
        Ok((self.replace(plugin, seen).await?, secret))
    }

    /// The secret itself, for whoever starts the script.
    ///
    /// # Errors
    /// `hub-plugin-not-found`.
    pub fn secret(&self, id: HubId) -> Result<String, Error> {
        self.board().secret(id).map(|secret| secret.to_string()).ok_or_else(|| plugin_not_found(&id.to_string()))
    }

    async fn replace(&self, mut plugin: RemotePlugin, seen: Timestamp) -> Result<RemotePlugin, Error> {
        plugin.updated_at = now().max(Timestamp(seen.0 + 1));
        self.inner.store.update_remote_plugin(&plugin, seen).await?;
        self.know(plugin.clone());
        Ok(plugin)
    }

    /// Deletes a plugin; its sessions that are under way fail, those that are over stay.
    ///
    /// # Errors
    /// `hub-plugin-not-found`.
    pub async fn delete_plugin(&self, id: HubId) -> Result<(), Error> {
        if !self.inner.store.delete_remote_plugin(id).await? {
            return Err(plugin_not_found(&id.to_string()));
        }
        lock(&self.inner.installs).retain(|(_, plugin)| *plugin != id);
        self.with(|board, effects| board.remove_plugin(id, now(), effects));
        Ok(())
    }

    /// Installs a plugin that the organization may see.
    ///
    /// # Errors
    /// `hub-plugin-not-found`.
    pub async fn install_plugin(&self, organization: HubId, id: HubId) -> Result<RemotePlugin, Error> {
        let plugin = self.plugin(id)?;
        if plugin.organization != organization && !(plugin.public && plugin.listed) {
            return Err(plugin_not_found(&id.to_string()));
        }
        self.inner.store.install_remote_plugin(organization, id, now()).await?;
        let mut installs = lock(&self.inner.installs);
        if !installs.contains(&(organization, id)) {
            installs.push((organization, id));
        }
        drop(installs);
        Ok(plugin)
    }

    /// Takes a plugin out of an organization; whether it was in.
    pub async fn remove_plugin(&self, organization: HubId, id: HubId) -> Result<bool, Error> {
        let was = self.inner.store.remove_remote_plugin(organization, id).await?;
        lock(&self.inner.installs).retain(|install| *install != (organization, id));
        Ok(was)
    }

    /// Stores a preset, in place of the one of that name for the same project and plugin, if it may.
    ///
    /// # Errors
    /// `changed-meanwhile`, `hub-plugin-not-found`, `project-not-found`, `hub-config`, `plugin-field`.
    pub async fn put_preset(&self, preset: &Preset, replaces: Replaces) -> Result<(), Error> {
        let plugin = self.plugin(preset.plugin)?;
        self.inner.labelling.project(preset.project).await?;
        check_name(&preset.name)?;
        config::check(&preset.config, plugin.config_schema.as_ref())?;
        Ok(self.inner.store.put_preset(preset, replaces).await?)
    }

    /// Presets of a project, for one plugin or all, by name.
    pub async fn presets(&self, project: HubId, plugin: Option<HubId>) -> Result<Vec<Preset>, Error> {
        Ok(self.inner.store.presets(project, plugin).await?)
    }

    /// Presets of a plugin for projects of the organization, by project and name.
    pub async fn presets_of_plugin(&self, organization: HubId, plugin: HubId) -> Result<Vec<Preset>, Error> {
        let mut found = Vec::new();
        let mut known: Option<(HubId, bool)> = None;
        for preset in self.inner.store.presets_of_plugin(plugin).await? {
            let is_theirs = match known {
                Some((project, is_theirs)) if project == preset.project => is_theirs,
                _ => {
                    let project = self.inner.labelling.project(preset.project).await;
                    // Nobody sees what is left of a project that is gone.
                    project.is_ok_and(|project| project.organization == organization)
                }
            };
            known = Some((preset.project, is_theirs));
            found.extend(is_theirs.then_some(preset));
        }
        Ok(found)
    }

    /// Whether the organization had one.
    pub async fn delete_preset(&self, organization: HubId, id: HubId) -> Result<bool, Error> {
        let Some(preset) = self.inner.store.preset(id).await? else { return Ok(false) };
        match self.inner.labelling.project(preset.project).await {
            Ok(project) if project.organization != organization => return Ok(false),
            // What is left of a project that is gone may go, too.
            _ => {}
        }
        Ok(self.inner.store.delete_preset(id).await?)
    }
}

/// There is no such plugin, or it is none of the caller's business.
pub(crate) fn plugin_not_found(word: &str) -> Error {
    Error::not_found("hub-plugin-not-found", format!("there is no remote plugin `{word}`"))
        .hint("`pegboard hub ls` lists them; `pegboard hub create` makes one")
}

impl PluginEdit {
    fn apply(self, plugin: &mut RemotePlugin) -> Result<(), Error> {
        fn set<T>(field: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *field = value;
            }
        }
        set(&mut plugin.name, self.name.map(|name| name.trim().to_owned()));
        check_name(&plugin.name)?;
        set(&mut plugin.description, self.description);
        set(&mut plugin.details, self.details);
        set(&mut plugin.banner_url, self.banner_url);
        set(&mut plugin.class_names, self.class_names);
        set(&mut plugin.public, self.public);
        set(&mut plugin.listed, self.listed);
        set(&mut plugin.old_export, self.old_export);
        set(&mut plugin.limits.sessions, self.sessions.map(|most| (most > 0).then_some(most)));
        set(&mut plugin.limits.tasks, self.tasks.map(|most| (most > 0).then_some(most)));
        let milliseconds = |limit: Duration| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        set(&mut plugin.limits.timeout_ms, self.timeout.map(|limit| (!limit.is_zero()).then(|| milliseconds(limit))));
        set(&mut plugin.config_schema, self.config_schema.map(|schema| (!schema.is_null()).then_some(schema)));
        if let Some(schema) = &plugin.config_schema {
            config::check_schema(schema)?;
        }
        if let Some(text) = self.default_config {
            config::check(&text, None)?;
            plugin.default_config = text;
        }
        for (name, text) in
            [("description", &plugin.description), ("details", &plugin.details), ("banner URL", &plugin.banner_url)]
        {
            if text.len() > TEXT {
                return Err(field(name, "it is too long"));
            }
        }
        let banner = &plugin.banner_url;
        if !banner.is_empty() && !["http://", "https://", "/"].iter().any(|start| banner.starts_with(start)) {
            return Err(field("banner URL", "it is no web address"));
        }
        if let Some(url) = self.rest_url {
            let url = url.trim().trim_end_matches('/').to_owned();
            plugin.connector = match url.as_str() {
                "" => Connector::Socket,
                _ if reqwest::Url::parse(&url).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) => {
                    Connector::Rest { url }
                }
                _ => return Err(field("REST address", "it is no web address")),
            };
        }
        Ok(())
    }
}

fn check_name(name: &str) -> Result<(), Error> {
    match name.chars().count() {
        0 => Err(field("name", "it is empty")),
        count if count > NAME => Err(field("name", "it is longer than 200 characters")),
        _ if name.chars().any(char::is_control) => Err(field("name", "it has a control character")),
        _ => Ok(()),
    }
}

fn field(name: &str, why: &str) -> Error {
    Error::invalid("plugin-field", format!("the plugin's {name} cannot be: {why}"))
}
