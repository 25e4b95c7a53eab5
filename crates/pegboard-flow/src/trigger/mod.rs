//! Trigger rules (Flowdapt specification, section 5): what may be stored, when they fire, and what they do then.
//!
//! Reading order: `cron` and `condition`, the two languages; `timetable`, which schedules are due; `loops`, which triggers are
//! held back; `action`, what a trigger that fires does; `status`, what people can ask.

mod action;
mod check;
mod condition;
mod cron;
mod loops;
mod status;
mod timetable;
mod upcoming;

pub use check::check;
pub use status::TriggerStatus;
pub use upcoming::upcoming;

pub(crate) use action::{Fired, Rules};
pub(crate) use status::Triggers;
pub(crate) use timetable::keep_time;
