//! Backups: everything of a data directory that cannot be made again, as one zip file.
//!
//! Invariants: what the server had acknowledged when the backup began is in it, whatever happens meanwhile; nothing of an archive is
//! believed before all of it was checked; no name in an archive leads out of the data directory.
//!
//! Parts are `records/TABLE.ndjson` (a row per line), `objects/KEY` and `files/PATH`; `manifest.json` comes last and names each
//! with its length and its BLAKE3. Environments, caches and what else is made again by itself is left out.

mod manifest;
mod read;
mod write;

pub use manifest::{Manifest, ManifestPart, ManifestTable};
pub use read::{Restored, check, restore};
pub(crate) use write::stream;

/// The format that is written, and the only one that is read.
pub(super) const FORMAT: u64 = 1;
/// The part that names all others.
pub(super) const MANIFEST: &str = "manifest.json";
/// Files and folders of the data directory that cannot be made again. Keys are among them: a backup is as secret as they are.
pub(super) const KEPT: [&str; 6] = ["hub.key", "pegboard.toml", "scripts", "user_modules", "examples", "artifacts"];
