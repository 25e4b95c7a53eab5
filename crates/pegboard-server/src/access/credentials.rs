//! From what a request carries to who asks.
//!
//! What was found is remembered for a few seconds, so that a page with many requests asks the database once; it is forgotten at once
//! when this server takes something away from somebody. Another server of the same database learns of it within that time.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::header::{AUTHORIZATION, ORIGIN};
use axum::http::{HeaderMap, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pegboard_model::{Error, OrganizationRole};

use super::identity::{How, Identity};
use super::local::LocalKeys;
use super::{cookie, origin, token};
use crate::app::App;

/// How long somebody is remembered.
const REMEMBERED: Duration = Duration::from_secs(5);
/// How many are.
const MOST: usize = 10_000;

/// Who was found, by the hash of what they carried.
pub(crate) struct Credentials {
    local: LocalKeys,
    known: Mutex<HashMap<String, Known>>,
    /// Grows when sessions end.
    ended: AtomicU64,
}

struct Known {
    identity: Identity,
    until: Instant,
    as_of: Stamp,
}

/// What had been taken away from people when somebody was looked up: read before that, so that nothing slips between.
type Stamp = (u64, u64);

impl Credentials {
    pub(crate) fn new(local: LocalKeys) -> Self {
        Self { local, known: Mutex::default(), ended: AtomicU64::default() }
    }

    /// Whoever works on this machine, where nobody needs to sign in: the first admin.
    pub(super) async fn local(&self, app: &App) -> Result<Identity, Error> {
        if let Some(known) = self.remembered(app, "") {
            return Ok(known);
        }
        let as_of = self.stamp(app);
        let identity = local(app, None).await?;
        Ok(self.remember("", identity, as_of))
    }

    /// Who asks: a key decides before a cookie does. None when the request carries neither.
    ///
    /// # Errors
    /// `invalid-api-key` for a key that is unknown, revoked or over.
    pub(super) async fn find(&self, app: &App, uri: &Uri, headers: &HeaderMap) -> Result<Option<Identity>, Error> {
        self.ask(app, uri, headers, true).await
    }

    /// Whether a request would still come from the same person with the same rights. Asking keeps no session alive.
    pub(super) async fn still(&self, app: &App, uri: &Uri, headers: &HeaderMap, seen: &Identity) -> bool {
        match self.ask(app, uri, headers, false).await {
            Ok(found) => found.is_some_and(|found| {
                (found.user.id, found.organization(), found.role, found.project)
                    == (seen.user.id, seen.organization(), seen.role, seen.project)
            }),
            // While the store does not answer, nothing is taken from anybody.
            Err(error) => error.code != "invalid-api-key",
        }
    }

    async fn ask(&self, app: &App, uri: &Uri, headers: &HeaderMap, is_use: bool) -> Result<Option<Identity>, Error> {
        if let Some(key) = key(headers) {
            return self.by_key(app, &key).await.map(Some);
        }
        match cookie::session(headers) {
            Some(token) if !origin::is_foreign(uri, headers, &app.settings.server) => self.by_session(app, token, is_use).await,
            _ => Ok(None),
        }
    }

    async fn by_key(&self, app: &App, key: &str) -> Result<Identity, Error> {
        let hash = token::hash(key);
        if let Some(known) = self.remembered(app, &hash) {
            return Ok(known);
        }
        let as_of = self.stamp(app);
        let identity = match self.local.role(key) {
            Some(role) => local(app, Some(role)).await?,
            None => {
                let caller = app.labelling.authenticate(key).await?.ok_or_else(|| {
                    Error::invalid("invalid-api-key", "the key is unknown, revoked or over")
                        .hint("`pegboard key create` makes a new one; `pegboard key ls` lists those that are good")
                })?;
                Identity::of_caller(&caller)
            }
        };
        Ok(self.remember(&hash, identity, as_of))
    }

    async fn by_session(&self, app: &App, token: &str, is_use: bool) -> Result<Option<Identity>, Error> {
        let hash = token::hash(token);
        if let Some(known) = self.remembered(app, &hash) {
            return Ok(Some(known));
        }
        let as_of = self.stamp(app);
        let session = if is_use { app.accounts.session(token).await? } else { app.accounts.look_at_session(token).await? };
        let Some(session) = session else { return Ok(None) };
        let Some(user) = app.labelling.user(session.user).await? else { return Ok(None) };
        let identity = Identity {
            role: user.role,
            user,
            how: How::Session,
            by: Some(session.id),
            project: None,
            csrf_token: Some(token::csrf_token(token)),
        };
        Ok(Some(self.remember(&hash, identity, as_of)))
    }

    /// Forgets everybody: a session is over.
    pub(crate) fn forget(&self) {
        self.ended.fetch_add(1, Ordering::AcqRel);
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn stamp(&self, app: &App) -> Stamp {
        (app.labelling.people_changes(), self.ended.load(Ordering::Acquire))
    }

    fn remembered(&self, app: &App, hash: &str) -> Option<Identity> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.get(hash)?;
        (found.until > Instant::now() && found.as_of == self.stamp(app)).then(|| found.identity.clone())
    }

    fn remember(&self, hash: &str, identity: Identity, as_of: Stamp) -> Identity {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(hash.to_owned(), Known { identity: identity.clone(), until: Instant::now() + REMEMBERED, as_of });
        identity
    }
}

/// The first admin, with all that admins may or less.
async fn local(app: &App, role: Option<OrganizationRole>) -> Result<Identity, Error> {
    let user = app.labelling.admin().await?;
    Ok(Identity { role: role.unwrap_or(user.role), user, how: How::Local, by: None, project: None, csrf_token: None })
}

/// The key that a request carries: `Authorization: Bearer KEY`, Ango's header, or the password in the URL of a client that can send no header.
/// Browsers send such a password by themselves, wherever a page sends them, so there it does not count.
fn key(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let of_scheme = |wanted: &str| {
        let (scheme, value) = text(AUTHORIZATION.as_str())?.split_once(' ')?;
        scheme.eq_ignore_ascii_case(wanted).then(|| value.trim())
    };
    let given = of_scheme("bearer").or_else(|| text("apikey").map(str::trim)).filter(|key| !key.is_empty());
    if given.is_some() {
        return given.map(Cow::Borrowed);
    }
    let is_browser = headers.contains_key(ORIGIN) || headers.contains_key("sec-fetch-site");
    let pair = of_scheme("basic").filter(|_| !is_browser).and_then(|pair| STANDARD.decode(pair).ok())?;
    let pair = String::from_utf8(pair).ok()?;
    pair.split_once(':').map(|(_, key)| key.to_owned()).filter(|key| !key.is_empty()).map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_in_headers_and_in_addresses() {
        for (pairs, expected) in [
            (vec![("authorization", "Bearer abc")], Some("abc")),
            (vec![("authorization", "bearer  abc ")], Some("abc")),
            (vec![("authorization", "Basic a2V5OmFiYw==")], Some("abc")),
            (vec![("authorization", "Basic a2V5OmFiYw=="), ("sec-fetch-site", "none")], None),
            (vec![("authorization", "Basic a2V5OmFiYw=="), ("origin", "http://x")], None),
            (vec![("authorization", "Basic nonsense")], None),
            (vec![("apikey", "abc")], Some("abc")),
            (vec![("authorization", "Bearer abc"), ("apikey", "other")], Some("abc")),
            (vec![("authorization", "Bearer ")], None),
            (vec![], None),
        ] {
            let headers = pairs.iter().map(|(name, value)| (axum::http::HeaderName::from_static(name), value.parse().unwrap()));
            assert_eq!(key(&headers.collect()).as_deref(), expected, "{pairs:?}");
        }
    }
}
