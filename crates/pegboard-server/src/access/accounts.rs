//! People coming in: passwords, browsers' sessions, links that are good once.

use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

use pegboard_hub::Labelling;
use pegboard_model::{Error, HubId, LinkPurpose, OneTimeLink, OrganizationRole, Password, SignIn, SignInMethod, Timestamp, User};
use pegboard_store::{Store, StoreError};

use super::client::Client;
use super::password::{self, Hasher};
use super::throttle::{CLOSED, Throttle};
use super::token;
use crate::config::ServerSettings;

/// How long somebody may take to use a link.
const LINK_LIFETIME: Duration = Duration::from_secs(3 * 24 * 3600);

/// A secret that is told once.
pub(crate) struct Issued<T> {
    pub(crate) token: String,
    pub(crate) record: T,
}

/// Why somebody does not come in.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) error: Error,
    /// When to try again.
    pub(crate) after: Option<Duration>,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { error, after: None }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Error::from(error).into()
    }
}

/// Everything about coming in.
pub(crate) struct Accounts {
    store: Store,
    labelling: Labelling,
    hasher: Hasher,
    throttle: Throttle,
    idle: Duration,
    lifetime: Duration,
    audit_retention: Option<Duration>,
}

impl Accounts {
    pub(crate) fn new(store: Store, labelling: Labelling, settings: &ServerSettings) -> Self {
        let (idle, lifetime) = (settings.session_idle, settings.session_lifetime);
        let (hasher, throttle) = (Hasher::default(), Throttle::default());
        Self { store, labelling, hasher, throttle, idle, lifetime, audit_retention: settings.audit_retention }
    }

    /// How long a session lasts at most.
    pub(crate) fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// Counts a try of this address.
    ///
    /// # Errors
    /// `too-many-tries`.
    pub(crate) fn admit(&self, address: IpAddr) -> Result<(), Refusal> {
        self.throttle.admit(address).map_err(|wait| Refusal {
            error: Error::unavailable("too-many-tries", format!("too many tries from {address}")).hint("wait a little"),
            after: Some(wait),
        })
    }

    /// Begins a session of whoever has this password.
    ///
    /// # Errors
    /// `too-many-tries`, `account-locked`, `wrong-password`: the same whether there is such an account or not.
    pub(crate) async fn sign_in(&self, email: &str, password: &str, client: &Client) -> Result<(User, Issued<SignIn>), Refusal> {
        self.admit(client.address)?;
        let email = email.trim();
        self.throttle.begin(email, Instant::now()).map_err(|wait| Refusal {
            error: Error::unavailable("account-locked", format!("`{email}` is closed after too many wrong passwords"))
                .hint(format!("try again in {} minutes", CLOSED.as_secs() / 60)),
            after: Some(wait),
        })?;
        let user = self.labelling.user_called(email).await?;
        let hash = match &user {
            Some(user) => self.store.password(user.id).await?.map(|password| password.hash),
            None => None,
        };
        let is_right = self.hasher.is_password(password, hash).await?;
        let Some(user) = user.filter(|_| is_right) else {
            return Err(Error::invalid("wrong-password", "no account has this email and this password")
                .hint("an admin can give you a link for another password: `pegboard user link EMAIL`")
                .into());
        };
        self.throttle.forget(email);
        let issued = self.begin(&user, SignInMethod::Password, client).await?;
        Ok((user, issued))
    }

    /// Begins a session.
    pub(crate) async fn begin(&self, user: &User, method: SignInMethod, client: &Client) -> Result<Issued<SignIn>, Error> {
        let (token, now) = (token::new_token()?, now());
        let record = SignIn {
            id: HubId::random(),
            hash: token::hash(&token),
            user: user.id,
            method,
            created_at: now,
            used_at: now,
            ends_at: after(now, self.lifetime),
            address: client.address.to_string(),
            agent: client.agent.clone(),
        };
        self.store.create_sign_in(&record).await?;
        Ok(Issued { token, record })
    }

    /// The session of this token, if it goes on. Looking is no use of it.
    pub(super) async fn look_at_session(&self, token: &str) -> Result<Option<SignIn>, Error> {
        let (hash, now) = (token::hash(token), now());
        let found = self.store.sign_in(&hash).await?;
        let goes_on = |found: &SignIn| found.ends_at > now && after(found.used_at, self.idle) > now;
        Ok(found.filter(|found| goes_on(found) && token::same(&hash, &found.hash)))
    }

    /// The same, and it is used.
    pub(super) async fn session(&self, token: &str) -> Result<Option<SignIn>, Error> {
        /// How long a session may be used before its record says so.
        const TOUCH: Duration = Duration::from_secs(5 * 60);
        let now = now();
        let Some(found) = self.look_at_session(token).await? else { return Ok(None) };
        if after(found.used_at, TOUCH.min(self.idle / 4)) <= now {
            let (store, used) = (self.store.clone(), SignIn { used_at: now, ..found.clone() });
            tokio::spawn(async move {
                if let Err(error) = store.touch_sign_in(&used).await {
                    tracing::warn!(error = %error, "cannot note when a session was used");
                }
            });
        }
        Ok(Some(found))
    }

