//! What an archive says of itself, and what its names mean.

use std::path::{Component, Path, PathBuf};

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use super::KEPT;

/// Characters that mean something to programs that unpack archives.
const ESCAPED: &AsciiSet = &CONTROLS.add(b'%').add(b'\\').add(b':');

/// What is in a backup.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// Of the archive; 1.
    pub format: u64,
    /// Version of the Pegboard that wrote it.
    pub pegboard: String,
    /// When it began, RFC 3339.
    pub made_at: String,
    /// Number of the records' schema.
    pub schema: u64,
    /// Tables that have rows, in the order of their parts.
    pub tables: Vec<ManifestTable>,
    /// How many objects.
    pub objects: u64,
    /// How many files.
    pub files: u64,
    /// Every part but this one, in the order in which they lie in the archive.
    pub parts: Vec<ManifestPart>,
}

/// A table of the records.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ManifestTable {
    /// Its name.
    pub name: String,
    /// What the values of a row are, in order.
    pub columns: Vec<String>,
    /// How many.
    pub rows: u64,
}

/// One entry of the archive.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ManifestPart {
    /// As in the archive.
    pub name: String,
    /// Length before compression.
    pub bytes: u64,
    /// BLAKE3 in hexadecimal digits.
    pub blake3: String,
}

impl Manifest {
    /// Rows of all tables.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }

    /// Bytes of all parts, before compression.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }
}

/// What a part is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Part {
    /// Rows of the table of this name.
    Rows(String),
    /// The object of this key.
    Object(String),
    /// The file at this path below the data directory.
    File(PathBuf),
}

impl Part {
    /// As the archive names it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Rows(table) => format!("records/{table}.ndjson"),
            // A key may have a part that means another folder elsewhere.
            Self::Object(key) => {
                let piece = |piece: &str| match piece {
                    "." => "%2E".to_owned(),
                    ".." => "%2E%2E".to_owned(),
                    other => utf8_percent_encode(other, ESCAPED).to_string(),
                };
                format!("objects/{}", key.split('/').map(piece).collect::<Vec<_>>().join("/"))
            }
            Self::File(path) => format!("files/{}", path.to_string_lossy()),
        }
    }

    /// None for a name that we never write: such as one that leads out of the data directory.
    pub(super) fn read(name: &str) -> Option<Self> {
        let (kind, rest) = name.split_once('/')?;
        let part = match kind {
            "records" => {
                let table = rest.strip_suffix(".ndjson")?;
                let plain = !table.is_empty() && table.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
                plain.then(|| Self::Rows(table.to_owned()))?
            }
            "objects" => Self::Object(percent_decode_str(rest).decode_utf8().ok()?.into_owned()),
            "files" => {
                let path = Path::new(rest);
                let inside = path.components().all(|piece| matches!(piece, Component::Normal(_)))
                    && !rest.contains('\0')
                    && rest.split('/').all(|piece| !piece.is_empty());
                let first = path.components().next()?.as_os_str().to_str()?;
                (inside && KEPT.contains(&first)).then(|| Self::File(path.to_owned()))?
            }
            _ => return None,
        };
        // One name for one thing: also no empty part, no second slash.
        (part.name() == name).then_some(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_there_and_back() {
        for part in [
            Part::Rows("log_lines".to_owned()),
            Part::Object("runs/1/result".to_owned()),
            Part::Object("a/../.. /100%\\\n./größe".to_owned()),
            Part::File("hub.key".into()),
            Part::File("scripts/abc/script.py".into()),
        ] {
            let name = part.name();
            assert!(!name.split('/').any(|piece| piece == ".." || piece == "."), "{name}");
            assert_eq!(Part::read(&name), Some(part));
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_none() {
        for name in [
            "",
            "records",
            "records/../x.ndjson",
            "records/A.ndjson",
            "objects/../x",
            "objects/a/../b",
            "objects/%2e%2e/x",
            "files/../hub.key",
            "files/scripts/../../etc/passwd",
            "files//etc/passwd",
            "files/pegboard.db",
            "files/scripts//x",
            "files/./hub.key",
            "files/environments/x/bin/python",
            "/etc/passwd",
            "../x",
            "manifest.json",
            "files/objects/x",
        ] {
            assert_eq!(Part::read(name), None, "{name}");
        }
    }
}
