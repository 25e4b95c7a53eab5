//! `pegboard user`, `pegboard organization` and `pegboard audit`: people, whose they are, and who did what.

mod arguments;

use std::time::Duration;

pub(crate) use arguments::{AuditArguments, OrganizationCommand, UserCommand};
use pegboard_server::shape::{
    AuditAnswer, AuditList, OrganizationAnswer, OrganizationBody, OrganizationList, OrganizationMade, UserAnswer, UserBody,
    UserChange, UserLink, UserList,
};
use serde_json::{Value as Json, json};

use crate::client::Client;
use crate::failure::{CommandFailure, STOPPED};
use crate::output::{Output, instant};

/// How often the record is asked for more.
const PAUSE: Duration = Duration::from_secs(1);
/// Most lines of an answer.
const PAGE: u64 = 1000;

/// `pegboard user …`.
pub(crate) async fn user(client: &Client, command: &UserCommand, output: &Output) -> Result<(), CommandFailure> {
    match command {
        UserCommand::Add { email, role, .. } => {
            let body = UserBody { email: email.clone(), role: role.clone() };
            print_link(&client.post(&["users"], &body).await?, output);
        }
        UserCommand::Ls { .. } => {
            let list: UserList = client.get(&["users"], &[]).await?;
            if output.json {
                output.data(&list);
                return Ok(());
            }
            let row = |user: &UserAnswer| {
                let password = if user.has_password { "yes" } else { "no" };
                vec![user.email.clone(), user.role.clone(), password.to_owned(), instant(&user.created_at)]
            };
            output.table(&["EMAIL", "ROLE", "PASSWORD", "CREATED"], list.users.iter().map(row).collect());
        }
        UserCommand::Role { email, role, .. } => {
            let user: UserAnswer = client.patch(&["users", email], &UserChange { role: role.clone() }).await?;
            if output.json {
                output.data(&user);
            } else {
                output.note(&format!("{} is {} now", user.email, user.role));
            }
        }
        UserCommand::Link { email, .. } => {
            print_link(&client.post(&["users", email, "link"], &json!({})).await?, output);
        }
        UserCommand::Rm { email, .. } => {
            let removed: Json = client.delete(&["users", email]).await?;
            if output.json {
                output.data(&removed);
            } else {
                output.note(&format!("removed {email} with keys, password and sessions"));
            }
        }
    }
    Ok(())
}

/// `pegboard organization …`.
pub(crate) async fn organization(client: &Client, command: &OrganizationCommand, output: &Output) -> Result<(), CommandFailure> {
    match command {
        OrganizationCommand::Add { name, admin, .. } => {
            let body = OrganizationBody { name: name.clone(), admin: admin.clone() };
            let made: OrganizationMade = client.post(&["organizations"], &body).await?;
            if output.json {
                output.data(&made);
            } else {
                say_link(&made.admin, output);
            }
        }
        OrganizationCommand::Ls { .. } => {
            let list: OrganizationList = client.get(&["organizations"], &[]).await?;
            if output.json {
                output.data(&list);
                return Ok(());
            }
            let row = |one: &OrganizationAnswer| {
                let whose = if one.first { "the server's own" } else { "" };
                vec![one.id.clone(), one.name.clone(), whose.to_owned(), instant(&one.created_at)]
            };
            output.table(&["ID", "NAME", "", "CREATED"], list.organizations.iter().map(row).collect());
        }
    }
    Ok(())
}

fn print_link(made: &UserLink, output: &Output) {
    if output.json {
        output.data(made);
    } else {
        say_link(made, output);
    }
}

fn say_link(made: &UserLink, output: &Output) {
    output.line(&made.link);
    output.note(&format!(
        "send this link to {}: it sets their password, once, until {}; it is not shown again",
        made.user.email,
        instant(&made.expires_at)
    ));
}

/// `pegboard audit`.
pub(crate) async fn audit(client: &Client, arguments: &AuditArguments, output: &Output) -> Result<(), CommandFailure> {
    let limit = arguments.limit.clamp(1, PAGE).to_string();
    let list: AuditList = client.get(&["audit"], &[("limit", &limit)]).await?;
    let mut last = list.entries.first().map_or(0, |entry| entry.sequence);
    list.entries.iter().rev().for_each(|entry| print(entry, output));
    if !arguments.follow {
        return Ok(());
    }
    let follow = async {
        loop {
            tokio::time::sleep(PAUSE).await;
            for entry in since(client, last).await? {
                print(&entry, output);
                last = entry.sequence;
            }
        }
    };
    tokio::select! {
        ended = follow => ended,
        _ = tokio::signal::ctrl_c() => Err(CommandFailure::silent(STOPPED)),
    }
}

/// All lines that came after this one, oldest first.
async fn since(client: &Client, last: u64) -> Result<Vec<AuditAnswer>, CommandFailure> {
    let (last, limit) = (last.to_string(), PAGE.to_string());
    let mut found: Vec<AuditAnswer> = Vec::new();
    loop {
        let after = found.last().map(|entry| entry.sequence.to_string());
        let mut query = vec![("since", last.as_str()), ("limit", limit.as_str())];
        query.extend(after.as_deref().map(|after| ("after", after)));
        let page: AuditList = client.get(&["audit"], &query).await?;
        let is_last = page.next.is_none() || page.entries.is_empty();
        found.extend(page.entries);
        if is_last {
            found.reverse();
            return Ok(found);
        }
    }
}

fn print(entry: &AuditAnswer, output: &Output) {
    if output.json {
        output.data_line(entry);
        return;
    }
    let who = if entry.who.is_empty() { "somebody" } else { &entry.who };
    output.line(&format!("{} {who} ({}, {}) {} {}", instant(&entry.time), entry.how, entry.address, entry.action, entry.subject));
}
