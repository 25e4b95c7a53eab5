//! The record of who did what: written beside the answers, never before them.

use std::time::SystemTime;

use pegboard_model::{AuditEntry, HubId};
use pegboard_store::Store;
use tokio_util::task::TaskTracker;

use super::client::Client;
use super::identity::Identity;

/// Writes lines to the record.
pub(crate) struct Audit {
    store: Store,
    writing: TaskTracker,
}

impl Audit {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, writing: TaskTracker::new() }
    }

    /// Somebody whom we know did something.
    pub(crate) fn did(&self, identity: &Identity, client: &Client, action: String, subject: String) {
        self.put(AuditEntry {
            time: SystemTime::now().into(),
            organization: identity.organization(),
            who: identity.user.email.clone(),
            how: identity.how.as_str().to_owned(),
            key: identity.by.filter(|_| identity.how == super::How::Key),
            action,
            subject,
            address: client.address.to_string(),
        });
    }

    /// Somebody tried to come in.
    pub(crate) fn tried(&self, organization: HubId, who: &str, client: &Client, action: &str, subject: String) {
        /// Longest name that is kept of somebody who is unknown.
        const NAME: usize = 254;
        self.put(AuditEntry {
            time: SystemTime::now().into(),
            organization,
            who: who.chars().filter(|c| !c.is_control()).take(NAME).collect(),
            how: "none".to_owned(),
            key: None,
            action: action.to_owned(),
            subject,
            address: client.address.to_string(),
        });
    }

    /// The store writes what comes at the same time as one transaction.
    fn put(&self, entry: AuditEntry) {
        let store = self.store.clone();
        self.writing.spawn(async move {
            if let Err(error) = store.put_audit_entry(&entry).await {
                tracing::error!(error = %error, "cannot record that `{}` did {} to {}", entry.who, entry.action, entry.subject);
            }
        });
    }

    /// Waits until all that was said is written.
    pub(crate) async fn finish(&self) {
        self.writing.close();
        self.writing.wait().await;
        self.writing.reopen();
    }
}
