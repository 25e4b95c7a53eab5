//! Texts from the layers, read as what their kind says. A value that cannot be read is an error that names its origin.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use pegboard_model::Error;
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::dialect::Dialect;
use super::key::{Kind, NONE, SETTINGS, Setting};
use super::layers::{Layers, Sources};
use super::units::{parse_size, print_size};

/// One setting as it stands, for `pegboard config` and the settings page of the API. Secrets are masked.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct SettingValue {
    /// `section.key`.
    pub key: &'static str,
    /// As JSON: sizes in bytes, durations in text, null for none.
    pub value: Json,
    /// As one would write it.
    pub text: String,
    /// Flag, variable name, `file:…` or `default`.
    pub origin: String,
    /// What it means.
    pub help: &'static str,
}

#[derive(Clone, Debug)]
enum Parsed {
    None,
    Text(String),
    Path(PathBuf),
    Address(SocketAddr),
    Size(u64),
    Duration(Duration),
    Count(u64),
    Flag(bool),
    List(Vec<String>),
    Table(Map<String, Json>),
}

/// All settings, read and typed by kind.
pub(super) struct Values {
    parsed: BTreeMap<&'static str, Parsed>,
    pub(super) listing: Vec<SettingValue>,
    /// The dialect's own configuration, as far as it was given.
    pub(super) dialect: Dialect,
}

impl Values {
    pub(super) fn read(sources: &Sources) -> Result<Self, Error> {
        let layers = Layers::read(sources)?;
        let mut parsed = BTreeMap::new();
        let mut listing = Vec::with_capacity(SETTINGS.len());
        for setting in SETTINGS {
            let found = layers.find(setting.key)?;
            let value = parse(setting, &found.parts, sources).map_err(|(reason, hint)| {
                let given = if setting.secret { String::new() } else { format!(" is `{}`", found.parts.join(",")) };
                Error::invalid("setting-invalid", format!("`{}`{given} by {}: {reason}", setting.key, found.origin)).hint(hint)
            })?;
            listing.push(shown(setting, &value, found.origin));
            parsed.insert(setting.key, value);
        }
        Ok(Self { parsed, listing, dialect: layers.dialect })
    }

    pub(super) fn text(&self, key: &str) -> Option<String> {
        match self.parsed.get(key) {
            Some(Parsed::Text(text)) => Some(text.clone()),
            _ => None,
        }
    }

    pub(super) fn path(&self, key: &str) -> Option<PathBuf> {
        match self.parsed.get(key) {
            Some(Parsed::Path(path)) => Some(path.clone()),
            _ => None,
        }
    }

    pub(super) fn address(&self, key: &str) -> Option<SocketAddr> {
        match self.parsed.get(key) {
            Some(Parsed::Address(address)) => Some(*address),
            _ => None,
        }
    }

