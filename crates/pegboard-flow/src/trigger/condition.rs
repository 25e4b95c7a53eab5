//! Conditions over events (Flowdapt specification, section 5.2): a small language in JSON with the comparisons of Python.

use std::cmp::Ordering;

use pegboard_model::Event;
use serde_json::{Number, Value as Json};

use crate::nearest::nearest;

/// The operators, with the least and the most arguments that each takes.
const OPERATORS: [(&str, usize, usize); 11] = [
    ("var", 1, 2),
    ("eq", 2, 2),
    ("ne", 2, 2),
    ("gt", 2, 2),
    ("lt", 2, 2),
    ("ge", 2, 2),
    ("le", 2, 2),
    ("and", 0, usize::MAX),
    ("or", 0, usize::MAX),
    ("not", 1, 1),
    ("bool", 1, 1),
];
/// Nesting that no sensible rule reaches; keeps recursion shallow.
const MAX_DEPTH: usize = 64;

/// Refuses what could never be evaluated: operators that do not exist, wrong counts of arguments.
///
/// # Errors
/// One sentence, with the nearest operator.
pub(crate) fn check(rule: &Json) -> Result<(), String> {
    check_to(rule, MAX_DEPTH)
}

fn check_to(rule: &Json, depth: usize) -> Result<(), String> {
    let Some(depth) = depth.checked_sub(1) else { return Err(too_deep()) };
    match rule {
        Json::Object(call) => {
            let Some((operator, arguments)) = call.iter().next() else { return Err(empty()) };
            let arguments = list(arguments);
            expect(operator, arguments.len())?;
            if operator == "var" && arguments[0].is_null() {
                return Err("operator `var` needs a path, such as `data.state`".to_owned());
            }
            arguments.iter().try_for_each(|argument| check_to(argument, depth))
        }
        Json::Array(items) => items.iter().try_for_each(|item| check_to(item, depth)),
        _ => Ok(()),
    }
}

/// Whether the event is one for which the rule is true.
///
/// # Errors
/// One sentence: what cannot be compared with what, which operator does not exist.
pub(crate) fn holds(rule: &Json, event: &Json) -> Result<bool, String> {
    evaluate(rule, event, MAX_DEPTH).map(|value| is_truthy(&value))
}

/// The event as rules see it: the fields of the dialect.
pub(crate) fn subject(event: &Event) -> Json {
    serde_json::json!({
        "id": event.id.to_string(),
        "time": event.time.to_string().trim_end_matches('Z'),
        "headers": {},
        "correlation_id": null,
        "reply_channel": null,
        "trace_parent": null,
        "channel": event.channel,
        "source": event.source,
        "type": event.event_type,
        "data": event.data,
    })
}

fn evaluate(rule: &Json, event: &Json, depth: usize) -> Result<Json, String> {
    let Some(depth) = depth.checked_sub(1) else { return Err(too_deep()) };
    let call = match rule {
        Json::Object(call) => call,
        Json::Array(items) => return items.iter().map(|item| evaluate(item, event, depth)).collect(),
        value => return Ok(value.clone()),
    };
    let Some((operator, arguments)) = call.iter().next() else { return Err(empty()) };
    let arguments = list(arguments).iter().map(|argument| evaluate(argument, event, depth)).collect::<Result<Vec<_>, _>>()?;
    expect(operator, arguments.len())?;
    let boolean = |value: bool| Ok(Json::Bool(value));
    match (operator.as_str(), arguments.as_slice()) {
        ("var", [path]) => variable(event, path, &Json::Null),
        ("var", [path, default]) => variable(event, path, default),
        ("eq", [one, other]) => boolean(equal(one, other)),
        ("ne", [one, other]) => boolean(!equal(one, other)),
        ("gt", [one, other]) => boolean(order(one, other, ">")? == Some(Ordering::Greater)),
        ("lt", [one, other]) => boolean(order(one, other, "<")? == Some(Ordering::Less)),
        ("ge", [one, other]) => boolean(matches!(order(one, other, ">=")?, Some(Ordering::Greater | Ordering::Equal))),
        ("le", [one, other]) => boolean(matches!(order(one, other, "<=")?, Some(Ordering::Less | Ordering::Equal))),
        ("and", all) => match all.iter().find(|value| !is_truthy(value)).or(all.last()) {
            Some(value) => Ok(value.clone()),
            None => boolean(true),
        },
        ("or", all) => match all.iter().find(|value| is_truthy(value)).or(all.last()) {
            Some(value) => Ok(value.clone()),
            None => boolean(false),
        },
        ("not", [value]) => boolean(!is_truthy(value)),
        ("bool", [value]) => boolean(is_truthy(value)),
        _ => Err(unknown(operator)),
    }
}

