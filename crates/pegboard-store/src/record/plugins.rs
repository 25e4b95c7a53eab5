//! Plugins, by name.

use pegboard_model::{PluginName, PluginRecord};

use super::Statement;
use crate::document;
use crate::error::StoreError;
use crate::store::Store;

const PUT: &str = "insert into plugins (name, document) values ($1, $2) \
     on conflict (name) do update set document = excluded.document";
const ONE: &str = "select document from plugins where name = $1";
const ALL: &str = "select document, name from plugins order by name";
const DELETE: &str = "delete from plugins where name = $1";

impl Store {
    /// Inserts the record, or replaces the one of that name.
    pub async fn put_plugin(&self, record: &PluginRecord) -> Result<(), StoreError> {
        let parameters = vec![record.name.as_str().into(), document::write(record)?.into()];
        self.write(vec![Statement::new(PUT, parameters)]).await.map(drop)
    }

    /// The record of that name.
    pub async fn plugin(&self, name: &PluginName) -> Result<Option<PluginRecord>, StoreError> {
        let rows = self.read(ONE, vec![name.as_str().into()]).await?;
        rows.first().map(|row| document::read(row.text(0)?, name.as_str())).transpose()
    }

    /// All records, by name.
    pub async fn plugins(&self) -> Result<Vec<PluginRecord>, StoreError> {
        let rows = self.read(ALL, Vec::new()).await?;
        rows.iter().map(|row| document::read(row.text(0)?, row.text(1)?)).collect()
    }

    /// Whether there was one of that name.
    pub async fn delete_plugin(&self, name: &PluginName) -> Result<bool, StoreError> {
        let touched = self.write(vec![Statement::new(DELETE, vec![name.as_str().into()])]).await?;
        Ok(touched > 0)
    }
}
