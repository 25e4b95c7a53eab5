//! Compressed copies of scripts and style sheets: made once for each server, at the first browser that takes them, kept in a folder.
//!
//! Invariant: a copy is whole or not there; without one, the file itself is served.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_ENCODING;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::app::App;

/// Copies that were begun.
static COPIES: AtomicU64 = AtomicU64::new(0);
/// Files of fewer bytes are not worth it.
const LEAST: u64 = 4096;

/// Whether a browser that says this gets a compressed copy of such a file.
pub(crate) fn is_wanted(headers: &HeaderMap, media_type: &str, bytes: u64) -> bool {
    let is_text = media_type.starts_with("text/") || matches!(media_type, "application/json" | "image/svg+xml");
    let takes = |one: &str| {
        let (name, weight) = one.split_once(';').unwrap_or((one, ""));
        name.trim().eq_ignore_ascii_case("gzip") && !matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
    };
    let said = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    is_text && bytes >= LEAST && said.flat_map(|value| value.split(',')).any(takes)
}

/// Forgets what an earlier server made: its files may be others by now. Blocking.
pub(crate) fn forget_all(app: &App) {
    // There is none at the first start.
    let _ = std::fs::remove_dir_all(folder(app));
}

/// The compressed copy of what `read` gives, which `key` names; none when it cannot be made.
pub(crate) async fn copy(
    app: &App,
    key: &str,
    read: impl FnOnce() -> std::io::Result<Vec<u8>> + Send + 'static,
) -> Option<Vec<u8>> {
    let path = folder(app).join(format!("{}.gz", blake3::hash(key.as_bytes()).to_hex()));
    if let Ok(known) = tokio::fs::read(&path).await {
        return Some(known);
    }
    let made = tokio::task::spawn_blocking(move || make(&path, &read()?)).await;
    made.ok()?.inspect_err(|error| tracing::debug!(%error, "a file is served as it is")).ok()
}

fn folder(app: &App) -> PathBuf {
    app.settings.server.data.join("dashboard").join("compressed")
}

fn make(path: &Path, content: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(content)?;
    let packed = encoder.finish()?;
    let folder = path.parent().ok_or_else(|| std::io::Error::other("the copy has no folder"))?;
    std::fs::create_dir_all(folder)?;
    // Two may make it at once: each its own, and the last one stays.
    let own = path.with_extension(COPIES.fetch_add(1, Ordering::Relaxed).to_string());
    std::fs::write(&own, &packed)?;
    std::fs::rename(&own, path)?;
    Ok(packed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_texts_of_some_size_for_those_who_take_them() {
        let says = |text: &str| HeaderMap::from_iter([(ACCEPT_ENCODING, text.parse().unwrap())]);
        for (said, media_type, bytes, wanted) in [
            ("gzip, deflate, br", "text/javascript; charset=utf-8", 5000, true),
            ("br;q=1.0, GZIP;q=0.5", "text/css", 5000, true),
            ("gzip;q=0", "text/css", 5000, false),
            ("br", "text/css", 5000, false),
            ("gzip", "image/png", 5000, false),
            ("gzip", "text/css", 100, false),
        ] {
            assert_eq!(is_wanted(&says(said), media_type, bytes), wanted, "{said} {media_type} {bytes}");
        }
        assert!(!is_wanted(&HeaderMap::new(), "text/css", 5000));
    }

    #[test]
    fn a_copy_is_what_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let packed = make(&folder.path().join("new/a.gz"), &b"abc ".repeat(5000)).unwrap();
        assert!(packed.len() < 500);
        let mut text = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&packed[..]), &mut text).unwrap();
        assert_eq!(text, b"abc ".repeat(5000));
        assert_eq!(std::fs::read(folder.path().join("new/a.gz")).unwrap(), packed);
    }
}
