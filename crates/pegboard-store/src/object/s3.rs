//! Objects in a bucket.
//!
//! TLS is rustls: the crate's reqwest dependency switches it on in the driver's client without a provider, and the provider
//! (ring) is installed here.

use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, RetryConfig};

use crate::error::StoreError;
use crate::options::S3Options;

/// Connects, and asks for one page of keys so that a wrong name or key is told at the start.
pub(super) async fn open(options: &S3Options) -> Result<Arc<dyn ObjectStore>, StoreError> {
    // The first one in the process wins; whichever it is will do.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let client = ClientOptions::new()
        .with_connect_timeout(Duration::from_secs(5))
        // A large object may take long as long as bytes arrive.
        .with_timeout_disabled()
        .with_read_timeout(Duration::from_secs(60));
    let retry = RetryConfig { max_retries: 6, retry_timeout: Duration::from_secs(30), ..RetryConfig::default() };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&options.bucket)
        .with_region(&options.region)
        .with_client_options(client)
        .with_retry(retry);
    if let Some(endpoint) = &options.endpoint {
        builder = builder
            .with_endpoint(endpoint)
            .with_virtual_hosted_style_request(false)
            .with_allow_http(endpoint.starts_with("http://"));
    }
    if let Some(id) = &options.access_key_id {
        builder = builder.with_access_key_id(id);
    }
    if let Some(secret) = &options.secret_access_key {
        builder = builder.with_secret_access_key(secret);
    }
    let driver = builder.build().map_err(super::from_driver)?;
    let prefix = Path::from(options.prefix.as_str());
    let first = driver.list(Some(&prefix)).try_next().await;
    first.map_err(|error| StoreError::Unavailable(format!("bucket `{}`: {error}", options.bucket)))?;
    Ok(Arc::new(driver))
}
