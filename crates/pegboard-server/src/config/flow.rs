//! What runs leave behind.

use std::path::Path;

use pegboard_flow::{Clock, FlowOptions, Retention};
use pegboard_model::Error;

use super::values::Values;

/// Options of the flow from the section `flow`.
///
/// # Errors
/// `setting-invalid`.
pub(super) fn from_values(values: &Values, data: &Path) -> Result<FlowOptions, Error> {
    let retention = values.text("flow.run_retention").map_or(Ok(Retention::default()), |text| {
        text.parse().map_err(|error: Error| {
            let refused = Error::invalid("setting-invalid", format!("`flow.run_retention`: {}", error.message));
            Error { hint: error.hint, ..refused }
        })
    })?;
    Ok(FlowOptions {
        result_limit: values.count("flow.result_limit").unwrap_or(256 << 10),
        log_limit: values.number("flow.log_limit").unwrap_or(64 << 20),
        artifacts_directory: data.join("artifacts"),
        default_namespace: values.text("flow.namespace").unwrap_or_else(|| "default".to_owned()),
        retention,
        clock: Clock::default(),
    })
}
