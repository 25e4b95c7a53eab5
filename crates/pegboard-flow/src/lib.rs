//! Every decision about order.
//!
//! A workflow is read ([`document`]), its names become a graph, the graph a plan. A run of it is a pure state machine: events
//! in, commands out, no clock, no channel, no store. A driver per run carries its commands to the plugins through the
//! `PluginRunner` port, and what happened to the recorder, the one way into the store. This crate never starts a process,
//! opens no socket and reads no file; what a value is it does not know.
//!
//! Reading order: [`document`] over `node` and `nearest`; `graph`, `plan`; `machine` with `fan_out` and `batch`; `driver` with
//! `calls`, `context`, `record` and `outbox`; what stages ask for: `asks`, `retry`, [`resources`] and `gate`, `cache`, `resume`;
//! `recorder`; [`events`]; [`flow`], the handle.

#![forbid(unsafe_code)]

pub mod clock;
pub mod document;
pub mod events;
pub mod flow;
pub mod resources;
pub mod retention;
pub mod trigger;

mod asks;
mod batch;
mod cache;
mod calls;
mod chance;
mod config;
mod context;
mod drain;
mod driver;
mod event_log;
mod fan_out;
mod gate;
mod graph;
mod launch;
mod machine;
mod names;
mod nearest;
mod node;
mod outbox;
mod plan;
mod record;
mod recorder;
mod resume;
mod retry;

pub use clock::Clock;
pub use document::{ConfigDocument, Document, ResourceDocument, TriggerDocument, Warnings, WorkflowDocument};
pub use events::RunEvent;
pub use flow::{Flow, FlowOptions};
pub use node::read_yaml;
pub use resources::{Limit, Resources};
pub use retention::Retention;
pub use trigger::TriggerStatus;
