//! People, sessions, links, the record of who did what.

use pegboard_model::{LinkPurpose, Organization, SignIn, SignInMethod, User};
use pegboard_store::StoredAuditEntry;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who asks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct SessionAnswer {
    /// Whether this server answers only those whom it knows.
    pub sign_in_needed: bool,
    /// Whether one may sign in by another server: at `/ui/openid`.
    pub openid: bool,
    /// Who asks; none: nobody is known.
    pub user: Option<UserAnswer>,
    /// What they may do now: `viewer`, `member`, `admin`; less than the user's with a key that was made so.
    pub role: Option<String>,
    /// How they are known: `local`, `session`, `key`.
    pub how: Option<String>,
    /// Name of the organization.
    pub organization: Option<String>,
    /// What requests with this cookie say in the header `x-csrf-token`, or in a form's field `csrf_token`, when they change something.
    pub csrf_token: Option<String>,
}

/// Email and password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignInBody {
    /// Whose.
    pub email: String,
    /// Their password.
    pub password: String,
}

/// A password for a link's user.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RedeemBody {
    /// At least ten characters.
    pub password: String,
}

/// Another password of one's own.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PasswordBody {
    /// The one so far.
    pub old: String,
    /// At least ten characters.
    pub new: String,
}

/// A browser that one signed in with.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct SignInAnswer {
    /// Names it.
    pub id: String,
    /// This is the one that asks.
    pub current: bool,
    /// How it began: `password`, `link`, `openid`.
    pub method: String,
    /// When it began.
    pub created_at: String,
    /// When it was used last, to a few minutes.
    pub used_at: String,
    /// Over from then on.
    pub ends_at: String,
    /// From where.
    pub address: String,
    /// What the browser calls itself.
    pub agent: String,
}

impl SignInAnswer {
    pub(crate) fn new(sign_in: SignIn, current: bool) -> Self {
        let method = match sign_in.method {
            SignInMethod::Password => "password",
            SignInMethod::Link => "link",
            SignInMethod::Openid => "openid",
        };
        Self {
            id: sign_in.id.to_string(),
            current,
            method: method.to_owned(),
            created_at: sign_in.created_at.to_string(),
            used_at: sign_in.used_at.to_string(),
            ends_at: sign_in.ends_at.to_string(),
            address: sign_in.address,
            agent: sign_in.agent,
        }
    }
}

/// One's sessions.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct SignInList {
    /// The one used last first.
    pub sessions: Vec<SignInAnswer>,
}

/// What a link is good for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct LinkAnswer {
    /// Whose password it sets.
    pub email: String,
    /// `first_admin`, `invitation`, `reset`.
    pub purpose: String,
    /// Useless from then on.
    pub expires_at: String,
}

impl LinkAnswer {
    pub(crate) fn purpose(purpose: LinkPurpose) -> String {
        match purpose {
            LinkPurpose::FirstAdmin => "first_admin",
            LinkPurpose::Invitation => "invitation",
            LinkPurpose::Reset => "reset",
        }
        .to_owned()
    }
}

/// Somebody who works here.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct UserAnswer {
    /// Identity: 24 hexadecimal digits.
    pub id: String,
    /// How clients name them.
    pub email: String,
    /// `viewer`, `member`, `admin`.
    pub role: String,
    /// The id of their organization.
    pub organization: String,
    /// They chose a password.
    pub has_password: bool,
    /// When they were made.
    pub created_at: String,
}

impl UserAnswer {
    pub(crate) fn new(user: &User, has_password: bool) -> Self {
        Self {
            id: user.id.to_string(),
            email: user.email.clone(),
            role: user.role.as_str().to_owned(),
            organization: user.organization.to_string(),
            has_password,
            created_at: user.created_at.to_string(),
        }
    }
}

/// Everybody of an organization.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct UserList {
    /// In the order in which they were made.
    pub users: Vec<UserAnswer>,
}

/// Somebody new.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserBody {
    /// Not another user's.
    pub email: String,
    /// `viewer`, `member`, `admin`; none: `member`.
    #[serde(default)]
    pub role: Option<String>,
}

/// What changes about a user.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserChange {
    /// `viewer`, `member`, `admin`.
    pub role: String,
}

/// A user with a link that is told this once.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct UserLink {
    /// Whose.
    pub user: UserAnswer,
    /// Where they choose a password.
    pub link: String,
    /// Useless from then on.
    pub expires_at: String,
}

/// An organization to make.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrganizationBody {
    /// For people.
    pub name: String,
    /// Email of its first admin.
    pub admin: String,
}

/// An organization.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct OrganizationAnswer {
    /// Identity: 24 hexadecimal digits.
    pub id: String,
    /// For people.
    pub name: String,
    /// The server's own: what is not of an organization's is its.
    pub first: bool,
    /// When it was made.
    pub created_at: String,
}

impl OrganizationAnswer {
    pub(crate) fn new(organization: &Organization, first: bool) -> Self {
        let created_at = organization.created_at.to_string();
        Self { id: organization.id.to_string(), name: organization.name.clone(), first, created_at }
    }
}

/// All organizations.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct OrganizationList {
    /// The first one first.
    pub organizations: Vec<OrganizationAnswer>,
}

/// A new organization, and its admin's link.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct OrganizationMade {
    /// What was made.
    pub organization: OrganizationAnswer,
    /// Its first admin, with a link that is told this once.
    pub admin: UserLink,
}

/// One line of the record.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditAnswer {
    /// Grows from line to line.
    pub sequence: u64,
    /// When it was answered.
    pub time: String,
    /// Who: an email.
    pub who: String,
    /// How they were known: `local`, `session`, `key`, `none`.
    pub how: String,
    /// Id of the key.
    pub key: Option<String>,
    /// What: method and route, or a word.
    pub action: String,
    /// To what: the path.
    pub subject: String,
    /// From where: an IP address.
    pub address: String,
}

impl From<StoredAuditEntry> for AuditAnswer {
    fn from(stored: StoredAuditEntry) -> Self {
        let entry = stored.entry;
        Self {
            sequence: stored.sequence,
            time: entry.time.to_string(),
            who: entry.who,
            how: entry.how,
            key: entry.key.map(|key| key.to_string()),
            action: entry.action,
            subject: entry.subject,
            address: entry.address,
        }
    }
}

/// Lines of the record.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditList {
    /// Newest first.
    pub entries: Vec<AuditAnswer>,
    /// Say it as `after` for the page behind this one; none: there is none.
    pub next: Option<u64>,
}
