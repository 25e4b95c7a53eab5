//! What a stage asks of the server: beyond the dialect `retries`, `timeout`, `cache` and `concurrency`; `resources` and `priority`.
//!
//! Each may also stand in `options`, the one place where clients of the dialect let people write what they do not know.

use std::time::Duration;

use pegboard_model::{Retries, Stage};
use serde_json::{Map, Value as Json};

use crate::nearest::nearest;

/// Keys of a stage that may also stand in its options.
pub(crate) const IN_OPTIONS: [&str; 4] = ["retries", "timeout", "cache", "concurrency"];
/// Keys of `retries`.
const RETRIES: [&str; 5] = ["count", "delay", "factor", "longest", "jitter"];

/// See the module.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Asks {
    pub(crate) retries: Option<Retries>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) cache: bool,
    pub(crate) concurrency: Option<u32>,
    /// As written; read when the run begins.
    pub(crate) resources: Map<String, Json>,
    /// Higher goes first.
    pub(crate) priority: i64,
}

/// Why a value cannot be meant.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Problem {
    /// The key inside of it that is wrong.
    pub(crate) inner: Option<String>,
    /// Completes a sentence that begins with the path.
    pub(crate) reason: String,
    pub(crate) hint: Option<String>,
}

impl Problem {
    fn new(reason: String, hint: &str) -> Self {
        Self { inner: None, reason, hint: Some(hint.to_owned()) }
    }
}

/// What the stage asks, its options before its own keys. Values that cannot be meant are told to `refuse`.
pub(crate) fn asks(stage: &Stage, mut refuse: impl FnMut(&str, &Problem)) -> Asks {
    let option = |key: &str| stage.options.get(key).filter(|value| !value.is_null());
    let mut asks = Asks {
        retries: stage.retries,
        timeout: stage.timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        cache: stage.cache.unwrap_or_default(),
        concurrency: stage.concurrency,
        resources: stage.resources.clone(),
        priority: stage.priority.unwrap_or_default(),
    };
    let mut lay = |key: &str, laid: Result<(), Problem>| {
        if let Err(problem) = laid {
            refuse(key, &problem);
        }
    };
    if let Some(value) = option("retries") {
        lay("retries", retries(value).map(|retries| asks.retries = Some(retries)));
    }
    if let Some(value) = option("timeout") {
        lay("timeout", timeout(value).map(|seconds| asks.timeout = Some(Duration::from_secs_f64(seconds))));
    }
    if let Some(value) = option("cache") {
        lay("cache", cache(value).map(|cache| asks.cache = cache));
    }
    if let Some(value) = option("concurrency") {
        lay("concurrency", concurrency(value).map(|most| asks.concurrency = Some(most)));
    }
    if let Some(Json::Object(resources)) = option("resources") {
        asks.resources.clone_from(resources);
    }
    if let Some(priority) = option("priority").and_then(Json::as_i64) {
        asks.priority = priority;
    }
    asks
}

/// Checks one of the keys; nothing is a value too, and means that nothing is asked.
pub(crate) fn check(key: &str, value: &Json) -> Result<(), Problem> {
    match key {
        _ if value.is_null() => Ok(()),
        "retries" => retries(value).map(drop),
        "timeout" => timeout(value).map(drop),
        "cache" => cache(value).map(drop),
        "concurrency" => concurrency(value).map(drop),
        _ => Ok(()),
    }
}

pub(crate) fn retries(value: &Json) -> Result<Retries, Problem> {
    const HINT: &str = "write it as `{count: 3, delay: 1, factor: 2, longest: 60, jitter: 0.1}`; only `count` is needed";
    let count = |value: &Json| value.as_u64().and_then(|count| u32::try_from(count).ok());
    let simple = Retries { count: 0, delay: 1.0, factor: 2.0, longest: 60.0, jitter: 0.0 };
    let entries = match value {
        Json::Object(entries) => entries,
        // The number alone is what most people mean.
        other => match count(other) {
            Some(count) => return Ok(Retries { count, ..simple }),
            None => return Err(Problem::new(format!("is {other}, not an object"), HINT)),
        },
    };
    let wrong = |key: &str, reason: String| Problem { inner: Some(key.to_owned()), ..Problem::new(reason, HINT) };
    if let Some(key) = entries.keys().find(|key| !RETRIES.contains(&key.as_str())) {
        let hint = match nearest(key, RETRIES) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("its keys are {}", RETRIES.map(|key| format!("`{key}`")).join(", ")),
        };
        return Err(Problem { inner: Some(key.clone()), reason: "is not a key of it".to_owned(), hint: Some(hint) });
    }
    let Some(attempts) = entries.get("count") else { return Err(Problem::new("has no `count`".to_owned(), HINT)) };
    let attempts = count(attempts).ok_or_else(|| wrong("count", format!("is {attempts}, not an integer from 0")))?;
    let number = |key: &str, default: f64| match entries.get(key) {
        None => Ok(default),
        Some(value) => match value.as_f64().filter(|number| number.is_finite() && *number >= 0.0) {
            Some(number) => Ok(number),
            None => Err(wrong(key, format!("is {value}, not a number from 0"))),
        },
    };
    Ok(Retries {
        count: attempts,
        delay: number("delay", simple.delay)?,
        factor: number("factor", simple.factor)?,
        longest: number("longest", simple.longest)?,
        jitter: number("jitter", simple.jitter)?,
    })
}

