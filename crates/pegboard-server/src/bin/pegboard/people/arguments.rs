//! What one may type after `pegboard user`, `pegboard organization` and `pegboard audit`.

use clap::{Args, Subcommand};

use crate::arguments::ClientArguments;

#[derive(Subcommand, Debug)]
pub(crate) enum UserCommand {
    /// Make a user and print the link with which they choose a password.
    #[command(after_help = "Examples:\n  pegboard user add ann@example.org\n  pegboard user add bob@example.org --role viewer")]
    Add {
        /// Their email.
        email: String,
        /// `viewer` looks, `member` works, `admin` does everything [default: member].
        #[arg(long)]
        role: Option<String>,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// List the users.
    #[command(after_help = "Example:\n  pegboard user ls")]
    Ls {
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Change what a user may do.
    #[command(after_help = "Example:\n  pegboard user role ann@example.org admin")]
    Role {
        /// Their email.
        email: String,
        /// `viewer`, `member` or `admin`.
        role: String,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Print a link with which a user chooses another password.
    #[command(
        after_help = "Example:\n  pegboard user link ann@example.org\n\nThe password so far is good until the link is used."
    )]
    Link {
        /// Their email.
        email: String,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Remove a user with keys, password and sessions. What they made stays.
    #[command(after_help = "Example:\n  pegboard user rm ann@example.org")]
    Rm {
        /// Their email.
        email: String,
        #[command(flatten)]
        client: ClientArguments,
    },
}

impl UserCommand {
    pub(crate) fn client(&self) -> &ClientArguments {
        match self {
            Self::Add { client, .. }
            | Self::Ls { client }
            | Self::Role { client, .. }
            | Self::Link { client, .. }
            | Self::Rm { client, .. } => client,
        }
    }
}

#[derive(Subcommand, Debug)]
pub(crate) enum OrganizationCommand {
    /// Make an organization and print the link with which its first admin chooses a password.
    #[command(
        after_help = "Example:\n  pegboard organization add \"Road survey\" --admin ann@example.org\n\nIts projects, hub plugins, storages, people and keys are its own. Takes an admin of the server's first organization."
    )]
    Add {
        /// Its name, for people.
        name: String,
        /// Email of its first admin, who belongs to no other organization.
        #[arg(long, value_name = "EMAIL")]
        admin: String,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// List the organizations, the server's own first.
    #[command(after_help = "Example:\n  pegboard organization ls")]
    Ls {
        #[command(flatten)]
        client: ClientArguments,
    },
}

impl OrganizationCommand {
    pub(crate) fn client(&self) -> &ClientArguments {
        match self {
            Self::Add { client, .. } | Self::Ls { client } => client,
        }
    }
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  pegboard audit\n  pegboard audit --follow --json\n\nEach line is a change that was answered with success, or a sign-in that failed."
)]
pub(crate) struct AuditArguments {
    /// At most so many lines, the newest.
    #[arg(long, default_value_t = 50, value_name = "NUMBER")]
    pub(crate) limit: u64,
    /// Go on with what happens from now on.
    #[arg(long, short)]
    pub(crate) follow: bool,
    #[command(flatten)]
    pub(crate) client: ClientArguments,
}
