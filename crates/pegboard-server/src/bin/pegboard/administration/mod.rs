//! `pegboard backup`, `restore`, `secret` and `environment`: what administrators do.

mod arguments;
mod backups;
mod environments;
mod secrets;

pub(crate) use arguments::AdministrationCommand;
pub(crate) use backups::restore;

use crate::client::Client;
use crate::failure::CommandFailure;
use crate::output::Output;

/// All but `restore`, which speaks to no server.
pub(crate) async fn administration(
    client: &Client,
    command: &AdministrationCommand,
    output: &Output,
) -> Result<(), CommandFailure> {
    match command {
        AdministrationCommand::Backup { file, .. } => backups::backup(client, file, output).await,
        AdministrationCommand::Secret { command } => secrets::secret(client, command, output).await,
        AdministrationCommand::Environment { command } => environments::environment(client, command, output).await,
        AdministrationCommand::Restore { .. } => Ok(()),
    }
}
