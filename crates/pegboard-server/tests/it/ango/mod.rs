//! Ango's HTTP dialect against the real binary: unmodified SDKs of three releases, bad input row by row, files, and data in and
//! out by the command line.

mod ask;
mod bad_input;
mod big;
mod clients;
mod data;
mod stages;
