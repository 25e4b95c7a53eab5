//! What clients send, taken apart: bodies, query words, and JSON whose every problem is named with its path.
//!
//! Unknown keys are dropped in silence, as the dialect has it.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{FromRequest, Query, Request};
use axum::http::Uri;
use jiff::civil::DateTime;
use serde_json::{Map, Value as Json};

use super::answer::Refused;
use crate::error::ApiError;
use crate::extract::body_bytes;

/// A body, whatever its media type.
pub(super) struct Body(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        body_bytes(request, state).await.map(Self)
    }
}

impl Body {
    /// The object that a resource is.
    pub(super) fn resource(&self) -> Result<Map<String, Json>, Refused> {
        match self.json()? {
            Some(Json::Object(object)) => Ok(object),
            Some(_) => Err(Refused::bad("body: Input should be a valid dictionary")),
            None => Err(Refused::bad("Expecting value: line 1 column 1 (char 0)")),
        }
    }

    /// The object that a run's input is; nothing and null are an empty one.
    pub(super) fn input(&self) -> Result<Map<String, Json>, Refused> {
        match self.json()? {
            Some(Json::Object(object)) => Ok(object),
            None | Some(Json::Null) => Ok(Map::new()),
            Some(_) => Err(Refused::bad("body: Input should be a valid dictionary")),
        }
    }

    fn json(&self) -> Result<Option<Json>, Refused> {
        if self.0.iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        serde_json::from_slice(&self.0).map(Some).map_err(|error| Refused::bad(format!("body: not JSON: {error}")))
    }
}

/// The parameters of a query; of one that is given twice, the last counts.
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(super) fn of(uri: &Uri) -> Result<Self, Refused> {
        Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map(|Query(pairs)| Self(pairs))
            .map_err(|rejection| Refused::bad(format!("query: {}", rejection.body_text())))
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool, Refused> {
        let Some(text) = self.text(name) else { return Ok(default) };
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" | "t" | "y" => Ok(true),
            "false" | "0" | "no" | "off" | "f" | "n" => Ok(false),
            _ => Err(Refused::bad(format!("query.{name}: Input should be a valid boolean, got `{text}`"))),
        }
    }

    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, Refused> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.trim()
            .parse()
            .map(Some)
            .map_err(|_| Refused::bad(format!("query.{name}: Input should be a valid integer, got `{text}`")))
    }

    /// Nanoseconds since the epoch; without a zone it is UTC.
    pub(super) fn time(&self, name: &str) -> Result<Option<i64>, Refused> {
        let Some(text) = self.text(name).filter(|text| !text.is_empty()) else { return Ok(None) };
        let instant = instant(text).ok_or_else(|| {
            Refused::bad(format!("query.{name}: Input should be a valid datetime such as `2026-01-31 12:00:00`, got `{text}`"))
        })?;
        // What lies beyond the years that nanoseconds reach is as far away as they reach.
        Ok(Some(i64::try_from(instant.as_nanosecond()).unwrap_or(if instant.as_second() < 0 { i64::MIN } else { i64::MAX })))
    }
}

/// ISO 8601, with a blank or a `T`, with a zone or in UTC.
fn instant(text: &str) -> Option<jiff::Timestamp> {
    // A plus in a query that was not encoded arrives as a blank.
    let text = text.trim();
    if let Ok(instant) = text.parse() {
        return Some(instant);
    }
    let local: DateTime = text.parse().ok()?;
    local.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// One object of a body and where it stands. What is wrong is collected, so that one answer names everything.
pub(super) struct Fields<'a> {
    path: String,
    entries: Map<String, Json>,
    problems: &'a mut Vec<String>,
}

impl<'a> Fields<'a> {
    pub(super) fn of(path: impl Into<String>, entries: Map<String, Json>, problems: &'a mut Vec<String>) -> Self {
        Self { path: path.into(), entries, problems }
    }

    pub(super) fn take(&mut self, key: &str) -> Option<Json> {
        self.entries.shift_remove(key)
    }

    /// Remembers what is wrong with an entry; an empty key means the object itself.
    pub(super) fn problem(&mut self, key: &str, what: impl std::fmt::Display) {
        let path = self.path_to(key);
        self.problems.push(if path.is_empty() { what.to_string() } else { format!("{path}: {what}") });
    }

    pub(super) fn path_to(&self, key: &str) -> String {
        match (self.path.is_empty(), key.is_empty()) {
            (true, _) => key.to_owned(),
            (false, true) => self.path.clone(),
            (false, false) => format!("{}.{key}", self.path),
        }
    }

    pub(super) fn problems(&mut self) -> &mut Vec<String> {
        self.problems
    }

    pub(super) fn required(&mut self, key: &str) -> Option<Json> {
        let value = self.take(key);
        if value.is_none() {
            self.problem(key, "Field required");
        }
        value
    }

    pub(super) fn required_object(&mut self, key: &str) -> Option<Map<String, Json>> {
        let value = self.required(key)?;
        self.as_object(key, value)
    }

    pub(super) fn object(&mut self, key: &str) -> Map<String, Json> {
        self.take(key).and_then(|value| self.as_object(key, value)).unwrap_or_default()
    }

