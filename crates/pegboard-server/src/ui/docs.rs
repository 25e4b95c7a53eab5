//! `/api/docs`: the OpenAPI document, readable.

use axum::extract::State;
use axum::http::{Extensions, HeaderMap};
use axum::response::Response;
use serde::Serialize;
use serde_json::{Value as Json, json};
use utoipa::OpenApi;

use super::page::{Viewer, frame};
use super::template::html;
use crate::app::App;
use crate::error::ApiError;
use crate::openapi::Document;

#[derive(Serialize)]
struct Group {
    name: String,
    description: String,
    operations: Vec<Operation>,
}

#[derive(Serialize)]
struct Operation {
    method: String,
    path: String,
    summary: String,
    description: String,
    parameters: Vec<Field>,
    takes: String,
    answers: Vec<(String, String, String)>,
}

#[derive(Serialize)]
struct Schema {
    name: String,
    description: String,
    fields: Vec<Field>,
}

#[derive(Serialize)]
struct Field {
    name: String,
    kind: String,
    required: bool,
    description: String,
}

/// The page.
pub(super) async fn page(State(app): State<App>, headers: HeaderMap, extensions: Extensions) -> Result<Response, ApiError> {
    // Through JSON: the document's own types say less in more words.
    let document = serde_json::to_value(Document::openapi()).unwrap_or_default();
    let mut known = frame(&app, "api", &Viewer::of(&extensions), &headers);
    known.insert("groups".to_owned(), json!(groups(&document)));
    known.insert("schemas".to_owned(), json!(schemas(&document)));
    html(&app, "docs.html", &known)
}

fn groups(document: &Json) -> Vec<Group> {
    let tags = document["tags"].as_array().into_iter().flatten();
    let group = |tag: &Json| Group {
        name: text(&tag["name"]),
        description: text(&tag["description"]),
        operations: operations(document, &tag["name"]),
    };
    tags.map(group).collect()
}

fn operations(document: &Json, tag: &Json) -> Vec<Operation> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for method in ["get", "post", "put", "patch", "delete"] {
            let operation = &item[method];
            if operation["tags"][0] != *tag {
                continue;
            }
            let parameters = operation["parameters"].as_array().into_iter().flatten().map(|parameter| Field {
                name: text(&parameter["name"]),
                kind: kind(&parameter["schema"]),
                required: parameter["required"] == true,
                description: text(&parameter["description"]),
            });
            let answers = operation["responses"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(status, answer)| (status.clone(), content(&answer["content"]), text(&answer["description"])));
            // The first sentence says what, the others how.
            let whole = text(&operation["summary"]);
            let (summary, more) = whole
                .split_once(". ")
                .map_or((whole.clone(), String::new()), |(first, rest)| (format!("{first}."), rest.to_owned()));
            found.push(Operation {
                method: method.to_uppercase(),
                path: path.clone(),
                summary,
                description: format!("{more}\n{}", text(&operation["description"])).trim().to_owned(),
                parameters: parameters.collect(),
                takes: content(&operation["requestBody"]["content"]),
                answers: answers.collect(),
            });
        }
    }
    found
}

fn schemas(document: &Json) -> Vec<Schema> {
    let schemas = document["components"]["schemas"].as_object().into_iter().flatten();
    let schema = |(name, schema): (&String, &Json)| {
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let fields = schema["properties"].as_object().into_iter().flatten().map(|(name, field)| Field {
            name: name.clone(),
            kind: kind(field),
            required: required.iter().any(|required| required == name),
            description: text(&field["description"]),
        });
        Schema { name: name.clone(), description: text(&schema["description"]), fields: fields.collect() }
    };
    schemas.map(schema).collect()
}

fn content(content: &Json) -> String {
    let parts = content.as_object().into_iter().flatten().map(|(media_type, content)| match kind(&content["schema"]) {
        kind if media_type == "application/json" => kind,
        kind if kind.is_empty() || kind == "string" => media_type.clone(),
        kind => format!("{kind} ({media_type})"),
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// A schema in a word: `string`, `RunAnswer`, `list of RunAnswer`, `string or null`.
fn kind(schema: &Json) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        return reference.rsplit('/').next().unwrap_or_default().to_owned();
    }
    for several in ["oneOf", "anyOf", "allOf"] {
        if let Some(options) = schema[several].as_array() {
            return options.iter().map(kind).collect::<Vec<_>>().join(" or ");
        }
    }
    match &schema["type"] {
        Json::String(one) if one == "array" => format!("list of {}", kind(&schema["items"])),
        Json::String(one) => one.clone(),
        Json::Array(several) => several.iter().filter_map(Json::as_str).collect::<Vec<_>>().join(" or "),
        _ => String::new(),
    }
}

fn text(json: &Json) -> String {
    json.as_str().unwrap_or_default().to_owned()
}
