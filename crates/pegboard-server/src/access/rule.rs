//! Who may ask for a route.

use pegboard_model::OrganizationRole;

/// What a route asks of who comes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Access {
    /// Nothing.
    Open,
    /// Nothing here: the handler looks at a key, a secret or a signature itself.
    OwnCheck,
    /// To be known.
    Viewer,
    /// To be a member or an admin.
    Member,
    /// To be an admin.
    Admin,
}

/// Whose things a route is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Realm {
    /// The caller's organization: projects, remote plugins, people, keys.
    Organization,
    /// The server's own, which are its first organization's: packages, workflows, runs, catalog, dashboard.
    Server,
}

impl Access {
    /// The least role that may; none where nobody needs to be known.
    #[must_use]
    pub fn role(self) -> Option<OrganizationRole> {
        match self {
            Self::Open | Self::OwnCheck => None,
            Self::Viewer => Some(OrganizationRole::Viewer),
            Self::Member => Some(OrganizationRole::Member),
            Self::Admin => Some(OrganizationRole::Admin),
        }
    }
}