    pub(super) fn number(&self, key: &str) -> Option<u64> {
        match self.parsed.get(key) {
            Some(Parsed::Size(number) | Parsed::Count(number)) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn count(&self, key: &str) -> Option<usize> {
        self.number(key).map(|number| usize::try_from(number).unwrap_or(usize::MAX))
    }

    pub(super) fn duration(&self, key: &str) -> Option<Duration> {
        match self.parsed.get(key) {
            Some(Parsed::Duration(duration)) => Some(*duration),
            _ => None,
        }
    }

    pub(super) fn flag(&self, key: &str) -> bool {
        matches!(self.parsed.get(key), Some(Parsed::Flag(true)))
    }

    pub(super) fn table(&self, key: &str) -> Map<String, Json> {
        match self.parsed.get(key) {
            Some(Parsed::Table(entries)) => entries.clone(),
            _ => Map::new(),
        }
    }

    pub(super) fn list(&self, key: &str) -> Vec<String> {
        match self.parsed.get(key) {
            Some(Parsed::List(items)) => items.clone(),
            _ => Vec::new(),
        }
    }
}

/// Words of a variable, which knows text only.
fn said(value: Json) -> Json {
    match value {
        Json::String(text) => match text.as_str() {
            "true" => Json::Bool(true),
            "false" => Json::Bool(false),
            "none" | "null" => Json::Null,
            _ => Json::String(text),
        },
        other => other,
    }
}

fn parse(setting: &Setting, parts: &[String], sources: &Sources) -> Result<Parsed, (String, String)> {
    if setting.kind == Kind::List {
        let items = parts.iter().flat_map(|part| part.split(',')).map(str::trim).filter(|item| !item.is_empty());
        return Ok(Parsed::List(items.map(str::to_owned).collect()));
    }
    let [text] = parts else {
        return Err(("it takes one value, not a list".to_owned(), "remove the brackets".to_owned()));
    };
    if text == NONE || (text.is_empty() && setting.optional) {
        return if setting.optional {
            Ok(Parsed::None)
        } else {
            Err(("it needs a value".to_owned(), format!("the default is `{}`", setting.default)))
        };
    }
    let wrong = |reason: String, hint: &str| (reason, hint.to_owned());
    match setting.kind {
        Kind::Text | Kind::List => Ok(Parsed::Text(text.clone())),
        Kind::Table => serde_json::from_str::<Map<String, Json>>(text)
            .map(|entries| Parsed::Table(entries.into_iter().map(|(name, value)| (name, said(value))).collect()))
            .map_err(|_| wrong("it is not a table".to_owned(), "write a table in the file, or JSON such as `{\"name\": 1}`")),
        Kind::Path => Ok(Parsed::Path(sources.directory.join(text))),
        Kind::Address => text
            .replace("localhost:", "127.0.0.1:")
            .parse()
            .map(Parsed::Address)
            .map_err(|_| wrong("it is not an address".to_owned(), "write IP:PORT, such as `127.0.0.1:8480`")),
        Kind::Size => parse_size(text)
            .map(Parsed::Size)
            .map_err(|reason| wrong(reason, "write a size such as `512MiB`, `2GiB` or plain bytes")),
        Kind::Duration => humantime::parse_duration(text)
            .map(Parsed::Duration)
            .map_err(|error| wrong(error.to_string(), "write a duration with its unit, such as `500ms`, `30s` or `5m`")),
        Kind::Count => text
            .parse()
            .ok()
            .filter(|number| *number > 0)
            .map(Parsed::Count)
            .ok_or_else(|| wrong("it is not a whole number above zero".to_owned(), "write a number such as `4`")),
        Kind::Flag => match text.as_str() {
            "true" | "yes" | "on" | "1" => Ok(Parsed::Flag(true)),
            "false" | "no" | "off" | "0" => Ok(Parsed::Flag(false)),
            _ => Err(wrong("it is neither true nor false".to_owned(), "write `true` or `false`")),
        },
    }
}

fn shown(setting: &Setting, value: &Parsed, origin: String) -> SettingValue {
    let (value, text) = match value {
        Parsed::None => (Json::Null, NONE.to_owned()),
        Parsed::Text(_) if setting.secret => (Json::from("***"), "***".to_owned()),
        Parsed::Text(text) => {
            let text = without_password(text);
            (Json::from(text.clone()), text)
        }
        Parsed::Path(path) => (Json::from(path.display().to_string()), path.display().to_string()),
        Parsed::Address(address) => (Json::from(address.to_string()), address.to_string()),
        Parsed::Size(bytes) => (Json::from(*bytes), print_size(*bytes)),
        Parsed::Duration(duration) => {
            let text = super::units::print_duration(*duration);
            (Json::from(text.clone()), text)
        }
        Parsed::Count(number) => (Json::from(*number), number.to_string()),
        Parsed::Flag(flag) => (Json::from(*flag), flag.to_string()),
        Parsed::List(items) => (Json::from(items.clone()), items.join(",")),
        Parsed::Table(entries) => (Json::from(entries.clone()), Json::from(entries.clone()).to_string()),
    };
    SettingValue { key: setting.key, value, text, origin, help: setting.help }
}

/// A URL with its password masked; other text as it is. Package indexes and requirements may carry credentials.
#[must_use]
pub fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let end = rest.find('/').unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}://***@{}", &rest[at + 1..]),
        None => text.to_owned(),
    }
}
