//! What happens on the hub, told to whoever listens at that moment. What is missed is in the store: news only say that it is time to look.

use std::sync::Arc;

use pegboard_model::{HubId, Session, SessionCause, SessionProgress, SessionState};
use tokio::sync::broadcast;

use crate::hub::Hub;

/// News that a slow listener may be behind, before it misses some.
pub(crate) const WAITING_ROOM: usize = 256;

/// Something new.
#[derive(Clone, Debug)]
pub enum HubNews {
    /// A session was made, went on or ended; told once that is on disk.
    Session(Arc<SessionNews>),
    /// A plugin's light went on or off.
    Light {
        /// Whose.
        plugin: HubId,
        /// Runs can be sent to it now.
        live: bool,
    },
}

/// Where a session stands.
#[derive(Clone, PartialEq, Debug)]
pub struct SessionNews {
    /// The session.
    pub id: HubId,
    /// Its plugin.
    pub plugin: HubId,
    /// The plugin's name, while there is one.
    pub plugin_name: Option<String>,
    /// For whom it runs.
    pub organization: HubId,
    /// Its state.
    pub state: SessionState,
    /// How far it is.
    pub progress: Option<SessionProgress>,
    /// Somebody asked for it, and waits.
    pub is_asked_for: bool,
    /// There is a file to fetch.
    pub has_download: bool,
    /// Why it failed.
    pub failure: Option<String>,
}

impl Hub {
    /// What happens from now on.
    #[must_use]
    pub fn news(&self) -> broadcast::Receiver<HubNews> {
        self.inner.news.subscribe()
    }

    pub(crate) fn announce(&self, news: HubNews) {
        // Fails when nobody listens.
        let _ = self.inner.news.send(news);
    }

    /// Tells of a session as it was recorded, unless only its log grew.
    pub(crate) fn tell_session(&self, session: &Session) {
        if !self.board().is_new(session) {
            return;
        }
        let news = SessionNews {
            id: session.id,
            plugin: session.plugin,
            plugin_name: self.board().name(session.plugin),
            organization: session.organization,
            state: session.state,
            progress: session.progress,
            is_asked_for: session.cause == SessionCause::User,
            has_download: session.download.is_some(),
            failure: session.failure.as_ref().map(|failure| failure.message.clone()),
        };
        self.announce(HubNews::Session(Arc::new(news)));
    }
}
