//! A zip with one entry that is written as its records come.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use pegboard_model::Error;
use pegboard_store::ObjectWriter;
use serde_json::Value as Json;
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, ZipWriter};

use super::ExportFormat;
use crate::labelling::links::FilePlace;

/// What the zip writer has said and nobody has taken yet.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn take(&self) -> Bytes {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The entry under way.
pub(super) struct Archive {
    place: FilePlace,
    object: ObjectWriter,
    zip: ZipWriter<StreamWriter<Sink>>,
    sink: Sink,
    format: ExportFormat,
    trailing_newline: bool,
    empty: bool,
    /// Bytes of records so far.
    written: usize,
}

impl Archive {
    pub(super) fn begin(
        place: FilePlace,
        object: ObjectWriter,
        entry: &str,
        format: ExportFormat,
        trailing_newline: bool,
    ) -> Result<Self, Error> {
        let sink = Sink::default();
        let mut zip = ZipWriter::new_stream(sink.clone());
        // How long the entry becomes is not known: it may be longer than four gigabytes.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(3))
            .large_file(true);
        zip.start_file(entry, options).map_err(failed)?;
        if format == ExportFormat::Json {
            zip.write_all(b"[").map_err(broken)?;
        }
        Ok(Self { place, object, zip, sink, format, trailing_newline, empty: true, written: 0 })
    }

    /// Bytes of records so far, before compression.
    pub(super) fn written(&self) -> usize {
        self.written
    }

    /// Adds records. Compressing takes its time, so it is done away from the tasks.
    pub(super) async fn add(mut self, records: Vec<Json>) -> Result<Self, Error> {
        let work = move || {
            for record in &records {
                let separator: &[u8] = match (self.format, self.empty) {
                    (ExportFormat::Json, true) => b"\n",
                    (ExportFormat::Json, false) => b",\n",
                    (ExportFormat::Ndjson, true) => b"",
                    (ExportFormat::Ndjson, false) => b"\n",
                };
                self.empty = false;
                self.zip.write_all(separator).map_err(broken)?;
                let text = serde_json::to_vec(record).map_err(|error| broken(error.into()))?;
                self.written += text.len();
                self.zip.write_all(&text).map_err(broken)?;
            }
            Ok::<_, Error>(self)
        };
        let mut archive = match tokio::task::spawn_blocking(work).await {
            Ok(outcome) => outcome?,
            Err(error) => return Err(Error::internal("export", format!("writing the export ended early: {error}"))),
        };
        let ready = archive.sink.take();
        if !ready.is_empty() {
            archive.object.write(ready).await?;
        }
        Ok(archive)
    }

    /// Ends the entry and the file; where it lies and its length.
    pub(super) async fn finish(mut self) -> Result<(FilePlace, u64), Error> {
        let end: &[u8] = match self.format {
            ExportFormat::Json => b"\n]",
            ExportFormat::Ndjson if self.trailing_newline && !self.empty => b"\n",
            ExportFormat::Ndjson => b"",
        };
        self.zip.write_all(end).map_err(broken)?;
        self.zip.finish().map_err(failed)?;
        self.object.write(self.sink.take()).await?;
        Ok((self.place, self.object.finish().await?))
    }
}

fn failed(error: zip::result::ZipError) -> Error {
    Error::internal("export", format!("cannot write the export: {error}"))
}

fn broken(error: std::io::Error) -> Error {
    Error::internal("export", format!("cannot write the export: {error}"))
}
