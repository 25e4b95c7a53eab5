//! Remote plugins and their sessions.

pub(crate) mod follow;
pub(crate) mod hosting;
pub(crate) mod plugins;
pub(crate) mod presets;
pub(crate) mod preview;
pub(crate) mod scripts;
pub(crate) mod sessions;

use std::collections::{BTreeMap, HashSet};

use pegboard_model::{ClassPair, Error, Project};
use serde_json::Value as Json;

/// Markdown of a plugin's author as HTML that is safe to show.
pub(crate) fn details_html(markdown: &str) -> String {
    if markdown.is_empty() {
        return String::new();
    }
    let mut options = comrak::Options::default();
    (options.extension.table, options.extension.strikethrough, options.extension.autolink) = (true, true, true);
    // Authors may paste rich text: HTML passes here and is cleaned below.
    options.render.r#unsafe = true;
    let html = comrak::markdown_to_html(markdown, &options);
    let schemes: HashSet<&str> = ["http", "https", "mailto"].into();
    ammonia::Builder::default().url_schemes(schemes).link_rel(Some("noopener noreferrer nofollow")).clean(&html).to_string()
}

/// The text of a config that was given as an object or as its text.
pub(crate) fn config_text(config: Json) -> String {
    match config {
        Json::String(text) => text,
        other => other.to_string(),
    }
}

/// Pairs of classes; the project's side is a title or a schemaId.
pub(crate) fn class_pairs(classes: BTreeMap<String, String>, project: Option<&Project>) -> Result<Vec<ClassPair>, Error> {
    let pair = |(model_class, word): (String, String)| {
        let Some(project) = project else { return Ok(ClassPair { schema_id: word, model_class }) };
        let schema = &project.schema;
        let all = schema.tools.iter().chain(&schema.classifications);
        let found = match schema.by_id(&word) {
            Some(entry) => Some(entry),
            None => all.into_iter().find(|entry| entry["title"] == word.as_str()),
        };
        let schema_id = found.and_then(|entry| entry["schemaId"].as_str()).map(str::to_owned);
        let schema_id = schema_id.ok_or_else(|| {
            Error::invalid("class-mapping", format!("project `{}` has no tool or classification `{word}`", project.id))
                .hint("name a title or a schemaId of its category schema")
        })?;
        Ok(ClassPair { schema_id, model_class })
    };
    classes.into_iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_cannot_do_harm() {
        let html =
            details_html("# Title\n\n**bold** [link](https://example.com) <b onclick=\"x()\">b</b>\n\n| a |\n|---|\n| 1 |\n");
        for part in ["<h1>Title</h1>", "<strong>bold</strong>", "noopener", "<b>b</b>", "<table>"] {
            assert!(html.contains(part), "{part} in {html}");
        }
        let attacks = [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "[x](javascript:alert(1))",
            "<iframe src='//evil'></iframe>",
            "<a href='data:text/html,x'>x</a>",
            "<style>*{}</style>",
            "<form action=//evil><input></form>",
            "<svg onload=alert(1)>",
        ];
        for attack in attacks {
            let html = details_html(attack);
            for part in ["<script", "onerror", "javascript:", "<iframe", "data:", "<style", "<form", "onload", "<svg"] {
                assert!(!html.contains(part), "{attack} became {html}");
            }
        }
        assert_eq!(details_html(""), "");
    }
}
