//! The Flowdapt dialect against the real binary: recorded exchanges, unmodified clients, and bad input row by row.

mod bad_input;
mod bad_runs;
pub(crate) mod clients;
mod compare;
mod configuration;
mod differences;
mod exchange;
mod golden;
mod replay;
