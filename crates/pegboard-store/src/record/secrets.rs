//! Secrets, by name. They lie among the resources as a kind of their own.

use pegboard_model::Secret;

use super::{Cell, Statement};
use crate::document;
use crate::error::StoreError;
use crate::store::Store;

const KIND: Cell = Cell::Word("secret");
const PUT: &str = "insert into resources (kind, uid, name, updated_at, document) values ($1, $2, $3, $4, $5) \
     on conflict (kind, name) do update set updated_at = excluded.updated_at, document = excluded.document";
const ALL: &str = "select document, name from resources where kind = $1 order by name";
const DELETE: &str = "delete from resources where kind = $1 and name = $2";

impl Store {
    /// Inserts the secret, or replaces the one of that name.
    pub async fn put_secret(&self, secret: &Secret) -> Result<(), StoreError> {
        let name = secret.name.as_str();
        let parameters = vec![KIND, name.into(), name.into(), secret.updated_at.0.into(), document::write(secret)?.into()];
        self.write(vec![Statement::new(PUT, parameters).about(2)]).await.map(drop)
    }

    /// All secrets, by name.
    pub async fn secrets(&self) -> Result<Vec<Secret>, StoreError> {
        self.read(ALL, vec![KIND]).await?.iter().map(|row| document::read(row.text(0)?, row.text(1)?)).collect()
    }

    /// Whether there was one.
    pub async fn delete_secret(&self, name: &str) -> Result<bool, StoreError> {
        Ok(self.write(vec![Statement::new(DELETE, vec![KIND, name.into()])]).await? > 0)
    }
}
