//! What clients say: heartbeat, log, response (Ango specification, 2.4 to 2.7).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use pegboard_model::{HubId, LogLevel, SessionProgress};
use serde_json::{Map, Value as Json, json};

/// Longest text of a line in bytes; what is longer is cut.
const LINE: usize = 16 << 10;
/// Longest text of what a logger was given besides.
const MORE: usize = 4 << 10;

/// Who the script says that it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Heartbeat {
    /// As it was said; may be no id at all.
    pub id: String,
    /// As it was said.
    pub secret: String,
}

impl Heartbeat {
    /// None when it is not an object with both texts.
    #[must_use]
    pub fn read(payload: &Json) -> Option<Self> {
        let text = |key: &str| payload.get(key)?.as_str().map(str::to_owned);
        Some(Self { id: text("id")?, secret: text("secret")? })
    }
}

/// One line, and what can be read off it.
#[derive(Clone, PartialEq, Debug)]
pub struct Line {
    /// Whose it is; none when the script had none to say.
    pub session: Option<HubId>,
    /// How bad it is.
    pub level: LogLevel,
    /// Cut when it is long.
    pub text: String,
    /// What else the logger was given.
    pub more: Map<String, Json>,
    /// `[total/done]` in the text.
    pub progress: Option<SessionProgress>,
}

impl Line {
    /// Reads a payload of either form (2.6, and `message` for `msg` as in section 3). None when it is not an object.
    #[must_use]
    pub fn read(payload: Json) -> Option<Self> {
        let Json::Object(mut entries) = payload else { return None };
        let session = session(entries.remove("session").as_ref());
        let level = level(entries.remove("level").as_ref());
        let said = entries.remove("msg").or_else(|| entries.remove("message"));
        let text = match said {
            Some(Json::String(text)) => text,
            None | Some(Json::Null) => String::new(),
            Some(other) => other.to_string(),
        };
        let progress = progress(&text);
        for ours in ["organization", "pluginId", "runBy"] {
            entries.remove(ours);
        }
        if serde_json::to_string(&entries).map_or(usize::MAX, |text| text.len()) > MORE {
            entries = Map::from_iter([("…".to_owned(), json!("too long to keep"))]);
        }
        Some(Self { session, level, text: cut(text), more: entries, progress })
    }
}

