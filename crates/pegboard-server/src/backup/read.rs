//! Checking an archive, and making a data directory of it.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use pegboard_model::Error;
use pegboard_store::backup::tables;
use pegboard_store::{Restoration, StoreOptions};
use tokio::sync::mpsc;
use zip::ZipArchive;

use super::manifest::{Manifest, Part};
use super::{FORMAT, MANIFEST};

/// Bytes that are read at once.
const PIECE: usize = 256 << 10;
/// Pieces that may wait to be stored.
const PIECES: usize = 4;
/// Bytes of the longest manifest: of some millions of parts.
const LONGEST_MANIFEST: u64 = 1 << 30;

/// What a restoration did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Restored {
    /// What was in the archive.
    pub manifest: Manifest,
    /// Where that lies which was there before.
    pub former: Option<PathBuf>,
    /// Names of the plugins whose environments have to be made again.
    pub plugins: Vec<String>,
}

fn damaged(path: &Path, what: &str) -> Error {
    Error::invalid("backup-damaged", format!("`{}` is no whole backup: {what}", path.display()))
        .hint("nothing was changed; use another backup, or fetch this one again")
}

/// Reads all of an archive and compares it with its manifest. Blocking.
///
/// # Errors
/// `backup-damaged` with the part that is wrong, `backup-format`.
pub fn check(path: &Path) -> Result<Manifest, Error> {
    let mut archive = open(path)?;
    let manifest = read_manifest(path, &mut archive)?;
    let mut known = HashSet::new();
    for part in &manifest.parts {
        let name = part.name.escape_default();
        if Part::read(&part.name).is_none() {
            return Err(damaged(path, &format!("`{name}` is no name of a part, or leads out of the data directory")));
        }
        if !known.insert(part.name.as_str()) {
            return Err(damaged(path, &format!("`{name}` is there twice")));
        }
        let mut entry = archive.by_name(&part.name).map_err(|error| damaged(path, &format!("`{name}`: {error}")))?;
        let mut hasher = blake3::Hasher::new();
        let mut limited = (&mut entry).take(part.bytes.saturating_add(1));
        let bytes = io::copy(&mut limited, &mut hasher).map_err(|error| damaged(path, &format!("`{name}`: {error}")))?;
        if bytes != part.bytes || hasher.finalize().to_hex().as_str() != part.blake3 {
            return Err(damaged(path, &format!("`{name}` is not what was written")));
        }
    }
    for name in archive.file_names() {
        let name = name.map_err(|error| damaged(path, &error.to_string()))?;
        if name != MANIFEST && !known.contains(name.as_ref()) {
            return Err(damaged(path, &format!("the manifest does not know `{}`", name.escape_default())));
        }
    }
    Ok(manifest)
}

fn open(path: &Path) -> Result<ZipArchive<BufReader<File>>, Error> {
    let file = File::open(path).map_err(|error| {
        Error::invalid("file", format!("cannot read `{}`: {error}", path.display()))
            .hint("name a file that `pegboard backup` wrote")
    })?;
    ZipArchive::new(BufReader::new(file)).map_err(|error| damaged(path, &error.to_string()))
}

fn read_manifest(path: &Path, archive: &mut ZipArchive<BufReader<File>>) -> Result<Manifest, Error> {
    let entry = archive.by_name(MANIFEST).map_err(|error| damaged(path, &format!("`{MANIFEST}`: {error}")))?;
    let json: serde_json::Value = serde_json::from_reader(BufReader::new(entry.take(LONGEST_MANIFEST)))
        .map_err(|error| damaged(path, &format!("`{MANIFEST}`: {error}")))?;
    // Looked at by itself: another format may have other keys.
    if let Some(format) = json["format"].as_u64().filter(|format| *format != FORMAT) {
        return Err(Error::invalid(
            "backup-format",
            format!("`{}` has format {format}, this Pegboard reads {FORMAT}", path.display()),
        )
        .hint("restore it with the Pegboard that wrote it, or a newer one"));
    }
    serde_json::from_value(json).map_err(|error| damaged(path, &format!("`{MANIFEST}`: {error}")))
}

