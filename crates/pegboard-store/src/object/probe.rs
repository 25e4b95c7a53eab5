//! A look into somebody's bucket, to tell whether credentials are good.

use std::time::Duration;

use futures::TryStreamExt as _;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::{ClientOptions, ObjectStore, RetryConfig};

use super::from_driver;
use crate::error::StoreError;

/// How long the whole look may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Objects that are counted; a bucket may hold millions.
const MOST: usize = 1000;

/// A bucket and what opens it.
#[derive(Clone)]
pub enum Bucket {
    /// Amazon S3, or what speaks like it.
    S3 {
        /// For example `eu-central-1`; may be empty.
        region: String,
        /// Address of a service that is not Amazon's.
        endpoint: Option<String>,
        /// Access key id.
        key: String,
        /// Secret access key.
        secret: String,
    },
    /// Google Cloud Storage: a service account's JSON.
    Gcs(String),
    /// Azure Blob Storage.
    Azure {
        /// Name of the account.
        account: String,
        /// Its access key.
        key: String,
    },
}

/// How many objects the bucket has, at most 1,000 are counted.
///
/// # Errors
/// [`StoreError::Unavailable`] with what the service said.
pub async fn probe(bucket: Bucket, name: &str) -> Result<usize, StoreError> {
    // The first one in the process wins; whichever it is will do.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let client = ClientOptions::new().with_connect_timeout(PATIENCE / 2).with_timeout(PATIENCE);
    let retry = RetryConfig { max_retries: 0, retry_timeout: PATIENCE, ..RetryConfig::default() };
    let driver: Box<dyn ObjectStore> = match bucket {
        Bucket::S3 { region, endpoint, key, secret } => {
            let region = if region.is_empty() { "us-east-1".to_owned() } else { region };
            let mut builder = AmazonS3Builder::new().with_bucket_name(name).with_region(region);
            builder =
                builder.with_access_key_id(key).with_secret_access_key(secret).with_client_options(client).with_retry(retry);
            if let Some(endpoint) = endpoint {
                let is_plain = endpoint.starts_with("http://");
                builder = builder.with_endpoint(endpoint).with_virtual_hosted_style_request(false).with_allow_http(is_plain);
            }
            Box::new(builder.build().map_err(from_driver)?)
        }
        Bucket::Gcs(account) => {
            let builder = GoogleCloudStorageBuilder::new().with_bucket_name(name).with_service_account_key(account);
            Box::new(builder.with_client_options(client).with_retry(retry).build().map_err(from_driver)?)
        }
        Bucket::Azure { account, key } => {
            let builder = MicrosoftAzureBuilder::new().with_container_name(name).with_account(account).with_access_key(key);
            Box::new(builder.with_client_options(client).with_retry(retry).build().map_err(from_driver)?)
        }
    };
    let mut listed = driver.list(None);
    let look = async {
        let mut found = 0;
        while found < MOST && listed.try_next().await.map_err(from_driver)?.is_some() {
            found += 1;
        }
        Ok(found)
    };
    let late = |_| StoreError::Unavailable("the bucket did not answer within ten seconds".to_owned());
    tokio::time::timeout(PATIENCE, look).await.map_err(late)?
}