    /// The user's sessions that go on, the one used last first.
    pub(crate) async fn sessions(&self, user: HubId) -> Result<Vec<SignIn>, Error> {
        let (mut all, now) = (self.store.sign_ins(user).await?, now());
        all.retain(|one| one.ends_at > now && after(one.used_at, self.idle) > now);
        Ok(all)
    }

    /// Ends one session of the user.
    ///
    /// # Errors
    /// `sign-in-not-found`.
    pub(crate) async fn end(&self, user: HubId, id: HubId) -> Result<(), Error> {
        if self.store.delete_sign_in(user, id).await? {
            return Ok(());
        }
        Err(Error::not_found("sign-in-not-found", format!("you have no session `{id}`")).hint("it may have ended by itself"))
    }

    /// Ends all sessions of the user; how many there were.
    pub(crate) async fn end_all(&self, user: HubId) -> Result<u64, Error> {
        Ok(self.store.delete_sign_ins(user).await?)
    }

    /// Which users have a password.
    pub(crate) async fn password_owners(&self) -> Result<Vec<HubId>, Error> {
        Ok(self.store.password_owners().await?)
    }

    /// Takes the place of all earlier links of the user. The password that there is stays good until the link is used.
    pub(crate) async fn make_link(&self, user: &User, purpose: LinkPurpose) -> Result<Issued<OneTimeLink>, Error> {
        let (token, now) = (token::new_token()?, now());
        let record = OneTimeLink {
            hash: token::hash(&token),
            user: user.id,
            purpose,
            created_at: now,
            expires_at: after(now, LINK_LIFETIME),
        };
        self.store.create_link(&record).await?;
        Ok(Issued { token, record })
    }

    /// A link for the first admin, when nobody could come in otherwise.
    pub(crate) async fn first_link(&self) -> Result<Option<Issued<OneTimeLink>>, Error> {
        if !self.password_owners().await?.is_empty() {
            return Ok(None);
        }
        let admin = self.labelling.admin().await?;
        self.make_link(&admin, LinkPurpose::FirstAdmin).await.map(Some)
    }

    /// Whose link it is.
    ///
    /// # Errors
    /// `link-not-found` when it is used, over, or never was.
    pub(crate) async fn link(&self, token: &str) -> Result<(User, OneTimeLink), Error> {
        let found = self.store.link(&token::hash(token)).await?.filter(|link| link.expires_at > now());
        let Some(link) = found else { return Err(link_not_found()) };
        let user = self.labelling.user(link.user).await?.ok_or_else(link_not_found)?;
        Ok((user, link))
    }

    /// Gives the link's user this password in place of any other, ends their sessions, begins one.
    ///
    /// # Errors
    /// `too-many-tries`, `link-not-found`, `password`.
    pub(crate) async fn redeem(&self, token: &str, password: &str, client: &Client) -> Result<(User, Issued<SignIn>), Refusal> {
        self.admit(client.address)?;
        let (user, link) = self.link(token).await?;
        password::check(password, &user.email)?;
        let password = Password { user: user.id, hash: self.hasher.hash(password).await?, changed_at: now() };
        match self.store.redeem_link(&link.hash, &password).await {
            Ok(()) => {}
            Err(StoreError::ChangedMeanwhile(_)) => return Err(link_not_found().into()),
            Err(error) => return Err(error.into()),
        }
        self.throttle.forget(&user.email);
        let issued = self.begin(&user, SignInMethod::Link, client).await?;
        Ok((user, issued))
    }

    /// Another password of one's own; ends all sessions, begins one.
    ///
    /// # Errors
    /// Those of [`Self::sign_in`], and `password`.
    pub(crate) async fn change_password(
        &self,
        user: &User,
        old: &str,
        new: &str,
        client: &Client,
    ) -> Result<Issued<SignIn>, Refusal> {
        password::check(new, &user.email)?;
        let (_, begun) = self.sign_in(&user.email, old, client).await?;
        let password = Password { user: user.id, hash: self.hasher.hash(new).await?, changed_at: now() };
        self.store.put_password(&password).await?;
        drop(begun);
        Ok(self.begin(user, SignInMethod::Password, client).await?)
    }

    /// The user that another server vouches for; made when there is none.
    ///
    /// # Errors
    /// `email`.
    pub(crate) async fn vouched(&self, email: &str, role: OrganizationRole) -> Result<User, Error> {
        match self.labelling.user_called(email).await? {
            Some(user) => Ok(user),
            None => self.labelling.create_user(self.labelling.organization().id, email, role).await,
        }
    }

    /// Deletes what is over, and lines of the record that are old.
    pub(crate) async fn clean(&self) -> Result<(), Error> {
        let now = now();
        self.store.delete_ended_sign_ins(now, before(now, self.idle)).await?;
        if let Some(retention) = self.audit_retention {
            self.store.delete_audit_before(before(now, retention)).await?;
        }
        Ok(())
    }
}

fn link_not_found() -> Error {
    Error::not_found("link-not-found", "this link is not good: it was used, it is over, or it never was")
        .hint("ask an admin for another one: `pegboard user link EMAIL`")
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

fn after(time: Timestamp, span: Duration) -> Timestamp {
    Timestamp(time.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
}

fn before(time: Timestamp, span: Duration) -> Timestamp {
    Timestamp(time.0.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
}
