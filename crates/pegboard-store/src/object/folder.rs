//! A folder in somebody's bucket, copied to this machine as it changes.
//!
//! Invariants: a copied file is whole (it is renamed into place); when the bucket does not answer, the copy stays as it is; no name
//! leads out of the copy.

use std::collections::BTreeMap;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt, RetryConfig};

use super::from_driver;
use crate::error::StoreError;
use crate::options::S3Options;

/// Most files of a folder.
const FILES: usize = 5_000;
/// Bytes of the largest file.
const LARGEST: u64 = 256 << 20;
/// How long a request may take: whoever asks asks again.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// A folder in object storage: `s3://bucket/prefix`, `gs://…` or `az://…`.
pub struct RemoteFolder {
    url: String,
    driver: Arc<dyn ObjectStore>,
    prefix: Path,
}

impl std::fmt::Debug for RemoteFolder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RemoteFolder").field("url", &self.url).finish_non_exhaustive()
    }
}

impl RemoteFolder {
    /// Asks nobody yet. Credentials are those of `s3`, where it says some, else those that the cloud's own tools would take.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the URL names no bucket and prefix, or a storage that is not known.
    pub fn open(url: &str, s3: Option<&S3Options>) -> Result<Self, StoreError> {
        // The first one in the process wins; whichever it is will do.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let refuse = |why: &str| StoreError::Unavailable(format!("`{url}` {why}"));
        let (scheme, place) = url.split_once("://").ok_or_else(|| refuse("is no URL"))?;
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        let prefix = prefix.trim_matches('/');
        if bucket.is_empty() || prefix.is_empty() {
            return Err(refuse("must name a bucket and a prefix: `s3://bucket/prefix`"));
        }
        let client = ClientOptions::new().with_connect_timeout(PATIENCE / 2).with_timeout(PATIENCE);
        let retry = RetryConfig { max_retries: 1, retry_timeout: PATIENCE, ..RetryConfig::default() };
        let driver: Arc<dyn ObjectStore> = match scheme {
            "s3" | "s3a" => {
                let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
                // Whoever names an endpoint without TLS means it, in the environment as in the settings.
                let endpoint = builder.get_config_value(&AmazonS3ConfigKey::Endpoint);
                let is_plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
                builder = builder.with_client_options(client.with_allow_http(is_plain)).with_retry(retry);
                if let Some(s3) = s3 {
                    builder = builder.with_region(&s3.region);
                    if let Some(endpoint) = &s3.endpoint {
                        let is_plain = endpoint.starts_with("http://");
                        builder =
                            builder.with_endpoint(endpoint).with_virtual_hosted_style_request(false).with_allow_http(is_plain);
                    }
                    if let (Some(id), Some(secret)) = (&s3.access_key_id, &s3.secret_access_key) {
                        builder = builder.with_access_key_id(id).with_secret_access_key(secret);
                    }
                }
                Arc::new(builder.build().map_err(from_driver)?)
            }
            "gs" => {
                let builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket);
                Arc::new(builder.with_client_options(client).with_retry(retry).build().map_err(from_driver)?)
            }
            "az" | "abfs" | "abfss" => {
                let builder = MicrosoftAzureBuilder::from_env().with_container_name(bucket);
                Arc::new(builder.with_client_options(client).with_retry(retry).build().map_err(from_driver)?)
            }
            _ => return Err(refuse("lies in no storage that is known: `s3://`, `gs://` and `az://` are")),
        };
        Ok(Self { url: url.to_owned(), driver, prefix: Path::from(prefix) })
    }

    /// Makes `target` what the folder is; whether that changed anything. `known` holds what was copied before, and is brought in line.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the storage does not answer, refuses, or has nothing there.
    pub async fn copy(&self, target: &FilePath, known: &mut BTreeMap<String, String>) -> Result<bool, StoreError> {
        let unavailable = |why: String| StoreError::Unavailable(format!("`{}`: {why}", self.url));
        let listed: Vec<_> =
            self.driver.list(Some(&self.prefix)).try_collect().await.map_err(|error| unavailable(error.to_string()))?;
        if listed.is_empty() {
            return Err(unavailable("there is nothing".to_owned()));
        }
        if listed.len() > FILES {
            return Err(unavailable(format!("there are {} files, at most {FILES} are taken", listed.len())));
        }
        let mut found = BTreeMap::new();
        let mut changed = false;
        for entry in listed {
            let parts = entry.location.prefix_match(&self.prefix);
            let name = parts.into_iter().flatten().map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/");
            if name.is_empty() || name.split('/').any(|part| matches!(part, "." | "..")) || entry.size > LARGEST {
                continue;
            }
            let tag = entry.e_tag.unwrap_or_else(|| format!("{} {}", entry.last_modified, entry.size));
            let path = target.join(&name);
            if known.get(&name) != Some(&tag) || !path.is_file() {
                let bytes = self.driver.get(&entry.location).await.map_err(|error| unavailable(error.to_string()))?;
                let bytes = bytes.bytes().await.map_err(|error| unavailable(error.to_string()))?;
                write(path, bytes).await?;
                changed = true;
            }
            found.insert(name, tag);
        }
        // At the first look, what an earlier server has copied counts: some of it may have been removed since.
        let before: Vec<String> = if known.is_empty() { names_below(target).await } else { known.keys().cloned().collect() };
        for gone in before.iter().filter(|name| !found.contains_key(*name)) {
            // Whoever removed it first: it is gone.
            let _ = tokio::fs::remove_file(target.join(gone)).await;
            changed = true;
        }
        *known = found;
        Ok(changed)
    }
}

