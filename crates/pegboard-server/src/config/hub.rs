//! What the hub takes and how long it waits.

use std::time::Duration;

use pegboard_hub::HubOptions;
use pegboard_model::Error;

use super::values::Values;

/// Settings of the section `hub`.
#[derive(Clone, Debug)]
pub struct HubSettings {
    /// How long the hub waits.
    pub options: HubOptions,
    /// Where plugins reach this server, without a slash at the end; none: the address that it listens on.
    pub url: Option<String>,
    /// Largest message of a plugin in bytes.
    pub message_limit: usize,
}

impl HubSettings {
    /// # Errors
    /// `setting-invalid`.
    pub(super) fn from_values(values: &Values) -> Result<Self, Error> {
        let defaults = HubOptions::default();
        let duration = |key: &str, default: Duration| values.duration(key).unwrap_or(default);
        let url = values.text("hub.url").map(|url| url.trim_end_matches('/').to_owned());
        if let Some(url) = url.as_deref().filter(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
            return Err(Error::invalid("setting-invalid", format!("`hub.url` is `{url}`, which is not an HTTP URL"))
                .hint("write it as `https://pegboard.example`"));
        }
        let options = HubOptions {
            time_to_live: duration("hub.time_to_live", defaults.time_to_live),
            grace: duration("hub.grace", defaults.grace),
            orphan_grace: duration("hub.orphan_grace", defaults.orphan_grace),
            log_lines: values.number("hub.log_lines").unwrap_or(defaults.log_lines),
            log_bytes: values.number("hub.log_limit").unwrap_or(defaults.log_bytes),
            retention: values.duration("hub.session_retention"),
            ..defaults
        };
        Ok(Self { options, url, message_limit: values.count("hub.message_limit").unwrap_or(32 << 20) })
    }
}
