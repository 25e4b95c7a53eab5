//! Identifiers and names, parsed at the door. Past it nothing is a bare `String`.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::Error;

/// Identity of one run: a version 4 UUID, printed in its hyphenated form (Flowdapt dialect, resource `uid`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(Uuid);

impl RunId {
    /// A new random identity.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for RunId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        text.parse().map(Self).map_err(|_| {
            Error::invalid("run-id", format!("`{text}` is not a run id")).hint("a run id is a UUID; `pegboard runs` lists them")
        })
    }
}

/// Identity of one call to a plugin, unique within one server process.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallId(pub u64);

impl CallId {
    /// The next one of this process; everybody who calls plugins takes ids here, so that no two calls share one.
    #[must_use]
    pub fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// Name of a plugin: a Python distribution name in its normal form (PEP 503: lower case, runs of `-`, `_`, `.` become `-`).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PluginName(String);

impl PluginName {
    /// The name of the environment without a plugin: targets that no plugin owns (the standard library) run there.
    #[must_use]
    pub fn base() -> Self {
        Self("pegboard-base".to_owned())
    }

    /// Name under which the server's own workers run that read the catalog's tables.
    #[must_use]
    pub fn tables() -> Self {
        Self("pegboard-tables".to_owned())
    }

    /// Name of the environment that the dashboard's panels run in.
    #[must_use]
    pub fn panels() -> Self {
        Self("pegboard-panels".to_owned())
    }

    /// Name under which the worker of one file of the dashboard runs; `key` tells the files apart.
    #[must_use]
    pub fn panel(key: u64) -> Self {
        Self(format!("pegboard-panels-{key:016x}"))
    }

    /// Whether workers of this name are the server's own, not those of a plugin.
    #[must_use]
    pub fn is_own(&self) -> bool {
        matches!(self.0.as_str(), "pegboard-base" | "pegboard-tables") || self.0.starts_with("pegboard-panels")
    }

    /// The name as text, always in normal form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PluginName {
    type Err = Error;

    /// Normalises; refuses what PEP 508 does not allow as a name.
    fn from_str(text: &str) -> Result<Self, Error> {
        let valid = !text.is_empty()
            && text.len() <= 128
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.ends_with(|c: char| c.is_ascii_alphanumeric());
        if !valid {
            return Err(Error::invalid("plugin-name", format!("`{text}` is not a plugin name"))
                .hint("use ASCII letters, digits, `-`, `_` and `.`; begin and end with a letter or digit"));
        }
        let mut normal = String::with_capacity(text.len());
        for c in text.chars() {
            let c = if matches!(c, '-' | '_' | '.') { '-' } else { c.to_ascii_lowercase() };
            if c != '-' || !normal.ends_with('-') {
                normal.push(c);
            }
        }
        Ok(Self(normal))
    }
}

impl TryFrom<String> for PluginName {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<PluginName> for String {
    fn from(name: PluginName) -> Self {
        name.0
    }
}

impl fmt::Display for PluginName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for PluginName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Name of a resource: one or more ASCII letters, digits, `_`, `-` (Flowdapt specification, section 2).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ResourceName(String);

impl ResourceName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ResourceName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let valid = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::invalid("resource-name", format!("`{text}` is not a resource name"))
                .hint("use one or more ASCII letters, digits, `_` and `-`"))
        }
    }
}

impl TryFrom<String> for ResourceName {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<ResourceName> for String {
    fn from(name: ResourceName) -> Self {
        name.0
    }
}

impl fmt::Display for ResourceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for ResourceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugin_names_are_normalised() {
        for (given, normal) in [("My_Plugin", "my-plugin"), ("a..b--c", "a-b-c"), ("x", "x")] {
            assert_eq!(given.parse::<PluginName>().unwrap().as_str(), normal);
        }
        for bad in ["", "-a", "a-", "a b", "ü", "../x"] {
            assert!(bad.parse::<PluginName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn resource_names_refuse_a_trailing_newline() {
        assert!("hello_1-x".parse::<ResourceName>().is_ok());
        for bad in ["", "a\n", "a b", "a/b"] {
            assert!(bad.parse::<ResourceName>().is_err(), "{bad:?}");
        }
    }
}
