//! The API under `/api/v1`. A handler sits in the file of its noun; what is sent is said in [`shape`].

pub(crate) mod administration;
pub(crate) mod apply;
pub(crate) mod assets;
pub(crate) mod audit;
pub(crate) mod catalog;
pub(crate) mod configs;
pub(crate) mod dashboard;
mod difference;
pub(crate) mod events;
pub(crate) mod health;
pub(crate) mod hub;
pub(crate) mod keys;
pub(crate) mod labelling;
pub(crate) mod lineage;
pub(crate) mod news;
pub(crate) mod notices;
pub(crate) mod openid;
pub(crate) mod organizations;
mod parameters;
pub(crate) mod permissions;
pub(crate) mod plugins;
pub(crate) mod projects;
pub(crate) mod reading;
pub(crate) mod resources;
pub(crate) mod runs;
pub(crate) mod search;
pub(crate) mod session;
pub mod shape;
pub(crate) mod status;
pub(crate) mod stream;
mod targets;
pub(crate) mod triggers;
pub(crate) mod users;
pub(crate) mod workers;
pub(crate) mod workflows;

pub use targets::is_standard_module;
