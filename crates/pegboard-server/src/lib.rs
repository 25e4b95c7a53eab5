//! Every listening socket, and the operator's words.
//!
//! [`app`] makes one [`axum::Router`] out of [`Parts`]; [`Settings`] makes the parts' options. The binary `pegboard` joins
//! them: parse, settings, parts, run. No handler knows where a plugin lives, and no status code is named outside of `error`.

#![forbid(unsafe_code)]

mod access;
mod ango;
mod api;
mod app;
pub mod backup;
mod catalog;
pub mod config;
mod dashboard;
mod directory;
mod error;
mod extract;
mod flowdapt;
mod hub;
mod metrics;
mod news;
mod openapi;
mod record;
mod remainder;
mod router;
mod runner;
mod shutdown;
mod ui;

pub use access::{Access, LOCAL_KEY_FILE, LocalKeys, Realm, Route, local_key};
pub use api::{is_standard_module, shape};
pub use app::{App, Parts, app};
pub use config::Settings;
pub use dashboard::{
    DashboardPanel, DashboardPlugin, DashboardPlugins, Message, PanelFailure, PanelRequirements, REQUIREMENTS_FILE,
    keep_dashboard,
};
pub use hub::start_hosted;
pub use news::join;
pub use router::listed as listed_routes;
pub use runner::RunnerRouter;
pub use shutdown::Shutdown;
