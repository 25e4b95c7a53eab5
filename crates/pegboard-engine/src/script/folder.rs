//! The folder of one script: `script.json` with everything, `code/` with the Python as the interpreter reads it, `work/` where it
//! runs.

use std::io;
use std::path::PathBuf;

use pegboard_model::{Error, Script};

use crate::environment::io_error;

const RECORD: &str = "script.json";

/// One script on disk.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
}

/// Whether it is safe as the name of a folder.
pub(super) fn is_key(name: &str) -> bool {
    !name.is_empty() && name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_file_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
    name.len() <= 128 && name.ends_with(".py") && !name.starts_with('.') && name.chars().all(is_plain)
}

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn work(&self) -> PathBuf {
        self.path.join("work")
    }

    /// Replaces what is there. The record comes last, in one step: a script is there whole or not at all.
    pub(super) async fn write(&self, script: &Script) -> Result<(), Error> {
        if !is_file_name(&script.file_name) {
            let message = format!("`{}` is not the name of a Python file", script.file_name);
            return Err(Error::invalid("script-invalid", message).hint("give a file such as `detector.py`"));
        }
        let (path, script) = (self.path.clone(), script.clone());
        let shown = path.clone();
        self.blocking(move || {
            use std::os::unix::fs::DirBuilderExt;

            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path.join("work"))?;
            let code = path.join("code");
            match std::fs::remove_dir_all(&code) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => std::fs::create_dir_all(&code)?,
            }
            std::fs::write(super::script_path(&path, &script), &script.text)?;
            let partial = path.join(format!("{RECORD}.partial"));
            std::fs::write(&partial, serde_json::to_vec(&script)?)?;
            std::fs::rename(partial, path.join(RECORD))
        })
        .await
        .map_err(|error| io_error("cannot write the script to", &shown, &error))
    }

    /// What is there.
    pub(super) async fn read(&self) -> Result<Option<Script>, Error> {
        let path = self.path.join(RECORD);
        let shown = path.clone();
        let read = self.blocking(move || match std::fs::read(path) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        });
        read.await.map_err(|error| io_error("cannot read the script from", &shown, &error))
    }

    /// Whether there was one.
    pub(super) async fn remove(&self) -> Result<bool, Error> {
        let (path, shown) = (self.path.clone(), self.path.clone());
        let remove = self.blocking(move || match std::fs::remove_dir_all(path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        });
        remove.await.map_err(|error| io_error("cannot remove the script", &shown, &error))
    }

    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|panic| Err(io::Error::other(panic)))
    }
}
