//! Remote plugins, in which organizations they are installed, and their presets.

use pegboard_model::{HubId, Preset, RemotePlugin, Timestamp};

use super::{Row, Statement, Untouched, integer};
use crate::document;
use crate::error::StoreError;
use crate::presets::Replaces;
use crate::store::Store;

const CREATE: &str = "insert into hub_plugins (id, updated_at, document) values ($1, $2, $3)";
const UPDATE: &str = "update hub_plugins set updated_at = $1, document = $2 where id = $3 and updated_at = $4";
const ONE: &str = "select document, id from hub_plugins where id = $1";
const PAGE: &str = "select ordinal, document, id from hub_plugins where ordinal > $1 order by ordinal limit $2";
const DELETE: [&str; 3] = [
    "delete from hub_installs where plugin = $1",
    "delete from hub_presets where plugin = $1",
    "delete from hub_plugins where id = $1",
];
const INSTALL: &str = "insert into hub_installs (organization, plugin, installed_at) values ($1, $2, $3) on conflict do nothing";
const REMOVE: &str = "delete from hub_installs where organization = $1 and plugin = $2";
const INSTALLS: &str = "select organization, plugin from hub_installs order by organization, installed_at, plugin";
const PUT_PRESET: &str = "insert into hub_presets (id, project, plugin, name, document) values ($1, $2, $3, $4, $5) \
     on conflict (project, plugin, name) do update set id = excluded.id, document = excluded.document";
/// `$6`: the id that may be there, or no id at all.
const PUT_PRESET_SEEN: &str = "insert into hub_presets (id, project, plugin, name, document) values ($1, $2, $3, $4, $5) \
     on conflict (project, plugin, name) do update set id = excluded.id, document = excluded.document where hub_presets.id = $6";
const PRESETS: &str = "select document, id from hub_presets where project = $1 and plugin = $2 order by name";
const PRESETS_OF_PROJECT: &str = "select document, id from hub_presets where project = $1 order by plugin, name";
const PRESETS_OF_PLUGIN: &str = "select document, id from hub_presets where plugin = $1 order by project, name";
const PRESET: &str = "select document, id from hub_presets where id = $1";
const DELETE_PRESET: &str = "delete from hub_presets where id = $1";

impl Store {
    /// Fails with `AlreadyExists` when the id is taken.
    pub async fn create_remote_plugin(&self, plugin: &RemotePlugin) -> Result<(), StoreError> {
        let parameters = vec![plugin.id.to_string().into(), plugin.updated_at.0.into(), document::write(plugin)?.into()];
        self.write(vec![Statement::new(CREATE, parameters)]).await.map(drop)
    }

    /// Replaces by id; `expected`: the `updated_at` that the caller saw, else `ChangedMeanwhile`; also when it is gone.
    pub async fn update_remote_plugin(&self, plugin: &RemotePlugin, expected: Timestamp) -> Result<(), StoreError> {
        let parameters =
            vec![plugin.updated_at.0.into(), document::write(plugin)?.into(), plugin.id.to_string().into(), expected.0.into()];
        self.write(vec![Statement::new(UPDATE, parameters).about(2).or(Untouched::Changed)]).await.map(drop)
    }

    /// The plugin of that id.
    pub async fn remote_plugin(&self, id: HubId) -> Result<Option<RemotePlugin>, StoreError> {
        let id = id.to_string();
        let rows = self.read(ONE, vec![id.as_str().into()]).await?;
        rows.first().map(|row| document::read(row.text(0)?, &id)).transpose()
    }

    /// A page of all plugins in the order of their creation, and where the next page begins; 0: at the first. None when this is
    /// the last page.
    pub async fn remote_plugins(&self, from: i64, limit: usize) -> Result<(Vec<RemotePlugin>, Option<i64>), StoreError> {
        let rows = self.read(PAGE, vec![from.into(), integer(limit as u64).into()]).await?;
        let next = if rows.len() < limit { None } else { rows.last().map(|row| row.integer(0)).transpose()? };
        let plugins = rows.iter().map(|row| document::read(row.text(1)?, row.text(2)?)).collect::<Result<_, _>>()?;
        Ok((plugins, next))
    }

