//! The engine with real environments and real processes.

mod life;
mod support;
