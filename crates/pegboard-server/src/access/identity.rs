//! Who asks.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use pegboard_hub::labelling::Caller;
use pegboard_model::{Error, HubId, OrganizationRole, Project, SignIn, User};

use super::accounts::Issued;
use super::token;
use crate::error::ApiError;

/// How somebody is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum How {
    /// They work on this machine: nobody needs to sign in, or they could read the data directory.
    Local,
    /// They signed in with a browser.
    Session,
    /// They have a key.
    Key,
}

impl How {
    /// Its word in answers and in the record.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Session => "session",
            Self::Key => "key",
        }
    }
}

/// Who asks, as far as it is known.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) user: User,
    /// No more than the user's; less with a key that was made so.
    pub(crate) role: OrganizationRole,
    pub(crate) how: How,
    /// The key, when it is one, or the sign-in.
    pub(crate) by: Option<HubId>,
    /// The only project that the key is good for.
    pub(crate) project: Option<HubId>,
    /// What requests that change something have to say when they come with a cookie.
    pub(crate) csrf_token: Option<String>,
}

impl Identity {
    pub(crate) fn organization(&self) -> HubId {
        self.user.organization
    }

    /// Somebody who has just come in.
    pub(crate) fn begun(user: User, issued: &Issued<SignIn>) -> Self {
        Self {
            role: user.role,
            user,
            how: How::Session,
            by: Some(issued.record.id),
            project: None,
            csrf_token: Some(token::csrf_token(&issued.token)),
        }
    }

    /// Somebody whose key a dialect has found to be right.
    pub(crate) fn of_caller(caller: &Caller) -> Self {
        Self {
            user: caller.user.clone(),
            role: caller.role,
            how: How::Key,
            by: Some(caller.key),
            project: caller.project,
            csrf_token: None,
        }
    }

    /// Whether they may work on the project at all.
    ///
    /// # Errors
    /// `key-for-another-project`.
    pub(crate) fn may(&self, project: &Project) -> Result<(), Error> {
        match self.project {
            Some(only) if only != project.id => Err(for_another_project()),
            _ => Ok(()),
        }
    }
}

/// The key is good for one project, and this is something else.
pub(super) fn for_another_project() -> Error {
    Error::invalid("key-for-another-project", "this key is good for one project only, and this is something else")
        .hint("use a key without a project: `pegboard key create`")
}

/// Nobody is known.
pub(crate) fn sign_in_needed() -> Error {
    Error::invalid("sign-in-needed", "this server answers only those whom it knows").hint(
        "sign in with a browser, or send a key: `--key` or PEGBOARD_KEY for `pegboard`, the header `Authorization: Bearer KEY` otherwise",
    )
}

impl<S: Send + Sync> FromRequestParts<S> for Identity {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| sign_in_needed().into())
    }
}
