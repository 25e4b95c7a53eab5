//! Loose modules in the data directory: `<data>/user_modules/x.py` provides targets `user_modules.x.function` (Flowdapt
//! specification, section 11.4). They belong to no plugin; workers look at their files before each call.

use std::path::{Path, PathBuf};

use pegboard_model::Error;

/// Where they lie.
pub(super) fn folder(data: &Path) -> PathBuf {
    data.join("user_modules")
}

/// Makes the folder a package.
pub(super) async fn prepare(data: &Path) -> Result<(), Error> {
    let folder = folder(data);
    let init = folder.join("__init__.py");
    let made = async {
        tokio::fs::create_dir_all(&folder).await?;
        match tokio::fs::File::create_new(&init).await {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    };
    made.await.map_err(|error| {
        Error::unavailable("data-directory", format!("cannot make `{}`: {error}", folder.display()))
            .hint("make the data directory writable for this user, or choose another one with `--data`")
    })
}
