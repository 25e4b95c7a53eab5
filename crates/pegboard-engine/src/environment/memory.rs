//! Which environment a script's requirements led to last.

use std::path::{Path, PathBuf};

use super::files::environments;

/// One remembered answer.
#[derive(Debug)]
pub(super) struct Memory {
    path: PathBuf,
}

/// For these lines, with this interpreter and these host files: another of either is another question. So is whether the lines decide
/// what `workbench` is.
pub(super) fn of_script(data: &Path, host: &str, python: &str, lines: &str, original_workbench: bool) -> Memory {
    let mut hasher = blake3::Hasher::new();
    for part in [host, python, lines].into_iter().chain(original_workbench.then_some("original workbench")) {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    Memory { path: environments(data).join(".scripts").join(&hasher.finalize().to_hex()[..32]) }
}

impl Memory {
    /// The key of the environment.
    pub(super) async fn read(&self) -> Option<String> {
        tokio::fs::read_to_string(&self.path).await.ok()
    }

    /// Best effort: without it, the question is asked again.
    pub(super) async fn write(&self, key: &str) {
        if let Some(folder) = self.path.parent()
            && let Err(error) = write(folder, &self.path, key).await
        {
            tracing::debug!("an environment is not remembered: {error}");
        }
    }
}

async fn write(folder: &Path, path: &Path, key: &str) -> std::io::Result<()> {
    tokio::fs::create_dir_all(folder).await?;
    let partial = path.with_extension("partial");
    tokio::fs::write(&partial, key).await?;
    tokio::fs::rename(partial, path).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_same_question_has_the_same_answer() {
        let data = tempfile::tempdir().unwrap();
        let memory = of_script(data.path(), "h", "3.12", "numpy", false);
        assert_eq!(memory.read().await, None);
        memory.write("key").await;
        assert_eq!(of_script(data.path(), "h", "3.12", "numpy", false).read().await.as_deref(), Some("key"));
        for (host, python, lines) in [("g", "3.12", "numpy"), ("h", "3.13", "numpy"), ("h", "3.12", "numpy>=2")] {
            assert_eq!(of_script(data.path(), host, python, lines, false).read().await, None);
        }
        assert_eq!(of_script(data.path(), "h", "3.12", "numpy", true).read().await, None);
    }
}
