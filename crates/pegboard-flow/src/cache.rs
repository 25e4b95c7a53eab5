//! Results that later runs may take instead of calling again.
//!
//! A result is found again under a key made of the target, the version of its source, and everything that the call is given: the
//! results of its dependencies, the run's input where it is used, the configuration and the namespace. What cannot be named that
//! way (a source without a version, a value that cannot be read) is not kept. Entries carry the day of their last use in their
//! key's neighbour; those unused for long are removed.

use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use pegboard_model::{Argument, PluginRunner, Run, StageType, Timestamp, Value};
use pegboard_store::Store;
use serde_json::{Map, Value as Json};

use crate::graph::Node;
use crate::record::now;

/// Where results lie among the objects.
const PREFIX: &str = "cache/";
/// Where the day of the last use of each is noted: `used/<day>/<key>`, empty.
const USED: &str = "cache-used/";
/// A result that no run has asked for in this many days is removed.
const DAYS: i64 = 30;
/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;
/// First byte of what is stored; another one is of another layout and is not read.
const LAYOUT: u8 = 1;
/// Longest result that is kept, in bytes.
const LARGEST: u64 = 4 << 30;

/// Name of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key(String);

/// What a stage is called with.
pub(crate) struct Question {
    target: String,
    arguments: Option<Vec<Argument>>,
    /// JSON of everything else that the call can see.
    sight: String,
}

/// What a look has found.
#[derive(Debug, Default)]
pub(crate) struct Look {
    /// Under which the result is to be kept when none was found.
    pub(crate) key: Option<Key>,
    pub(crate) found: Option<Argument>,
    /// Why there is no key, or no answer.
    pub(crate) trouble: Option<String>,
}

impl Question {
    pub(crate) fn of(node: &Node, arguments: Option<Vec<Argument>>, run: &Run, config: &Map<String, Json>) -> Self {
        // The run's input is given to stages without dependencies, and taken apart for those that run over one of its keys.
        let input = (arguments.is_none() || node.map_on.is_some()).then_some(&run.input);
        let parts = serde_json::json!([
            node.stage_type == StageType::Parameterized,
            node.map_on,
            node.allow_partial_failure,
            sorted(input.map_or(Json::Null, |input| Json::Object(input.clone()))),
            sorted(Json::Object(config.clone())),
            run.namespace,
        ]);
        Self { target: node.target.clone(), arguments, sight: parts.to_string() }
    }
}

/// The order in which keys were written is nothing that a call can tell.
fn sorted(value: Json) -> Json {
    match value {
        Json::Object(entries) => {
            let mut entries: Vec<_> = entries.into_iter().collect();
            entries.sort_by(|(one, _), (other, _)| one.cmp(other));
            Json::Object(entries.into_iter().map(|(key, value)| (key, sorted(value))).collect())
        }
        Json::Array(values) => values.into_iter().map(sorted).collect(),
        other => other,
    }
}

/// Looks for an earlier result. What goes wrong is said, and means that there is none.
pub(crate) async fn look(store: Store, runner: Arc<dyn PluginRunner>, question: Question) -> Look {
    let key = match key(&*runner, question).await {
        Ok(key) => key,
        Err(reason) => return Look { trouble: Some(format!("its result is not cached: {reason}")), ..Look::default() },
    };
    let stored = match store.object(&format!("{PREFIX}{}", key.0)).await {
        Ok(stored) => stored,
        Err(error) => {
            let trouble = Some(format!("the cache could not be read: {error}"));
            return Look { key: Some(key), found: None, trouble };
        }
    };
    let found = match stored {
        Some(stored) => unpacked(&*runner, stored).await,
        None => None,
    };
    if found.is_some() {
        note_use(&store, &key).await;
    }
    Look { key: Some(key), found, trouble: None }
}

/// Keeps a result. What goes wrong costs time in a later run and nothing else.
pub(crate) async fn keep(store: Store, runner: Arc<dyn PluginRunner>, key: Key, argument: Argument) {
    let Some(packed) = packed(&*runner, argument).await else { return };
    match store.put_object(&format!("{PREFIX}{}", key.0), packed).await {
        Ok(()) => note_use(&store, &key).await,
        Err(error) => tracing::warn!(%error, "the result of a stage could not be cached"),
    }
}

async fn note_use(store: &Store, key: &Key) {
    if let Err(error) = store.put_object(&format!("{USED}{:06}/{}", today(now()), key.0), Bytes::new()).await {
        tracing::warn!(%error, "the use of a cached result could not be noted");
    }
}

fn today(now: Timestamp) -> i64 {
    now.0 / DAY
}

