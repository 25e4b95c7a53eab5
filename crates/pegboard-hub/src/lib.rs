//! Every remote plugin: a script on somebody's machine that connects to us and answers calls.
//!
//! [`Hub`] is the second implementation of `PluginRunner`, beside the engine: a caller cannot tell whether a plugin lives in a
//! local worker or behind a connection. This crate knows no socket: whoever accepts one calls [`Hub::connect`] and carries
//! [`Dispatch`]es out and answers in.

#![forbid(unsafe_code)]

pub mod connection;
pub mod keyring;
pub mod presence;
pub mod runner;

pub use connection::{Connection, Dispatch};
pub use presence::{Presence, PresenceBoard};
pub use runner::Hub;
