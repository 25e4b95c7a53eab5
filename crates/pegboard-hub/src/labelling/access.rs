//! Organizations, users and keys.

use std::time::Duration;

use pegboard_model::{ApiKey, Error, HubId, Organization, OrganizationRole, Project, Timestamp, User};
use pegboard_store::StoreError;

use super::{ADMIN, Labelling, now, project_not_found};
use crate::keyring::{hash_secret, is_secret, new_secret};

/// How long a key may be used before its record says so: a write per request would cost more than the answer.
const TOUCH: i64 = 5 * 60 * 1_000_000;

/// Who asks, once the key is known to be right.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The key's user.
    pub user: User,
    /// What they may do by this key: no more than the user, and no more than the key.
    pub role: OrganizationRole,
    /// The only project that the key is good for; none: all of the user's.
    pub project: Option<HubId>,
    /// The key itself.
    pub key: HubId,
}

/// A key to make.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// For people.
    pub name: String,
    /// Whose.
    pub user: HubId,
    /// No more than this; none: what the user may.
    pub role: Option<OrganizationRole>,
    /// For one project; none: all of the user's.
    pub project: Option<HubId>,
    /// For a time; none: for ever.
    pub lifetime: Option<Duration>,
}

impl Caller {
    /// Whether the key and its user may work on the project. A key that was made for a project needs no more than that.
    ///
    /// # Errors
    /// `project-not-found` for a project of another organization, `key-for-another-project`, `not-a-member`.
    pub fn may(&self, project: &Project) -> Result<(), Error> {
        if project.organization != self.user.organization {
            return Err(project_not_found(&project.id.to_string()));
        }
        if self.project.is_some_and(|only| only != project.id) {
            return Err(Error::invalid("key-for-another-project", format!("this key is not for project `{}`", project.id))
                .hint("a run's key is good for the run's project only"));
        }
        let is_member = || project.members.iter().any(|member| member.email == self.user.email);
        let is_for_it = self.project == Some(project.id);
        if is_for_it || self.role == OrganizationRole::Admin || project.owner == self.user.id || is_member() {
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
        if self.role == OrganizationRole::Admin && self.project.is_none() {
            return Ok(());
        }
        Err(Error::invalid("admins-only", "only an admin of the organization may do this")
            .hint("use the key of an admin; the key of a run will not do"))
    }

    /// Whether the caller may change anything at all.
    ///
    /// # Errors
    /// `viewers-only-look`.
    pub fn may_change(&self) -> Result<(), Error> {
        if self.role >= OrganizationRole::Member {
            return Ok(());
        }
        Err(Error::invalid("viewers-only-look", "a viewer may change nothing")
            .hint("use the key of a member, or ask one of the organization's admins for that role"))
    }
}

impl Labelling {
    /// Whose key it is. None for a key that is unknown, revoked or over.
    pub async fn authenticate(&self, key: &str) -> Result<Option<Caller>, Error> {
        let Some(found) = self.store().key_by_hash(&hash_secret(key)).await? else { return Ok(None) };
        // Found by an index on the hash, so the comparison decides nothing that time could tell; it stays constant all the same.
        let now = now();
        if !is_secret(key, &found.hash) || found.expires_at.is_some_and(|end| end <= now) {
            return Ok(None);
        }
        let Some(user) = self.store().user(found.user).await? else { return Ok(None) };
        let role = found.role.map_or(user.role, |role| role.min(user.role));
        let caller = Caller { user, role, project: found.project, key: found.id };
        if found.last_used_at.is_none_or(|last| now.0 - last.0 > TOUCH) {
            let store = self.store().clone();
            let used = ApiKey { last_used_at: Some(now), ..found };
            // Nobody waits for it, and a key that was revoked meanwhile does not come back.
            tokio::spawn(async move {
                if let Err(error) = store.touch_key(&used).await {
                    tracing::warn!(error = %error, "cannot note when a key was used");
                }
            });
        }
        Ok(Some(caller))
    }

    /// Makes a key. Its text is never told again.
    pub async fn create_key(&self, new: NewKey) -> Result<(ApiKey, String), Error> {
        let (secret, created_at) = (new_secret(), now());
        let expires_at =
            new.lifetime.map(|lifetime| Timestamp(created_at.0 + i64::try_from(lifetime.as_micros()).unwrap_or(i64::MAX / 2)));
        let key = ApiKey {
            id: HubId::random(),
            name: new.name,
            user: new.user,
            hash: hash_secret(&secret),
            project: new.project,
            created_at,
            expires_at,
            role: new.role,
            last_used_at: None,
        };
        if expires_at.is_some() {
            self.store().delete_keys_ended_before(created_at).await?;
        }
        self.store().create_key(&key).await?;
        Ok((key, secret))
    }

