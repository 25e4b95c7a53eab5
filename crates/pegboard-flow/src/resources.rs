//! What stages ask of the machine (Flowdapt specification, sections 3 and 13).

use std::collections::BTreeMap;
use std::str::FromStr;

use pegboard_model::{Error, Failure, FailureKind};
use serde_json::{Map, Value as Json};

use crate::gate::{Key, Want};

/// How much there is of each resource, by the keys of a stage's `resources`: `cpus`, `gpus`, `memory` (bytes), any label.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resources {
    /// What the machine has. A stage that asks for more runs alone.
    pub machine: BTreeMap<String, f64>,
    /// What the settings say, before what the machine has. A stage that asks for more fails.
    pub configured: BTreeMap<String, f64>,
}

/// One configured limit, written `label=amount`.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit(pub String, pub f64);

impl FromStr for Limit {
    type Err = Error;

    /// # Errors
    /// `resource-invalid`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let refused = |reason: String| {
            Error::invalid("resource-invalid", format!("`{text}`: {reason}")).hint("write `cpus=4`, `memory=8GB` or `label=1`")
        };
        let (label, value) = text.split_once('=').ok_or_else(|| refused("there is no `=` in it".to_owned()))?;
        let label = label.trim();
        if label.is_empty() {
            return Err(refused("there is no label before the `=`".to_owned()));
        }
        let amount = amount(label, &Json::String(value.trim().to_owned())).map_err(refused)?;
        Ok(Self(label.to_owned(), amount))
    }
}

/// What one stage wants to be admitted with.
///
/// # Errors
/// What the run fails with: a request that cannot be read, or one beyond the configured limits.
pub(crate) fn wants(stage: &str, requests: &Map<String, Json>, resources: &Resources) -> Result<Vec<Want>, Failure> {
    let mut wants = Vec::new();
    for (label, value) in requests.iter().filter(|(_, value)| !value.is_null()) {
        let amount = amount(label, value).map_err(|message| unreadable(stage, label, message))?;
        if let Some(limit) = resources.configured.get(label).filter(|limit| amount > **limit) {
            let message = format!(
                "Insufficient resources to run stage `{stage}`. Required {amount:?} {} but only {limit:?} available.",
                spoken(label)
            );
            return Err(Failure::noticed(FailureKind::Target, message)
                .hint(format!("ask for less, or raise `flow.resources.{label}` in the settings")));
        }
        let limit = resources.configured.get(label).or_else(|| resources.machine.get(label)).copied().unwrap_or_default();
        // Of what nobody counts there is enough.
        if amount > 0.0 && limit > 0.0 {
            wants.push(Want { key: Key::Resource(label.clone()), amount: amount.min(limit), limit });
        }
    }
    Ok(wants)
}

fn unreadable(stage: &str, label: &str, message: String) -> Failure {
    // The class that the dialect's own check of a stage raises.
    Failure { class: "ValidationError".to_owned(), ..Failure::noticed(FailureKind::Target, message) }
        .hint(format!("correct `resources.{label}` of stage `{stage}`"))
}

fn spoken(label: &str) -> &str {
    match label {
        "cpus" => "CPU",
        "gpus" => "GPU",
        other => other,
    }
}

fn amount(label: &str, value: &Json) -> Result<f64, String> {
    let amount = match value {
        Json::Number(number) => number.as_f64(),
        Json::String(text) if label == "memory" => Some(bytes(text)?),
        Json::String(text) => Some(number(text).ok_or_else(|| format!("could not convert string to float: '{text}'"))?),
        _ => None,
    };
    amount
        .filter(|amount| amount.is_finite() && *amount >= 0.0)
        .ok_or_else(|| format!("resource `{label}` is {value}, not a number from 0"))
}

/// Reads a memory size: a number, blanks, a unit; either may be left out, not both.
pub(crate) fn bytes(text: &str) -> Result<f64, String> {
    let packed: String = text.chars().filter(|character| *character != ' ').collect();
    let unit_at = packed.char_indices().rev().take_while(|(_, character)| character.is_alphabetic()).last();
    let (digits, unit) = packed.split_at(unit_at.map_or(packed.len(), |(at, _)| at));
    let factor = factor(unit).ok_or_else(|| format!("Could not interpret '{unit}' as a byte unit"))?;
    let count = if digits.is_empty() && !unit.is_empty() { Some(1.0) } else { number(digits) };
    count.map(|count| (count * factor).trunc()).ok_or_else(|| format!("Could not interpret '{digits}' as a number"))
}

