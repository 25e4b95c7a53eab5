//! Between the model's nouns and the protocol's messages.
//!
//! Invariant: values pass through unread; a small one is copied once into its part, a large one goes as its descriptor.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use bytes::Bytes;
use pegboard_model::{Argument, Call, Failure, FailureKind, ItemOutcome, LogLevel, Operation, Value};
use pegboard_protocol::frame::MAX_BODY;
use pegboard_protocol::{ArgumentShape, ContextReference, Frame, Limits, Part, ToWorker, WireFailure};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::WorkerLimits;
use crate::shm::{Blocks, SharedBlock};

/// What to do when two versions do not fit.
pub(crate) const VERSION_HINT: &str = "the unpacked worker host does not belong to this server: stop the server, delete `host` in its data directory and start it again";

/// A frame to send and the descriptors that belong to it.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) frame: Frame,
    pub(crate) descriptors: Vec<Arc<OwnedFd>>,
}

/// A frame with this message as its header.
pub(crate) fn frame(message: &impl Serialize, parts: Vec<Bytes>) -> Frame {
    // The messages are plain structures with string keys: serializing them cannot fail.
    Frame { header: serde_json::to_vec(message).unwrap_or_default().into(), parts }
}

/// The message that asks for a call. `with_context`: the worker has not seen this run yet.
pub(crate) async fn request(call: &Call, number: u64, with_context: bool) -> Result<Outgoing, Failure> {
    let context =
        ContextReference { id: call.context.id.clone(), body: if with_context { Some(raw(&call.context.json)?) } else { None } };
    let stage = call.stage.clone();
    let mut parts = Parts::default();
    let mut message = match &call.operation {
        Operation::Stage { target, arguments } => {
            let arguments = parts.arguments(arguments.as_deref()).await?;
            ToWorker::Stage { call: number, stage, context, target: target.clone(), arguments, descriptors: 0 }
        }
        Operation::Expand { map_on, arguments } => {
            let arguments = parts.arguments(arguments.as_deref()).await?;
            ToWorker::Expand { call: number, stage, context, map_on: map_on.clone(), arguments, descriptors: 0 }
        }
        Operation::Items { target, map_on, arguments, first, items, stop_on_failure } => {
            let arguments = parts.arguments(arguments.as_deref()).await?;
            for item in items {
                parts.push(item).await?;
            }
            ToWorker::Items {
                call: number,
                stage,
                context,
                target: target.clone(),
                map_on: map_on.clone(),
                arguments,
                first: *first,
                count: items.len(),
                stop_on_failure: *stop_on_failure,
                descriptors: 0,
            }
        }
        Operation::Encode { argument } => {
            let argument = parts.argument(argument).await?;
            ToWorker::Encode { call: number, context, argument, descriptors: 0 }
        }
        Operation::Invoke { name, payload } => {
            parts.json(payload.clone());
            ToWorker::Invoke { call: number, target: name.clone() }
        }
    };
    if parts.size > MAX_BODY {
        return Err(Failure::noticed(
            FailureKind::Exhausted,
            format!(
                "the small arguments of stage `{}` are {} bytes together, one message carries {MAX_BODY}",
                call.stage, parts.size
            ),
        )
        .hint("pass fewer values at once, or larger ones: large values travel outside of the message"));
    }
    match &mut message {
        ToWorker::Stage { descriptors, .. }
        | ToWorker::Expand { descriptors, .. }
        | ToWorker::Items { descriptors, .. }
        | ToWorker::Encode { descriptors, .. } => *descriptors = parts.descriptors.len(),
        _ => {}
    }
    Ok(Outgoing { frame: frame(&message, parts.parts), descriptors: parts.descriptors })
}

/// The answer to a request of the plugin.
pub(crate) async fn response(request: u64, found: bool, value: Option<&Value>) -> Outgoing {
    let mut parts = Parts::default();
    let failure = match value {
        Some(value) => parts.push(value).await.err().map(|failure| WireFailure {
            kind: "raised".to_owned(),
            class: "OSError".to_owned(),
            message: failure.message,
            traceback: None,
            hint: failure.hint,
        }),
        None => None,
    };
    refusal_or(request, found, failure, parts)
}

/// The answer to a request that cannot be granted.
pub(crate) fn refusal(request: u64, message: String) -> Outgoing {
    let failure = WireFailure { kind: "raised".to_owned(), class: "ValueError".to_owned(), message, ..WireFailure::default() };
    refusal_or(request, false, Some(failure), Parts::default())
}

fn refusal_or(request: u64, found: bool, failure: Option<WireFailure>, parts: Parts) -> Outgoing {
    let message = ToWorker::Response { request, found, failure, descriptors: parts.descriptors.len() };
    Outgoing { frame: frame(&message, parts.parts), descriptors: parts.descriptors }
}

#[derive(Default)]
struct Parts {
    parts: Vec<Bytes>,
    descriptors: Vec<Arc<OwnedFd>>,
    size: u64,
}

