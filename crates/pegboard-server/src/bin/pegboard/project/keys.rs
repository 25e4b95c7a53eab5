//! `pegboard key`.

use pegboard_server::shape::{KeyAnswer, KeyBody, KeyList};
use serde_json::Value as Json;

use super::KeyCommand;
use crate::client::Client;
use crate::failure::CommandFailure;
use crate::output::{Output, instant};

pub(super) async fn key(client: &Client, command: &KeyCommand, output: &Output) -> Result<(), CommandFailure> {
    match command {
        KeyCommand::Create { name, user, role, project, expires, .. } => {
            let body = KeyBody {
                name: name.clone(),
                user: user.clone(),
                role: role.clone(),
                project: project.clone(),
                lifetime_seconds: expires.map(|time| time.as_secs()),
            };
            let made: KeyAnswer = client.post(&["keys"], &body).await?;
            if output.json {
                output.data(&made);
            } else {
                output.line(made.key.as_deref().unwrap_or_default());
                output.note(&format!(
                    "the key of {} is not shown again; `pegboard key revoke {}` makes it useless",
                    made.user, made.id
                ));
            }
        }
        KeyCommand::Ls { .. } => {
            let list: KeyList = client.get(&["keys"], &[]).await?;
            if output.json {
                output.data(&list);
                return Ok(());
            }
            let row = |key: &KeyAnswer| {
                let project = key.project.clone().unwrap_or_else(|| "all".to_owned());
                let end = key.expires_at.as_deref().map_or_else(|| "never".to_owned(), instant);
                let used = key.last_used_at.as_deref().map_or_else(|| "never".to_owned(), instant);
                let role = key.role.clone().unwrap_or_else(|| "its user's".to_owned());
                vec![key.id.clone(), key.name.clone(), key.user.clone(), role, project, used, end]
            };
            let rows = list.keys.iter().map(row).collect();
            output.table(&["ID", "NAME", "USER", "ROLE", "PROJECT", "USED", "EXPIRES"], rows);
        }
        KeyCommand::Revoke { id, .. } => {
            let revoked: Json = client.delete(&["keys", id]).await?;
            if output.json {
                output.data(&revoked);
            } else {
                output.note(&format!("revoked key {id}"));
            }
        }
    }
    Ok(())
}
