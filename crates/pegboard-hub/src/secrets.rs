//! Named secrets of the server: sealed with its key, said only to the plugins that an administrator named.
//!
//! Invariant: a value goes in and is never shown again; it leaves this file only as a variable of a plugin's process.

use std::collections::HashMap;
use std::time::SystemTime;

use pegboard_model::{Error, Secret, Timestamp};
use pegboard_store::Store;

use crate::keyring::Keyring;
use crate::labelling::Labelling;

/// Bytes of the longest value: the kernel takes 128 KiB for one variable.
const LONGEST: usize = 64 << 10;
/// Bytes of the longest name.
const LONGEST_NAME: usize = 100;
/// Names, or beginnings of names, of variables that decide how a process runs.
const MISLEADING: [&str; 9] = ["PEGBOARD", "PYTHON", "LD_", "DYLD_", "PATH", "HOME", "HOST", "PLUGIN_", "UV_"];

/// Variables by plugin: names of packages, ids of hub plugins.
pub type Granted = HashMap<String, Vec<(String, String)>>;

/// A change of one secret. What is absent stays as it is.
#[derive(Clone, Default)]
pub struct SecretEdit {
    /// The new value.
    pub value: Option<String>,
    /// All plugins that get it from now on.
    pub plugins: Option<Vec<String>>,
}

/// All secrets. Cheap to clone.
#[derive(Clone)]
pub struct Secrets {
    store: Store,
    keyring: Keyring,
}

impl Labelling {
    /// The server's secrets, sealed with the same key as the credentials of storages.
    #[must_use]
    pub fn secrets(&self) -> Secrets {
        Secrets { store: self.store().clone(), keyring: self.keyring().clone() }
    }
}

impl Secrets {
    /// All of them by name, sealed.
    ///
    /// # Errors
    /// What the store says.
    pub async fn list(&self) -> Result<Vec<Secret>, Error> {
        Ok(self.store.secrets().await?)
    }

    /// Makes a secret, or changes the one of that name; what it was before, and what it is now.
    ///
    /// # Errors
    /// `secret-name`, `secret-value`.
    pub async fn set(&self, name: &str, edit: SecretEdit) -> Result<(Option<Secret>, Secret), Error> {
        check_name(name)?;
        let before = self.list().await?.into_iter().find(|secret| secret.name == name);
        let now = Timestamp::from(SystemTime::now());
        let sealed = match (&edit.value, &before) {
            (Some(value), _) if value.is_empty() || value.len() > LONGEST || value.contains('\0') => {
                return Err(Error::invalid("secret-value", format!("a value has 1 to {LONGEST} bytes, and no zero byte")));
            }
            (Some(value), _) => self.keyring.seal(value),
            (None, Some(before)) => before.sealed.clone(),
            (None, None) => {
                return Err(Error::invalid("secret-value", format!("the secret `{name}` is new and needs a value")));
            }
        };
        let mut plugins = edit.plugins.or_else(|| before.as_ref().map(|before| before.plugins.clone())).unwrap_or_default();
        plugins.sort();
        plugins.dedup();
        let created_at = before.as_ref().map_or(now, |before| before.created_at);
        let secret = Secret { name: name.to_owned(), sealed, plugins, created_at, updated_at: now };
        self.store.put_secret(&secret).await?;
        Ok((before, secret))
    }

    /// Forgets a secret; what it was.
    ///
    /// # Errors
    /// `secret-not-found`.
    pub async fn delete(&self, name: &str) -> Result<Secret, Error> {
        let missing = || {
            Error::not_found("secret-not-found", format!("there is no secret `{}`", name.escape_default()))
                .hint("`pegboard secret ls` lists them")
        };
        let secret = self.list().await?.into_iter().find(|secret| secret.name == name).ok_or_else(missing)?;
        self.store.delete_secret(name).await?;
        Ok(secret)
    }

    /// What each plugin's processes get. One that cannot be read with this server's key is left out and said in the log.
    ///
    /// # Errors
    /// What the store says.
    pub async fn granted(&self) -> Result<Granted, Error> {
        let mut granted = Granted::new();
        for secret in self.list().await? {
            match self.keyring.open_sealed(&secret.sealed) {
                Ok(value) => {
                    for plugin in secret.plugins {
                        granted.entry(plugin).or_default().push((secret.name.clone(), value.clone()));
                    }
                }
                Err(error) => tracing::error!(secret = secret.name, %error, "a secret cannot be given to its plugins"),
            }
        }
        Ok(granted)
    }
}

fn check_name(name: &str) -> Result<(), Error> {
    let letters = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let is_name = !name.is_empty()
        && name.len() <= LONGEST_NAME
        && name.chars().all(letters)
        && !name.starts_with(|c: char| c.is_ascii_digit());
    if !is_name {
        return Err(Error::invalid("secret-name", format!("`{}` cannot be the name of a secret", name.escape_default()))
            .hint("it becomes an environment variable: write it in capitals, digits and `_`, such as `REGISTRY_TOKEN`"));
    }
    if let Some(taken) = MISLEADING.iter().find(|taken| name.starts_with(**taken)) {
        return Err(Error::invalid(
            "secret-name",
            format!("`{name}` cannot be the name of a secret: `{taken}…` decides how processes run"),
        )
        .hint("choose another name, such as `REGISTRY_TOKEN`"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use pegboard_store::StoreOptions;

    use super::*;

    #[tokio::test]
    async fn values_go_in_and_come_out_for_their_plugins_only() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(StoreOptions::local(directory.path())).await.unwrap();
        let secrets = Secrets { store: store.clone(), keyring: Keyring::ephemeral() };
        let edit = |value: Option<&str>, plugins: Option<&[&str]>| SecretEdit {
            value: value.map(str::to_owned),
            plugins: plugins.map(|plugins| plugins.iter().map(|plugin| (*plugin).to_owned()).collect()),
        };
        assert_eq!(secrets.set("TOKEN", edit(None, None)).await.unwrap_err().code, "secret-value");
        let (before, made) = secrets.set("TOKEN", edit(Some("hunter2"), Some(&["b", "a", "b"]))).await.unwrap();
        assert!(before.is_none() && made.plugins == ["a", "b"] && !made.sealed.contains("hunter2"));
        let (before, _) = secrets.set("TOKEN", edit(None, Some(&["a"]))).await.unwrap();
        assert_eq!(before.unwrap().plugins, ["a", "b"]);
        let granted = secrets.granted().await.unwrap();
        assert_eq!(granted.len(), 1);
        assert_eq!(granted["a"], [("TOKEN".to_owned(), "hunter2".to_owned())]);
        let other = Secrets { store, keyring: Keyring::ephemeral() };
        assert!(other.granted().await.unwrap().is_empty(), "sealed with another key");
        for name in ["", "lower", "1A", "A-B", "PYTHONPATH", "LD_PRELOAD", "PATH", "A\n", &"A".repeat(101)] {
            assert_eq!(secrets.set(name, edit(Some("x"), None)).await.unwrap_err().code, "secret-name", "{name}");
        }
        for value in ["", "a\0b", &"x".repeat(LONGEST + 1)] {
            assert_eq!(secrets.set("TOKEN", edit(Some(value), None)).await.unwrap_err().code, "secret-value");
        }
        secrets.delete("TOKEN").await.unwrap();
        assert_eq!(secrets.delete("TOKEN").await.unwrap_err().code, "secret-not-found");
    }
}
