//! What an asset is, told by its name: nothing of it is read.

use pegboard_model::{Asset, OWN_FILE};

/// Endings of files, and what they are.
const ENDINGS: &[(&str, &[&str])] = &[
    ("image", &["png", "jpg", "jpeg", "gif", "webp", "bmp", "avif", "svg", "tif", "tiff"]),
    ("video", &["mp4", "webm", "mov", "m4v", "avi", "mkv"]),
    ("audio", &["wav", "mp3", "ogg", "oga", "flac", "m4a"]),
    ("pdf", &["pdf"]),
    ("csv", &["csv", "tsv"]),
    ("markdown", &["md", "markdown"]),
    ("text", &["txt", "text", "json", "jsonl", "ndjson", "xml", "html", "yaml", "yml", "log"]),
];

/// `image`, `video`, `audio`, `pdf`, `csv`, `markdown`, `text`, or `other`.
#[must_use]
pub fn media(asset: &Asset) -> &'static str {
    let data = asset.data.as_str();
    if data.starts_with("data:image/") {
        return "image";
    }
    if is_link(data) {
        let known = by_ending(data.split(['?', '#']).next().unwrap_or(data)).or_else(|| by_ending(&asset.external_id));
        let has_size = !asset.metadata["width"].is_null() && !asset.metadata["height"].is_null();
        return known.unwrap_or(if has_size { "image" } else { "other" });
    }
    match by_ending(&asset.external_id) {
        Some(written @ ("csv" | "markdown" | "text")) => written,
        _ if data.starts_with('#') || data.contains("\n#") => "markdown",
        _ => "text",
    }
}

/// Whether the data says where the asset is; else it is the asset, a text.
#[must_use]
pub fn is_link(data: &str) -> bool {
    let scheme = data.split_once("://").map(|(scheme, _)| scheme);
    let named = scheme.is_some_and(|scheme| !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    (named && !data.contains(char::is_whitespace)) || data.starts_with(OWN_FILE)
}

fn by_ending(path: &str) -> Option<&'static str> {
    let ending = path.rsplit('/').next()?.rsplit_once('.')?.1.to_ascii_lowercase();
    ENDINGS.iter().find(|(_, endings)| endings.contains(&ending.as_str())).map(|(kind, _)| *kind)
}

#[cfg(test)]
mod tests {
    use pegboard_model::{HubId, Timestamp};
    use serde_json::{Value as Json, json};

    use super::*;

    #[test]
    fn told_by_the_name() {
        let sized = json!({ "width": 1, "height": 1 });
        for (data, external_id, metadata, expected) in [
            ("pegboard:1/assets/2/a.PNG", "a", Json::Null, "image"),
            ("https://x/a.mp4?sig=b.png", "a.png", Json::Null, "video"),
            ("https://x/raw", "a.pdf", Json::Null, "pdf"),
            ("https://x/raw?id=1", "a", sized, "image"),
            ("https://x/raw", "a", Json::Null, "other"),
            ("data:image/png;base64,AA==", "a", Json::Null, "image"),
            ("see https://x/a.png", "a", Json::Null, "text"),
            ("Good morning", "a.png", Json::Null, "text"),
            ("# Title", "row-1", Json::Null, "markdown"),
            ("a,b", "a.csv", Json::Null, "csv"),
        ] {
            let asset = Asset {
                id: HubId::random(),
                project: HubId::random(),
                external_id: external_id.to_owned(),
                data: data.to_owned(),
                storage: None,
                batches: Vec::new(),
                metadata,
                context: Json::Null,
                attachments: Vec::new(),
                created_at: Timestamp(0),
                created_by: String::new(),
            };
            assert_eq!(media(&asset), expected, "{data}");
        }
    }
}
