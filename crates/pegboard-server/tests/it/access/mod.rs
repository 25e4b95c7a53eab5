//! The door: who comes in, and what each may do.

mod clients;
mod matrix;
mod organizations;
mod people;
mod restart;
mod world;
