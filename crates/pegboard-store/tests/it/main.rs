//! The store from outside: one suite for every back end, and what only happens on disk.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "test code outside of test functions")]

mod back_end;
mod backup;
mod catalog;
mod durability;
mod elsewhere;
mod events;
mod hub;
mod labelling;
mod on_disk;
mod resources;
mod sample;
mod schema;
mod suite;
