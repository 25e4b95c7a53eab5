//! Passwords, sign-ins, links that are good once, and the record of who did what.

use pegboard_model::{AuditEntry, HubId, OneTimeLink, Password, SignIn, Timestamp};

use super::{Row, Statement, Untouched, integer};
use crate::audit::{AuditPage, StoredAuditEntry};
use crate::document;
use crate::error::StoreError;
use crate::store::Store;

const PUT_PASSWORD: &str = "insert into passwords (owner, document) values ($1, $2) \
     on conflict (owner) do update set document = excluded.document";
const PASSWORD: &str = "select document, owner from passwords where owner = $1";
const OWNERS: &str = "select owner from passwords";
const DELETE_PASSWORD: &str = "delete from passwords where owner = $1";
const CREATE_SIGN_IN: &str =
    "insert into sign_ins (hash, id, owner, used_at, ends_at, document) values ($1, $2, $3, $4, $5, $6)";
const TOUCH_SIGN_IN: &str = "update sign_ins set used_at = $1, document = $2 where hash = $3";
const SIGN_IN: &str = "select document, id from sign_ins where hash = $1";
const SIGN_INS: &str = "select document, id from sign_ins where owner = $1 order by used_at desc";
const DELETE_SIGN_IN: &str = "delete from sign_ins where owner = $1 and id = $2";
const DELETE_SIGN_INS: &str = "delete from sign_ins where owner = $1";
const DELETE_ENDED: &str = "delete from sign_ins where ends_at < $1 or used_at < $2";
const CREATE_LINK: &str = "insert into one_time_links (hash, owner, expires_at, document) values ($1, $2, $3, $4)";
const LINK: &str = "select document, hash from one_time_links where hash = $1";
const TAKE_LINK: &str = "delete from one_time_links where hash = $1";
const DELETE_LINKS: &str = "delete from one_time_links where owner = $1";
const DELETE_ENDED_LINKS: &str = "delete from one_time_links where expires_at < $1";
const APPEND: &str = "insert into audit (organization, time, document) values ($1, $2, $3)";
const NEWEST: &str = "select ordinal, document from audit where organization = $1 order by ordinal desc limit $2";
const BEFORE: &str =
    "select ordinal, document from audit where organization = $1 and ordinal < $2 order by ordinal desc limit $3";
const SINCE: &str =
    "select ordinal, document from audit where organization = $1 and ordinal > $2 order by ordinal desc limit $3";
const DELETE_OLD: &str = "delete from audit where time < $1";

impl Store {
    /// Stores the password in place of the one before, and ends the user's sign-ins and links.
    pub async fn put_password(&self, password: &Password) -> Result<(), StoreError> {
        let owner = password.user.to_string();
        let statements = vec![
            Statement::new(DELETE_SIGN_INS, vec![owner.as_str().into()]),
            Statement::new(DELETE_LINKS, vec![owner.as_str().into()]),
            Statement::new(PUT_PASSWORD, vec![owner.into(), document::write(password)?.into()]),
        ];
        self.write(statements).await.map(drop)
    }

    /// The same by means of a link, which is used up. `ChangedMeanwhile` when it was before: then nothing is stored.
    pub async fn redeem_link(&self, hash: &str, password: &Password) -> Result<(), StoreError> {
        let owner = password.user.to_string();
        let statements = vec![
            Statement::new(TAKE_LINK, vec![hash.into()]).or(Untouched::Changed),
            Statement::new(DELETE_SIGN_INS, vec![owner.as_str().into()]),
            Statement::new(DELETE_LINKS, vec![owner.as_str().into()]),
            Statement::new(PUT_PASSWORD, vec![owner.into(), document::write(password)?.into()]),
        ];
        self.write(statements).await.map(drop)
    }

    /// The user's password.
    pub async fn password(&self, user: HubId) -> Result<Option<Password>, StoreError> {
        let rows = self.read(PASSWORD, vec![user.to_string().into()]).await?;
        rows.first().map(|row| document::read(row.text(0)?, row.text(1)?)).transpose()
    }

    /// Who has a password.
    pub async fn password_owners(&self) -> Result<Vec<HubId>, StoreError> {
        let rows = self.read(OWNERS, Vec::new()).await?;
        rows.iter().map(|row| super::hub::identity(row, 0)).collect()
    }

    /// Inserts a sign-in.
    pub async fn create_sign_in(&self, sign_in: &SignIn) -> Result<(), StoreError> {
        let parameters = vec![
            sign_in.hash.as_str().into(),
            sign_in.id.to_string().into(),
            sign_in.user.to_string().into(),
            sign_in.used_at.0.into(),
            sign_in.ends_at.0.into(),
            document::write(sign_in)?.into(),
        ];
        self.write(vec![Statement::new(CREATE_SIGN_IN, parameters)]).await.map(drop)
    }

