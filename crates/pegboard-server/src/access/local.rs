//! Keys that are never stored: one for whoever may read the data directory, one for our own workers. New ones at each start.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use pegboard_model::{Error, OrganizationRole};
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::token;

/// Name of the file in the data directory.
pub const LOCAL_KEY_FILE: &str = "local.key";

/// What the file holds.
#[derive(Serialize, Deserialize)]
struct Written {
    /// The port that the server listens on, so that the key goes nowhere else.
    port: u16,
    key: String,
}

/// The hashes of both keys.
pub struct LocalKeys {
    machine: String,
    workers: String,
}

impl LocalKeys {
    /// Makes both and writes the first one, readable by its owner alone. What it returns besides is the workers' key. Blocking.
    ///
    /// # Errors
    /// `local-key` when the file cannot be written.
    pub fn create(directory: &Path, address: SocketAddr) -> Result<(Self, String), Error> {
        let (machine, workers) = (token::new_token()?, token::new_token()?);
        let path = directory.join(LOCAL_KEY_FILE);
        let failed = |error: std::io::Error| {
            Error::unavailable("local-key", format!("cannot write the file `{}`: {error}", path.display()))
                .hint("the data directory must be writable")
        };
        let text = serde_json::to_vec(&Written { port: address.port(), key: machine.clone() })
            .map_err(|error| failed(std::io::Error::other(error)))?;
        // A file that is replaced keeps its mode, so the old one goes first.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(&text)).map_err(failed)?;
        Ok((Self { machine: token::hash(&machine), workers: token::hash(&workers) }, workers))
    }

    /// Keys that nobody has: for an app without a data directory of its own.
    ///
    /// # Errors
    /// `random`.
    pub fn nobodys() -> Result<Self, Error> {
        Ok(Self { machine: token::hash(&token::new_token()?), workers: token::hash(&token::new_token()?) })
    }

    /// What the key allows, if it is one of these.
    pub(super) fn role(&self, key: &str) -> Option<OrganizationRole> {
        let hash = token::hash(key);
        if token::same(&hash, &self.machine) {
            Some(OrganizationRole::Admin)
        } else if token::same(&hash, &self.workers) {
            Some(OrganizationRole::Member)
        } else {
            None
        }
    }
}

/// The key that a server on this machine left in its data directory, if the URL is that server's. Blocking.
#[must_use]
pub fn local_key(directory: &Path, url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let is_here = match url.host()? {
        Host::Domain(name) => name.eq_ignore_ascii_case("localhost"),
        Host::Ipv4(address) => address.is_loopback() || address.is_unspecified(),
        Host::Ipv6(address) => address.is_loopback() || address.is_unspecified(),
    };
    let text = std::fs::read(directory.join(LOCAL_KEY_FILE)).ok()?;
    let written: Written = serde_json::from_slice(&text).ok()?;
    (is_here && url.port_or_known_default() == Some(written.port)).then_some(written.key)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_file_is_its_owners_and_the_key_goes_to_its_server_only() {
        let directory = tempfile::tempdir().unwrap();
        let address = "0.0.0.0:8480".parse().unwrap();
        let (keys, workers) = LocalKeys::create(directory.path(), address).unwrap();
        let mode = std::fs::metadata(directory.path().join(LOCAL_KEY_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let key = local_key(directory.path(), "http://127.0.0.1:8480").unwrap();
        assert_eq!(keys.role(&key), Some(OrganizationRole::Admin));
        assert_eq!(keys.role(&workers), Some(OrganizationRole::Member));
        assert_eq!(keys.role("other"), None);
        for url in ["http://127.0.0.1:8481", "http://example.org:8480", "http://10.0.0.1:8480", "nonsense"] {
            assert_eq!(local_key(directory.path(), url), None, "{url}");
        }
        let (again, _) = LocalKeys::create(directory.path(), address).unwrap();
        assert_eq!(again.role(&key), None, "a new one at each start");
        assert!(local_key(directory.path(), "http://localhost:8480").is_some_and(|new| new != key));
    }
}
