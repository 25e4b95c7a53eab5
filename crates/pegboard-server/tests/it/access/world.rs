//! A server in process that answers only those whom it knows, and people to ask it.

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use pegboard_hub::labelling::NewKey;
use pegboard_model::{OrganizationRole, User};
use serde_json::{Value as Json, json};
use tower::ServiceExt as _;

use crate::api::Api;

/// A proxy that the server trusts, so that tests may come from many addresses.
pub(super) const SETTINGS: [(&str, &str); 2] = [("server.sign_in", "always"), ("server.trusted_proxies", "127.0.0.1")];

pub(super) struct Door {
    pub(super) api: Api,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Json,
}

impl Answer {
    #[track_caller]
    pub(super) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    /// A refusal with this status and code.
    #[track_caller]
    pub(super) fn refuses(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code()), (status, code), "{}", self.body);
    }

    pub(super) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().or(self.body["code"].as_str()).unwrap_or_default()
    }

    /// `name=value` of the session's cookie.
    pub(super) fn cookie(&self) -> String {
        let set = self.headers["set-cookie"].to_str().unwrap();
        set.split(';').next().unwrap().to_owned()
    }

    pub(super) fn csrf_token(&self) -> String {
        self.body["csrf_token"].as_str().unwrap().to_owned()
    }
}

impl Door {
    pub(super) async fn new() -> Self {
        Self { api: Api::with(&SETTINGS).await }
    }

    /// Asks with these headers.
    pub(super) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Json) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "localhost");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Json::Null => String::new(),
            Json::String(text) => text,
            body => {
                request = request.header("content-type", "application/json");
                body.to_string()
            }
        };
        let response = self.api.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let is_endless = headers.get("content-type").is_some_and(|kind| kind.to_str().unwrap().contains("event-stream"));
        let bytes = if is_endless {
            bytes::Bytes::new()
        } else {
            axum::body::to_bytes(response.into_body(), 16 << 20).await.unwrap()
        };
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into());
        Answer { status, headers, body }
    }

    /// Asks with a key.
    pub(super) async fn by_key(&self, key: &str, method: &str, path: &str, body: Json) -> Answer {
        self.ask(method, path, &[("authorization", &format!("Bearer {key}"))], body).await
    }

    pub(super) async fn admin(&self) -> User {
        self.api.labelling.admin().await.unwrap()
    }

    /// A key of a new user with this role in the server's own organization.
    pub(super) async fn key(&self, role: OrganizationRole) -> String {
        let organization = self.admin().await.organization;
        let email = format!("{}-{}@example.org", role.as_str(), uuid::Uuid::new_v4().simple());
        let user = self.api.labelling.create_user(organization, &email, role).await.unwrap();
        self.key_of(&user, None).await
    }

    /// A key of the user that is good for so many seconds, or for ever.
    pub(super) async fn key_of(&self, user: &User, seconds: Option<u64>) -> String {
        let lifetime = seconds.map(std::time::Duration::from_secs);
        let new = NewKey { name: "test".to_owned(), user: user.id, role: None, project: None, lifetime };
        self.api.labelling.create_key(new).await.unwrap().1
    }

    /// Another organization's admin.
    pub(super) async fn stranger(&self, name: &str) -> User {
        let (_, admin) = self.api.labelling.create_organization(name, &format!("admin@{name}.example")).await.unwrap();
        admin
    }

    /// A user with this password, by the way that everybody takes: made by an admin, a link, a password.
    pub(super) async fn signed_up(&self, admin_key: &str, email: &str, role: &str, password: &str) -> Answer {
        let made = self.by_key(admin_key, "POST", "/api/v1/users", json!({ "email": email, "role": role })).await.is(200);
        let link = made.body["link"].as_str().unwrap();
        let token = link.rsplit('/').next().unwrap();
        self.ask("POST", &format!("/api/v1/links/{token}"), &[], json!({ "password": password })).await.is(200)
    }

    /// Signs in from an address of its own.
    pub(super) async fn sign_in(&self, email: &str, password: &str, address: &str) -> Answer {
        let body = json!({ "email": email, "password": password });
        self.ask("POST", "/api/v1/session", &[("x-forwarded-for", address)], body).await
    }
}
