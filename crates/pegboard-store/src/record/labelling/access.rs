//! Organization, users, keys.

use pegboard_model::{ApiKey, HubId, Organization, Timestamp, User};

use super::super::{Cell, Statement, Untouched};
use super::{all, cell, one};
use crate::document;
use crate::error::StoreError;
use crate::store::Store;

const FIRST: &str = "select document, id from organizations";
const ORGANIZATIONS: &str = "select document, id from organizations order by id";
const CREATE_ORGANIZATION: &str =
    "insert into organizations (id, document) select $1, $2 where not exists (select 1 from organizations)";
const ANOTHER_ORGANIZATION: &str = "insert into organizations (id, document) values ($1, $2)";
const PUT_USER: &str = "insert into users (id, email, document) values ($1, $2, $3) \
     on conflict (id) do update set email = excluded.email, document = excluded.document";
const USERS: &str = "select document, id from users order by ordinal";
const USER: &str = "select document from users where id = $1";
const USER_BY_EMAIL: &str = "select document from users where email = $1";
const DELETE_USER: &str = "delete from users where id = $1";
const CREATE_KEY: &str = "insert into api_keys (id, hash, expires_at, document) values ($1, $2, $3, $4)";
const KEY: &str = "select document from api_keys where hash = $1";
const KEYS: &str = "select document, id from api_keys order by ordinal";
const DELETE_KEY: &str = "delete from api_keys where id = $1";
const CHANGE_KEY: &str = "update api_keys set document = $1 where id = $2";
const DELETE_ENDED_KEYS: &str = "delete from api_keys where expires_at < $1";

impl Store {
    /// The organization that was there first, once there is one.
    pub async fn organization(&self) -> Result<Option<Organization>, StoreError> {
        let all: Vec<Organization> = all(&self.read(FIRST, Vec::new()).await?)?;
        Ok(all.into_iter().min_by_key(|organization| (organization.created_at, organization.id)))
    }

    /// All organizations.
    pub async fn organizations(&self) -> Result<Vec<Organization>, StoreError> {
        all(&self.read(ORGANIZATIONS, Vec::new()).await?)
    }

    /// Inserts one more organization with its first user. `AlreadyExists` when the email is another one's.
    pub async fn create_organization(&self, organization: &Organization, admin: &User) -> Result<(), StoreError> {
        let parameters = vec![cell(organization.id), document::write(organization)?.into()];
        self.write(vec![Statement::new(ANOTHER_ORGANIZATION, parameters), put_user(admin)?]).await.map(drop)
    }

    /// Inserts the first organization with its first user; whether there was none before.
    pub async fn found_organization(&self, organization: &Organization, admin: &User) -> Result<bool, StoreError> {
        let parameters = vec![cell(organization.id), document::write(organization)?.into()];
        let first = Statement::new(CREATE_ORGANIZATION, parameters).or(Untouched::Changed);
        match self.write(vec![first, put_user(admin)?]).await {
            Ok(_) => Ok(true),
            Err(StoreError::ChangedMeanwhile(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Inserts the user, or replaces the one of that id. `AlreadyExists` when the email is another one's.
    pub async fn put_user(&self, user: &User) -> Result<(), StoreError> {
        self.write(vec![put_user(user)?]).await.map(drop)
    }

    /// All users, in the order of insertion.
    pub async fn users(&self) -> Result<Vec<User>, StoreError> {
        all(&self.read(USERS, Vec::new()).await?)
    }

    /// The user of that id.
    pub async fn user(&self, id: HubId) -> Result<Option<User>, StoreError> {
        one(&self.read(USER, vec![cell(id)]).await?, "user")
    }

    /// The user with that email.
    pub async fn user_by_email(&self, email: &str) -> Result<Option<User>, StoreError> {
        one(&self.read(USER_BY_EMAIL, vec![email.into()]).await?, email)
    }

    /// Deletes the user with these keys, and with password, sign-ins and links; whether there was one.
    pub async fn delete_user(&self, id: HubId, keys: &[HubId]) -> Result<bool, StoreError> {
        let mut statements: Vec<_> = keys.iter().map(|key| Statement::new(DELETE_KEY, vec![cell(*key)])).collect();
        statements.extend(super::super::access::forget(id));
        statements.push(Statement::new(DELETE_USER, vec![cell(id)]));
        Ok(self.write(statements).await? > 0)
    }

    /// Inserts a key. One that ends by itself belongs to something short, like a run, and is no more durable than that at once:
    /// see [`Store::apply`].
    pub async fn create_key(&self, key: &ApiKey) -> Result<(), StoreError> {
        let end = key.expires_at.map_or(Cell::Null, |time| time.0.into());
        let parameters = vec![cell(key.id), key.hash.as_str().into(), end, document::write(key)?.into()];
        let statements = vec![Statement::new(CREATE_KEY, parameters)];
        let written = if key.expires_at.is_some() { self.write_soon(statements).await } else { self.write(statements).await };
        written.map(drop)
    }

    /// Replaces the key's document, if it is still there; soon: it is only told when the key was used.
    pub async fn touch_key(&self, key: &ApiKey) -> Result<(), StoreError> {
        let parameters = vec![document::write(key)?.into(), cell(key.id)];
        self.write_soon(vec![Statement::new(CHANGE_KEY, parameters)]).await.map(drop)
    }

    /// The key with that hash.
    pub async fn key_by_hash(&self, hash: &str) -> Result<Option<ApiKey>, StoreError> {
        one(&self.read(KEY, vec![hash.into()]).await?, "key")
    }

    /// All keys, in the order of insertion.
    pub async fn keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        all(&self.read(KEYS, Vec::new()).await?)
    }

    /// Whether there was one.
    pub async fn delete_key(&self, id: HubId) -> Result<bool, StoreError> {
        Ok(self.write(vec![Statement::new(DELETE_KEY, vec![cell(id)])]).await? > 0)
    }

    /// Deletes keys that ended before this instant; how many.
    pub async fn delete_keys_ended_before(&self, instant: Timestamp) -> Result<u64, StoreError> {
        self.write_soon(vec![Statement::new(DELETE_ENDED_KEYS, vec![instant.0.into()])]).await
    }
}

fn put_user(user: &User) -> Result<Statement, StoreError> {
    let parameters = vec![cell(user.id), user.email.as_str().into(), document::write(user)?.into()];
    Ok(Statement::new(PUT_USER, parameters).about(1))
}
