//! `pegboard project`, `pegboard storage` and `pegboard key`: what is labelled, data in and out.

mod arguments;
mod assets;
mod export;
mod files;
mod import;
mod keys;
mod look;
mod storages;

pub(crate) use arguments::{KeyCommand, ProjectCommand, StorageCommand};

use crate::client::Client;
use crate::failure::CommandFailure;
use crate::output::Output;

/// `pegboard project …`.
pub(crate) async fn project(client: &Client, command: &ProjectCommand, output: &Output) -> Result<(), CommandFailure> {
    match command {
        ProjectCommand::Create { name, description, kind, .. } => {
            look::create(client, name, description, kind.as_deref(), output).await
        }
        ProjectCommand::Ls { name, skip, limit, .. } => look::list(client, name.as_deref(), *skip, *limit, output).await,
        ProjectCommand::Show { id, .. } => look::show(client, id, output).await,
        ProjectCommand::Rm { id, .. } => look::remove(client, id, output).await,
        ProjectCommand::Schema { id, file, .. } => look::schema(client, id, file.as_deref(), output).await,
        ProjectCommand::Stages { id, file, rerun, .. } => {
            look::stages(client, id, file.as_deref(), rerun.as_deref(), output).await
        }
        ProjectCommand::Batches { id, assign: Some(batch), assets, .. } => {
            assets::assign(client, id, batch, assets, output).await
        }
        ProjectCommand::Batches { id, create, .. } => look::batches(client, id, create, output).await,
        ProjectCommand::Assets { id, stage, batch, name, skip, limit, .. } => {
            let which = [("stage", stage), ("batch", batch), ("name", name)];
            assets::list(client, id, &which, *skip, *limit, output).await
        }
        ProjectCommand::Asset { id, asset, delete: false, .. } => assets::show(client, id, asset, output).await,
        ProjectCommand::Asset { id, asset, delete: true, .. } => assets::remove(client, id, asset, output).await,
        ProjectCommand::Tasks { id, stage, skip, limit, .. } => {
            look::tasks(client, id, stage.as_deref(), *skip, *limit, output).await
        }
        ProjectCommand::Upload { id, files, batch, .. } => import::upload(client, id, files, batch, output).await,
        ProjectCommand::Import(import) => import::import(client, import, output).await,
        ProjectCommand::Export(export) => export::export(client, export, output).await,
    }
}

/// `pegboard storage …`.
pub(crate) async fn storage(client: &Client, command: &StorageCommand, output: &Output) -> Result<(), CommandFailure> {
    storages::storage(client, command, output).await
}

/// `pegboard key …`.
pub(crate) async fn key(client: &Client, command: &KeyCommand, output: &Output) -> Result<(), CommandFailure> {
    keys::key(client, command, output).await
}