/// Rust also reads `inf` and `nan`, which are no amounts.
fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

fn factor(unit: &str) -> Option<f64> {
    let unit = unit.to_ascii_lowercase();
    let (power, base) = match unit.strip_suffix('b').unwrap_or(&unit) {
        "" => (0, 1000.0),
        "k" => (1, 1000.0),
        "m" => (2, 1000.0),
        "g" => (3, 1000.0),
        "t" => (4, 1000.0),
        "p" => (5, 1000.0),
        "ki" => (1, 1024.0),
        "mi" => (2, 1024.0),
        "gi" => (3, 1024.0),
        "ti" => (4, 1024.0),
        "pi" => (5, 1024.0),
        _ => return None,
    };
    Some(f64::powi(base, power))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn memory_is_read_as_the_dialect_reads_it() {
        let cases: [(&str, Result<f64, &str>); 20] = [
            ("100", Ok(100.0)),
            ("100 MB", Ok(100e6)),
            ("100M", Ok(100e6)),
            ("5kB", Ok(5000.0)),
            ("5.4 kB", Ok(5400.0)),
            ("1kiB", Ok(1024.0)),
            ("2 Gi", Ok(2_147_483_648.0)),
            ("3TiB", Ok(3_298_534_883_328.0)),
            ("1PB", Ok(1e15)),
            ("1e6", Ok(1e6)),
            ("1e6 kB", Ok(1e9)),
            ("MB", Ok(1e6)),
            ("  7  b ", Ok(7.0)),
            (".5GB", Ok(5e8)),
            ("5 foos", Err("Could not interpret 'foos' as a byte unit")),
            ("foos", Err("Could not interpret 'foos' as a byte unit")),
            ("1 bb", Err("Could not interpret 'bb' as a byte unit")),
            ("1.2.3 MB", Err("Could not interpret '1.2.3' as a number")),
            ("", Err("Could not interpret '' as a number")),
            ("inf", Err("Could not interpret 'inf' as a byte unit")),
        ];
        for (text, expected) in cases {
            assert_eq!(bytes(text), expected.map_err(str::to_owned), "{text:?}");
        }
    }

    #[test]
    fn requests_are_held_against_what_there_is() {
        let counted = |pairs: &[(&str, f64)]| pairs.iter().map(|(label, amount)| ((*label).to_owned(), *amount)).collect();
        let resources = Resources {
            machine: counted(&[("cpus", 4.0), ("memory", 1e9)]),
            configured: counted(&[("cpus", 2.0), ("license", 1.0)]),
        };
        let cases = [
            (json!({}), Ok(vec![])),
            (json!({ "cpus": 1, "gpus": 1, "unknown": 7 }), Ok(vec![("cpus", 1.0)])),
            (
                json!({ "cpus": "1.5", "memory": "2 GB", "license": 1 }),
                Ok(vec![("cpus", 1.5), ("memory", 1e9), ("license", 1.0)]),
            ),
            (json!({ "cpus": null, "memory": 0 }), Ok(vec![])),
            (json!({ "cpus": 64 }), Err("Insufficient resources to run stage `a`. Required 64.0 CPU but only 2.0 available.")),
            (
                json!({ "license": 3 }),
                Err("Insufficient resources to run stage `a`. Required 3.0 license but only 1.0 available."),
            ),
            (json!({ "memory": "foos" }), Err("Could not interpret 'foos' as a byte unit")),
            (json!({ "cpus": "many" }), Err("could not convert string to float: 'many'")),
            (json!({ "cpus": -1 }), Err("resource `cpus` is -1, not a number from 0")),
            (json!({ "cpus": [] }), Err("resource `cpus` is [], not a number from 0")),
        ];
        for (requests, expected) in cases {
            let wanted = wants("a", requests.as_object().unwrap(), &resources);
            let wanted = wanted.map(|wants| wants.into_iter().map(|want| (want.key, want.amount)).collect::<Vec<_>>());
            let key = |(label, amount): (&str, f64)| (Key::Resource(label.to_owned()), amount);
            let expected = expected.map(|wants| wants.into_iter().map(key).collect::<Vec<_>>());
            assert_eq!(wanted.map_err(|failure| failure.message), expected.map_err(str::to_owned), "{requests}");
        }
    }
}
