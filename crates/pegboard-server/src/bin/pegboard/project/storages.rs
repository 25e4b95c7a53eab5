//! `pegboard storage`.

use std::path::Path;

use pegboard_model::Error;
use pegboard_server::shape::{StorageAnswer, StorageBody, StorageList, StorageTest, StorageTestBody};
use serde_json::Value as Json;

use super::StorageCommand;
use super::files::read_text;
use crate::client::Client;
use crate::failure::CommandFailure;
use crate::output::{Output, instant};

pub(super) async fn storage(client: &Client, command: &StorageCommand, output: &Output) -> Result<(), CommandFailure> {
    match command {
        StorageCommand::Create {
            name,
            provider,
            folder,
            region,
            endpoint,
            public_key,
            private_key_file,
            credentials_file,
            ..
        } => {
            let body = StorageBody {
                name: name.clone(),
                provider: provider.clone().unwrap_or_else(|| "LOCAL".to_owned()),
                region: region.clone(),
                endpoint: endpoint.clone(),
                folder: folder.clone(),
                public_key: public_key.clone(),
                private_key: secret(private_key_file.as_deref())?,
                credentials: secret(credentials_file.as_deref())?,
            };
            let made: StorageAnswer = client.post(&["storages"], &body).await?;
            if output.json {
                output.data(&made);
            } else {
                output.line(&made.id);
            }
        }
        StorageCommand::Ls { .. } => {
            let list: StorageList = client.get(&["storages"], &[]).await?;
            if output.json {
                output.data(&list);
                return Ok(());
            }
            let row = |storage: &StorageAnswer| {
                let place = storage.folder.clone().or(storage.endpoint.clone()).unwrap_or_else(|| storage.region.clone());
                vec![storage.id.clone(), storage.name.clone(), storage.provider.clone(), place, instant(&storage.created_at)]
            };
            output.table(&["ID", "NAME", "PROVIDER", "PLACE", "CREATED"], list.storages.iter().map(row).collect());
        }
        StorageCommand::Test { id, bucket, .. } => {
            let found: StorageTest = client.post(&["storages", id, "test"], &StorageTestBody { bucket: bucket.clone() }).await?;
            if output.json {
                output.data(&found);
            } else if let Some(files) = found.files {
                output.note(&format!("reached, {files} files seen"));
            }
            if let Some(reason) = found.reason.filter(|_| !output.json) {
                return Err(Error::unavailable("storage-unreachable", format!("the storage `{id}` cannot be reached: {reason}"))
                    .hint("see that address, region and credentials are right: make it anew with others")
                    .into());
            }
            if !found.reached {
                return Err(CommandFailure::silent(1));
            }
        }
        StorageCommand::Rm { id, .. } => {
            let deleted: Json = client.delete(&["storages", id]).await?;
            if output.json {
                output.data(&deleted);
            } else {
                output.note(&format!("deleted storage {id}"));
            }
        }
    }
    Ok(())
}

/// Secrets come from files: what is typed stays in the shell's history.
fn secret(file: Option<&Path>) -> Result<String, CommandFailure> {
    file.map_or(Ok(String::new()), |file| Ok(read_text(file)?.trim_end().to_owned()))
}
