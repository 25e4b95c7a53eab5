//! Byte code of environments: compiled once per file, then shared like the file itself.
//!
//! Invariant: what is shared is only ever a hint. Python checks time and size of the source when it loads byte code, and
//! compiles for itself what is missing.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use pegboard_model::Error;
use serde::Deserialize;

use super::Progress;
use super::tool::{self, INSTALL_DEADLINE};

const SCRIPT: &str = include_str!("bytecode.py");

/// How long byte code outlives the last environment that had it: an upgrade, or a second try, may want it again.
const KEPT_UNUSED: Duration = Duration::from_secs(30 * 24 * 60 * 60);

#[derive(Deserialize)]
struct Answer {
    compiled: usize,
    shared: usize,
}

fn cache(data: &Path) -> PathBuf {
    data.join("cache/bytecode")
}

/// Compiles what an environment holds. A failure costs time at the first import and nothing else, so it is only told.
pub(super) async fn compile(data: &Path, python: &Path, progress: &Progress) -> Result<(), Error> {
    let begin = Instant::now();
    let arguments: [OsString; 4] = ["-I".into(), "-c".into(), SCRIPT.into(), cache(data).into()];
    let said = tool::run(tool::program(python, arguments), INSTALL_DEADLINE, None).await?;
    match serde_json::from_str::<Answer>(said.stdout.trim()) {
        Ok(Answer { compiled, shared }) => {
            let shared = if shared > 0 { format!(", {shared} shared with other environments") } else { String::new() };
            progress("compile", &format!("compiled {compiled} files in {:.1} s{shared}", begin.elapsed().as_secs_f64()));
        }
        Err(_) => tracing::warn!(python = %python.display(), "could not compile byte code beforehand: {}", said.stderr.trim()),
    }
    Ok(())
}

/// Forgets byte code that no environment has had for a while.
pub(super) fn forget_unused(data: &Path) -> io::Result<()> {
    let before = SystemTime::now().checked_sub(KEPT_UNUSED).and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    let before = before.map_or(0, |time| time.as_secs());
    for tag in folders(&cache(data))? {
        for shelf in folders(&tag)? {
            for entry in fs::read_dir(shelf)? {
                let entry = entry?;
                let about = entry.metadata()?;
                // The change time is that of the last link made or removed.
                if about.is_file() && about.nlink() == 1 && u64::try_from(about.ctime()).is_ok_and(|time| time < before) {
                    fs::remove_file(entry.path())?;
                }
            }
        }
    }
    Ok(())
}

fn folders(path: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(path) {
        Ok(entries) => entries
            .map(|entry| entry.map(|entry| entry.path()))
            .filter(|path| path.as_ref().map_or(true, |path| path.is_dir()))
            .collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
