//! `pegboard environment`.

use pegboard_server::config::print_size;
use pegboard_server::shape::{EnvironmentAnswer, EnvironmentList, EnvironmentsPruned};
use serde_json::Map;

use super::arguments::EnvironmentCommand;
use crate::client::Client;
use crate::failure::CommandFailure;
use crate::output::{Output, instant};

pub(super) async fn environment(client: &Client, command: &EnvironmentCommand, output: &Output) -> Result<(), CommandFailure> {
    match command {
        EnvironmentCommand::Ls { .. } => {
            let list: EnvironmentList = client.get(&["environments"], &[]).await?;
            if output.json {
                output.data(&list);
                return Ok(());
            }
            let row = |one: &EnvironmentAnswer| {
                let users = match (one.is_used, one.plugins.is_empty()) {
                    (_, false) => one.plugins.join(", "),
                    (true, true) => "the server".to_owned(),
                    (false, true) => "nobody".to_owned(),
                };
                let used_at = one.used_at.as_deref().map_or_else(String::new, instant);
                vec![one.key.clone(), one.python.clone(), rounded(one.bytes), users, used_at]
            };
            output.table(&["KEY", "PYTHON", "SIZE", "USED BY", "SINCE"], list.environments.iter().map(row).collect());
        }
        EnvironmentCommand::Prune { .. } => {
            let pruned: EnvironmentsPruned = client.post(&["environments", "prune"], &Map::new()).await?;
            if output.json {
                output.data(&pruned);
            } else {
                output.note(&format!("removed {} environments, {}", pruned.removed.len(), rounded(pruned.bytes)));
            }
        }
    }
    Ok(())
}

/// In whole MiB: nobody needs the rest.
fn rounded(bytes: u64) -> String {
    print_size(bytes.div_ceil(1 << 20) << 20)
}
