//! The app in process, the real binary in temporary worlds, and the rules of the house.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod access;
mod ango;
mod api;
mod authoring;
mod catalog;
mod cli;
mod dashboard;
mod demo;
mod errors;
mod events;
mod executors;
mod flowdapt;
mod hub;
mod kill;
mod misuse;
mod python;
mod resources;
mod resume;
mod runs;
mod support;
mod tidy;
