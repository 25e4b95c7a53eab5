//! Files of this machine, on their way to the server and back.
//!
//! Invariant: a name that comes from a file or from the server is never a way out of the folder that the user gave.

use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use pegboard_model::Error;
use pegboard_server::shape::{UploadAnswer, UploadBody};

use crate::client::Client;
use crate::failure::CommandFailure;

/// Longest text that is read: a zip that says it is small may be large inside.
const LONGEST_TEXT: u64 = 4 << 30;

/// A text file; `-` is standard input, of a zip it is the first entry.
pub(super) fn read_text(file: &Path) -> Result<String, CommandFailure> {
    let failed = |error: &dyn std::fmt::Display| {
        CommandFailure::from(Error::invalid("file-unreadable", format!("cannot read `{}`: {error}", file.display())))
    };
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().take(LONGEST_TEXT).read_to_string(&mut text)
    } else if file.extension().is_some_and(|ending| ending == "zip") {
        let opened = std::fs::File::open(file).map_err(|error| failed(&error))?;
        let mut archive = zip::ZipArchive::new(opened).map_err(|error| failed(&error))?;
        let entry = archive.by_index(0).map_err(|error| failed(&error))?;
        entry.take(LONGEST_TEXT).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|opened| opened.take(LONGEST_TEXT).read_to_string(&mut text))
    };
    match read {
        Ok(length) if length as u64 >= LONGEST_TEXT => Err(failed(&"it is longer than 4 GiB")),
        Ok(_) => Ok(text),
        Err(error) => Err(failed(&error)),
    }
}

/// The file of that name below a folder.
pub(super) fn below(folder: &Path, name: &str) -> Result<PathBuf, CommandFailure> {
    let path = Path::new(name);
    let plain = !name.is_empty() && !name.contains('\0') && path.components().all(|part| matches!(part, Component::Normal(_)));
    if plain {
        return Ok(folder.join(path));
    }
    Err(Error::invalid("file-name", format!("`{}` cannot be the name of a file: it leaves its folder", name.escape_default()))
        .into())
}

/// Puts a file's bytes into the server; what to give as `data` of an asset.
pub(super) async fn upload(client: &Client, project: &str, path: &Path) -> Result<String, CommandFailure> {
    let failed = |error: std::io::Error| {
        CommandFailure::from(Error::invalid("file-unreadable", format!("cannot read `{}`: {error}", path.display())))
    };
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    let length = file.metadata().await.map_err(failed)?.len();
    let place: UploadAnswer = client.post(&["projects", project, "uploads"], &UploadBody { name }).await?;
    let pieces = tokio_util::io::ReaderStream::new(file);
    client.put_file(&place.url, reqwest::Body::wrap_stream(pieces), Some(length)).await?;
    Ok(place.data)
}

/// The beginning of a file, where a picture says its size.
pub(super) fn head(path: &Path) -> Result<Vec<u8>, CommandFailure> {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(256 << 10).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(bytes),
        Err(error) => Err(Error::invalid("file-unreadable", format!("cannot read `{}`: {error}", path.display())).into()),
    }
}

/// Writes a file, and the folders that it lies in.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), CommandFailure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let written = folder.map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(path, bytes));
    written.map_err(|error| Error::invalid("file-unwritable", format!("cannot write `{}`: {error}", path.display())).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_folder() {
        for (name, good) in [
            ("a.png", true),
            ("b/c.png", true),
            ("../a", false),
            ("a/../../b", false),
            ("/etc/passwd", false),
            ("", false),
            ("a/./b", true),
            ("./a", false),
            ("a\0", false),
        ] {
            assert_eq!(below(Path::new("here"), name).is_ok(), good, "{name:?}");
        }
    }
}
