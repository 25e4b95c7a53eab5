//! `pegboard secret`.

use std::io::Read as _;
use std::path::Path;

use pegboard_model::Error;
use pegboard_server::shape::{SecretAnswer, SecretBody, SecretList, SecretSet};
use serde_json::Value as Json;

use super::arguments::SecretCommand;
use crate::client::Client;
use crate::failure::CommandFailure;
use crate::output::{Output, instant};

/// Bytes that are read of a value; longer ones are refused by the server.
const LONGEST: u64 = 1 << 20;

pub(super) async fn secret(client: &Client, command: &SecretCommand, output: &Output) -> Result<(), CommandFailure> {
    match command {
        SecretCommand::Set { name, file, plugin, nobody, .. } => {
            let value = file.as_deref().map(read).transpose()?;
            let plugins = (*nobody || !plugin.is_empty()).then(|| plugin.clone());
            let set: SecretSet = client.put(&["secrets", name], &SecretBody { name: None, value, plugins }).await?;
            if output.json {
                output.data(&set);
                return Ok(());
            }
            let given = if set.secret.plugins.is_empty() { "nobody yet".to_owned() } else { set.secret.plugins.join(", ") };
            output.note(&format!("set {name}, given to {given}"));
            for plugin in &set.failed {
                output.note(&format!("`{plugin}` goes on without the change: `pegboard plugin show {plugin}` says why"));
            }
        }
        SecretCommand::Ls { .. } => {
            let list: SecretList = client.get(&["secrets"], &[]).await?;
            if output.json {
                output.data(&list);
                return Ok(());
            }
            let row = |secret: &SecretAnswer| vec![secret.name.clone(), secret.plugins.join(", "), instant(&secret.updated_at)];
            output.table(&["NAME", "GIVEN TO", "CHANGED"], list.secrets.iter().map(row).collect());
        }
        SecretCommand::Rm { name, .. } => {
            let deleted: Json = client.delete(&["secrets", name]).await?;
            if output.json {
                output.data(&deleted);
            } else {
                output.note(&format!("deleted secret {name}"));
            }
        }
    }
    Ok(())
}

/// Values come from files: what is typed stays in the shell's history.
fn read(file: &Path) -> Result<String, CommandFailure> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().take(LONGEST).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|opened| opened.take(LONGEST).read_to_string(&mut text))
    };
    match read {
        Ok(_) => Ok(text.strip_suffix('\n').map(|text| text.strip_suffix('\r').unwrap_or(text)).unwrap_or(&text).to_owned()),
        Err(error) => Err(CommandFailure::usage(Error::invalid("file", format!("cannot read `{}`: {error}", file.display())))),
    }
}
