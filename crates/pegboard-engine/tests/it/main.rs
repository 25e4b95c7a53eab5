//! The engine with real environments and real processes.

mod environment;
mod life;
mod support;
mod workers;
