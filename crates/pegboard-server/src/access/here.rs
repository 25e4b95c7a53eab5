//! The app as the caller's organization sees it.

use std::ops::Deref;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use pegboard_hub::SessionView;
use pegboard_model::{Error, HubId, Project, RemotePlugin, User};

use super::identity::Identity;
use crate::app::App;
use crate::error::ApiError;

/// The app and who asks: what a handler takes whose things belong to an organization. What is another one's is not found.
pub(crate) struct Here {
    app: App,
    identity: Identity,
}

impl Here {
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(crate) fn user(&self) -> &User {
        &self.identity.user
    }

    pub(crate) fn organization(&self) -> HubId {
        self.identity.organization()
    }

    /// The project of that id or name.
    ///
    /// # Errors
    /// `project-not-found`, `project-ambiguous`, `key-for-another-project`.
    pub(crate) async fn project(&self, word: &str) -> Result<Project, Error> {
        let project = self.app.labelling.project_called(self.organization(), word).await?;
        self.identity.may(&project)?;
        Ok(project)
    }

    /// The organization's own remote plugin of that id or name.
    ///
    /// # Errors
    /// `hub-plugin-not-found`, `hub-plugin-ambiguous`.
    pub(crate) fn own_plugin(&self, word: &str) -> Result<RemotePlugin, Error> {
        self.app.hub.plugin_called(self.organization(), word)
    }

    /// The remote plugin of that id or name, also one that others show to everybody.
    ///
    /// # Errors
    /// As [`Self::own_plugin`].
    pub(crate) fn plugin(&self, word: &str) -> Result<RemotePlugin, Error> {
        self.app.hub.visible_plugin(self.organization(), word)
    }

    /// The session of that id.
    ///
    /// # Errors
    /// `session-not-found`.
    pub(crate) async fn session(&self, word: &str) -> Result<SessionView, Error> {
        let view = self.app.hub.session(word.parse()?).await?;
        if view.session.organization == self.organization() { Ok(view) } else { Err(pegboard_hub::session_not_found(word)) }
    }
}

impl Deref for Here {
    type Target = App;

    fn deref(&self) -> &App {
        &self.app
    }
}

impl FromRequestParts<App> for Here {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        Ok(Self { app: app.clone(), identity: Identity::from_request_parts(parts, app).await? })
    }
}
