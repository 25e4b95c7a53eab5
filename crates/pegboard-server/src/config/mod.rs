//! Settings: from flags, variables, a file and defaults to the options that the rooms take.
//!
//! Everything else sees [`Settings`] only. No other module reads an environment variable.

mod credentials;
mod dashboard;
mod dialect;
#[cfg(test)]
mod dialect_tests;
mod dialect_text;
mod engine;
mod flow;
mod hub;
mod key;
mod layers;
mod log;
mod openid;
mod reference;
mod server;
mod settings;
mod store;
mod units;
mod values;

pub use credentials::has_aws_credentials;
pub use dashboard::{DashboardSettings, PluginFolder};
pub use engine::EngineSettings;
pub use hub::HubSettings;
pub use layers::{FlagValue, Sources, package_index};
pub use log::LogSettings;
pub use openid::OpenidSettings;
pub use reference::{described, reference};
pub use server::ServerSettings;
pub use settings::Settings;
pub use units::{print_duration, print_size};
pub use values::{SettingValue, without_password};

use settings::cores;
