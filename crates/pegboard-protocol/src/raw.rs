//! JSON kept as text within a message.
//!
//! Serde reads a message with a `type` tag into a buffer before it knows which message it is, and JSON text cannot be taken out of
//! such a buffer again. So it is written anew from there, with the members in the order in which they came.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Reads an optional JSON value of any kind.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    let Text(text) = Text::deserialize(deserializer)?;
    if text == "null" { Ok(None) } else { RawValue::from_string(text).map(Some).map_err(D::Error::custom) }
}

/// A JSON value as text.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Writer)
    }
}

struct Writer;

fn write<E: Error>(value: &(impl serde::Serialize + ?Sized)) -> Result<Text, E> {
    serde_json::to_string(value).map(Text).map_err(E::custom)
}

impl<'de> Visitor<'de> for Writer {
    type Value = Text;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Text, E> {
        write(&value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Text, E> {
        write(&value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Text, E> {
        write(&value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Text, E> {
        write(&value)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Text, E> {
        write(value)
    }

    fn visit_unit<E: Error>(self) -> Result<Text, E> {
        write(&())
    }

    fn visit_none<E: Error>(self) -> Result<Text, E> {
        write(&())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Text, D::Error> {
        Text::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Text, A::Error> {
        let mut text = String::from("[");
        while let Some(Text(item)) = items.next_element()? {
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(&item);
        }
        text.push(']');
        Ok(Text(text))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Text, A::Error> {
        let mut text = String::from("{");
        while let Some((key, Text(value))) = members.next_entry::<String, Text>()? {
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(&serde_json::to_string(&key).map_err(A::Error::custom)?);
            text.push(':');
            text.push_str(&value);
        }
        text.push('}');
        Ok(Text(text))
    }
}

#[cfg(test)]
mod tests {
    use crate::ContextReference;

    #[test]
    fn every_kind_of_json_comes_out_as_it_went_in() {
        let body = r#"{"z":null,"a":[true,-1,2.5,18446744073709551615,"\"ü\n"],"e":{},"l":[]}"#;
        let whole = format!(r#"{{"id":"run","body":{body}}}"#);
        let context: ContextReference = serde_json::from_str(&whole).unwrap();
        assert_eq!(context.body.as_ref().unwrap().get(), body);
        assert_eq!(serde_json::to_string(&context).unwrap(), whole);
        for absent in [r#"{"id":"run"}"#, r#"{"id":"run","body":null}"#] {
            assert!(serde_json::from_str::<ContextReference>(absent).unwrap().body.is_none());
        }
    }
}
