//! The store from outside: one suite for every back end, and what only happens on disk.

mod back_end;
mod sample;
mod suite;
