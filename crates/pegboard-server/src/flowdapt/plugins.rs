//! The directory of plugins, and the data files that they brought.
//!
//! A file is found among those that the distribution recorded, by its base name or the end of its path; what a client writes
//! is compared with them and never joined to a path.

use std::io::{ErrorKind, SeekFrom};
use std::path::{Path as FilePath, PathBuf};
use std::time::SystemTime;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_RANGE, LAST_MODIFIED, RANGE,
};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use pegboard_model::plugin::PluginMetadata;
use pegboard_model::{Error, PluginRecord};
use serde::Serialize;
use serde_json::json;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use super::answer::{PARTIAL, Refused, answer};
use super::version::{Kind, negotiate};
use crate::app::App;

/// A plugin as it is sent.
#[derive(Serialize)]
struct PluginWire<'a> {
    name: &'a str,
    metadata: MetadataWire<'a>,
    module: &'a str,
}

#[derive(Serialize)]
struct MetadataWire<'a> {
    description: &'a str,
    author: &'a str,
    license: &'a str,
    url: &'a str,
    version: &'a str,
    requirements: &'a [String],
}

impl<'a> From<&'a PluginRecord> for PluginWire<'a> {
    fn from(record: &'a PluginRecord) -> Self {
        let PluginMetadata { name, description, author, license, url, version, requirements } = &record.metadata;
        let metadata = MetadataWire { description, author, license, url, version, requirements };
        let module = record.entry_points.first().or(record.modules.first());
        Self { name, metadata, module: module.map_or("", String::as_str) }
    }
}

pub(super) async fn list(State(app): State<App>, headers: HeaderMap) -> Result<Response, Refused> {
    let version = negotiate(Kind::Plugin, &headers)?;
    let records = records(&app);
    let wires: Vec<_> = records.iter().map(PluginWire::from).collect();
    answer(Kind::Plugin, version, &wires)
}

