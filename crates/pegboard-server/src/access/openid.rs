//! Signing in by another server: OpenID Connect, the authorization code flow with PKCE.
//!
//! A round trip begins here with a state, a nonce and a code verifier, is bound to the browser by a cookie, and is good once and for ten
//! minutes. What comes back is exchanged at the provider itself, and its ID token is checked whole: signature, issuer, audience, times,
//! nonce. Sources: OpenID Connect Core 1.0 (3.1), Discovery 1.0 (4), RFC 7636 (4).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use axum::http::header::HOST;
use axum::response::{IntoResponse as _, Redirect, Response};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use pegboard_model::{Error, SignInMethod};
use reqwest::RequestBuilder;
use ring::digest;
use serde::Deserialize;
use serde_json::{Map, Value as Json};
use url::{Url, form_urlencoded};

use super::client::Client;
use super::cookie::{cookie, value};
use super::id_token::{self, Expected};
use super::identity::Identity;
use super::token;
use crate::api::session::with_cookie;
use crate::app::App;
use crate::config::OpenidSettings;

/// The cookie that binds a round trip to the browser.
const COOKIE: &str = "pegboard_openid";
const COOKIE_PATH: &str = "/ui/openid";
/// How long somebody may take at the provider.
const PATIENCE: Duration = Duration::from_secs(600);
/// Round trips under way.
const MOST: usize = 10_000;
/// How long the provider may take to answer us.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long what the provider says of itself is believed.
const FRESH: Duration = Duration::from_secs(3600);

/// Round trips under way, and what is known of the provider.
#[derive(Default)]
pub(crate) struct Openid {
    under_way: Mutex<HashMap<String, Trip>>,
    provider: tokio::sync::Mutex<Option<(Instant, Provider)>>,
}

struct Trip {
    browser: String,
    nonce: String,
    verifier: String,
    next: String,
    redirect: String,
    begun: Instant,
}

/// What the provider says of itself.
#[derive(Clone, Deserialize)]
struct Provider {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
}

/// What the provider says when somebody comes back.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Returned {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
    access_token: Option<String>,
}

/// Sends a browser to the provider. `next` is where it goes in the end.
///
/// # Errors
/// `openid-off`, `openid-unreachable`.
pub(crate) async fn begin(app: &App, client: &Client, headers: &HeaderMap, next: Option<&str>) -> Result<Response, Error> {
    let settings = settings(app)?;
    let provider = app.openid.provider(settings, false).await?;
    let (state, browser, nonce) = (token::new_token()?, token::new_token()?, token::new_token()?);
    let verifier = token::new_token()?;
    let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
    let redirect = format!("{}/ui/openid/callback", base(app, client, headers));
    let mut url = Url::parse(&provider.authorization_endpoint)
        .map_err(|error| unreachable(settings, &format!("its authorization endpoint is no address: {error}")))?;
    url.query_pairs_mut().extend_pairs([
        ("response_type", "code"),
        ("client_id", settings.client_id.as_str()),
        ("redirect_uri", redirect.as_str()),
        ("scope", "openid email"),
        ("state", state.as_str()),
        ("nonce", nonce.as_str()),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ]);
    // Only a page of ours, in letters that a header takes.
    let is_page = |next: &&str| next.starts_with("/ui/") && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let next = next.filter(is_page).unwrap_or("/ui/").to_owned();
    app.openid.keep(&state, Trip { browser: token::hash(&browser), nonce, verifier, next, redirect, begun: Instant::now() });
    let bound = cookie(COOKIE, &browser, COOKIE_PATH, PATIENCE, client.is_https);
    Ok(with_cookie(Redirect::to(url.as_str()).into_response(), &bound))
}

