//! Workers as real processes: an environment of the machine's own Python, no network.

#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]

mod calls;
mod failures;
mod foreign_host;
mod lifetimes;
mod values;
mod world;
