//! What templates can say of times, sizes and texts.

use std::time::SystemTime;

use minijinja::value::{Value, ViaDeserialize};
use minijinja::{AutoEscape, Environment, Output, State, escape_formatter};
use pegboard_model::Timestamp;
use serde_json::Value as Json;

use super::{assets, drawing, words};

pub(super) fn add(environment: &mut Environment<'static>) {
    environment.set_auto_escape_callback(|name| if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None });
    drawing::add(environment);
    environment.set_formatter(format);
    environment.add_function("asset", |name: String| assets::link(&name));
    environment.add_filter("ago", |time: Option<String>| {
        time.map_or_else(String::new, |time| words::ago(&time, Timestamp::from(SystemTime::now())))
    });
    environment.add_filter("until", |time: Option<String>| {
        time.map_or_else(String::new, |time| words::until(&time, Timestamp::from(SystemTime::now())))
    });
    environment.add_filter("instant", |time: Option<String>| time.map_or_else(String::new, |time| words::instant(&time)));
    environment.add_filter("clock", |time: Option<String>| {
        time.map_or_else(String::new, |time| time.chars().skip(11).take(8).collect::<String>())
    });
    environment.add_filter("duration", |milliseconds: Option<f64>| words::duration(milliseconds.map(whole)));
    environment.add_filter("size", |bytes: Option<f64>| words::size(bytes.map(whole)));
    environment.add_filter("number", |number: Option<f64>| number.map_or_else(|| "–".to_owned(), words::number));
    environment.add_filter("pretty", |value: ViaDeserialize<Json>| serde_json::to_string_pretty(&*value).unwrap_or_default());
    environment.add_filter("compact", |value: ViaDeserialize<Json>| value.to_string());
    environment.add_filter("coded", |text: Option<String>| Value::from_safe_string(words::coded(&text.unwrap_or_default())));
    environment.add_filter("excerpt", |text: Option<String>, most: usize| words::excerpt(&text.unwrap_or_default(), most));
    environment
        .add_filter("markdown", |text: Option<String>| Value::from_safe_string(words::markdown(&text.unwrap_or_default())));
}

/// Texts without the five characters that mean something in HTML. The template engine's own also takes slashes, which makes every
/// address in a page longer for nothing.
fn format(out: &mut Output<'_>, state: &State<'_, '_>, value: &Value) -> Result<(), minijinja::Error> {
    match value.as_str() {
        Some(text) if state.auto_escape() == AutoEscape::Html && !value.is_safe() => Ok(out.write_str(&words::escaped(text))?),
        _ => escape_formatter(out, state, value),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "times and sizes; what is negative is nothing")]
fn whole(number: f64) -> u64 {
    number.max(0.0) as u64
}
