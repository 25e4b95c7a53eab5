//! Storages: credentials go in, are sealed, and come out only for those who may use them.

use bytes::Bytes;
use pegboard_model::{Error, HubId, OWN_FILE, Storage, StorageProvider};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;

use super::links::{FileKind, FilePlace};
use super::{Labelling, now};

/// Bytes that are read at once.
const PIECE: usize = 256 << 10;

/// What is secret about a storage.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Credentials {
    /// Access key id.
    #[serde(default)]
    pub public_key: String,
    /// Secret access key.
    #[serde(default)]
    pub private_key: String,
    /// What the provider gives as one text: a service account's JSON, a connection string.
    #[serde(default)]
    pub credentials: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Credentials(…)")
    }
}

/// A storage to make.
#[derive(Clone, Debug)]
pub struct NewStorage {
    /// For people.
    pub name: String,
    /// Whose bucket it is.
    pub provider: StorageProvider,
    /// For example `eu-central-1`.
    pub region: String,
    /// Address of a service that is not the provider's own.
    pub endpoint: Option<String>,
    /// For a local one: the folder, absolute.
    pub folder: Option<String>,
    /// What is secret about it.
    pub credentials: Credentials,
}

impl Labelling {
    /// Makes a storage; what is secret is sealed with the server's key.
    ///
    /// # Errors
    /// `storage-name`, `storage-folder`.
    pub async fn create_storage(&self, organization: HubId, new: NewStorage) -> Result<Storage, Error> {
        if new.name.trim().is_empty() || new.name.len() > 1000 {
            return Err(Error::invalid("storage-name", "a storage needs a name of 1 to 1000 bytes"));
        }
        let absolute = |folder: &String| folder.starts_with('/') && !folder.split('/').any(|part| part == "..");
        if new.provider == StorageProvider::Local && !new.folder.as_ref().is_some_and(absolute) {
            return Err(Error::invalid("storage-folder", "a local storage needs the absolute path of a folder")
                .hint("give `folder`, such as `/srv/pictures`"));
        }
        let text = serde_json::to_string(&new.credentials)
            .map_err(|error| Error::internal("sealed-text", format!("credentials have no JSON form: {error}")))?;
        let storage = Storage {
            id: HubId::random(),
            organization,
            name: new.name,
            provider: new.provider,
            region: new.region,
            endpoint: new.endpoint,
            folder: new.folder.filter(|_| new.provider == StorageProvider::Local),
            sealed: self.keyring().seal(&text),
            created_at: now(),
        };
        self.store().create_storage(&storage).await?;
        Ok(storage)
    }

    /// All storages of an organization.
    pub async fn storages(&self, organization: HubId) -> Result<Vec<Storage>, Error> {
        let mut storages = self.store().storages().await?;
        storages.retain(|storage| storage.organization == organization);
        Ok(storages)
    }

    /// The organization's storage of that id.
    ///
    /// # Errors
    /// `storage-not-found`.
    pub async fn storage(&self, organization: HubId, id: HubId) -> Result<Storage, Error> {
        let found = self.store().storage(id).await?.filter(|storage| storage.organization == organization);
        found.ok_or_else(|| Error::not_found("storage-not-found", format!("there is no storage `{id}`")))
    }

    /// What is secret about the storage.
    pub fn credentials(&self, storage: &Storage) -> Result<Credentials, Error> {
        let text = self.keyring().open_sealed(&storage.sealed)?;
        serde_json::from_str(&text).map_err(|error| Error::internal("sealed-text", format!("storage `{}`: {error}", storage.id)))
    }

    /// Copies a file of a local storage into our own store; what an asset records of it.
    ///
    /// # Errors
    /// `storage-file` when it is not there, is no file, or lies outside of the storage's folder.
    pub(super) async fn take_in(&self, project: HubId, storage: &Storage, name: &str, limit: u64) -> Result<String, Error> {
        let refused = |why: &str| {
            Error::invalid(
                "storage-file",
                format!("`{}` of storage `{}` cannot be imported: {why}", name.escape_default(), storage.id),
            )
            .hint("name a file below the storage's folder")
        };
        let folder = storage.folder.as_deref().ok_or_else(|| refused("the storage has no folder"))?;
        let root = tokio::fs::canonicalize(folder).await.map_err(|_| refused("the folder is not there"))?;
        // Links are followed before the place is judged.
        let path =
            tokio::fs::canonicalize(root.join(name.trim_start_matches('/'))).await.map_err(|_| refused("it is not there"))?;
        if !path.starts_with(&root) {
            return Err(refused("it leaves the folder"));
        }
        let mut file = tokio::fs::File::open(&path).await.map_err(|_| refused("it cannot be read"))?;
        let about = file.metadata().await.map_err(|_| refused("it cannot be read"))?;
        if !about.is_file() || about.len() > limit {
            return Err(refused("it is no file, or larger than the server takes"));
        }
        let place = FilePlace::new(project, FileKind::Asset, name)?;
        let mut object = self.store().write_object(&place.key()).await?;
        let mut piece = vec![0; PIECE];
        loop {
            match file.read(&mut piece).await.map_err(|_| refused("it cannot be read"))? {
                0 => break,
                length => object.write(Bytes::copy_from_slice(&piece[..length])).await?,
            }
        }
        object.finish().await?;
        Ok(format!("{OWN_FILE}{}", place.as_str()))
    }

    /// Whether the organization had one.
    pub async fn delete_storage(&self, organization: HubId, id: HubId) -> Result<bool, Error> {
        let is_theirs = self.store().storage(id).await?.is_some_and(|storage| storage.organization == organization);
        Ok(is_theirs && self.store().delete_storage(id).await?)
    }
}
