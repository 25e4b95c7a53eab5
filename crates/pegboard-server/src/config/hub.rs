//! What the hub takes and how long it waits.

use std::time::Duration;

use pegboard_hub::HubOptions;

use super::values::Values;

/// Settings of the section `hub`.
#[derive(Clone, Debug)]
pub struct HubSettings {
    /// How long the hub waits.
    pub options: HubOptions,
    /// Largest message of a plugin in bytes.
    pub message_limit: usize,
}

impl HubSettings {
    pub(super) fn from_values(values: &Values) -> Self {
        let defaults = HubOptions::default();
        let duration = |key: &str, default: Duration| values.duration(key).unwrap_or(default);
        let options = HubOptions {
            time_to_live: duration("hub.time_to_live", defaults.time_to_live),
            grace: duration("hub.grace", defaults.grace),
            orphan_grace: duration("hub.orphan_grace", defaults.orphan_grace),
            log_lines: values.number("hub.log_lines").unwrap_or(defaults.log_lines),
            log_bytes: values.number("hub.log_limit").unwrap_or(defaults.log_bytes),
            retention: values.duration("hub.session_retention"),
            ..defaults
        };
        Self { options, message_limit: values.count("hub.message_limit").unwrap_or(32 << 20) }
    }
}
