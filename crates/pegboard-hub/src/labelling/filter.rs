//! Filters as the dialect's clients write them: `{"stage": {"$in": ["Label"]}, "priority": {"$gte": 2}}`.

use pegboard_model::Error;
use regex::{Regex, RegexBuilder};
use serde_json::Value as Json;

/// Longest pattern, and most memory that one may take when it is read.
const LONGEST_PATTERN: usize = 1000;
const PATTERN_SIZE: usize = 1 << 20;

/// A filter over JSON objects. All conditions must hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    conditions: Vec<(String, Condition)>,
}

#[derive(Clone, Debug)]
enum Condition {
    Is(Json),
    IsNot(Json),
    /// Greater, with the order that must come out.
    Compares(Comparison, Json),
    In(Vec<Json>),
    NotIn(Vec<Json>),
    Matches(Regex),
    Exists(bool),
}

#[derive(Clone, Copy, Debug)]
enum Comparison {
    Above,
    AtLeast,
    Below,
    AtMost,
}

impl Filter {
    /// Reads a filter. Null and `{}` hold for everything.
    ///
    /// # Errors
    /// `filter` says what is wrong.
    pub fn read(sent: &Json) -> Result<Self, Error> {
        let mut filter = Self::default();
        match sent {
            Json::Null => {}
            Json::Object(sent) => {
                for (key, value) in sent {
                    filter.add(key, value)?;
                }
            }
            _ => return Err(wrong("it is not an object")),
        }
        Ok(filter)
    }

    /// Adds a condition: a value, or an object of operators.
    pub fn add(&mut self, key: &str, value: &Json) -> Result<(), Error> {
        let operators = value.as_object().filter(|value| value.keys().any(|key| key.starts_with('$')));
        let Some(operators) = operators else {
            self.conditions.push((key.to_owned(), Condition::Is(value.clone())));
            return Ok(());
        };
        for (operator, operand) in operators {
            let many = || operand.as_array().cloned().ok_or_else(|| wrong(&format!("`{operator}` of `{key}` takes a list")));
            let condition = match operator.as_str() {
                "$eq" => Condition::Is(operand.clone()),
                "$ne" => Condition::IsNot(operand.clone()),
                "$gt" => Condition::Compares(Comparison::Above, operand.clone()),
                "$gte" => Condition::Compares(Comparison::AtLeast, operand.clone()),
                "$lt" => Condition::Compares(Comparison::Below, operand.clone()),
                "$lte" => Condition::Compares(Comparison::AtMost, operand.clone()),
                "$in" => Condition::In(many()?),
                "$nin" => Condition::NotIn(many()?),
                "$exists" => Condition::Exists(operand.as_bool().unwrap_or(true)),
                "$regex" => Condition::Matches(pattern(operand)?),
                other => return Err(wrong(&format!("`{other}` is not known"))),
            };
            self.conditions.push((key.to_owned(), condition));
        }
        Ok(())
    }

