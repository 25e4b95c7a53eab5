//! The door: who comes in, and what each may do.

mod clients;
mod matrix;
mod openid;
mod organizations;
mod pages;
mod people;
mod record;
mod restart;
mod streams;
mod world;