pub(crate) fn timeout(value: &Json) -> Result<f64, Problem> {
    let seconds = value.as_f64().filter(|seconds| *seconds > 0.0 && Duration::try_from_secs_f64(*seconds).is_ok());
    seconds.ok_or_else(|| Problem::new(format!("is {value}, not a number above 0"), "it is in seconds"))
}

pub(crate) fn cache(value: &Json) -> Result<bool, Problem> {
    value.as_bool().ok_or_else(|| Problem::new(format!("is {value}, not a boolean"), "write `true` or `false`"))
}

pub(crate) fn concurrency(value: &Json) -> Result<u32, Problem> {
    let most = value.as_u64().and_then(|most| u32::try_from(most).ok()).filter(|most| *most > 0);
    most.ok_or_else(|| Problem::new(format!("is {value}, not an integer from 1"), "leave it out for no limit"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_that_cannot_be_meant_say_what_could() {
        let cases = [
            ("retries", json!({ "count": 2 }), None),
            ("retries", json!(2), None),
            ("retries", json!(null), None),
            ("retries", json!("two"), Some((None, "is \"two\", not an object", "only `count` is needed"))),
            ("retries", json!({ "delay": 1 }), Some((None, "has no `count`", "only `count` is needed"))),
            ("retries", json!({ "count": -1 }), Some((Some("count"), "is -1, not an integer from 0", "count: 3"))),
            ("retries", json!({ "count": 1, "delya": 2 }), Some((Some("delya"), "is not a key of it", "did you mean `delay`?"))),
            ("retries", json!({ "count": 1, "zebra": 2 }), Some((Some("zebra"), "is not a key of it", "its keys are `count`, "))),
            (
                "retries",
                json!({ "count": 1, "jitter": "a" }),
                Some((Some("jitter"), "is \"a\", not a number from 0", "count: 3")),
            ),
            ("timeout", json!(0.5), None),
            ("timeout", json!(0), Some((None, "is 0, not a number above 0", "it is in seconds"))),
            ("timeout", json!(1e300), Some((None, "is 1e+300, not a number above 0", "it is in seconds"))),
            ("cache", json!(true), None),
            ("cache", json!("yes"), Some((None, "is \"yes\", not a boolean", "write `true`"))),
            ("concurrency", json!(1), None),
            ("concurrency", json!(0), Some((None, "is 0, not an integer from 1", "no limit"))),
        ];
        for (key, value, expected) in cases {
            match (check(key, &value), expected) {
                (Ok(()), None) => {}
                (Err(problem), Some((inner, reason, hint))) => {
                    assert_eq!((problem.inner.as_deref(), problem.reason.as_str()), (inner, reason), "{key}: {value}");
                    assert!(problem.hint.unwrap().contains(hint), "{key}: {value}");
                }
                (outcome, expected) => panic!("{key}: {value}: {outcome:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn options_are_laid_over_the_keys_of_the_stage() {
        let stage = json!({
            "name": "a", "target": "t", "timeout": 5.0, "cache": true, "priority": 1, "resources": { "cpus": 1 },
            "options": { "retries": { "count": 2, "delay": 0 }, "timeout": 2, "cache": null, "concurrency": 3, "priority": 7 },
        });
        let stage: Stage = serde_json::from_value(stage).unwrap();
        let asks = asks(&stage, |key, problem| panic!("{key}: {problem:?}"));
        assert_eq!(asks.retries.map(|retries| (retries.count, retries.delay)), Some((2, 0.0)));
        assert_eq!((asks.timeout, asks.cache, asks.concurrency), (Some(Duration::from_secs(2)), true, Some(3)));
        assert_eq!((asks.priority, asks.resources.len()), (7, 1));
    }
}