    /// Whether there was one. Takes its installs and presets along; its sessions stay.
    pub async fn delete_remote_plugin(&self, id: HubId) -> Result<bool, StoreError> {
        let id = id.to_string();
        Ok(self.write(DELETE.map(|sql| Statement::new(sql, vec![id.as_str().into()])).into()).await? > 0)
    }

    /// Fine when it is installed already.
    pub async fn install_remote_plugin(&self, organization: HubId, plugin: HubId, now: Timestamp) -> Result<(), StoreError> {
        let parameters = vec![organization.to_string().into(), plugin.to_string().into(), now.0.into()];
        self.write(vec![Statement::new(INSTALL, parameters)]).await.map(drop)
    }

    /// Whether it was installed.
    pub async fn remove_remote_plugin(&self, organization: HubId, plugin: HubId) -> Result<bool, StoreError> {
        let parameters = vec![organization.to_string().into(), plugin.to_string().into()];
        Ok(self.write(vec![Statement::new(REMOVE, parameters)]).await? > 0)
    }

    /// Every organization with each plugin that it has installed.
    pub async fn installed_remote_plugins(&self) -> Result<Vec<(HubId, HubId)>, StoreError> {
        let rows = self.read(INSTALLS, Vec::new()).await?;
        rows.iter().map(|row| Ok((identity(row, 0)?, identity(row, 1)?))).collect()
    }

    /// Inserts the preset, or replaces the one of that name for the same project and plugin, if it may; else `ChangedMeanwhile`. One that is
    /// gone is as if it had never been.
    pub async fn put_preset(&self, preset: &Preset, replaces: Replaces) -> Result<(), StoreError> {
        let mut parameters = vec![
            preset.id.to_string().into(),
            preset.project.to_string().into(),
            preset.plugin.to_string().into(),
            preset.name.as_str().into(),
            document::write(preset)?.into(),
        ];
        let seen = match replaces {
            Replaces::Anything => return self.write(vec![Statement::new(PUT_PRESET, parameters).about(3)]).await.map(drop),
            Replaces::Nothing => String::new(),
            Replaces::This(id) => id.to_string(),
        };
        parameters.push(seen.into());
        self.write(vec![Statement::new(PUT_PRESET_SEEN, parameters).about(3).or(Untouched::Changed)]).await.map(drop)
    }

    /// Presets of a project, for one plugin or for all.
    pub async fn presets(&self, project: HubId, plugin: Option<HubId>) -> Result<Vec<Preset>, StoreError> {
        let project = project.to_string();
        let rows = match plugin {
            Some(plugin) => self.read(PRESETS, vec![project.into(), plugin.to_string().into()]).await?,
            None => self.read(PRESETS_OF_PROJECT, vec![project.into()]).await?,
        };
        rows.iter().map(|row| document::read(row.text(0)?, row.text(1)?)).collect()
    }

    /// Presets of a plugin, whatever their project.
    pub async fn presets_of_plugin(&self, plugin: HubId) -> Result<Vec<Preset>, StoreError> {
        let rows = self.read(PRESETS_OF_PLUGIN, vec![plugin.to_string().into()]).await?;
        rows.iter().map(|row| document::read(row.text(0)?, row.text(1)?)).collect()
    }

    /// The preset of that id.
    pub async fn preset(&self, id: HubId) -> Result<Option<Preset>, StoreError> {
        let rows = self.read(PRESET, vec![id.to_string().into()]).await?;
        rows.first().map(|row| document::read(row.text(0)?, row.text(1)?)).transpose()
    }

    /// Whether there was one.
    pub async fn delete_preset(&self, id: HubId) -> Result<bool, StoreError> {
        Ok(self.write(vec![Statement::new(DELETE_PRESET, vec![id.to_string().into()])]).await? > 0)
    }
}

pub(super) fn identity(row: &Row, column: usize) -> Result<HubId, StoreError> {
    row.text(column)?.parse().map_err(|error| StoreError::Corrupt(format!("{error}")))
}