    /// Whether there is no condition.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    /// Takes out the one text that `key` must be, when that is a condition by itself.
    pub fn take_text(&mut self, key: &str) -> Option<String> {
        let position = self.conditions.iter().position(|(name, condition)| match condition {
            Condition::Is(Json::String(_)) => name == key,
            Condition::In(all) => name == key && matches!(&all[..], [Json::String(_)]),
            _ => false,
        })?;
        match self.conditions.remove(position).1 {
            Condition::Is(Json::String(text)) => Some(text),
            Condition::In(mut all) => match all.pop() {
                Some(Json::String(text)) => Some(text),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether all conditions hold.
    #[must_use]
    pub fn holds(&self, object: &Json) -> bool {
        self.conditions.iter().all(|(key, condition)| condition.holds(lookup(object, key)))
    }
}

/// `a.b` is `b` within `a`.
fn lookup<'a>(object: &'a Json, key: &str) -> &'a Json {
    const NOTHING: &Json = &Json::Null;
    key.split('.').try_fold(object, |inner, part| inner.get(part)).unwrap_or(NOTHING)
}

impl Condition {
    /// A list holds what one of its members holds; what is absent is null.
    fn holds(&self, value: &Json) -> bool {
        let any = |test: &dyn Fn(&Json) -> bool| match value {
            Json::Array(all) => all.iter().any(test) || test(value),
            value => test(value),
        };
        match self {
            Self::Is(wanted) => any(&|value| same(value, wanted)),
            Self::IsNot(wanted) => !any(&|value| same(value, wanted)),
            Self::Compares(comparison, than) => any(&|value| comparison.holds(value, than)),
            Self::In(wanted) => any(&|value| wanted.iter().any(|wanted| same(value, wanted))),
            Self::NotIn(wanted) => !any(&|value| wanted.iter().any(|wanted| same(value, wanted))),
            Self::Matches(pattern) => any(&|value| value.as_str().is_some_and(|text| pattern.is_match(text))),
            Self::Exists(wanted) => value.is_null() != *wanted,
        }
    }
}

impl Comparison {
    fn holds(self, value: &Json, than: &Json) -> bool {
        let order = match (value, than) {
            (Json::Number(a), Json::Number(b)) => a.as_f64().partial_cmp(&b.as_f64()),
            // Times are ISO 8601 in UTC; with more or fewer digits behind the point they are compared as instants.
            (Json::String(a), Json::String(b)) => match (instant(a), instant(b)) {
                (Some(a), Some(b)) => Some(a.cmp(&b)),
                _ => Some(a.cmp(b)),
            },
            _ => None,
        };
        order.is_some_and(|order| match self {
            Self::Above => order.is_gt(),
            Self::AtLeast => order.is_ge(),
            Self::Below => order.is_lt(),
            Self::AtMost => order.is_le(),
        })
    }
}

fn instant(text: &str) -> Option<pegboard_model::Timestamp> {
    text.parse().ok()
}

fn same(value: &Json, wanted: &Json) -> bool {
    match (value, wanted) {
        (Json::Number(a), Json::Number(b)) => a.as_f64() == b.as_f64(),
        _ => value == wanted,
    }
}

fn pattern(operand: &Json) -> Result<Regex, Error> {
    let text = operand.as_str().filter(|text| text.len() <= LONGEST_PATTERN);
    let text = text.ok_or_else(|| wrong("`$regex` takes a text of at most 1000 bytes"))?;
    RegexBuilder::new(text)
        .size_limit(PATTERN_SIZE)
        .build()
        .map_err(|error| wrong(&format!("`{text}` is not a pattern: {error}")))
}

fn wrong(why: &str) -> Error {
    Error::invalid("filter", format!("the filter is wrong: {why}"))
        .hint("operators are $eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $regex and $exists")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn operators_hold() {
        let task = json!({
            "stage": "Label", "priority": 3, "batches": ["b1", "b2"], "assignee": null, "isBenchmark": false,
            "createdAt": "2026-01-02T03:04:05.000Z", "externalId": "cat-1.png", "a": { "b": 1 },
        });
        for (filter, holds) in [
            (json!(null), true),
            (json!({}), true),
            (json!({ "stage": "Label" }), true),
            (json!({ "stage": { "$in": ["Review", "Label"] } }), true),
            (json!({ "stage": { "$nin": ["Label"] } }), false),
            (json!({ "stage": { "$ne": "Label" } }), false),
            (json!({ "priority": { "$gte": 3, "$lt": 4 } }), true),
            (json!({ "priority": { "$gt": 3.0 } }), false),
            (json!({ "priority": 3.0 }), true),
            (json!({ "batches": { "$in": ["b2"] } }), true),
            (json!({ "batches": "b3" }), false),
            (json!({ "assignee": { "$exists": false } }), true),
            (json!({ "nothing": { "$exists": true } }), false),
            (json!({ "isBenchmark": { "$eq": false } }), true),
            (json!({ "createdAt": { "$gt": "2026-01-02T03:04:04.999999Z", "$lte": "2026-01-02T03:04:05Z" } }), true),
            (json!({ "createdAt": { "$lt": "2026-01-02T03:04:05Z" } }), false),
            (json!({ "externalId": { "$regex": "^cat-\\d" } }), true),
            (json!({ "externalId": { "$regex": "dog" } }), false),
            (json!({ "a.b": 1 }), true),
            (json!({ "priority": { "$lt": "x" } }), false),
        ] {
            assert_eq!(Filter::read(&filter).unwrap().holds(&task), holds, "{filter}");
        }
    }

    #[test]
    fn wrong_ones_are_refused() {
        for (filter, words) in [
            (json!([]), "not an object"),
            (json!({ "a": { "$near": 1 } }), "$near"),
            (json!({ "a": { "$in": 1 } }), "list"),
            (json!({ "a": { "$regex": "(" } }), "pattern"),
            (json!({ "a": { "$regex": "(a{1000}){1000}" } }), "pattern"),
        ] {
            let error = Filter::read(&filter).unwrap_err();
            assert!(error.message.contains(words), "{filter}: {}", error.message);
        }
    }

    #[test]
    fn one_text_can_be_asked_of_the_store() {
        let mut filter = Filter::read(&json!({ "stage": { "$in": ["Label"] }, "priority": 1 })).unwrap();
        assert_eq!(filter.take_text("priority"), None);
        assert_eq!(filter.take_text("stage").as_deref(), Some("Label"));
        assert_eq!(filter.take_text("stage"), None);
        assert!(filter.holds(&json!({ "priority": 1 })) && !filter.is_empty());
    }
}
