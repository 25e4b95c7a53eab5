//! The config of a run: the text of a JSON object, checked before anything is sent.

use pegboard_model::Error;
use serde_json::{Map, Value as Json};

/// Longest text in bytes.
const TEXT: usize = 1 << 20;

/// The object in the text, when it is one and follows the schema.
///
/// # Errors
/// `hub-config` says what is wrong with it.
pub fn check(text: &str, schema: Option<&Json>) -> Result<Map<String, Json>, Error> {
    let wrong = |why: String| {
        Error::invalid("hub-config", format!("the config {why}")).hint("a config is the text of a JSON object, such as `{}`")
    };
    if text.len() > TEXT {
        return Err(wrong("is longer than 1 MiB".to_owned()));
    }
    let object = match serde_json::from_str(text) {
        Ok(Json::Object(object)) => object,
        Ok(_) => return Err(wrong("is no JSON object".to_owned())),
        Err(error) => return Err(wrong(format!("is no JSON: {error}"))),
    };
    if let Some(schema) = schema {
        let validator = validator(schema)?;
        let value = Json::Object(object);
        if let Err(error) = validator.validate(&value) {
            let place = error.instance_path().to_string();
            let place = if place.is_empty() { String::new() } else { format!(" at `{place}`") };
            return Err(wrong(format!("does not follow the plugin's schema{place}: {error}")));
        }
        let Json::Object(object) = value else { return Ok(Map::new()) };
        return Ok(object);
    }
    Ok(object)
}

/// Whether this is a JSON Schema.
///
/// # Errors
/// `config-schema` says why not.
pub fn check_schema(schema: &Json) -> Result<(), Error> {
    validator(schema).map(drop)
}

fn validator(schema: &Json) -> Result<jsonschema::Validator, Error> {
    jsonschema::validator_for(schema).map_err(|error| {
        Error::invalid("config-schema", format!("the schema of configs is no JSON Schema: {error}"))
            .hint("see json-schema.org; addresses of other documents are not followed")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_objects_that_follow_the_schema() {
        let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
        assert_eq!(check("{\"n\": 1}", Some(&schema)).unwrap().len(), 1);
        assert_eq!(check("{}", None).unwrap().len(), 0);
        for (text, words) in [
            ("", "no JSON"),
            ("null", "no JSON object"),
            ("[]", "no JSON object"),
            ("\"{}\"", "no JSON object"),
            ("{\"a\": NaN}", "no JSON"),
            ("{'a': 1}", "no JSON"),
        ] {
            let error = check(text, None).unwrap_err();
            assert!(error.code == "hub-config" && error.message.contains(words), "{text}: {error}");
        }
        let error = check("{\"n\": \"x\"}", Some(&schema)).unwrap_err();
        assert!(error.message.contains("`/n`"), "{error}");
        assert!(check("{}", Some(&schema)).is_err());
        assert_eq!(check_schema(&json!({"type": "nonsense"})).unwrap_err().code, "config-schema");
        assert!(check_schema(&json!({"type": "object"})).is_ok());
    }
}