/// Removes results that were not used for long. Gives back how many.
pub(crate) async fn remove_unused(store: &Store, now: Timestamp) -> Result<usize, pegboard_store::StoreError> {
    let mut last_use = std::collections::BTreeMap::<String, i64>::new();
    for note in store.object_keys(USED).await? {
        let Some((day, key)) = note.strip_prefix(USED).and_then(|note| note.split_once('/')) else { continue };
        let Ok(day) = day.parse() else { continue };
        let last = last_use.entry(key.to_owned()).or_insert(day);
        *last = day.max(*last);
        if day + DAYS < today(now) {
            store.delete_object(&note).await?;
        }
    }
    let mut removed = 0;
    for (key, last) in last_use {
        if last + DAYS < today(now) {
            store.delete_object(&format!("{PREFIX}{key}")).await?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Removes them once a day.
pub(crate) async fn sweep(store: Store, stop: tokio_util::sync::CancellationToken) {
    loop {
        match remove_unused(&store, now()).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "cached results that were long unused are removed"),
            Err(error) => tracing::warn!(%error, "cached results could not be removed"),
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(86_400)) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn key(runner: &dyn PluginRunner, question: Question) -> Result<Key, String> {
    let Question { target, arguments, sight } = question;
    let version = runner.version(&target).await.ok_or_else(|| format!("the version of `{target}` is not known"))?;
    let mut hasher = blake3::Hasher::new();
    for part in [target.as_bytes(), version.as_bytes(), sight.as_bytes()] {
        add(&mut hasher, b'p', part);
    }
    for argument in arguments.into_iter().flatten() {
        let (mark, values) = match &argument {
            Argument::Single(value) => (b's', std::slice::from_ref(value)),
            Argument::List(values) => (b'l', values.as_slice()),
        };
        add(&mut hasher, mark, &(values.len() as u64).to_le_bytes());
        for value in values {
            hasher = add_value(runner, hasher, value).await?;
        }
    }
    Ok(Key(hasher.finalize().to_hex().to_string()))
}

/// Lengths stand before parts, so that no two lists of parts read the same.
fn add(hasher: &mut blake3::Hasher, mark: u8, part: &[u8]) {
    hasher.update(&[mark]);
    hasher.update(&(part.len() as u64).to_le_bytes());
    hasher.update(part);
}

async fn add_value(runner: &dyn PluginRunner, mut hasher: blake3::Hasher, value: &Value) -> Result<blake3::Hasher, String> {
    if let Value::Inline(pickle) = value {
        add(&mut hasher, b'i', pickle);
        return Ok(hasher);
    }
    let content = runner.content(value).await.ok_or("a value that it is given cannot be read")?;
    // A large one takes a while.
    let hashed = tokio::task::spawn_blocking(move || {
        add(&mut hasher, b'o', &content);
        hasher
    });
    hashed.await.map_err(|error| error.to_string())
}

/// A result as one text of bytes: layout, whether it is a list, then mark, length and content of each value.
async fn packed(runner: &dyn PluginRunner, argument: Argument) -> Option<Bytes> {
    let (is_list, values) = match &argument {
        Argument::Single(value) => (false, std::slice::from_ref(value)),
        Argument::List(values) => (true, values.as_slice()),
    };
    let size: u64 = values.iter().map(|value| value.size() + 9).sum();
    if size > LARGEST {
        tracing::warn!(size, "the result of a stage is too large to be cached");
        return None;
    }
    let mut packed = BytesMut::with_capacity(usize::try_from(size).ok()? + 2);
    packed.put_u8(LAYOUT);
    packed.put_u8(u8::from(is_list));
    for value in values {
        let (mark, content) = match value {
            Value::Inline(pickle) => (0, pickle.clone()),
            Value::Object(_) => (1, runner.content(value).await?),
        };
        packed.put_u8(mark);
        packed.put_u64_le(content.len() as u64);
        packed.extend_from_slice(&content);
    }
    Some(packed.freeze())
}

async fn unpacked(runner: &dyn PluginRunner, mut stored: Bytes) -> Option<Argument> {
    if stored.len() < 2 || stored[0] != LAYOUT {
        return None;
    }
    let is_list = stored[1] == 1;
    let _ = stored.split_to(2);
    let mut values = Vec::new();
    while !stored.is_empty() {
        if stored.len() < 9 {
            return None;
        }
        let head = stored.split_to(9);
        let length = usize::try_from(u64::from_le_bytes(head[1..].try_into().ok()?)).ok()?;
        if stored.len() < length {
            return None;
        }
        let content = stored.split_to(length);
        values.push(match head[0] {
            0 => Value::Inline(content),
            _ => runner.object(content).await?,
        });
    }
    match is_list {
        true => Some(Argument::List(Arc::new(values))),
        false => values.pop().map(Argument::Single),
    }
}