    /// Replaces the sign-in's document, if it is still there; soon: it is only told when it was used.
    pub async fn touch_sign_in(&self, sign_in: &SignIn) -> Result<(), StoreError> {
        let parameters = vec![sign_in.used_at.0.into(), document::write(sign_in)?.into(), sign_in.hash.as_str().into()];
        self.write_soon(vec![Statement::new(TOUCH_SIGN_IN, parameters)]).await.map(drop)
    }

    /// The sign-in whose token has this hash.
    pub async fn sign_in(&self, hash: &str) -> Result<Option<SignIn>, StoreError> {
        let rows = self.read(SIGN_IN, vec![hash.into()]).await?;
        rows.first().map(|row| document::read(row.text(0)?, row.text(1)?)).transpose()
    }

    /// The user's sign-ins, the one that was used last first.
    pub async fn sign_ins(&self, user: HubId) -> Result<Vec<SignIn>, StoreError> {
        let rows = self.read(SIGN_INS, vec![user.to_string().into()]).await?;
        rows.iter().map(|row| document::read(row.text(0)?, row.text(1)?)).collect()
    }

    /// Ends one sign-in of the user; whether there was one.
    pub async fn delete_sign_in(&self, user: HubId, id: HubId) -> Result<bool, StoreError> {
        let parameters = vec![user.to_string().into(), id.to_string().into()];
        Ok(self.write(vec![Statement::new(DELETE_SIGN_IN, parameters)]).await? > 0)
    }

    /// Ends all sign-ins of the user; how many there were.
    pub async fn delete_sign_ins(&self, user: HubId) -> Result<u64, StoreError> {
        self.write(vec![Statement::new(DELETE_SIGN_INS, vec![user.to_string().into()])]).await
    }

    /// Deletes sign-ins that ended before `now` or were not used since `idle`, and links that nobody used in time.
    pub async fn delete_ended_sign_ins(&self, now: Timestamp, idle: Timestamp) -> Result<(), StoreError> {
        let statements = vec![
            Statement::new(DELETE_ENDED_LINKS, vec![now.0.into()]),
            Statement::new(DELETE_ENDED, vec![now.0.into(), idle.0.into()]),
        ];
        self.write_soon(statements).await.map(drop)
    }

    /// Inserts a link in place of all others of its user.
    pub async fn create_link(&self, link: &OneTimeLink) -> Result<(), StoreError> {
        let owner = link.user.to_string();
        let parameters =
            vec![link.hash.as_str().into(), owner.as_str().into(), link.expires_at.0.into(), document::write(link)?.into()];
        self.write(vec![Statement::new(DELETE_LINKS, vec![owner.into()]), Statement::new(CREATE_LINK, parameters)])
            .await
            .map(drop)
    }

    /// The link whose token has this hash.
    pub async fn link(&self, hash: &str) -> Result<Option<OneTimeLink>, StoreError> {
        let rows = self.read(LINK, vec![hash.into()]).await?;
        rows.first().map(|row| document::read(row.text(0)?, "link")).transpose()
    }

    /// Adds a line to the record. Survives any end of this process at once, and loss of power a moment later.
    pub async fn put_audit_entry(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        let parameters = vec![entry.organization.to_string().into(), entry.time.0.into(), document::write(entry)?.into()];
        self.write_soon(vec![Statement::new(APPEND, parameters)]).await.map(drop)
    }

    /// Lines of an organization's record, newest first, at most `limit`.
    pub async fn audit(&self, organization: HubId, page: AuditPage, limit: usize) -> Result<Vec<StoredAuditEntry>, StoreError> {
        let (organization, limit) = (organization.to_string(), integer(limit as u64));
        let rows = match page {
            AuditPage::Newest => self.read(NEWEST, vec![organization.into(), limit.into()]).await?,
            AuditPage::Before(number) => {
                self.read(BEFORE, vec![organization.into(), integer(number).into(), limit.into()]).await?
            }
            AuditPage::Since(number) => self.read(SINCE, vec![organization.into(), integer(number).into(), limit.into()]).await?,
        };
        rows.iter().map(entry).collect()
    }

    /// Deletes lines from before this instant; how many.
    pub async fn delete_audit_before(&self, instant: Timestamp) -> Result<u64, StoreError> {
        self.write_soon(vec![Statement::new(DELETE_OLD, vec![instant.0.into()])]).await
    }
}

/// Everything with which the user could come in, keys apart.
pub(super) fn forget(user: HubId) -> [Statement; 3] {
    [DELETE_PASSWORD, DELETE_SIGN_INS, DELETE_LINKS].map(|sql| Statement::new(sql, vec![user.to_string().into()]))
}

fn entry(row: &Row) -> Result<StoredAuditEntry, StoreError> {
    let sequence = u64::try_from(row.integer(0)?).unwrap_or(0);
    Ok(StoredAuditEntry { sequence, entry: document::read(row.text(1)?, "audit")? })
}
