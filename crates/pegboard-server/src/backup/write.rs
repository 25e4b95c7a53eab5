//! Writing an archive while it is being sent: nothing of it lies in memory or on the disk as a whole.

use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use futures::StreamExt as _;
use pegboard_model::{Error, Timestamp};
use pegboard_store::{Snapshot, Store};
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::manifest::{Manifest, ManifestPart, ManifestTable, Part};
use super::{FORMAT, KEPT, MANIFEST};

/// Bytes of a file that are read at once, and of the archive that are sent at once.
const PIECE: usize = 128 << 10;
/// Pieces that may wait for whoever reads the archive.
const PIECES: usize = 8;

/// The archive of everything as it is now, as it is made. It breaks off with an error when it cannot be whole.
pub(crate) async fn stream(store: Store, data: PathBuf) -> Result<ReceiverStream<io::Result<Bytes>>, Error> {
    let snapshot = store.snapshot().await?;
    let (sender, archive) = mpsc::channel(PIECES);
    let (orders, queue) = mpsc::channel(PIECES);
    let sink = sender.clone();
    let writing = tokio::task::spawn_blocking(move || write(queue, Sink { sender: sink, pending: Vec::new() }));
    tokio::spawn(async move {
        let told = tell(snapshot, data, &orders).await;
        let is_whole = told.is_ok();
        drop(orders);
        let written = writing.await.unwrap_or_else(|panic| Err(io::Error::other(panic)));
        let error = match (told, written) {
            (Ok(()), Ok(())) => return,
            // Whoever wrote says why; the other one only lost its listener.
            (_, Err(error)) if is_whole || error.kind() != io::ErrorKind::UnexpectedEof => error,
            (Err(error), _) => io::Error::other(error.message),
            (Ok(()), Err(error)) => error,
        };
        tracing::warn!(%error, "a backup is not whole");
        let _gone = sender.send(Err(error)).await;
    });
    Ok(ReceiverStream::new(archive))
}

/// What is to be written.
enum Order {
    /// Ends the part before.
    Begin {
        part: Part,
        mode: u32,
    },
    Bytes(Bytes),
    /// Nothing comes any more.
    End(Manifest),
}

async fn tell(mut snapshot: Snapshot, data: PathBuf, orders: &mpsc::Sender<Order>) -> Result<(), Error> {
    let left = |_| Error::unavailable("backup", "nobody takes the backup any more");
    let mut manifest = Manifest {
        format: FORMAT,
        pegboard: env!("CARGO_PKG_VERSION").to_owned(),
        made_at: Timestamp::from(SystemTime::now()).to_string(),
        schema: snapshot.schema(),
        tables: Vec::new(),
        objects: 0,
        files: 0,
        parts: Vec::new(),
    };
    // First, while the instant of the records is near: keys and scripts that records name.
    for path in files(&data).await {
        // One that is gone meanwhile is not missed: whoever removed it meant it.
        let Ok(mut file) = tokio::fs::File::open(data.join(&path)).await else { continue };
        let mode = file.metadata().await.map_or(0o600, |about| about.permissions().mode() & 0o777);
        orders.send(Order::Begin { part: Part::File(path.clone()), mode }).await.map_err(left)?;
        manifest.files += 1;
        loop {
            let mut piece = vec![0; PIECE];
            let length = file
                .read(&mut piece)
                .await
                .map_err(|error| Error::unavailable("backup", format!("cannot read `{}`: {error}", path.display())))?;
            if length == 0 {
                break;
            }
            piece.truncate(length);
            orders.send(Order::Bytes(piece.into())).await.map_err(left)?;
        }
    }
    while let Some(piece) = snapshot.next().await? {
        let table = &snapshot.tables()[piece.table];
        if manifest.tables.last().is_none_or(|last| last.name != table.name) {
            manifest.tables.push(ManifestTable { name: table.name.clone(), columns: table.columns.clone(), rows: 0 });
            orders.send(Order::Begin { part: Part::Rows(table.name.clone()), mode: 0o600 }).await.map_err(left)?;
        }
        if let Some(last) = manifest.tables.last_mut() {
            last.rows += piece.rows;
        }
        orders.send(Order::Bytes(piece.lines)).await.map_err(left)?;
    }
    for key in snapshot.objects().await? {
        let Some((_, mut pieces)) = snapshot.object(&key).await? else { continue };
        orders.send(Order::Begin { part: Part::Object(key), mode: 0o600 }).await.map_err(left)?;
        manifest.objects += 1;
        while let Some(piece) = pieces.next().await {
            orders.send(Order::Bytes(piece?)).await.map_err(left)?;
        }
    }
    orders.send(Order::End(manifest)).await.map_err(left)
}

