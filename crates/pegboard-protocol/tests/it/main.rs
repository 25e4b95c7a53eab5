//! The golden messages: files that both sides read, so that neither can change a byte alone.

#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use pegboard_protocol::{Decoder, Frame, FromWorker, FromZygote, Part, ToWorker, ToZygote};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// One file: a message as people read it, and as it goes over the wire.
#[derive(Deserialize)]
struct Golden {
    channel: String,
    header: serde_json::Value,
    parts: Vec<String>,
    frame: String,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/messages")
}

fn all() -> BTreeMap<String, Golden> {
    std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let golden = serde_json::from_slice(&std::fs::read(&path).unwrap());
            (name.clone(), golden.unwrap_or_else(|error| panic!("{name}: {error}")))
        })
        .collect()
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    assert!(hexadecimal.len().is_multiple_of(2), "an odd number of digits");
    (0..hexadecimal.len()).step_by(2).map(|at| u8::from_str_radix(&hexadecimal[at..at + 2], 16).unwrap()).collect()
}

/// Decodes the header into the message and encodes it again; the name that the variant's file must begin with.
fn again<M: DeserializeOwned + Serialize>(header: &[u8], name: impl Fn(&M) -> &'static str) -> (Vec<u8>, &'static str) {
    let message: M = serde_json::from_slice(header).unwrap();
    (serde_json::to_vec(&message).unwrap(), name(&message))
}

// A new variant does not compile before it is named here, and does not pass before it has a file.

const TO_WORKER: [&str; 11] =
    ["hello", "ping", "cancel", "stop", "load", "stage", "expand", "items", "encode", "response", "invoke"];

fn to_worker(message: &ToWorker) -> &'static str {
    TO_WORKER[match message {
        ToWorker::Hello { .. } => 0,
        ToWorker::Ping { .. } => 1,
        ToWorker::Cancel { .. } => 2,
        ToWorker::Stop => 3,
        ToWorker::Load { .. } => 4,
        ToWorker::Stage { .. } => 5,
        ToWorker::Expand { .. } => 6,
        ToWorker::Items { .. } => 7,
        ToWorker::Encode { .. } => 8,
        ToWorker::Response { .. } => 9,
        ToWorker::Invoke { .. } => 10,
    }]
}

const FROM_WORKER: [&str; 9] = ["hello", "pong", "loaded", "items", "finished", "failed", "log", "progress", "request"];

fn from_worker(message: &FromWorker) -> &'static str {
    FROM_WORKER[match message {
        FromWorker::Hello { .. } => 0,
        FromWorker::Pong { .. } => 1,
        FromWorker::Loaded { .. } => 2,
        FromWorker::Items { .. } => 3,
        FromWorker::Finished { .. } => 4,
        FromWorker::Failed { .. } => 5,
        FromWorker::Log { .. } => 6,
        FromWorker::Progress { .. } => 7,
        FromWorker::Request { .. } => 8,
    }]
}

const TO_ZYGOTE: [&str; 1] = ["fork"];

fn to_zygote(message: &ToZygote) -> &'static str {
    TO_ZYGOTE[match message {
        ToZygote::Fork { .. } => 0,
    }]
}

const FROM_ZYGOTE: [&str; 4] = ["parked", "forked", "fork-failed", "exited"];

fn from_zygote(message: &FromZygote) -> &'static str {
    FROM_ZYGOTE[match message {
        FromZygote::Parked { .. } => 0,
        FromZygote::Forked { .. } => 1,
        FromZygote::ForkFailed { .. } => 2,
        FromZygote::Exited { .. } => 3,
    }]
}

#[test]
fn every_file_decodes_and_encodes_to_the_same_bytes() {
    for (name, golden) in all() {
        let wire = bytes(&golden.frame);
        let mut decoder = Decoder::default();
        decoder.space().extend_from_slice(&wire);
        let frame = decoder.next_frame().unwrap().unwrap_or_else(|| panic!("{name}: the frame is not whole"));
        assert!(!decoder.is_inside_frame(), "{name}: bytes after the frame");
        let told: serde_json::Value = serde_json::from_slice(&frame.header).unwrap();
        assert_eq!(told, golden.header, "{name}: the header is not the one in the frame");
        let parts: Vec<Bytes> = golden.parts.iter().map(|part| bytes(part).into()).collect();
        assert_eq!(frame.parts, parts, "{name}: the parts are not those in the frame");
        let (header, variant) = match golden.channel.as_str() {
            "to-worker" => again::<ToWorker>(&frame.header, to_worker),
            "from-worker" => again::<FromWorker>(&frame.header, from_worker),
            "to-zygote" => again::<ToZygote>(&frame.header, to_zygote),
            "from-zygote" => again::<FromZygote>(&frame.header, from_zygote),
            other => panic!("{name}: unknown channel `{other}`"),
        };
        assert!(name.starts_with(&format!("{}-{variant}", golden.channel)), "{name} holds a `{variant}`");
        assert_eq!(String::from_utf8_lossy(&header), String::from_utf8_lossy(&frame.header), "{name}");
        let parts: Vec<Bytes> =
            frame.parts.iter().enumerate().map(|(index, part)| Part::decode(index, part.clone()).unwrap().encode()).collect();
        assert_eq!(parts, frame.parts, "{name}: a part does not encode to the same bytes");
        assert_eq!(Frame { header: header.into(), parts }.encode(), wire, "{name}");
    }
}

#[test]
fn every_message_has_a_file() {
    let files = all();
    for (channel, variants) in
        [("to-worker", &TO_WORKER[..]), ("from-worker", &FROM_WORKER), ("to-zygote", &TO_ZYGOTE), ("from-zygote", &FROM_ZYGOTE)]
    {
        for variant in variants {
            assert!(files.contains_key(&format!("{channel}-{variant}")), "`{channel}-{variant}.json` is missing");
        }
    }
}