/// Lets in whom the provider vouches for.
///
/// # Errors
/// `openid-refused` with the reason, `openid-unreachable`, `openid-off`.
pub(crate) async fn finish(app: &App, client: &Client, headers: &HeaderMap, returned: Returned) -> Result<Response, Error> {
    let settings = settings(app)?;
    let trip = returned.state.as_deref().and_then(|state| app.openid.take(state));
    let browser = value(headers, COOKIE).map(token::hash);
    let trip = trip.filter(|trip| browser.is_some_and(|browser| token::same(&browser, &trip.browser)));
    let trip = trip.ok_or_else(|| refused("this sign-in was not begun in this browser, or took too long"))?;
    if let Some(error) = returned.error {
        let said = returned.error_description.unwrap_or(error);
        return Err(refused(&format!("the provider says: {}", said.chars().take(200).collect::<String>())));
    }
    let code = returned.code.ok_or_else(|| refused("the provider sent no code"))?;
    let provider = app.openid.provider(settings, false).await?;
    let tokens = exchange(settings, &provider, &trip, &code).await?;
    let claims = claims(app, settings, &provider, &tokens.id_token, &trip.nonce).await?;
    let email = email(settings, &provider, &tokens, &claims).await?;
    let user = match (app.labelling.user_called(&email).await?, settings.role) {
        (Some(user), _) => user,
        (None, Some(role)) => app.accounts.vouched(&email, role).await?,
        (None, None) => return Err(refused(&format!("`{email}` is no user here; an admin adds them: `pegboard user add`"))),
    };
    let issued = app.accounts.begin(&user, SignInMethod::Openid, client).await?;
    app.audit.did(&Identity::begun(user, &issued), client, "sign-in".to_owned(), settings.issuer.clone());
    let response = with_cookie(
        Redirect::to(&trip.next).into_response(),
        &super::session_cookie(&issued.token, app.accounts.lifetime(), client.is_https),
    );
    Ok(with_cookie(response, &cookie(COOKIE, "", COOKIE_PATH, Duration::ZERO, client.is_https)))
}

impl Openid {
    fn keep(&self, state: &str, trip: Trip) {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if under_way.len() >= MOST {
            under_way.retain(|_, trip| trip.begun.elapsed() < PATIENCE);
        }
        if under_way.len() >= MOST {
            under_way.clear();
        }
        under_way.insert(token::hash(state), trip);
    }

    fn take(&self, state: &str) -> Option<Trip> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.remove(&token::hash(state)).filter(|trip| trip.begun.elapsed() < PATIENCE)
    }

    async fn provider(&self, settings: &OpenidSettings, anew: bool) -> Result<Provider, Error> {
        let mut known = self.provider.lock().await;
        if let Some((at, provider)) = known.as_ref().filter(|(at, _)| !anew && at.elapsed() < FRESH) {
            let _ = at;
            return Ok(provider.clone());
        }
        let url = format!("{}/.well-known/openid-configuration", settings.issuer);
        let found: Provider = read(settings, http()?.get(url)).await?;
        if found.issuer.trim_end_matches('/') != settings.issuer {
            return Err(unreachable(settings, &format!("it calls itself `{}`", found.issuer)));
        }
        *known = Some((Instant::now(), found.clone()));
        Ok(found)
    }
}

async fn exchange(settings: &OpenidSettings, provider: &Provider, trip: &Trip, code: &str) -> Result<Tokens, Error> {
    let methods = &provider.token_endpoint_auth_methods_supported;
    let by_post = !methods.is_empty() && !methods.iter().any(|method| method == "client_secret_basic");
    let mut fields = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", trip.redirect.as_str()),
        ("code_verifier", trip.verifier.as_str()),
    ];
    let mut request = http()?.post(&provider.token_endpoint);
    match &settings.client_secret {
        Some(secret) if by_post => fields.extend([("client_id", settings.client_id.as_str()), ("client_secret", secret)]),
        Some(secret) => {
            let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let pair = format!("{}:{}", encoded(&settings.client_id), encoded(secret));
            request = request.header("authorization", format!("Basic {}", STANDARD.encode(pair)));
        }
        None => fields.push(("client_id", settings.client_id.as_str())),
    }
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    read(settings, request.header("content-type", "application/x-www-form-urlencoded").body(body)).await
}