    /// The organization's keys that are still good with their users' emails, without those of runs.
    pub async fn keys(&self, organization: HubId) -> Result<Vec<(ApiKey, String)>, Error> {
        let (keys, users, now) = (self.store().keys().await?, self.users(organization).await?, now());
        let is_of_run = |key: &ApiKey| key.project.is_some() && key.expires_at.is_some() && key.name.starts_with(RUN_KEY);
        let good = keys.into_iter().filter(|key| key.expires_at.is_none_or(|end| end > now) && !is_of_run(key));
        let owned = good.filter_map(|key| {
            let email = users.iter().find(|user| user.id == key.user).map(|user| user.email.clone());
            email.map(|email| (key, email))
        });
        Ok(owned.collect())
    }

    /// Makes the key useless. With `only`, it must be that user's.
    ///
    /// # Errors
    /// `key-not-found`, also for a key of another organization or user.
    pub async fn revoke_key(&self, organization: HubId, id: HubId, only: Option<HubId>) -> Result<(), Error> {
        let keys = self.store().keys().await?;
        let found = keys.iter().find(|key| key.id == id && only.is_none_or(|user| key.user == user));
        let owner = match found {
            Some(key) => self.store().user(key.user).await?,
            None => None,
        };
        if owner.is_some_and(|user| user.organization == organization) && self.store().delete_key(id).await? {
            self.people_changed();
            return Ok(());
        }
        Err(Error::not_found("key-not-found", format!("there is no key `{id}`")).hint("`pegboard key ls` lists them"))
    }

    /// Ends the key of a run, whether it is still there or not.
    pub(crate) async fn end_key(&self, id: HubId) -> Result<(), Error> {
        self.store().delete_key(id).await?;
        Ok(())
    }

    /// For whom the server acts by itself on the project: its owner, or an admin once the owner is gone.
    pub(crate) async fn acting_user(&self, project: &Project) -> Result<HubId, Error> {
        if self.store().user(project.owner).await?.is_some() {
            return Ok(project.owner);
        }
        let users = self.users(project.organization).await?;
        let admin = users.iter().find(|user| user.role == OrganizationRole::Admin);
        Ok(admin.map_or(project.owner, |admin| admin.id))
    }

    /// The user that exists from the start: who acts when nobody has signed in.
    pub async fn admin(&self) -> Result<User, Error> {
        let found = self.store().user_by_email(ADMIN).await?;
        match found.filter(|user| user.organization == self.organization().id && user.role == OrganizationRole::Admin) {
            Some(user) => Ok(user),
            None => self
                .users(self.organization().id)
                .await?
                .into_iter()
                .find(|user| user.role == OrganizationRole::Admin)
                .ok_or_else(|| Error::internal("organization-gone", "the organization has no admin")),
        }
    }

    /// All organizations, the first one first.
    pub async fn organizations(&self) -> Result<Vec<Organization>, Error> {
        let mut all = self.store().organizations().await?;
        all.sort_by_key(|organization| (organization.created_at, organization.id));
        Ok(all)
    }

    /// Makes one more organization with its first admin.
    ///
    /// # Errors
    /// `organization-name`, `email`, `user-exists`.
    pub async fn create_organization(&self, name: &str, email: &str) -> Result<(Organization, User), Error> {
        let (name, email) = (name.trim(), checked_email(email)?);
        if name.is_empty() || name.chars().count() > 200 || name.chars().any(char::is_control) {
            return Err(Error::invalid("organization-name", "an organization needs a name of 1 to 200 characters"));
        }
        let created_at = now();
        let organization = Organization { id: HubId::random(), name: name.to_owned(), created_at };
        let admin = new_user(organization.id, email, OrganizationRole::Admin);
        let _one = self.people().await;
        match self.store().create_organization(&organization, &admin).await {
            Ok(()) => Ok((organization, admin)),
            Err(StoreError::AlreadyExists(_)) => Err(user_exists(email)),
            Err(error) => Err(error.into()),
        }
    }

    /// All users of an organization.
    pub async fn users(&self, organization: HubId) -> Result<Vec<User>, Error> {
        let mut users = self.store().users().await?;
        users.retain(|user| user.organization == organization);
        Ok(users)
    }