/// What a run ended with.
#[derive(Clone, PartialEq, Debug)]
pub struct Response {
    /// Whose it is; none when the script had none to say.
    pub session: Option<HubId>,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a run ended.
#[derive(Clone, PartialEq, Debug)]
pub enum Outcome {
    /// With this.
    Result(Json),
    /// Export: the file is there.
    Export(String),
    /// It failed; why was said in the log before.
    Error,
}

impl Response {
    /// Reads the payload of a `response`, or of an acknowledgement that stands for one. None when it is neither.
    #[must_use]
    pub fn read(payload: Json) -> Option<Self> {
        let Json::Object(mut entries) = payload else { return None };
        let session = session(entries.get("session"));
        if is_true(entries.get("error")) {
            return Some(Self { session, outcome: Outcome::Error });
        }
        let response = entries.remove("response")?;
        let outcome = match response {
            Json::String(url) if is_true(entries.get("export")) => Outcome::Export(url),
            other => Outcome::Result(other),
        };
        Some(Self { session, outcome })
    }
}

fn is_true(value: Option<&Json>) -> bool {
    value == Some(&Json::Bool(true))
}

fn session(value: Option<&Json>) -> Option<HubId> {
    value?.as_str()?.parse().ok()
}

fn level(value: Option<&Json>) -> LogLevel {
    let word = value.and_then(Json::as_str).unwrap_or_default();
    match word.to_ascii_uppercase().as_str() {
        "DEBUG" => LogLevel::Debug,
        "WARNING" | "WARN" => LogLevel::Warning,
        "ERROR" | "CRITICAL" | "FATAL" => LogLevel::Error,
        other => match other.strip_prefix("LEVEL ").and_then(|number| number.parse::<i64>().ok()) {
            Some(40..) => LogLevel::Error,
            Some(30..) => LogLevel::Warning,
            Some(..20) => LogLevel::Debug,
            _ => LogLevel::Info,
        },
    }
}

/// The text, or as much of it as a line may have.
pub(crate) fn cut(mut text: String) -> String {
    if text.len() > LINE {
        let mut end = LINE;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}

/// `[120/40]`: 40 of 120 done.
fn progress(text: &str) -> Option<SessionProgress> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let starts = text.rmatch_indices('[').map(|(at, _)| &text[at + 1..]);
    let mut pairs = starts.filter_map(|rest| rest.split_once(']')?.0.split_once('/'));
    pairs.find_map(|(total, done)| {
        let both = digits(total) && digits(done);
        both.then(|| Some(SessionProgress { total: total.parse().ok()?, done: done.parse().ok()? })).flatten()
    })
}

/// Puts the attachments of a binary message where their placeholders are, as `{"base64": …}`.
pub(crate) fn attach(value: &mut Json, attachments: &[Bytes]) {
    match value {
        Json::Object(entries) => {
            if is_true(entries.get("_placeholder")) {
                let number = entries.get("num").and_then(Json::as_u64).and_then(|number| usize::try_from(number).ok());
                let bytes = number.and_then(|number| attachments.get(number));
                *value = bytes.map_or(Json::Null, |bytes| json!({ "base64": STANDARD.encode(bytes) }));
                return;
            }
            entries.values_mut().for_each(|value| attach(value, attachments));
        }
        Json::Array(items) => items.iter_mut().for_each(|value| attach(value, attachments)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "64e5f00d0000000000000005";

    #[test]
    fn heartbeats() {
        let read = |json| Heartbeat::read(&json);
        assert_eq!(read(json!({"id": "p", "secret": "s"})), Some(Heartbeat { id: "p".into(), secret: "s".into() }));
        for wrong in [json!(null), json!("x"), json!({"id": "p"}), json!({"id": 1, "secret": "s"}), json!([])] {
            assert_eq!(read(wrong), None);
        }
    }

    #[test]
    fn lines() {
        let line = Line::read(json!({
            "level": "INFO", "organization": "o", "pluginId": "p", "runBy": "u", "session": ID, "msg": "Uploaded: [120/40]", "progress": 0.4
        }))
        .unwrap();
        assert_eq!(line.session.unwrap().to_string(), ID);
        assert_eq!((line.level, line.text.as_str()), (LogLevel::Info, "Uploaded: [120/40]"));
        assert_eq!(line.progress, Some(SessionProgress { total: 120, done: 40 }));
        assert_eq!(line.more, Map::from_iter([("progress".to_owned(), json!(0.4))]));
        for (word, level) in [
            ("DEBUG", LogLevel::Debug),
            ("CRITICAL", LogLevel::Error),
            ("Level 35", LogLevel::Warning),
            ("Level 5", LogLevel::Debug),
            ("odd", LogLevel::Info),
        ] {
            assert_eq!(Line::read(json!({"level": word, "msg": 1, "session": ""})).unwrap().level, level, "{word}");
        }
        let rest = Line::read(json!({"pluginId": "p", "level": "error", "message": "x"})).unwrap();
        assert_eq!((rest.text.as_str(), rest.session), ("x", None));
        assert_eq!(Line::read(json!("text")), None);
        let long = Line::read(json!({"msg": "ü".repeat(20_000), "a": "x".repeat(10_000)})).unwrap();
        assert!(long.text.len() < LINE + 8 && long.text.ends_with('…') && long.more.len() == 1);
    }

    #[test]
    fn progress_is_total_first() {
        for (text, expected) in [
            ("Files Uploaded: [120/40]", Some((120, 40))),
            ("[a/b] [1/0] [3/2]", Some((3, 2))),
            ("[1/]", None),
            ("[/1]", None),
            ("[99999999999999999999/1]", None),
            ("1/2", None),
            ("[-1/2]", None),
        ] {
            assert_eq!(progress(text).map(|progress| (progress.total, progress.done)), expected, "{text}");
        }
    }

    #[test]
    fn responses_of_three_shapes() {
        let outcome = |json| Response::read(json).map(|response| response.outcome);
        assert_eq!(outcome(json!({"response": "done", "session": ID})), Some(Outcome::Result(json!("done"))));
        assert_eq!(outcome(json!({"response": null, "session": ID})), Some(Outcome::Result(json!(null))));
        assert_eq!(
            outcome(json!({"export": true, "response": "http://x", "session": ID})),
            Some(Outcome::Export("http://x".into()))
        );
        assert_eq!(outcome(json!({"error": true, "session": ID})), Some(Outcome::Error));
        for wrong in [json!({"session": ID}), json!(true), json!([]), json!({"error": false})] {
            assert_eq!(outcome(wrong), None);
        }
        assert_eq!(Response::read(json!({"response": 1, "session": ""})).unwrap().session, None);
    }

    #[test]
    fn attachments_take_their_places() {
        let mut value = json!({"a": [{"_placeholder": true, "num": 0}, {"_placeholder": true, "num": 7}], "b": {"num": 1}});
        attach(&mut value, &[Bytes::from_static(b"hi")]);
        assert_eq!(value, json!({"a": [{"base64": "aGk="}, null], "b": {"num": 1}}));
    }
}