impl Parts {
    async fn arguments(&mut self, arguments: Option<&[Argument]>) -> Result<Option<Vec<ArgumentShape>>, Failure> {
        let Some(arguments) = arguments else { return Ok(None) };
        let mut shapes = Vec::with_capacity(arguments.len());
        for argument in arguments {
            shapes.push(self.argument(argument).await?);
        }
        Ok(Some(shapes))
    }

    async fn argument(&mut self, argument: &Argument) -> Result<ArgumentShape, Failure> {
        match argument {
            Argument::Single(value) => {
                self.push(value).await?;
                Ok(ArgumentShape::Single)
            }
            Argument::List(values) => {
                for value in values.iter() {
                    self.push(value).await?;
                }
                Ok(ArgumentShape::List { count: values.len() })
            }
        }
    }

    fn json(&mut self, text: Bytes) {
        let part = Part::Json(text).encode();
        self.size += part.len() as u64;
        self.parts.push(part);
    }

    async fn push(&mut self, value: &Value) -> Result<(), Failure> {
        let part = match value {
            Value::Inline(bytes) => Part::Inline(bytes.clone()),
            Value::Object(handle) => {
                let block = handle.downcast::<SharedBlock>().ok_or_else(|| {
                    Failure::noticed(
                        FailureKind::Unavailable,
                        "a value lives in another server and cannot be passed to this worker",
                    )
                })?;
                let opened = block.open().await.map_err(|error| {
                    Failure::noticed(
                        FailureKind::Exhausted,
                        format!("a value of {} bytes cannot be opened: {error}", handle.size()),
                    )
                    .hint("look at the number of open files and at the disk of the data directory")
                })?;
                self.descriptors.push(opened);
                Part::Shared { descriptor: self.descriptors.len() - 1, size: handle.size() }
            }
        };
        let part = part.encode();
        self.size += part.len() as u64;
        self.parts.push(part);
        Ok(())
    }
}

fn raw(json: &Bytes) -> Result<Box<RawValue>, Failure> {
    std::str::from_utf8(json)
        .ok()
        .and_then(|text| serde_json::from_str::<Box<RawValue>>(text).ok())
        .ok_or_else(|| Failure::noticed(FailureKind::Protocol, "the context of the run is not JSON"))
}

/// The parts of a frame from a worker, with its descriptors; each can be used once.
#[derive(Debug)]
pub(crate) struct Incoming<'a> {
    blocks: &'a Blocks,
    descriptors: Vec<Option<OwnedFd>>,
}

impl<'a> Incoming<'a> {
    pub(crate) fn new(blocks: &'a Blocks, descriptors: Vec<OwnedFd>) -> Self {
        Self { blocks, descriptors: descriptors.into_iter().map(Some).collect() }
    }

    /// One value. The error says what is wrong with it.
    pub(crate) fn value(&mut self, index: usize, part: Bytes) -> Result<Value, String> {
        match Part::decode(index, part).map_err(|error| error.to_string())? {
            Part::Failure(_) => Err(format!("part {index} is a failure where a value belongs")),
            other => self.held(index, other),
        }
    }

    /// One item of a batch.
    pub(crate) fn outcome(&mut self, index: usize, part: Bytes) -> Result<ItemOutcome, String> {
        match Part::decode(index, part).map_err(|error| error.to_string())? {
            Part::Failure(told) => Ok(ItemOutcome::Failure(failure(told))),
            other => self.held(index, other).map(ItemOutcome::Value),
        }
    }

    fn held(&mut self, index: usize, part: Part) -> Result<Value, String> {
        match part {
            Part::Inline(bytes) | Part::Json(bytes) => Ok(Value::Inline(bytes)),
            Part::Shared { descriptor, size } => {
                let taken = self.descriptors.get_mut(descriptor).and_then(Option::take);
                let taken = taken.ok_or_else(|| format!("part {index} names descriptor {descriptor}, which is not there"))?;
                self.blocks.adopt(taken, size).map_err(|error| error.to_string())
            }
            Part::Failure(_) => Err(format!("part {index} is a failure where a value belongs")),
        }
    }
}

/// A failure that a worker tells.
pub(crate) fn failure(told: WireFailure) -> Failure {
    let kind = match told.kind.as_str() {
        "load" => FailureKind::Load,
        "target" => FailureKind::Target,
        "unpicklable" => FailureKind::Unpicklable,
        "memory" => FailureKind::Memory,
        "cancelled" => FailureKind::Cancelled,
        _ => FailureKind::Raised,
    };
    Failure { kind, class: told.class, message: told.message, traceback: told.traceback, hint: told.hint }
}

/// Level of a record of the structured logger.
pub(crate) fn level(name: &str) -> LogLevel {
    match name {
        "debug" => LogLevel::Debug,
        "warning" => LogLevel::Warning,
        "error" | "critical" => LogLevel::Error,
        _ => LogLevel::Info,
    }
}

/// Limits as the worker takes them.
pub(crate) fn limits(limits: &WorkerLimits) -> Limits {
    Limits {
        memory_bytes: limits.memory_bytes.map(|memory| memory.saturating_add(limits.mapped_bytes)),
        cpu_seconds: limits.cpu_seconds,
        file_bytes: limits.file_bytes,
        open_files: limits.open_files,
        processes: limits.processes,
    }
}