    pub(super) fn as_object(&mut self, key: &str, value: Json) -> Option<Map<String, Json>> {
        match value {
            Json::Object(object) => Some(object),
            _ => {
                self.problem(key, "Input should be a valid dictionary");
                None
            }
        }
    }

    pub(super) fn required_text(&mut self, key: &str) -> Option<String> {
        let value = self.required(key)?;
        self.as_text(key, value)
    }

    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        self.take(key).and_then(|value| self.as_text(key, value))
    }

    pub(super) fn as_text(&mut self, key: &str, value: Json) -> Option<String> {
        match value {
            Json::String(text) => Some(text),
            _ => {
                self.problem(key, "Input should be a valid string");
                None
            }
        }
    }

    pub(super) fn texts(&mut self, key: &str) -> Vec<String> {
        match self.take(key) {
            None => Vec::new(),
            Some(Json::Array(values)) => {
                let text = |(index, value)| self.as_text(&format!("{key}.{index}"), value);
                values.into_iter().enumerate().filter_map(text).collect()
            }
            Some(_) => {
                self.problem(key, "Input should be a valid list");
                Vec::new()
            }
        }
    }

    pub(super) fn text_map(&mut self, key: &str) -> BTreeMap<String, String> {
        let entries = self.object(key);
        let text = |(name, value): (String, Json)| Some((name.clone(), self.as_text(&format!("{key}.{name}"), value)?));
        entries.into_iter().filter_map(text).collect()
    }

    /// An integer, one written as a number without fraction, or one written as text; null is none.
    pub(super) fn integer(&mut self, key: &str) -> Option<i64> {
        let value = self.take(key).filter(|value| !value.is_null())?;
        let whole = |number: f64| (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64);
        let integer = match &value {
            Json::Number(number) => number.as_i64().or_else(|| number.as_f64().and_then(whole)),
            Json::Bool(flag) => Some(i64::from(*flag)),
            Json::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        if integer.is_none() {
            self.problem(key, "Input should be a valid integer");
        }
        integer
    }

    /// A UUID in any of its spellings; its value is the server's to choose.
    pub(super) fn ignored_uid(&mut self, key: &str) {
        let Some(value) = self.take(key) else { return };
        if value.as_str().is_none_or(|text| uuid::Uuid::parse_str(text).is_err()) {
            self.problem(key, "Input should be a valid UUID");
        }
    }

    /// A time, as text or as seconds; its value is the server's to choose.
    pub(super) fn ignored_time(&mut self, key: &str) {
        let Some(value) = self.take(key) else { return };
        let valid = match &value {
            Json::Number(_) => true,
            Json::String(text) => {
                instant(text).is_some() || text.trim().parse::<f64>().is_ok() || text.parse::<jiff::civil::Date>().is_ok()
            }
            _ => false,
        };
        if !valid {
            self.problem(key, "Input should be a valid datetime");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn query_words() {
        let check = |query: &str| {
            let uri: Uri = format!("/x?{query}").parse().unwrap();
            Parameters::of(&uri).ok()
        };
        for (word, expected) in [
            ("True", Some(true)),
            ("T", Some(true)),
            ("on", Some(true)),
            ("False", Some(false)),
            ("N", Some(false)),
            ("0", Some(false)),
        ] {
            assert_eq!(check(&format!("wait={word}")).unwrap().flag("wait", false).ok(), expected, "{word}");
        }
        for word in ["maybe", "", "2"] {
            assert!(check(&format!("wait={word}")).unwrap().flag("wait", false).is_err(), "{word}");
        }
        assert!(check("").unwrap().flag("wait", true).unwrap());
        assert_eq!(check("limit=-1&limit=3").unwrap().integer("limit").unwrap(), Some(3));
        assert!(check("limit=x").unwrap().integer("limit").is_err());
    }

    #[test]
    fn times_are_utc_unless_they_say_otherwise() {
        for (text, seconds) in [
            ("1970-01-01T00:00:10", Some(10)),
            ("1970-01-01%2000:00:10", Some(10)),
            ("1970-01-01T01:00:10.5%2B01:00", Some(10)),
            ("1970-01-01T00:00:10Z", Some(10)),
            ("bad", None),
        ] {
            let uri: Uri = format!("/x?at={text}").parse().unwrap();
            let found = Parameters::of(&uri).unwrap().time("at").ok().flatten().map(|time| time / 1_000_000_000);
            assert_eq!(found, seconds, "{text}");
        }
    }

    #[test]
    fn every_problem_is_named_with_its_path() {
        let Json::Object(entries) = json!({ "a": 1, "list": ["x", 2], "n": "high", "map": { "k": 1 }, "uid": "zz", "at": [] })
        else {
            unreachable!()
        };
        let mut problems = Vec::new();
        let mut fields = Fields::of("spec", entries, &mut problems);
        fields.required_text("a");
        fields.required("b");
        fields.texts("list");
        fields.integer("n");
        fields.text_map("map");
        fields.ignored_uid("uid");
        fields.ignored_time("at");
        let expected = [
            "spec.a: Input should be a valid string",
            "spec.b: Field required",
            "spec.list.1: Input should be a valid string",
            "spec.n: Input should be a valid integer",
            "spec.map.k: Input should be a valid string",
            "spec.uid: Input should be a valid UUID",
            "spec.at: Input should be a valid datetime",
        ];
        assert_eq!(problems, expected);
    }
}
