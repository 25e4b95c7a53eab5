//! Where records and objects are kept.

use std::path::PathBuf;

use pegboard_store::{S3Options, StoreOptions};

use super::values::Values;

/// Options of the store from the section `store`.
pub(super) fn from_values(values: &Values, data: PathBuf) -> StoreOptions {
    let s3 = values.text("store.s3_bucket").map(|bucket| S3Options {
        bucket,
        prefix: values.text("store.s3_prefix").unwrap_or_default(),
        endpoint: values.text("store.s3_endpoint"),
        region: values.text("store.s3_region").unwrap_or_default(),
        access_key_id: values.text("store.s3_access_key_id"),
        secret_access_key: values.text("store.s3_secret_access_key"),
    });
    StoreOptions { directory: data, postgres_url: values.text("store.postgres_url"), s3 }
}
