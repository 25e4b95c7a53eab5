//! The real binary in temporary worlds, and the rules of the house.

mod python;
mod tidy;
