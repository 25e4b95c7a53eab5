//! Compares what came with what was recorded. Volatile values were recorded as placeholders: `<UUID-3>` is the same value
//! wherever it stands in a scenario, `<INT>` any integer.

use std::collections::BTreeMap;

use serde_json::Value as Json;

/// Placeholders that any value of their sort fits, and that stand for the same value everywhere.
const BOUND: [&str; 3] = ["UUID", "RUN_NAME", "TS"];

/// What the placeholders of one scenario stand for.
#[derive(Clone, Default, Debug)]
pub(super) struct Bindings(BTreeMap<String, String>);

impl Bindings {
    /// The text with known values in place of placeholders, and fresh ones in place of those that a client would make up.
    pub(super) fn fill(&self, text: &str) -> String {
        let mut filled = String::new();
        for piece in pieces(text) {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Hole(name) => match self.0.get(name) {
                    Some(value) => filled.push_str(value),
                    None if name.starts_with("UUID") => filled.push_str(&uuid::Uuid::new_v4().to_string()),
                    None if name.starts_with("TS") => filled.push_str("2026-01-02T03:04:05.000006"),
                    None => filled.push_str(&format!("<{name}>")),
                },
            }
        }
        filled
    }

    /// Whether `found` is `expected`, order of keys included; why not, with the path.
    pub(super) fn json(&mut self, path: &str, expected: &Json, found: &Json) -> Result<(), String> {
        let differs = || Err(format!("{path}: recorded {expected}, found {found}"));
        match (expected, found) {
            (Json::Object(expected), Json::Object(object)) => {
                let (keys, other): (Vec<_>, Vec<_>) = (expected.keys().collect(), object.keys().collect());
                if keys != other {
                    return Err(format!("{path}: recorded keys {keys:?}, found {other:?}"));
                }
                expected
                    .iter()
                    .zip(object.values())
                    .try_for_each(|((key, expected), found)| self.json(&format!("{path}/{key}"), expected, found))
            }
            (Json::Array(expected), Json::Array(list)) if expected.len() == list.len() => {
                let mut pairs = expected.iter().zip(list).enumerate();
                pairs.try_for_each(|(index, (expected, found))| self.json(&format!("{path}/{index}"), expected, found))
            }
            (Json::String(pattern), found) => {
                let fits = match (pattern.as_str(), found) {
                    ("<INT>", found) => found.is_i64() || found.is_u64(),
                    ("<FLOAT>", found) => found.is_number(),
                    ("<LIST:INT>", Json::Array(list)) => list.iter().all(|item| item.is_i64() || item.is_u64()),
                    ("<LIST:FLOAT>", Json::Array(list)) => list.iter().all(Json::is_number),
                    ("<ANY>", _) => true,
                    (pattern, Json::String(text)) => self.text(pattern, text),
                    _ => false,
                };
                if fits { Ok(()) } else { differs() }
            }
            _ if expected == found => Ok(()),
            _ => differs(),
        }
    }

    /// Whether `text` fits the pattern; remembers what its placeholders stand for.
    pub(super) fn text(&mut self, pattern: &str, text: &str) -> bool {
        let pieces = pieces(pattern);
        let mut bound = self.clone();
        let mut rest = text;
        for (index, piece) in pieces.iter().enumerate() {
            match piece {
                Piece::Text(literal) => match rest.strip_prefix(literal) {
                    Some(after) => rest = after,
                    None => return false,
                },
                Piece::Hole(name) => {
                    // Up to the text that follows; at the end, everything.
                    let end = match pieces.get(index + 1) {
                        Some(Piece::Text(next)) => match rest.find(next) {
                            Some(end) => end,
                            None => return false,
                        },
                        _ => rest.len(),
                    };
                    let (value, after) = rest.split_at(end);
                    if !bound.bind(name, value) {
                        return false;
                    }
                    rest = after;
                }
            }
        }
        if rest.is_empty() {
            *self = bound;
        }
        rest.is_empty()
    }

    fn bind(&mut self, name: &str, value: &str) -> bool {
        let sort = name.split('-').next().unwrap_or(name);
        let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
        let fits = match sort {
            "UUID" => uuid::Uuid::parse_str(value).is_ok() && value.len() == 36,
            "RUN_NAME" => {
                let parts: Vec<_> = value.split('-').collect();
                parts.len() == 3 && parts[2].len() == 8 && parts[2].chars().all(|c| c.is_ascii_hexdigit())
            }
            "TS" => {
                let (seconds, fraction) = value.split_once('.').unwrap_or((value, "000000"));
                seconds.len() == 19 && seconds.as_bytes()[10] == b'T' && fraction.len() == 6 && digits(fraction)
            }
            "INT" => !value.is_empty() && digits(value),
            "VALIDATION" => !value.trim().is_empty(),
            _ => true,
        };
        if !fits || !BOUND.contains(&sort) {
            return fits;
        }
        self.0.entry(name.to_owned()).or_insert_with(|| value.to_owned()) == value
    }
}

enum Piece<'a> {
    Text(&'a str),
    Hole(&'a str),
}

/// Placeholders are upper case in angle brackets.
fn pieces(pattern: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = pattern;
    let hole = |text: &str| {
        let end = text.find('>')?;
        let name = &text[1..end];
        let valid = !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || "_-:".contains(c));
        valid.then_some(end + 1)
    };
    let mut from = 0;
    while let Some(start) = rest[from..].find('<').map(|start| start + from) {
        match hole(&rest[start..]) {
            Some(length) => {
                if start > 0 {
                    pieces.push(Piece::Text(&rest[..start]));
                }
                pieces.push(Piece::Hole(&rest[start + 1..start + length - 1]));
                rest = &rest[start + length..];
                from = 0;
            }
            None => from = start + 1,
        }
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn placeholders_stand_for_one_value() {
        let uid = uuid::Uuid::new_v4().to_string();
        let mut bindings = Bindings::default();
        assert!(bindings.json("", &json!({ "a": "<UUID-1>", "n": "<INT>" }), &json!({ "a": uid, "n": 3 })).is_ok());
        assert_eq!(bindings.fill("/x/<UUID-1>/y"), format!("/x/{uid}/y"));
        let other = json!({ "a": uuid::Uuid::new_v4().to_string(), "n": 3 });
        assert!(bindings.json("", &json!({ "a": "<UUID-1>", "n": "<INT>" }), &other).is_err());
        assert!(bindings.json("", &json!({ "a": 1, "b": 2 }), &json!({ "b": 2, "a": 1 })).is_err());
        assert!(bindings.json("", &json!("<TS-1>"), &json!("2026-01-02T03:04:05")).is_ok());
        assert!(bindings.json("", &json!("<TS-2>"), &json!("2026-01-02T03:04:05Z")).is_err());
        assert!(bindings.text("[run/<RUN_NAME-1>] <module <ANY>>", "[run/a-b-00ff00ff] <module x>"));
    }
}
