//! Every remote plugin: a script on somebody's machine that connects to us, or that we call, and answers runs; and the labelling
//! that these plugins work on.
//!
//! [`Hub`] is the second implementation of `PluginRunner`, beside the engine: a caller cannot tell whether a plugin lives in a
//! local worker or behind a connection. This crate accepts no connection: whoever does calls [`Hub::connect`] and carries frames
//! in and out of the [`Link`]. Everything that decides is in `board`, which knows neither time nor store.

#![forbid(unsafe_code)]

pub mod config;
pub mod hub;
pub mod keyring;
pub mod labelling;
pub mod link;
pub mod options;
pub mod plugins;
pub mod presence;
pub mod sessions;
pub mod wire;

mod board;
mod dispatch;
mod failure;
mod parameters;
mod payload;
mod recorder;
mod rest;
mod runner;

pub use hub::{Hub, HubParts};
pub use keyring::Keyring;
pub use labelling::Labelling;
pub use link::{Ending, Link};
pub use options::{HubOptions, SessionLimits};
pub use plugins::{PluginEdit, PluginScope};
pub use presence::Presence;
pub use sessions::{RunRequest, SessionView, session_not_found};
