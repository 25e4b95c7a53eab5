//! What runs leave behind.

use std::path::Path;

use pegboard_flow::FlowOptions;

use super::values::Values;

/// Options of the flow from the section `flow`.
pub(super) fn from_values(values: &Values, data: &Path) -> FlowOptions {
    FlowOptions {
        result_limit: values.count("flow.result_limit").unwrap_or(256 << 10),
        log_limit: values.number("flow.log_limit").unwrap_or(64 << 20),
        artifacts_directory: data.join("artifacts"),
        default_namespace: values.text("flow.namespace").unwrap_or_else(|| "default".to_owned()),
    }
}
