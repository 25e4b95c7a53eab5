//! Storages: credentials for buckets. Scripts read them and speak to the provider themselves.

use axum::extract::Path;
use pegboard_hub::labelling::storages::{Credentials, NewStorage};
use pegboard_model::{Error, StorageProvider};
use serde_json::{Value as Json, json};

use super::answer::{Answer, Refused, not_offered, success};
use super::asked::{Asked, Sent};
use super::wire;

async fn records(asked: &Asked) -> Result<Vec<Json>, Refused> {
    // They have what is secret about them: plugins need it, and lookers do not.
    asked.caller.may_change()?;
    let wanted = asked.query.text("_id");
    let mut found = Vec::new();
    for storage in asked.app.labelling.storages(asked.organization()).await? {
        if wanted.is_none_or(|wanted| wanted == storage.id.to_string()) {
            found.push(wire::storage(&asked.app.labelling, &storage)?);
        }
    }
    Ok(found)
}

/// All storages, or the one that is asked for.
pub(super) async fn list(asked: Asked) -> Answer {
    success(json!({ "storages": records(&asked).await? }))
}

/// The same under its old name.
pub(super) async fn list_integrations(asked: Asked) -> Answer {
    success(json!({ "integrations": records(&asked).await? }))
}

/// Makes a storage.
pub(super) async fn create(asked: Asked, sent: Sent) -> Answer {
    asked.caller.may_administer()?;
    let provider = sent.required("provider")?;
    let provider = match provider.to_ascii_uppercase().as_str() {
        "AWS" => StorageProvider::Aws,
        "GCP" => StorageProvider::Gcp,
        "AZURE" => StorageProvider::Azure,
        // A folder of the server's machine is for those who sit at it: our own API makes it.
        _ => {
            return Err(Error::invalid("storage-provider", format!("`{provider}` is not a provider of storages"))
                .hint("one of AWS, GCP and AZURE")
                .into());
        }
    };
    let text = |key: &str| sent.text(key).unwrap_or_default().to_owned();
    let new = NewStorage {
        name: text("name"),
        provider,
        region: text("region"),
        endpoint: sent.text("endpoint").filter(|url| !url.is_empty()).map(str::to_owned),
        folder: None,
        credentials: Credentials {
            public_key: text("publicKey"),
            private_key: text("privateKey"),
            credentials: text("credentials"),
        },
    };
    let storage = asked.app.labelling.create_storage(asked.organization(), new).await?;
    success(json!({ "storage": wire::storage(&asked.app.labelling, &storage)? }))
}

/// Deletes a storage.
pub(super) async fn remove(Path(id): Path<String>, asked: Asked) -> Answer {
    asked.caller.may_administer()?;
    let missing = || Error::not_found("storage-not-found", format!("there is no storage `{id}`"));
    if !asked.app.labelling.delete_storage(asked.organization(), id.parse().map_err(|_| missing())?).await? {
        return Err(missing().into());
    }
    success(json!({ "storage": { "_id": id, "deleted": true } }))
}

/// Needs a client of the provider in the server.
pub(super) async fn files(Path(_): Path<String>, _asked: Asked) -> Answer {
    Err(not_offered(
        "listing a storage's files",
        "use a File Explorer plugin, which lists the bucket with the storage's own keys",
    ))
}

/// Needs a client of the provider in the server.
pub(super) async fn explore(_asked: Asked) -> Answer {
    Err(not_offered("the file explorer", "run a File Explorer plugin, which lists the bucket with the storage's own keys"))
}
