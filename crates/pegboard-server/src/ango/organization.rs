//! The organization's people, and what of the original this server does not have.

use std::time::SystemTime;

use axum::extract::Path;
use pegboard_model::{Error, Event, OrganizationRole};
use reqwest::Url;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::answer::{Answer, Refused, not_offered, success};
use super::asked::{Asked, Sent};
use super::wire;

/// Limits of a notification (Ango specification, section 5.4).
const MOST_RECEIVERS: usize = 100;
const LONGEST_MESSAGE: usize = 1000;
const LONGEST_TITLE: usize = 200;
const LONGEST_LINK: usize = 2048;

fn check(asked: &Asked, id: &str) -> Result<(), Refused> {
    if asked.organization().to_string() == id {
        return Ok(());
    }
    Err(Error::not_found("organization-not-found", format!("there is no organization `{id}`")).into())
}

fn role(word: Option<&str>) -> Result<OrganizationRole, Refused> {
    let Some(word) = word else { return Ok(OrganizationRole::Member) };
    word.parse().map_err(|_| {
        Error::invalid("member-role", format!("`{word}` is not a role in an organization"))
            .hint("one of `viewer`, `member` and `admin`")
            .into()
    })
}

/// Everybody.
pub(super) async fn users(Path(id): Path<String>, asked: Asked) -> Answer {
    check(&asked, &id)?;
    let users = asked.app.labelling.users(asked.organization()).await?;
    success(json!({ "users": users.iter().map(wire::user).collect::<Vec<_>>(), "total": users.len() }))
}

/// Changes roles.
pub(super) async fn change_users(Path(id): Path<String>, asked: Asked, sent: Sent) -> Answer {
    check(&asked, &id)?;
    asked.caller.may_administer()?;
    let wanted = sent.0["users"].as_array().ok_or_else(|| Error::invalid("body", "the request's body has no list `users`"))?;
    let mut roles = Vec::with_capacity(wanted.len());
    for one in wanted {
        let email = one["email"].as_str().ok_or_else(|| Error::invalid("email", "a user has no `email`"))?;
        roles.push((email, role(one["organizationRole"].as_str())?));
    }
    let mut changed = Vec::with_capacity(roles.len());
    for (email, role) in roles {
        changed.push(wire::user(&asked.app.labelling.set_role(asked.organization(), email, role).await?));
    }
    success(json!({ "users": changed }))
}

/// Removes people with their keys.
pub(super) async fn remove_users(Path(id): Path<String>, asked: Asked, sent: Sent) -> Answer {
    check(&asked, &id)?;
    asked.caller.may_administer()?;
    let mut removed = 0;
    for email in sent.texts("users")? {
        removed += usize::from(asked.app.labelling.remove_user(asked.organization(), &email).await?);
    }
    success(json!({ "users": removed }))
}

/// Nobody waits: who is invited belongs to the organization at once, since there is no mail.
pub(super) async fn invites(Path(id): Path<String>, asked: Asked) -> Answer {
    check(&asked, &id)?;
    success(json!({ "invites": [] }))
}

/// Adds people, and to projects where the body says so.
pub(super) async fn invite(Path(id): Path<String>, asked: Asked, sent: Sent) -> Answer {
    check(&asked, &id)?;
    asked.caller.may_administer()?;
    let emails = match &sent.0["to"] {
        Json::String(email) => vec![email.clone()],
        other => super::asked::texts(other, "to")?,
    };
    let wanted = role(sent.text("organizationRole"))?;
    let mut invited = Vec::with_capacity(emails.len());
    for email in &emails {
        invited.push(wire::user(&asked.app.labelling.set_role(asked.organization(), email, wanted).await?));
    }
    for assignment in sent.0["projectAssignments"].as_array().into_iter().flatten() {
        let project = assignment["project"].as_str().or(assignment["projectId"].as_str()).unwrap_or_default();
        let role = assignment["role"].as_str().or(assignment["projectRole"].as_str()).unwrap_or("Labeler");
        let project = asked.project(project).await?;
        asked.app.labelling.add_members(project.id, &emails, role).await?;
    }
    success(json!({ "invites": invited }))
}

/// There is nothing to withdraw.
pub(super) async fn withdraw(Path(id): Path<String>, asked: Asked, _sent: Sent) -> Answer {
    check(&asked, &id)?;
    success(json!({ "invites": 0 }))
}

/// Conversations with a language model.
pub(super) async fn no_chat(_asked: Asked) -> Answer {
    Err(not_offered("a chat asset", "the server speaks to no language model; import the conversation as text"))
}

/// Calls of other servers.
pub(super) async fn no_webhooks(_asked: Asked) -> Answer {
    Err(not_offered("a webhook", "the server calls no other server; use a Plugin stage, whose script may do so"))
}

/// Language models.
pub(super) async fn no_llms(_asked: Asked) -> Answer {
    Err(not_offered("a language model", "the server speaks to none; a plugin may"))
}

/// A message to people: an event, which `pegboard events` shows and triggers may wait for.
pub(super) async fn notify(asked: Asked, sent: Sent) -> Answer {
    let receivers = sent.texts("receivers")?;
    let message = sent.required("message")?;
    let (title, link) = (sent.text("title"), sent.text("clickableLink"));
    let too_long = |text: Option<&str>, limit: usize| text.is_some_and(|text| text.chars().count() > limit);
    let problem = if receivers.is_empty() || receivers.len() > MOST_RECEIVERS {
        Some(format!("`receivers` is not a list of 1 to {MOST_RECEIVERS} addresses"))
    } else if too_long(Some(message), LONGEST_MESSAGE) {
        Some(format!("`message` is longer than {LONGEST_MESSAGE} characters"))
    } else if too_long(title, LONGEST_TITLE) {
        Some(format!("`title` is longer than {LONGEST_TITLE} characters"))
    } else if too_long(link, LONGEST_LINK) || link.is_some_and(|link| !is_web_address(link)) {
        Some(format!("`clickableLink` is no http or https address of at most {LONGEST_LINK} characters"))
    } else {
        None
    };
    if let Some(problem) = problem {
        return Err(Error::invalid("notification", problem).into());
    }
    let users = asked.app.labelling.users(asked.organization()).await?;
    if let Some(stranger) = receivers.iter().find(|receiver| !users.iter().any(|user| user.email.eq_ignore_ascii_case(receiver)))
    {
        return Err(Error::invalid("notification", format!("`{stranger}` does not belong to the organization")).into());
    }
    let event = Event {
        id: Uuid::new_v4(),
        time: SystemTime::now().into(),
        channel: "hub".to_owned(),
        source: "api".to_owned(),
        event_type: "com.pegboard.hub.notification".to_owned(),
        data: json!({
            "from": asked.caller.user.email,
            "receivers": receivers,
            "message": message,
            "title": title,
            "link": link,
        }),
    };
    asked.app.flow.publish(event).await?;
    success(json!({ "receivers": receivers.len() }))
}

fn is_web_address(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

/// Numbers about a project.
pub(super) async fn no_metrics(_asked: Asked) -> Answer {
    Err(not_offered(
        "a metric",
        "the shape of the original's answer is not documented; export the project, or list its tasks by stage",
    ))
}