/// A value that is not a list is a list of one.
fn list(arguments: &Json) -> &[Json] {
    match arguments {
        Json::Array(items) => items,
        single => std::slice::from_ref(single),
    }
}

fn expect(operator: &str, count: usize) -> Result<(), String> {
    let Some((_, least, most)) = OPERATORS.iter().find(|(name, ..)| *name == operator) else { return Err(unknown(operator)) };
    if (*least..=*most).contains(&count) {
        return Ok(());
    }
    let expected = if least == most { least.to_string() } else { format!("{least} or {most}") };
    Err(format!("operator `{operator}` takes {expected} argument{}, not {count}", if expected == "1" { "" } else { "s" }))
}

fn unknown(operator: &str) -> String {
    let symbols = [("==", "eq"), ("!=", "ne"), (">", "gt"), ("<", "lt"), (">=", "ge"), ("<=", "le")];
    let words = [("&&", "and"), ("||", "or"), ("!", "not"), ("$", "var")];
    let known = OPERATORS.iter().map(|(name, ..)| *name);
    let meant = symbols.iter().chain(&words).find(|(symbol, _)| *symbol == operator).map(|(_, name)| *name);
    match meant.or_else(|| nearest(operator, known.clone())) {
        Some(near) => format!("there is no operator `{operator}`; did you mean `{near}`?"),
        None => {
            let known: Vec<String> = known.map(|name| format!("`{name}`")).collect();
            format!("there is no operator `{operator}`; operators are {}", known.join(", "))
        }
    }
}

fn empty() -> String {
    "`{}` is no condition: an operator is missing".to_owned()
}

fn too_deep() -> String {
    format!("a condition is nested at most {MAX_DEPTH} deep")
}

fn variable(event: &Json, path: &Json, default: &Json) -> Result<Json, String> {
    let Json::String(path) = path else { return Err(format!("operator `var` takes a path as text, not {}", kind(path))) };
    let found = path.split('.').try_fold(event, |value, step| value.as_object()?.get(step));
    Ok(found.unwrap_or(default).clone())
}

fn is_truthy(value: &Json) -> bool {
    match value {
        Json::Null => false,
        Json::Bool(value) => *value,
        Json::Number(number) => number.as_f64() != Some(0.0),
        Json::String(text) => !text.is_empty(),
        Json::Array(items) => !items.is_empty(),
        Json::Object(entries) => !entries.is_empty(),
    }
}

/// A number as Python has it: booleans are numbers too.
fn number(value: &Json) -> Option<Number> {
    match value {
        Json::Bool(value) => Some(Number::from(u8::from(*value))),
        Json::Number(number) => Some(number.clone()),
        _ => None,
    }
}

fn compare(one: &Number, other: &Number) -> Option<Ordering> {
    let integer = |number: &Number| number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    match (integer(one), integer(other)) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        _ => one.as_f64()?.partial_cmp(&other.as_f64()?),
    }
}

fn equal(one: &Json, other: &Json) -> bool {
    if let (Some(one), Some(other)) = (number(one), number(other)) {
        return compare(&one, &other) == Some(Ordering::Equal);
    }
    match (one, other) {
        (Json::Array(one), Json::Array(other)) => one.len() == other.len() && one.iter().zip(other).all(|(a, b)| equal(a, b)),
        (Json::Object(one), Json::Object(other)) => {
            one.len() == other.len() && one.iter().all(|(key, value)| other.get(key).is_some_and(|there| equal(value, there)))
        }
        _ => one == other,
    }
}

fn order(one: &Json, other: &Json, sign: &str) -> Result<Option<Ordering>, String> {
    if let (Some(one), Some(other)) = (number(one), number(other)) {
        return Ok(compare(&one, &other));
    }
    match (one, other) {
        (Json::String(one), Json::String(other)) => Ok(Some(one.cmp(other))),
        (Json::Array(one), Json::Array(other)) => match one.iter().zip(other).find(|(a, b)| !equal(a, b)) {
            Some((a, b)) => order(a, b, sign),
            None => Ok(Some(one.len().cmp(&other.len()))),
        },
        _ => Err(format!("`{sign}` cannot compare {} with {}", kind(one), kind(other))),
    }
}

fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(rule: Json) -> Result<Json, String> {
        let event = json!({
            "type": "t", "data": { "workflow": "w", "n": 3, "f": 3.0, "none": null, "list": [1, { "x": 1 }], "": "blank" },
        });
        evaluate(&rule, &event, MAX_DEPTH)
    }

    #[test]
    fn operators_have_pythons_meaning() {
        for (rule, expected) in [
            (json!(true), json!(true)),
            (json!("text"), json!("text")),
            (json!({ "var": "type" }), json!("t")),
            (json!({ "var": ["data.workflow"] }), json!("w")),
            (json!({ "var": "data.absent" }), json!(null)),
            (json!({ "var": ["data.absent", 7] }), json!(7)),
            (json!({ "var": ["data.none", 7] }), json!(null)),
            (json!({ "var": ["data.list.0", "no"] }), json!("no")),
            (json!({ "var": ["type.deeper", "no"] }), json!("no")),
            (json!({ "var": "data." }), json!("blank")),
            (json!({ "var": [{ "var": ["data.absent", "data.n"] }] }), json!(3)),
            (json!({ "eq": [{ "var": "data.n" }, 3] }), json!(true)),
            (json!({ "eq": [{ "var": "data.f" }, 3] }), json!(true)),
            (json!({ "eq": [1, true] }), json!(true)),
            (json!({ "eq": ["1", 1] }), json!(false)),
            (json!({ "eq": [null, false] }), json!(false)),
            (json!({ "eq": [[1.0, "a"], [1, "a"]] }), json!(true)),
            (json!({ "ne": [1, 2] }), json!(true)),
            (json!({ "gt": [2, 1.5] }), json!(true)),
            (json!({ "lt": ["a", "b"] }), json!(true)),
            (json!({ "lt": [9_007_199_254_740_992_i64, 9_007_199_254_740_993_i64] }), json!(true)),
            (json!({ "ge": [2, 2] }), json!(true)),
            (json!({ "le": [[1, 2], [1, 3]] }), json!(true)),
            (json!({ "le": [[1, 2], [1]] }), json!(false)),
            (json!({ "and": [] }), json!(true)),
            (json!({ "and": [1, "", 2] }), json!("")),
            (json!({ "and": [1, "x"] }), json!("x")),
            (json!({ "or": [] }), json!(false)),
            (json!({ "or": [0, null, "x", 1] }), json!("x")),
            (json!({ "or": [0, null] }), json!(null)),
            (json!({ "not": [0] }), json!(true)),
            (json!({ "not": "x" }), json!(false)),
            (json!({ "bool": {"var": "data.n"} }), json!(true)),
            (json!({ "bool": [0.0] }), json!(false)),
            (json!({ "bool": [[]] }), json!(false)),
            (json!({ "eq": [1, 1], "further": "keys are ignored" }), json!(true)),
        ] {
            assert_eq!(value(rule.clone()), Ok(expected), "{rule}");
        }
    }

    #[test]
    fn what_cannot_be_evaluated_says_why() {
        for (rule, expected) in [
            (json!({ "gt": ["a", 1] }), "`>` cannot compare text with a number"),
            (json!({ "lt": [{ "var": "data.absent" }, 1] }), "`<` cannot compare null with a number"),
            (json!({ "ge": [[1], ["a"]] }), "`>=` cannot compare a number with text"),
            (json!({ "le": [{ "var": "data" }, 1] }), "`<=` cannot compare an object with a number"),
            (json!({ "eq": [1] }), "operator `eq` takes 2 arguments, not 1"),
            (json!({ "not": [] }), "operator `not` takes 1 argument, not 0"),
            (json!({ "var": [] }), "operator `var` takes 1 or 2 arguments, not 0"),
            (json!({ "var": 3 }), "operator `var` takes a path as text, not a number"),
            (json!({ "xor": [1, 2] }), "there is no operator `xor`; did you mean `or`?"),
            (json!({ "==": [1, 2] }), "there is no operator `==`; did you mean `eq`?"),
            (json!({ "&&": [1, 2] }), "there is no operator `&&`; did you mean `and`?"),
            (json!({ "and": [{}] }), "`{}` is no condition: an operator is missing"),
        ] {
            assert_eq!(value(rule.clone()), Err(expected.to_owned()), "{rule}");
        }
        let unknown = value(json!({ "contains": ["a", "b"] })).unwrap_err();
        assert!(unknown.starts_with("there is no operator `contains`; operators are `var`, `eq`"), "{unknown}");
        let deep = (0..100).fold(json!(1), |inner, _| json!({ "not": [inner] }));
        assert_eq!(value(deep.clone()), Err("a condition is nested at most 64 deep".to_owned()));
        assert!(check(&deep).is_err());
    }

    #[test]
    fn what_could_never_be_evaluated_is_refused_before() {
        for (rule, fine) in [
            (json!({ "and": [{ "eq": [{ "var": "type" }, "x"] }, { "not": [{ "var": "data.x" }] }] }), true),
            // Types are only known when there is an event.
            (json!({ "gt": [{ "var": "type" }, 1] }), true),
            (json!({ "or": [true, { "nand": [1, 2] }] }), false),
            (json!({ "eq": [1, 2, 3] }), false),
            (json!({ "var": [null] }), false),
        ] {
            assert_eq!(check(&rule).is_ok(), fine, "{rule}");
        }
    }
}
