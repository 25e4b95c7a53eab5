//! The text of `flowdapt.yaml`: YAML, JSON or TOML by its ending, with variables of the environment in it.

use std::path::Path;

use figment::providers::{Format as _, Toml};
use pegboard_model::Error;
use serde_json::{Map, Value as Json};

/// The file as a tree; an empty one is a file that says nothing.
pub(super) fn tree_of_file(path: &Path) -> Result<Map<String, Json>, Error> {
    let unreadable = |reason: String| {
        Error::invalid("settings-file", format!("cannot read settings file `{}`", path.display())).detail(reason)
    };
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    let value = if path.extension().is_some_and(|ending| ending == "toml") {
        Toml::from_str::<Json>(&text).map_err(|error| unreadable(error.to_string().trim_end().to_owned()))?
    } else {
        pegboard_flow::read_yaml(&text).map_err(|error| unreadable(error.message))?
    };
    match value {
        Json::Object(tree) => Ok(tree),
        Json::Null => Ok(Map::new()),
        _ => Err(unreadable("it is no table of keys".to_owned())),
    }
}

/// `$NAME`, `${NAME}` and `$env{NAME}` replaced where the variable is set; other expressions of the dialect are refused.
pub(super) fn expanded(
    tree: Map<String, Json>,
    variables: &[(String, String)],
    origin: &str,
) -> Result<Map<String, Json>, Error> {
    let entry = |(key, value)| Ok((key, expanded_value(value, variables, origin)?));
    tree.into_iter().map(entry).collect()
}

fn expanded_value(value: Json, variables: &[(String, String)], origin: &str) -> Result<Json, Error> {
    match value {
        Json::Object(tree) => expanded(tree, variables, origin).map(Json::Object),
        Json::Array(items) => items.into_iter().map(|item| expanded_value(item, variables, origin)).collect(),
        Json::String(text) if text.contains('$') => expanded_text(&text, variables, origin).map(Json::String),
        other => Ok(other),
    }
}

fn expanded_text(text: &str, variables: &[(String, String)], origin: &str) -> Result<String, Error> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('$') {
        found.push_str(&rest[..start]);
        let after = &rest[start + 1..];
        let word = &after[..after.find(|c| !is_name(c)).unwrap_or(after.len())];
        let braced = after[word.len()..].strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let (name, length) = match braced {
            Some((name, _)) if word.is_empty() || word == "env" => (name, word.len() + name.len() + 2),
            Some((inner, _)) => {
                let message = format!("`${word}{{{inner}}}` in {origin} is an expression that is not evaluated here");
                return Err(Error::invalid("setting-invalid", message).hint("write its value, or use `${NAME}` and a variable"));
            }
            None => (word, word.len()),
        };
        match variables.iter().find(|(known, _)| known == name) {
            Some((_, value)) => found.push_str(value),
            // As it stands: passwords may have such signs in them.
            None => found.push_str(&rest[start..start + 1 + length]),
        }
        rest = &after[length..];
    }
    found.push_str(rest);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in_where_they_are_set() {
        let variables = [("HOME".to_owned(), "/srv/u".to_owned()), ("X_1".to_owned(), "x".to_owned())];
        for (text, expected) in [
            ("$HOME/a", "/srv/u/a"),
            ("${HOME}a${X_1}", "/srv/uax"),
            ("$env{X_1}", "x"),
            ("pa$$word", "pa$$word"),
            ("$UNSET and ${UNSET}", "$UNSET and ${UNSET}"),
            ("100$", "100$"),
        ] {
            assert_eq!(expanded_text(text, &variables, "f").unwrap(), expected, "{text}");
        }
        let refused = expanded_text("a $ref{b.c}", &variables, "file:f").unwrap_err();
        assert!(refused.message.contains("`$ref{b.c}` in file:f"), "{refused:?}");
    }
}
