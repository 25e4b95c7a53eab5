//! What clients say: heartbeat, log, response (Ango specification, 2.4 to 2.7), and what our own client says beyond that: which
//! process it is and which sessions it still works on, how far a session is, why it failed.

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
    /// What our own client says besides.
    pub native: Option<Native>,
}

/// What a client says that knows more than the released ones: it takes `welcome`, `refused` and `cancel`, and says `progress`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Native {
    /// Tells one process from the next one of the same plugin.
    pub process: String,
    /// Sessions that it has not answered, or whose answer was not confirmed.
    pub running: Vec<HubId>,
    /// Sessions that it works on at once.
    pub concurrency: Option<u32>,
}

impl Heartbeat {
    /// None when it is not an object with both texts.
    #[must_use]
    pub fn read(payload: &Json) -> Option<Self> {
        let text = |key: &str| payload.get(key)?.as_str().map(str::to_owned);
        let running = || payload.get("running").and_then(Json::as_array).into_iter().flatten();
        let native = text("process").map(|process| Native {
            process,
            running: running().filter_map(|id| id.as_str()?.parse().ok()).collect(),
            concurrency: payload
                .get("concurrency")
                .and_then(Json::as_u64)
                .map(|most| u32::try_from(most).unwrap_or(u32::MAX).max(1)),
        });
        Some(Self { id: text("id")?, secret: text("secret")?, native })
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
    /// Why it failed, when the client says so.
    pub reason: Option<String>,
    /// It ended because we asked for it.
    pub is_cancelled: bool,
}

/// How far a run is, from a client that says it.
#[derive(Clone, PartialEq, Debug)]
pub struct Progress {
    /// Whose it is.
    pub session: HubId,
    /// In whole units; none when the whole is not known.
    pub progress: Option<SessionProgress>,
}

impl Progress {
    /// Reads the payload of a `progress`. None when it is none.
    #[must_use]
    pub fn read(payload: &Json) -> Option<Self> {
        let session = session(payload.get("session"))?;
        let number = |key: &str| payload.get(key).and_then(Json::as_f64).filter(|number| number.is_finite() && *number >= 0.0);
        let whole = |total: f64, done: f64| {
            // A share, as `0.4` of `1`, is told in thousandths.
            let is_whole = total.fract() == 0.0 && done.fract() == 0.0;
            let (total, done) = if is_whole { (total, done) } else { (1000.0, done / total * 1000.0) };
            // Numbers this large are not counted; a conversion beyond the range stops at its end.
            SessionProgress { total: total as u64, done: done as u64 }
        };
        let progress = number("total").filter(|total| *total > 0.0).and_then(|total| Some(whole(total, number("done")?)));
        Some(Self { session, progress })
    }
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
            let is_cancelled = is_true(entries.get("cancelled"));
            let reason = entries.remove("message").and_then(|text| text.as_str().map(|text| cut(text.to_owned())));
            return Some(Self { session, outcome: Outcome::Error, reason, is_cancelled });
        }
        let response = entries.remove("response")?;
        let outcome = match response {
            Json::String(url) if is_true(entries.get("export")) => Outcome::Export(url),
            other => Outcome::Result(other),
        };
        Some(Self { session, outcome, reason: None, is_cancelled: false })
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
        let plain = Heartbeat { id: "p".into(), secret: "s".into(), native: None };
        assert_eq!(read(json!({"id": "p", "secret": "s"})), Some(plain));
        let native =
            json!({"id": "p", "secret": "s", "process": "x", "running": [ID, 1, "?"], "concurrency": 3, "type": "model"});
        let said = Native { process: "x".into(), running: vec![ID.parse().unwrap()], concurrency: Some(3) };
        assert_eq!(read(native).unwrap().native, Some(said));
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
    fn reasons_and_cancelled_runs() {
        let said = Response::read(json!({"error": true, "session": ID, "message": "KeyError: 'x'"})).unwrap();
        assert_eq!((said.reason.as_deref(), said.is_cancelled), (Some("KeyError: 'x'"), false));
        assert!(Response::read(json!({"error": true, "session": ID, "cancelled": true})).unwrap().is_cancelled);
    }

    #[test]
    fn progress_of_our_own_client() {
        for (done, total, expected) in [
            (json!(40), json!(120), Some((120, 40))),
            (json!(0.4), json!(1), Some((1000, 400))),
            (json!(40), json!(null), None),
            (json!(1), json!(0), None),
            (json!(-1), json!(10), None),
            (json!("x"), json!(10), None),
        ] {
            let read = Progress::read(&json!({"session": ID, "done": done, "total": total})).unwrap();
            assert_eq!(read.progress.map(|one| (one.total, one.done)), expected, "{done} {total}");
        }
        assert_eq!(Progress::read(&json!({"session": "", "done": 1, "total": 2})), None);
    }

    #[test]
    fn attachments_take_their_places() {
        let mut value = json!({"a": [{"_placeholder": true, "num": 0}, {"_placeholder": true, "num": 7}], "b": {"num": 1}});
        attach(&mut value, &[Bytes::from_static(b"hi")]);
        assert_eq!(value, json!({"a": [{"base64": "aGk="}, null], "b": {"num": 1}}));
    }
}
