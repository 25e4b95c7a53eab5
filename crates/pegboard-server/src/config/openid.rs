//! Signing in by another server.

use pegboard_model::{Error, OrganizationRole};

use super::values::Values;

/// Settings of the section `[server.openid]`.
#[derive(Clone, Debug)]
pub struct OpenidSettings {
    /// The provider's address, as its documents call it, without a slash at the end.
    pub issuer: String,
    /// What the provider calls us.
    pub client_id: String,
    /// What only we and the provider know; none for a public client.
    pub client_secret: Option<String>,
    /// Only addresses of these hosts; empty: all that the provider has.
    pub domains: Vec<String>,
    /// What somebody may who comes for the first time; none: nobody may who is not a user yet.
    pub role: Option<OrganizationRole>,
}

impl OpenidSettings {
    pub(super) fn from_values(values: &Values) -> Result<Option<Self>, Error> {
        let wrong = |key: &str, why: &str| Error::invalid("setting-invalid", format!("`{key}` {why}"));
        let issuer = values.text("server.openid.issuer");
        let client_id = values.text("server.openid.client_id");
        let (issuer, client_id) = match (issuer, client_id) {
            (Some(issuer), Some(client_id)) => (issuer, client_id),
            (None, None) => return Ok(None),
            (Some(_), None) => {
                return Err(wrong("server.openid.client_id", "is missing").hint("the provider gave it to you with the secret"));
            }
            (None, Some(_)) => {
                return Err(wrong("server.openid.issuer", "is missing").hint("such as `https://accounts.example.org`"));
            }
        };
        if !issuer.starts_with("https://") && !issuer.starts_with("http://") {
            return Err(wrong("server.openid.issuer", "is not an HTTP address").hint("such as `https://accounts.example.org`"));
        }
        let role = match values.text("server.openid.role").as_deref() {
            None => None,
            Some(word) => Some(word.parse().map_err(|_| {
                wrong("server.openid.role", "is no role")
                    .hint("`viewer`, `member`, or `none`: then only those come in who are users already")
            })?),
        };
        if role == Some(OrganizationRole::Admin) {
            return Err(wrong("server.openid.role", "is `admin`")
                .hint("nobody is an admin at once: `pegboard user role EMAIL admin` later"));
        }
        Ok(Some(Self {
            issuer: issuer.trim_end_matches('/').to_owned(),
            client_id,
            client_secret: values.text("server.openid.client_secret"),
            domains: values.list("server.openid.domains").iter().map(|domain| domain.to_lowercase()).collect(),
            role,
        }))
    }
}
