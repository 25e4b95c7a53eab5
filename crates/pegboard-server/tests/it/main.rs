//! The app in process, the real binary in temporary worlds, and the rules of the house.

mod api;
mod cli;
mod kill;
mod misuse;
mod python;
mod runs;
mod support;
mod tidy;
