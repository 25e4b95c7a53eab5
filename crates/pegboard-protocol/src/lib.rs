//! Every byte between the engine and a worker.
//!
//! Messages, frames and the version handshake. Takes and gives bytes; opens, reads and maps nothing, knows no clock and no
//! noun of the model: a refactor there cannot change what goes over the wire. `docs/protocol.md` tells the story, the golden
//! files in `fixtures/messages` are read by the tests here and by those of the Python side.

#![forbid(unsafe_code)]

pub mod error;
pub mod frame;
pub mod hello;
pub mod message;
pub mod part;
mod raw;

pub use error::Error;
pub use frame::{Decoder, Frame};
pub use hello::{Features, PROTOCOL, ProtocolVersion};
pub use message::{
    ArgumentShape, ContextReference, ExecutorChoice, FromWorker, FromZygote, Limits, ToWorker, ToZygote, WireFailure,
};
pub use part::Part;