/// Checks an archive, and puts everything that it holds where the options say. `replace`: what is there makes room.
///
/// # Errors
/// Those of [`check`]; `data-directory-locked` while a server runs there; `not-empty`; what the store says. Then nothing has changed.
pub async fn restore(path: &Path, options: &StoreOptions, replace: bool) -> Result<Restored, Error> {
    let archive = path.to_owned();
    let manifest = away(move || check(&archive)).await?;
    let known = tables(manifest.schema).await?;
    for table in &manifest.tables {
        if !known.iter().any(|known| known.name == table.name && known.columns == table.columns) {
            return Err(damaged(path, &format!("schema {} has no such table `{}`", manifest.schema, table.name)));
        }
    }
    let mut restoration = Restoration::begin(options, manifest.schema, replace).await?;
    match fill(path, &manifest, &mut restoration).await {
        Ok(plugins) => Ok(Restored { former: restoration.finish().await?, manifest, plugins }),
        Err(error) => {
            restoration.abandon().await;
            Err(error)
        }
    }
}

async fn away<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    let ended = |error| Error::internal("backup", format!("reading a backup ended early: {error}"));
    tokio::task::spawn_blocking(work).await.map_err(ended)?
}

/// What is read, in order.
enum Read {
    Rows(String, Bytes),
    Object(String),
    Bytes(Bytes),
    EndOfObject,
}

/// The names of the plugins.
async fn fill(path: &Path, manifest: &Manifest, restoration: &mut Restoration) -> Result<Vec<String>, Error> {
    let (sender, mut queue) = mpsc::channel(PIECES);
    let (archive, folder) = (path.to_owned(), restoration.folder().to_owned());
    let parts: Vec<String> = manifest.parts.iter().map(|part| part.name.clone()).collect();
    let reading = tokio::spawn(away(move || read(&archive, &folder, &parts, &sender)));
    let name = manifest
        .tables
        .iter()
        .find(|table| table.name == "plugins")
        .and_then(|table| table.columns.iter().position(|column| column == "name"));
    let (mut plugins, mut object) = (Vec::new(), None);
    while let Some(read) = queue.recv().await {
        match read {
            Read::Rows(table, lines) => {
                if let (Some(name), "plugins") = (name, table.as_str()) {
                    let rows = lines
                        .split(|byte| *byte == b'\n')
                        .filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok());
                    plugins.extend(rows.filter_map(|row| row[name].as_str().map(str::to_owned)));
                }
                restoration.add(&table, lines).await?;
            }
            Read::Object(key) => object = Some(restoration.object(&key).await?),
            Read::Bytes(bytes) => {
                if let Some(object) = &mut object {
                    object.write(bytes).await?;
                }
            }
            Read::EndOfObject => {
                if let Some(object) = object.take() {
                    object.finish().await?;
                }
            }
        }
    }
    reading.await.map_err(|error| Error::internal("backup", format!("reading a backup ended early: {error}")))??;
    Ok(plugins)
}

fn read(path: &Path, folder: &Path, parts: &[String], sender: &mpsc::Sender<Read>) -> Result<(), Error> {
    let mut archive = open(path)?;
    let send = |read| sender.blocking_send(read).map_err(|_| Error::internal("backup", "the restoration has ended"));
    for name in parts {
        let broken = |error: io::Error| damaged(path, &format!("`{}`: {error}", name.escape_default()));
        let mut entry = archive.by_name(name).map_err(|error| broken(error.into()))?;
        match Part::read(name) {
            Some(Part::Rows(table)) => {
                let mut lines = BufReader::new(entry);
                loop {
                    let mut piece = Vec::new();
                    while piece.len() < PIECE && lines.read_until(b'\n', &mut piece).map_err(broken)? > 0 {}
                    if piece.is_empty() {
                        break;
                    }
                    send(Read::Rows(table.clone(), piece.into()))?;
                }
            }
            Some(Part::Object(key)) => {
                send(Read::Object(key))?;
                loop {
                    let mut piece = Vec::new();
                    (&mut entry).take(PIECE as u64).read_to_end(&mut piece).map_err(broken)?;
                    if piece.is_empty() {
                        break;
                    }
                    send(Read::Bytes(piece.into()))?;
                }
                send(Read::EndOfObject)?;
            }
            Some(Part::File(file)) => {
                let mode = entry.unix_mode().unwrap_or(0o600) & 0o777;
                let place = folder.join(file);
                let unable = |error: io::Error| {
                    Error::unavailable("data-directory", format!("cannot write `{}`: {error}", place.display()))
                        .hint("make the directory writable for this user, and see that there is room")
                };
                if let Some(parent) = place.parent() {
                    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(unable)?;
                }
                let mut written = File::options().write(true).create_new(true).mode(mode).open(&place).map_err(unable)?;
                io::copy(&mut entry, &mut written).map_err(unable)?;
                written.flush().and_then(|()| written.sync_all()).map_err(unable)?;
            }
            None => return Err(damaged(path, &format!("`{}` is no name of a part", name.escape_default()))),
        }
    }
    Ok(())
}