/// What the ID token says, once it is known to be the provider's and for us. Keys that are not known are asked for anew.
async fn claims(
    app: &App,
    settings: &OpenidSettings,
    provider: &Provider,
    id_token: &str,
    nonce: &str,
) -> Result<Map<String, Json>, Error> {
    let expected = Expected { issuer: &provider.issuer, audience: &settings.client_id, nonce, now: std::time::SystemTime::now() };
    let keys: Json = read(settings, http()?.get(&provider.jwks_uri)).await?;
    match id_token::check(id_token, &keys, &expected) {
        Ok(claims) => Ok(claims),
        // It may have moved: the next try asks who it is.
        Err(reason) => {
            let _ = app.openid.provider(settings, true).await;
            Err(refused(&format!("the provider's token is not good: {reason}")))
        }
    }
}

/// The address that the provider vouches for, of an allowed host.
async fn email(
    settings: &OpenidSettings,
    provider: &Provider,
    tokens: &Tokens,
    claims: &Map<String, Json>,
) -> Result<String, Error> {
    let mut found = claims.clone();
    if let (None, Some(url), Some(token)) = (claims.get("email"), &provider.userinfo_endpoint, &tokens.access_token) {
        let more: Map<String, Json> = read(settings, http()?.get(url).bearer_auth(token)).await?;
        if more.get("sub") != claims.get("sub") {
            return Err(refused("the provider speaks of two different people"));
        }
        found.extend(more);
    }
    let email = found.get("email").and_then(Json::as_str).ok_or_else(|| refused("the provider names no email address"))?;
    let is_verified = found.get("email_verified").is_some_and(|said| *said == Json::Bool(true) || said == "true");
    if !is_verified {
        return Err(refused(&format!("the provider does not say that `{email}` is verified")));
    }
    let host = email.rsplit_once('@').map(|(_, host)| host.to_lowercase()).unwrap_or_default();
    if !settings.domains.is_empty() && !settings.domains.contains(&host) {
        return Err(refused(&format!("addresses of `{host}` may not come in")));
    }
    Ok(email.to_owned())
}

async fn read<T: serde::de::DeserializeOwned>(settings: &OpenidSettings, request: RequestBuilder) -> Result<T, Error> {
    let broken = |error: reqwest::Error| unreachable(settings, &error.to_string());
    let response = request.timeout(DEADLINE).send().await.map_err(broken)?;
    let status = response.status();
    let text = response.text().await.map_err(broken)?;
    if !status.is_success() {
        return Err(unreachable(settings, &format!("it answered {status}: {}", text.chars().take(200).collect::<String>())));
    }
    serde_json::from_str(&text).map_err(|error| unreachable(settings, &format!("it says something else: {error}")))
}

fn http() -> Result<reqwest::Client, Error> {
    // Fails when it is set already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let built = reqwest::Client::builder().connect_timeout(DEADLINE).redirect(reqwest::redirect::Policy::none()).build();
    built.map_err(|error| Error::internal("openid-client", format!("cannot speak HTTP: {error}")))
}

fn settings(app: &App) -> Result<&OpenidSettings, Error> {
    app.settings.server.openid.as_ref().ok_or_else(|| {
        Error::not_found("openid-off", "nobody signs in here by another server")
            .hint("set `server.openid.issuer` and what belongs to it")
    })
}

/// Where the browser reaches us.
fn base(app: &App, client: &Client, headers: &HeaderMap) -> String {
    if let Some(url) = &app.settings.server.public_url {
        return url.clone();
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1");
    format!("{}://{host}", if client.is_https { "https" } else { "http" })
}

fn refused(why: &str) -> Error {
    Error::invalid("openid-refused", format!("you cannot come in by the provider: {why}"))
        .hint("sign in again at `/ui/sign-in`, or ask an admin")
}

fn unreachable(settings: &OpenidSettings, why: &str) -> Error {
    Error::unavailable("openid-unreachable", format!("the provider `{}` cannot be asked: {why}", settings.issuer))
        .hint("look at `server.openid.issuer`, and whether this server reaches it")
}
