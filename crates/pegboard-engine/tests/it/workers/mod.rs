//! Workers as real processes: an environment of the machine's own Python, no network.

mod calls;
mod failures;
mod foreign_host;
mod lifetimes;
mod values;
mod world;
