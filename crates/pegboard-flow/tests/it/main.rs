//! Runs end to end: real store, scripted plugins.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod asked;
mod big;
mod fake;
mod goldens;
mod runs;
mod triggers;
mod trouble;
mod world;