pub(super) async fn show(State(app): State<App>, Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Refused> {
    let version = negotiate(Kind::Plugin, &headers)?;
    answer(Kind::Plugin, version, &PluginWire::from(&find(&app, &name)?))
}

pub(super) async fn files(State(app): State<App>, Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Refused> {
    let version = negotiate(Kind::PluginFiles, &headers)?;
    let record = find(&app, &name)?;
    answer(Kind::PluginFiles, version, &json!({ "files": file_names(&record.data_files) }))
}

pub(super) async fn file(
    State(app): State<App>,
    Path((name, file)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let record = find(&app, &name)?;
    let recorded = named(&record.data_files, &file).ok_or_else(Refused::absent)?;
    let mut found = None;
    for folder in packages(&app, &record).await? {
        match File::open(folder.join(recorded)).await {
            Ok(file) => {
                found = Some(file);
                break;
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(unreadable(&error)),
        }
    }
    send(found.ok_or_else(Refused::absent)?, &base(recorded), &headers).await
}

/// Those whose distribution is known; one that is being installed for the first time has none yet.
fn records(app: &App) -> Vec<PluginRecord> {
    app.engine.plugins().into_iter().filter(|record| !record.metadata.name.is_empty()).collect()
}

fn find(app: &App, name: &str) -> Result<PluginRecord, Refused> {
    records(app).into_iter().find(|record| record.metadata.name == name).ok_or_else(Refused::absent)
}

/// Base names; of two files with one base name the later has its whole path.
fn file_names(recorded: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(recorded.len());
    for path in recorded {
        let base = base(path);
        names.push(if names.contains(&base) { path.clone() } else { base });
    }
    names
}

/// The first file with that base name, or whose path ends with those parts.
fn named<'a>(recorded: &'a [String], asked: &str) -> Option<&'a str> {
    let ends = |path: &&String| path.as_str() == asked || path.strip_suffix(asked).is_some_and(|before| before.ends_with('/'));
    recorded.iter().find(ends).map(String::as_str).filter(|_| !asked.is_empty())
}

fn base(path: &str) -> String {
    FilePath::new(path).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Where the plugin's packages may lie; an absolute path of a file leaves them aside.
async fn packages(app: &App, record: &PluginRecord) -> Result<Vec<PathBuf>, Refused> {
    let library = app.settings.server.data.join("environments").join(&record.environment).join("lib");
    let mut folders = Vec::new();
    match tokio::fs::read_dir(&library).await {
        Ok(mut entries) => {
            while let Some(entry) = entries.next_entry().await.map_err(|error| unreadable(&error))? {
                folders.push(entry.path().join("site-packages"));
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => folders.push(library),
        Err(error) => return Err(unreadable(&error)),
    }
    Ok(folders)
}

fn unreadable(error: &std::io::Error) -> Refused {
    Error::internal("flowdapt-refused", format!("a plugin's data file cannot be read: {error}")).into()
}

/// Bytes with their name, tag and date; a range when one was asked for.
async fn send(mut file: File, name: &str, asked: &HeaderMap) -> Result<Response, Refused> {
    let metadata = file.metadata().await.map_err(|error| unreadable(&error))?;
    if !metadata.is_file() {
        return Err(Refused::absent());
    }
    let length = metadata.len();
    let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    let nanoseconds = modified.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let tag = format!("\"{nanoseconds:x}-{length:x}\"");
    let text = |name| asked.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let current = text(IF_RANGE).is_none_or(|given| given == tag);
    let range = match text(RANGE).filter(|_| current).and_then(|range| byte_range(range, length)) {
        Some(Err(())) => return Ok(Refused::range(length)),
        Some(Ok(range)) => Some(range),
        None => None,
    };
    let (first, count) = range.map_or((0, length), |(first, last)| (first, last - first + 1));
    file.seek(SeekFrom::Start(first)).await.map_err(|error| unreadable(&error))?;
    let body = Body::from_stream(ReaderStream::new(file.take(count)));
    let safe = name.replace(|c: char| c == '"' || c == '\\' || !c.is_ascii() || c.is_ascii_control(), "_");
    let mut headers = HeaderMap::new();
    let mut insert = |name, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    };
    insert(CONTENT_TYPE, "application/octet-stream".to_owned());
    insert(CONTENT_DISPOSITION, format!("attachment; filename=\"{safe}\""));
    insert(CONTENT_LENGTH, count.to_string());
    insert(ACCEPT_RANGES, "bytes".to_owned());
    insert(ETAG, tag);
    insert(LAST_MODIFIED, http_date(modified));
    if let Some((first, last)) = range {
        insert(CONTENT_RANGE, format!("bytes {first}-{last}/{length}"));
        return Ok((PARTIAL, headers, body).into_response());
    }
    Ok((headers, body).into_response())
}

/// First and last byte. None: no range, or a form that one may ignore; an error: outside of the file.
fn byte_range(header: &str, length: u64) -> Option<Result<(u64, u64), ()>> {
    let (first, last) = header.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last) = (first.trim(), last.trim());
    let range = match (first.is_empty(), last.is_empty()) {
        (true, true) => return None,
        (true, false) => {
            let count: u64 = last.parse().ok()?;
            if count == 0 { (length, length) } else { (length.saturating_sub(count), length.saturating_sub(1)) }
        }
        (false, true) => (first.parse().ok()?, length.saturating_sub(1)),
        (false, false) => (first.parse().ok()?, last.parse::<u64>().ok()?.min(length.saturating_sub(1))),
    };
    Some(if range.0 < length && range.0 <= range.1 { Ok(range) } else { Err(()) })
}

fn http_date(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).unwrap_or_default().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_by_base_name_and_by_the_end_of_their_path() {
        let recorded: Vec<String> = ["pkg/data/points.csv", "pkg/a/x.yaml", "pkg/b/x.yaml"].map(str::to_owned).into();
        assert_eq!(file_names(&recorded), ["points.csv", "x.yaml", "pkg/b/x.yaml"]);
        for (asked, found) in [
            ("points.csv", Some("pkg/data/points.csv")),
            ("data/points.csv", Some("pkg/data/points.csv")),
            ("pkg/b/x.yaml", Some("pkg/b/x.yaml")),
            ("x.yaml", Some("pkg/a/x.yaml")),
            ("oints.csv", None),
            ("../data/points.csv", None),
            ("", None),
        ] {
            assert_eq!(named(&recorded, asked), found, "{asked}");
        }
    }

    #[test]
    fn ranges() {
        for (header, expected) in [
            ("bytes=0-2", Some(Ok((0, 2)))),
            ("bytes=4-", Some(Ok((4, 7)))),
            ("bytes=-3", Some(Ok((5, 7)))),
            ("bytes=-30", Some(Ok((0, 7)))),
            ("bytes=2-99", Some(Ok((2, 7)))),
            ("bytes=8-9", Some(Err(()))),
            ("bytes=-0", Some(Err(()))),
            ("bytes=3-1", Some(Err(()))),
            ("lines=1-2", None),
            ("bytes=0-1,3-4", None),
        ] {
            assert_eq!(byte_range(header, 8), expected, "{header}");
        }
    }
}
