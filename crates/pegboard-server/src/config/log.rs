//! What the server says about itself on standard error.

use pegboard_model::Error;

use super::values::Values;

/// Settings of the section `log`.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// A tracing filter.
    pub level: String,
    /// One JSON object per line instead of text.
    pub json: bool,
}

impl LogSettings {
    pub(super) fn from_values(values: &Values) -> Result<Self, Error> {
        let invalid = |key: &str, value: &str, hint: &str| {
            Err(Error::invalid("setting-invalid", format!("`{key}` is `{value}`, which is not one of its values")).hint(hint))
        };
        let level = values.text("log.level").unwrap_or_default();
        if level.parse::<tracing_subscriber::EnvFilter>().is_err() {
            return invalid("log.level", &level, "write `error`, `warn`, `info`, `debug` or `trace`");
        }
        match values.text("log.format").unwrap_or_default().as_str() {
            "text" => Ok(Self { level, json: false }),
            "json" => Ok(Self { level, json: true }),
            other => invalid("log.format", other, "write `text` or `json`"),
        }
    }
}
