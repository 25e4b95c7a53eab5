//! Keys as callers say them, and paths as drivers want them.
//!
//! Invariant: every key has one path and comes back from it unchanged, and no path leaves the folder. Parts are escaped with `%`
//! where a file system, S3 or the driver gives a character a meaning; in a folder the last part ends in `~`, so that `a` and
//! `a/b` are a file and a folder side by side.

use object_store::path::Path;
use percent_encoding::percent_decode_str;

use crate::error::StoreError;

/// Longest path below the prefix in bytes: S3 takes 1024 with it.
const LONGEST_PATH: usize = 900;
/// Longest part in bytes: file systems take 255, and the driver adds something while it writes.
const LONGEST_PART: usize = 240;

/// One way of writing paths.
pub(super) struct Keys {
    prefix: Path,
    leaf: &'static str,
}

impl Keys {
    pub(super) fn in_folder() -> Self {
        Self { prefix: Path::default(), leaf: "~" }
    }

    pub(super) fn in_bucket(prefix: &str) -> Self {
        Self { prefix: Path::from(prefix), leaf: "" }
    }

    pub(super) fn to_path(&self, key: &str) -> Result<Path, StoreError> {
        let bad = || StoreError::BadKey(key.to_owned());
        let mut path = escape(key);
        path.push_str(self.leaf);
        let long = path.len() > LONGEST_PATH || path.split('/').any(|part| part.len() > LONGEST_PART);
        if long || key.split('/').any(str::is_empty) {
            return Err(bad());
        }
        self.below(&path).ok_or_else(bad)
    }

    /// The folder that all keys with this prefix lie in; none: everything.
    pub(super) fn folder_of(&self, prefix: &str) -> Option<Path> {
        let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        self.below(&escape(folder)).filter(|path| !path.as_ref().is_empty())
    }

    /// None for what is not ours.
    pub(super) fn to_key(&self, path: &Path) -> Option<String> {
        let below = match self.prefix.as_ref() {
            "" => path.as_ref(),
            prefix => path.as_ref().strip_prefix(prefix)?.strip_prefix('/')?,
        };
        let escaped = below.strip_suffix(self.leaf)?;
        percent_decode_str(escaped).decode_utf8().ok().map(Into::into)
    }

    fn below(&self, path: &str) -> Option<Path> {
        match self.prefix.as_ref() {
            "" => Path::parse(path).ok(),
            prefix if path.is_empty() => Path::parse(prefix).ok(),
            prefix => Path::parse(format!("{prefix}/{path}")).ok(),
        }
    }
}

fn escape(key: &str) -> String {
    let mut path = String::with_capacity(key.len() + 8);
    for (index, part) in key.split('/').enumerate() {
        if index > 0 {
            path.push('/');
        }
        let dots = part == "." || part == "..";
        for character in part.chars() {
            let special = character.is_ascii() && !character.is_ascii_alphanumeric() && !"-_.=+@, !$&'();:".contains(character);
            if special || dots {
                path.push_str(percent_encoding::percent_encode_byte(character as u8));
            } else {
                path.push(character);
            }
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for keys in [Keys::in_folder(), Keys::in_bucket("a/b")] {
            for (key, path) in [
                ("runs/1/result", "runs/1/result"),
                ("a b/größe.json", "a b/größe.json"),
                ("..", "%2E%2E"),
                (".hidden/./..", ".hidden/%2E/%2E%2E"),
                ("100%/%41/~", "100%25/%2541/%7E"),
                ("x#1?*\\", "x%231%3F%2A%5C"),
            ] {
                let found = keys.to_path(key).unwrap();
                let prefix = if keys.leaf.is_empty() { "a/b/" } else { "" };
                assert_eq!(found.as_ref(), format!("{prefix}{path}{}", keys.leaf));
                assert_eq!(keys.to_key(&found).as_deref(), Some(key));
            }
        }
    }

    #[test]
    fn what_is_no_key() {
        let keys = Keys::in_folder();
        for key in ["", "/a", "a/", "a//b", &"x".repeat(241), &"abc/".repeat(230)] {
            assert_eq!(keys.to_path(key), Err(StoreError::BadKey(key.to_owned())));
        }
    }
}
