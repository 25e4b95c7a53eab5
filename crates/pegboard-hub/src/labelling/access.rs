//! Users and keys.

use std::time::Duration;

use pegboard_model::{ApiKey, Error, HubId, OrganizationRole, Project, Timestamp, User};

use super::{ADMIN, Labelling, now};
use crate::keyring::{hash_secret, is_secret, new_secret};

/// Who asks, once the key is known to be right.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The key's user.
    pub user: User,
    /// The only project that the key is good for; none: all of the user's.
    pub project: Option<HubId>,
    /// The key itself.
    pub key: HubId,
}

impl Caller {
    /// Whether the key and its user may work on the project.
    ///
    /// # Errors
    /// `key-for-another-project`, `not-a-member`.
    pub fn may(&self, project: &Project) -> Result<(), Error> {
        if self.project.is_some_and(|only| only != project.id) {
            return Err(Error::invalid("key-for-another-project", format!("this key is not for project `{}`", project.id))
                .hint("a run's key is good for the run's project only"));
        }
        let is_member = || project.members.iter().any(|member| member.email == self.user.email);
        if self.user.role == OrganizationRole::Admin || project.owner == self.user.id || is_member() {
            return Ok(());
        }
        Err(Error::invalid("not-a-member", format!("`{}` is not a member of project `{}`", self.user.email, project.id))
            .hint("ask one of the organization's admins to add them to the project"))
    }

    /// Whether the caller may change what belongs to the organization.
    ///
    /// # Errors
    /// `admins-only`.
    pub fn may_administer(&self) -> Result<(), Error> {
        if self.user.role == OrganizationRole::Admin && self.project.is_none() {
            return Ok(());
        }
        Err(Error::invalid("admins-only", "only an admin of the organization may do this")
            .hint("use the key of an admin; the key of a run will not do"))
    }
}

impl Labelling {
    /// Whose key it is. None for a key that is unknown, revoked or over.
    pub async fn authenticate(&self, key: &str) -> Result<Option<Caller>, Error> {
        let Some(found) = self.store().key_by_hash(&hash_secret(key)).await? else { return Ok(None) };
        // Found by an index on the hash, so the comparison decides nothing that time could tell; it stays constant all the same.
        if !is_secret(key, &found.hash) || found.expires_at.is_some_and(|end| end <= now()) {
            return Ok(None);
        }
        let user = self.store().user(found.user).await?;
        Ok(user.map(|user| Caller { user, project: found.project, key: found.id }))
    }

    /// Makes a key of the user, for one project or all of theirs, for a time or for ever. Its text is never told again.
    pub async fn create_key(
        &self,
        name: &str,
        user: HubId,
        project: Option<HubId>,
        lifetime: Option<Duration>,
    ) -> Result<(ApiKey, String), Error> {
        let (secret, created_at) = (new_secret(), now());
        let expires_at =
            lifetime.map(|lifetime| Timestamp(created_at.0 + i64::try_from(lifetime.as_micros()).unwrap_or(i64::MAX / 2)));
        let key = ApiKey {
            id: HubId::random(),
            name: name.to_owned(),
            user,
            hash: hash_secret(&secret),
            project,
            created_at,
            expires_at,
        };
        if expires_at.is_some() {
            self.store().delete_keys_ended_before(created_at).await?;
        }
        self.store().create_key(&key).await?;
        Ok((key, secret))
    }

    /// All keys that are still good, without those of runs.
    pub async fn keys(&self) -> Result<Vec<ApiKey>, Error> {
        let (mut keys, now) = (self.store().keys().await?, now());
        keys.retain(|key| key.expires_at.is_none_or(|end| end > now) && !(key.project.is_some() && key.expires_at.is_some()));
        Ok(keys)
    }

    /// Makes the key useless.
    ///
    /// # Errors
    /// `key-not-found`.
    pub async fn revoke_key(&self, id: HubId) -> Result<(), Error> {
        if self.store().delete_key(id).await? {
            return Ok(());
        }
        Err(Error::not_found("key-not-found", format!("there is no key `{id}`")).hint("`pegboard key ls` lists them"))
    }

    /// The user that exists from the start: who acts when nobody has signed in.
    pub async fn admin(&self) -> Result<User, Error> {
        let found = self.store().user_by_email(ADMIN).await?;
        match found {
            Some(user) => Ok(user),
            None => self
                .users()
                .await?
                .into_iter()
                .find(|user| user.role == OrganizationRole::Admin)
                .ok_or_else(|| Error::internal("organization-gone", "the organization has no admin")),
        }
    }

    /// All users.
    pub async fn users(&self) -> Result<Vec<User>, Error> {
        Ok(self.store().users().await?)
    }

    /// The user with that email; made when there is none.
    pub async fn user_of(&self, email: &str) -> Result<User, Error> {
        let email = email.trim();
        if let Some(user) = self.store().user_by_email(email).await? {
            return Ok(user);
        }
        let parts = email.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
        if !parts || email.len() > 254 || email.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(Error::invalid("email", format!("`{email}` is not an email address")).hint("write it as `name@host`"));
        }
        let user = User {
            id: HubId::random(),
            organization: self.organization().id,
            email: email.to_owned(),
            role: OrganizationRole::Member,
            created_at: now(),
        };
        self.store().put_user(&user).await?;
        Ok(user)
    }

    /// Changes what a user may do; makes the user when there is none.
    pub async fn set_role(&self, email: &str, role: OrganizationRole) -> Result<User, Error> {
        let mut user = self.user_of(email).await?;
        user.role = role;
        self.store().put_user(&user).await?;
        Ok(user)
    }

    /// Removes the user with all their keys. The last admin stays.
    ///
    /// # Errors
    /// `last-admin`.
    pub async fn remove_user(&self, email: &str) -> Result<bool, Error> {
        let Some(user) = self.store().user_by_email(email).await? else { return Ok(false) };
        let admins = self.users().await?.into_iter().filter(|user| user.role == OrganizationRole::Admin).count();
        if user.role == OrganizationRole::Admin && admins < 2 {
            return Err(Error::conflict("last-admin", format!("`{email}` is the organization's last admin"))
                .hint("make another user an admin first"));
        }
        for key in self.store().keys().await?.into_iter().filter(|key| key.user == user.id) {
            self.store().delete_key(key.id).await?;
        }
        Ok(self.store().delete_user(user.id).await?)
    }
}