    /// The user of that id.
    pub async fn user(&self, id: HubId) -> Result<Option<User>, Error> {
        Ok(self.store().user(id).await?)
    }

    /// The user with that email, in any organization.
    pub async fn user_called(&self, email: &str) -> Result<Option<User>, Error> {
        Ok(self.store().user_by_email(email.trim()).await?)
    }

    /// The organization's user with that email; made as a member when there is none.
    ///
    /// # Errors
    /// `email`, `user-exists` when they belong to another organization.
    pub async fn user_of(&self, organization: HubId, email: &str) -> Result<User, Error> {
        let _one = self.people().await;
        match self.find_user(organization, email).await? {
            Some(user) => Ok(user),
            None => self.put_new_user(organization, email, OrganizationRole::Member).await,
        }
    }

    /// Makes a user.
    ///
    /// # Errors
    /// `email`, `user-exists`.
    pub async fn create_user(&self, organization: HubId, email: &str, role: OrganizationRole) -> Result<User, Error> {
        let _one = self.people().await;
        if self.store().user_by_email(email.trim()).await?.is_some() {
            return Err(user_exists(email.trim()));
        }
        self.put_new_user(organization, email, role).await
    }

    /// Changes what a user may do; makes the user when there is none.
    ///
    /// # Errors
    /// `last-admin`, and those of [`Self::user_of`].
    pub async fn set_role(&self, organization: HubId, email: &str, role: OrganizationRole) -> Result<User, Error> {
        let _one = self.people().await;
        let Some(mut user) = self.find_user(organization, email).await? else {
            return self.put_new_user(organization, email, role).await;
        };
        if role != OrganizationRole::Admin {
            self.keep_an_admin(&user).await?;
        }
        user.role = role;
        self.store().put_user(&user).await?;
        self.people_changed();
        Ok(user)
    }

    /// Removes the user with keys, password and sign-ins. The last admin stays.
    ///
    /// # Errors
    /// `last-admin`.
    pub async fn remove_user(&self, organization: HubId, email: &str) -> Result<bool, Error> {
        let _one = self.people().await;
        let Some(user) = self.store().user_by_email(email.trim()).await? else { return Ok(false) };
        if user.organization != organization {
            return Ok(false);
        }
        self.keep_an_admin(&user).await?;
        let keys = self.store().keys().await?;
        let theirs: Vec<HubId> = keys.iter().filter(|key| key.user == user.id).map(|key| key.id).collect();
        let was = self.store().delete_user(user.id, &theirs).await?;
        self.people_changed();
        Ok(was)
    }

    async fn find_user(&self, organization: HubId, email: &str) -> Result<Option<User>, Error> {
        match self.store().user_by_email(email.trim()).await? {
            Some(user) if user.organization != organization => Err(user_exists(email.trim())),
            found => Ok(found),
        }
    }

    async fn put_new_user(&self, organization: HubId, email: &str, role: OrganizationRole) -> Result<User, Error> {
        let user = new_user(organization, checked_email(email)?, role);
        self.store().put_user(&user).await?;
        Ok(user)
    }

    /// An organization without an admin could never have one again.
    async fn keep_an_admin(&self, user: &User) -> Result<(), Error> {
        let users = self.users(user.organization).await?;
        let others = users.iter().any(|other| other.role == OrganizationRole::Admin && other.id != user.id);
        if user.role != OrganizationRole::Admin || others {
            return Ok(());
        }
        Err(Error::conflict("last-admin", format!("`{}` is the organization's last admin", user.email))
            .hint("make another user an admin first"))
    }
}

/// What the names of runs' keys begin with.
pub(crate) const RUN_KEY: &str = "session ";

fn new_user(organization: HubId, email: &str, role: OrganizationRole) -> User {
    User { id: HubId::random(), organization, email: email.to_owned(), role, created_at: now() }
}

fn checked_email(email: &str) -> Result<&str, Error> {
    let email = email.trim();
    let parts = email.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
    if !parts || email.len() > 254 || email.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Error::invalid("email", format!("`{email}` is not an email address")).hint("write it as `name@host`"));
    }
    Ok(email)
}

fn user_exists(email: &str) -> Error {
    Error::conflict("user-exists", format!("there is a user `{email}` already"))
        .hint("each address belongs to one user in one organization; `pegboard user ls` lists yours")
}