/// Regular files that are to be kept, below the data directory. Links are not followed.
async fn files(data: &Path) -> Vec<PathBuf> {
    let data = data.to_owned();
    let walk = move || {
        let mut found = Vec::new();
        let mut left: Vec<PathBuf> = KEPT.iter().rev().map(PathBuf::from).collect();
        while let Some(path) = left.pop() {
            let Ok(about) = std::fs::symlink_metadata(data.join(&path)) else { continue };
            if about.is_file() && path.to_str().is_some() {
                found.push(path);
            } else if about.is_dir() {
                let entries = std::fs::read_dir(data.join(&path)).into_iter().flatten().flatten();
                let is_kept = |name: &std::ffi::OsString| name != "__pycache__";
                let mut inside: Vec<_> =
                    entries.map(|entry| entry.file_name()).filter(is_kept).map(|name| path.join(name)).collect();
                inside.sort_by(|one, other| other.cmp(one));
                left.extend(inside);
            }
        }
        found
    };
    tokio::task::spawn_blocking(walk).await.unwrap_or_default()
}

/// Where the archive goes, in pieces.
struct Sink {
    sender: mpsc::Sender<io::Result<Bytes>>,
    pending: Vec<u8>,
}

impl Sink {
    fn send(&mut self) -> io::Result<()> {
        let bytes = std::mem::take(&mut self.pending);
        let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "nobody takes the backup any more");
        if bytes.is_empty() { Ok(()) } else { self.sender.blocking_send(Ok(bytes.into())).map_err(gone) }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pending.extend_from_slice(bytes);
        if self.pending.len() >= PIECE {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The part under way.
struct Open {
    name: String,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl Open {
    fn close(self) -> ManifestPart {
        ManifestPart { name: self.name, bytes: self.bytes, blake3: self.hasher.finalize().to_hex().to_string() }
    }
}

/// Follows the orders. `UnexpectedEof` when they end too early.
fn write(mut queue: mpsc::Receiver<Order>, sink: Sink) -> io::Result<()> {
    let mut zip = ZipWriter::new_stream(sink);
    // How long a part becomes is not known before.
    let options = |compress: bool, mode: u32| {
        let method = if compress { CompressionMethod::Deflated } else { CompressionMethod::Stored };
        SimpleFileOptions::default()
            .compression_method(method)
            .compression_level(compress.then_some(3))
            .large_file(true)
            .unix_permissions(mode)
    };
    let (mut open, mut parts): (Option<Open>, Vec<ManifestPart>) = (None, Vec::new());
    while let Some(order) = queue.blocking_recv() {
        match order {
            Order::Begin { part, mode } => {
                parts.extend(open.take().map(Open::close));
                let name = part.name();
                // Objects are tables, pictures and packed values: mostly small already.
                zip.start_file(name.as_str(), options(!matches!(part, Part::Object(_)), mode))?;
                open = Some(Open { name, hasher: blake3::Hasher::new(), bytes: 0 });
            }
            Order::Bytes(bytes) => {
                zip.write_all(&bytes)?;
                if let Some(open) = &mut open {
                    open.hasher.update(&bytes);
                    open.bytes += bytes.len() as u64;
                }
            }
            Order::End(manifest) => {
                parts.extend(open.take().map(Open::close));
                zip.start_file(MANIFEST, options(true, 0o600))?;
                serde_json::to_writer_pretty(&mut zip, &Manifest { parts, ..manifest })?;
                let mut sink = zip.finish()?.into_inner();
                return sink.send();
            }
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}
