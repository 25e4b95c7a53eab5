//! The engine with real environments and real processes.

mod environment;
mod life;
mod scripts;
mod support;
mod workers;
