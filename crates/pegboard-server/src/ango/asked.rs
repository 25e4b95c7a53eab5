//! What a handler of the dialect begins with: who asks, at which address, with which query and body.

use std::collections::HashMap;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use pegboard_hub::labelling::Caller;
use pegboard_model::{Error, HubId, Project, Task};
use serde_json::Value as Json;

use super::answer::Refused;
use crate::access::{Found, Identity};
use crate::app::App;
use crate::extract::body_bytes;

/// Who asks, and at which address. There is none without a good key.
pub(super) struct Asked {
    pub(super) app: App,
    pub(super) caller: Caller,
    /// `http://host:port`, without a slash at the end: what links begin with.
    pub(super) base: String,
    /// The query, decoded; of a parameter that occurs twice, the first.
    pub(super) query: Query,
}

/// A query's parameters.
#[derive(Default)]
pub(super) struct Query(HashMap<String, String>);

impl Query {
    fn read(text: &str) -> Self {
        let mut found = HashMap::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            found.entry(decode(key)).or_insert_with(|| decode(value));
        }
        Self(found)
    }

    /// The value of a parameter that is there, neither empty nor one of the texts with which clients say that there is none.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        let value = self.0.get(key).map(|value| value.trim())?;
        let absent = value.is_empty() || ["none", "null", "undefined"].iter().any(|word| value.eq_ignore_ascii_case(word));
        (!absent).then_some(value)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// `true` and `True`.
    pub(super) fn flag(&self, key: &str) -> bool {
        self.text(key).is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1")
    }

    pub(super) fn json(&self, key: &str) -> Result<Option<Json>, Refused> {
        let Some(text) = self.text(key) else { return Ok(None) };
        match serde_json::from_str(text) {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(Error::invalid("query", format!("the parameter `{key}` is not JSON: {error}")).into()),
        }
    }

    /// A JSON list of texts, or texts with commas between them.
    pub(super) fn list(&self, key: &str) -> Result<Vec<String>, Refused> {
        let Some(text) = self.text(key) else { return Ok(Vec::new()) };
        if !text.starts_with('[') {
            return Ok(text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect());
        }
        match serde_json::from_str::<Vec<String>>(text) {
            Ok(list) => Ok(list),
            Err(error) => Err(Error::invalid("query", format!("the parameter `{key}` is not a list of texts: {error}")).into()),
        }
    }

    /// The page, counted from 1, and how much is on it: as the number of things before it, and of those on it.
    pub(super) fn page(&self) -> Result<(u64, usize), Refused> {
        let number = |key: &str, default: u64, most: u64| match self.text(key) {
            None => Ok(default),
            Some(text) => text.parse::<u64>().map(|number| number.min(most)).map_err(|_| {
                Refused::from(Error::invalid("query", format!("the parameter `{key}` is `{text}`, which is not a number")))
            }),
        };
        let (page, limit) = (number("page", 1, u64::MAX)?.max(1), number("limit", 10, MOST)?.max(1));
        Ok(((page - 1).saturating_mul(limit), usize::try_from(limit).unwrap_or(usize::MAX)))
    }
}

/// Most things on a page; the original's documents promise 1000.
const MOST: u64 = 1000;

