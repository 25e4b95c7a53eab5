//! Runs end to end: real store, scripted plugins.

mod big;
mod fake;
mod goldens;
mod runs;
mod trouble;
mod world;