/// Files in a folder and in the folders in it, as the storage would name them.
async fn names_below(target: &FilePath) -> Vec<String> {
    let root = target.to_owned();
    let walk = move || {
        let (mut names, mut open) = (Vec::new(), vec![root.clone()]);
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    open.push(entry.path());
                } else if let Ok(path) = entry.path().strip_prefix(&root) {
                    names.push(path.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/"));
                }
            }
        }
        names
    };
    tokio::task::spawn_blocking(walk).await.unwrap_or_default()
}

async fn write(path: PathBuf, bytes: bytes::Bytes) -> Result<(), StoreError> {
    let place = path.clone();
    let write = move || -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(FilePath::new("."));
        std::fs::create_dir_all(folder)?;
        // A name that no plugin has, in the same folder: renaming is one step.
        let partial = folder.join(format!(".{}.part", path.file_name().unwrap_or_default().to_string_lossy()));
        std::fs::write(&partial, &bytes)?;
        std::fs::rename(partial, path)
    };
    let written = tokio::task::spawn_blocking(write).await.unwrap_or_else(|panic| Err(std::io::Error::other(panic)));
    written.map_err(|error| StoreError::Unavailable(format!("cannot write `{}`: {error}", place.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_cannot_be_are_refused_with_the_form() {
        for (url, words) in [
            ("s3://bucket", "bucket and a prefix"),
            ("s3://bucket/", "bucket and a prefix"),
            ("s3:///prefix", "bucket and a prefix"),
            ("ftp://bucket/prefix", "no storage that is known"),
            ("bucket", "no URL"),
        ] {
            let error = RemoteFolder::open(url, None).unwrap_err().to_string();
            assert!(error.contains(words) && error.contains(url), "{error}");
        }
    }

    #[tokio::test]
    async fn the_copy_follows_the_folder() {
        let driver = Arc::new(object_store::memory::InMemory::new());
        let folder = RemoteFolder { url: "s3://b/plugins".to_owned(), driver: driver.clone(), prefix: Path::from("plugins") };
        let target = tempfile::tempdir().unwrap();
        let mut known = BTreeMap::new();
        assert!(folder.copy(target.path(), &mut known).await.unwrap_err().to_string().contains("there is nothing"));
        for (key, text) in [("plugins/components/a.py", "1"), ("plugins/b.txt", "2"), ("plugins-of-others/c.py", "3")] {
            driver.put(&Path::from(key), text.into()).await.unwrap();
        }
        assert!(folder.copy(target.path(), &mut known).await.unwrap());
        assert!(!folder.copy(target.path(), &mut known).await.unwrap());
        let read = |name: &str| std::fs::read_to_string(target.path().join(name)).ok();
        assert_eq!((read("components/a.py").as_deref(), read("b.txt").as_deref(), known.len()), (Some("1"), Some("2"), 2));
        driver.put(&Path::from("plugins/components/a.py"), "new".into()).await.unwrap();
        driver.delete(&Path::from("plugins/b.txt")).await.unwrap();
        assert!(folder.copy(target.path(), &mut known).await.unwrap());
        assert_eq!((read("components/a.py").as_deref(), read("b.txt")), (Some("new"), None));
        // What was removed while no server ran is gone at the next one's first look.
        driver.put(&Path::from("plugins/packages/c.py"), "3".into()).await.unwrap();
        assert!(folder.copy(target.path(), &mut known).await.unwrap());
        driver.delete(&Path::from("plugins/packages/c.py")).await.unwrap();
        let mut known = BTreeMap::new();
        assert!(folder.copy(target.path(), &mut known).await.unwrap());
        assert_eq!((read("components/a.py").as_deref(), read("packages/c.py")), (Some("new"), None));
        // Everything gone at once is a storage that does not answer rightly: the copy stays.
        driver.delete(&Path::from("plugins/components/a.py")).await.unwrap();
        assert!(folder.copy(target.path(), &mut known).await.is_err());
        assert_eq!(read("components/a.py").as_deref(), Some("new"));
    }
}