/// `+` is a space, `%xx` a byte; what is neither stays, since clients send much as it is.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let source = text.as_bytes();
    let mut position = 0;
    while position < source.len() {
        let hex = |at: usize| source.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match source[position] {
            b'+' => bytes.push(b' '),
            b'%' => match (hex(position + 1), hex(position + 2)) {
                (Some(high), Some(low)) => {
                    bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                    position += 2;
                }
                _ => bytes.push(b'%'),
            },
            byte => bytes.push(byte),
        }
        position += 1;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Where the request was sent to, or what the settings say.
pub(crate) fn base(app: &App, headers: &HeaderMap) -> String {
    if let Some(url) = &app.settings.server.public_url {
        return url.clone();
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1");
    format!("http://{host}")
}

impl FromRequestParts<App> for Asked {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refused> {
        let key = parts.headers.get("apikey").and_then(|key| key.to_str().ok()).unwrap_or_default();
        let caller = match key {
            "" => None,
            key => app.labelling.authenticate(key).await?,
        };
        let caller = caller.ok_or_else(|| {
            Error::invalid("invalid-api-key", "Invalid API KEY")
                .hint("send the key of `pegboard key create` in the header `apikey`")
        })?;
        // Reading through a POST is the exception: it asks for a member like everything that is not a GET.
        if !matches!(parts.method, Method::GET | Method::HEAD) {
            caller.may_change()?;
            // What a plugin does with the key of its session is its answer, and the session is in the record already.
            if let Some(found) = parts.extensions.get::<Found>().filter(|_| app.hub.plugin_of_key(caller.key).is_none()) {
                found.tell(Identity::of_caller(&caller));
            }
        }
        let query = Query::read(parts.uri.query().unwrap_or_default());
        Ok(Self { app: app.clone(), caller, base: base(app, &parts.headers), query })
    }
}

impl Asked {
    /// The project of that id, if the caller may work on it.
    pub(super) async fn project(&self, id: &str) -> Result<Project, Refused> {
        let wrong = || Error::not_found("project-not-found", format!("Invalid project: {id}."));
        let id: HubId = id.parse().map_err(|_| wrong())?;
        let project = self.app.labelling.project(id).await.map_err(|error| match error.code.as_str() {
            "project-not-found" => wrong(),
            _ => error,
        })?;
        self.caller.may(&project)?;
        Ok(project)
    }

    /// The task of that id with its project, if the caller may work on it.
    pub(super) async fn task(&self, id: &str) -> Result<(Project, Task, pegboard_model::Asset), Refused> {
        let wrong = || pegboard_hub::labelling::tasks::task_not_found(id);
        let (task, asset) = self.app.labelling.task(id.parse().map_err(|_| wrong())?).await?;
        let project = self.project(&task.project.to_string()).await?;
        Ok((project, task, asset))
    }

    /// The caller's organization.
    pub(super) fn organization(&self) -> HubId {
        self.caller.user.organization
    }

    /// The caller's email.
    pub(super) fn email(&self) -> &str {
        &self.caller.user.email
    }
}

/// A body of JSON, whatever its media type; an empty one is null.
pub(super) struct Sent(pub(super) Json);

impl FromRequest<App> for Sent {
    type Rejection = Refused;

    async fn from_request(request: Request, app: &App) -> Result<Self, Refused> {
        let bytes = body_bytes(request, app).await.map_err(|error| error.0)?;
        if bytes.is_empty() {
            return Ok(Self(Json::Null));
        }
        match serde_json::from_slice(&bytes) {
            Ok(sent) => Ok(Self(sent)),
            Err(error) => Err(Error::invalid("body", format!("the request's body is not JSON: {error}")).into()),
        }
    }
}

impl Sent {
    /// The text of that key.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.0[key].as_str()
    }

    /// The text of that key, which must be there.
    pub(super) fn required(&self, key: &str) -> Result<&str, Refused> {
        self.text(key)
            .filter(|text| !text.trim().is_empty())
            .ok_or_else(|| Error::invalid("body", format!("the request's body has no text `{key}`")).into())
    }

    /// The texts of that key; absent: none.
    pub(super) fn texts(&self, key: &str) -> Result<Vec<String>, Refused> {
        texts(&self.0[key], key)
    }

    /// The ids of that key; absent: none.
    pub(super) fn ids(&self, key: &str) -> Result<Vec<HubId>, Refused> {
        ids(&self.0[key], key)
    }
}

pub(super) fn texts(value: &Json, key: &str) -> Result<Vec<String>, Refused> {
    let wrong = || Refused::from(Error::invalid("body", format!("`{key}` is not a list of texts")));
    match value {
        Json::Null => Ok(Vec::new()),
        Json::Array(all) => all.iter().map(|one| one.as_str().map(str::to_owned).ok_or_else(wrong)).collect(),
        _ => Err(wrong()),
    }
}

pub(super) fn ids(value: &Json, key: &str) -> Result<Vec<HubId>, Refused> {
    texts(value, key)?.iter().map(|text| text.parse().map_err(|error: Error| error.into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_as_clients_send_them() {
        let query = Query::read(
            "name=http://h/x?X-Sig=a&X-Exp=9&stage=%5B%22Complete%22%5D&batches=a,+b&none=None&f=True&page=2&limit=5000&name=second&pct=100%",
        );
        assert_eq!(query.text("name"), Some("http://h/x?X-Sig=a"));
        assert_eq!(query.list("stage").unwrap(), ["Complete"]);
        assert_eq!(query.list("batches").unwrap(), ["a", "b"]);
        assert_eq!(query.text("none"), None);
        assert!(query.flag("f") && query.has("none") && !query.flag("none"));
        assert_eq!(query.page().unwrap(), (1000, 1000));
        assert_eq!(query.text("pct"), Some("100%"));
        assert!(Query::read("page=x").page().is_err() && Query::read("stage=[1]").list("stage").is_err());
        assert!(Query::read("filters={").json("filters").is_err());
        assert_eq!(Query::read("page=0&limit=0").page().unwrap(), (0, 1));
    }
}
