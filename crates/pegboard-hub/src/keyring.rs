//! Secrets: hashes to compare with, and texts that we must be able to say again, encrypted.
//!
//! Invariant: the key file is readable by its owner alone and never leaves the machine; a secret's plain text never reaches the
//! database or the log.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use chacha20poly1305::aead::{Aead as _, KeyInit as _};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use pegboard_model::{Error, HubId};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

/// Name of the key file in the data directory.
const FILE: &str = "hub.key";
/// Bytes of the nonce before a sealed text.
const NONCE: usize = 24;

/// The server's own key. Cheap to clone.
#[derive(Clone)]
pub struct Keyring {
    key: Arc<[u8; 32]>,
}

impl Keyring {
    /// Reads the key file in `directory`, or makes it, readable by its owner alone. Blocking.
    ///
    /// # Errors
    /// `key-file` when it can be neither read nor made, or is damaged.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        let path = directory.join(FILE);
        let failed = |error: std::io::Error| {
            Error::unavailable("key-file", format!("cannot use the key file `{}`: {error}", path.display()))
                .hint("the file holds 32 bytes and belongs to the data directory: restore it with the rest of the backup")
        };
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        match made {
            Ok(mut file) => {
                let key = fresh();
                file.write_all(&key).and_then(|()| file.sync_all()).map_err(failed)?;
                Ok(Self { key: Arc::new(key) })
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let mut bytes = Vec::new();
                File::open(&path).and_then(|file| file.take(33).read_to_end(&mut bytes)).map_err(failed)?;
                let key: [u8; 32] = bytes
                    .try_into()
                    .map_err(|_| failed(std::io::Error::new(ErrorKind::InvalidData, "it does not hold 32 bytes")))?;
                Ok(Self { key: Arc::new(key) })
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// A key that lives as long as this value: for tests.
    #[must_use]
    pub fn ephemeral() -> Self {
        Self { key: Arc::new(fresh()) }
    }

    /// Encrypts a text for the database.
    #[must_use]
    pub fn seal(&self, text: &str) -> String {
        let mut nonce = [0; NONCE];
        nonce.copy_from_slice(&fresh()[..NONCE]);
        let cipher = XChaCha20Poly1305::new(&(*self.key).into());
        // Fails only for texts of many gigabytes.
        let sealed = cipher.encrypt(&XNonce::from(nonce), text.as_bytes()).unwrap_or_default();
        hex(nonce.iter().chain(&sealed))
    }

    /// The text that was sealed.
    ///
    /// # Errors
    /// `sealed-text` when it was sealed with another key, or changed.
    pub fn open_sealed(&self, sealed: &str) -> Result<String, Error> {
        let wrong = || {
            Error::internal("sealed-text", "a stored secret cannot be read with this server's key")
                .hint("restore `hub.key` from the backup that the database is from")
        };
        let bytes = unhex(sealed).filter(|bytes| bytes.len() > NONCE).ok_or_else(wrong)?;
        let nonce: [u8; NONCE] = bytes[..NONCE].try_into().map_err(|_| wrong())?;
        let cipher = XChaCha20Poly1305::new(&(*self.key).into());
        let text = cipher.decrypt(&XNonce::from(nonce), &bytes[NONCE..]).map_err(|_| wrong())?;
        String::from_utf8(text).map_err(|_| wrong())
    }

    /// A key that nobody can guess and that is always the same for the same purpose and thing; looks like a UUID.
    #[must_use]
    pub(crate) fn derived(&self, purpose: &str, id: HubId) -> String {
        let digest = blake3::keyed_hash(&self.key, format!("{purpose} {id}").as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest.as_bytes()[..16]);
        uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
    }

    /// What only this server can say about a text: 32 hexadecimal digits.
    #[must_use]
    pub(crate) fn signature(&self, purpose: &str, text: &str) -> String {
        let digest = blake3::keyed_hash(&self.key, format!("{purpose}\n{text}").as_bytes());
        hex(digest.as_bytes()[..16].iter())
    }
}

/// A new secret: the text of a UUID, as clients know it.
#[must_use]
pub fn new_secret() -> String {
    Uuid::new_v4().to_string()
}

/// What is stored of a secret that has many random bits.
#[must_use]
pub fn hash_secret(secret: &str) -> String {
    blake3::hash(secret.as_bytes()).to_hex().to_string()
}

/// Whether `secret` is the one with this hash; takes the same time whatever the answer.
#[must_use]
pub fn is_secret(secret: &str, hash: &str) -> bool {
    hash_secret(secret).as_bytes().ct_eq(hash.as_bytes()).into()
}

fn fresh() -> [u8; 32] {
    // Two version 4 UUIDs hold 244 random bits; the hash spreads them over all bytes.
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(Uuid::new_v4().as_bytes());
    bytes[16..].copy_from_slice(Uuid::new_v4().as_bytes());
    *blake3::hash(&bytes).as_bytes()
}

fn hex<'a>(bytes: impl Iterator<Item = &'a u8>) -> String {
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn sealed_texts_open_with_their_key_only() {
        let directory = tempfile::tempdir().unwrap();
        let keyring = Keyring::open(directory.path()).unwrap();
        let mode = std::fs::metadata(directory.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let sealed = keyring.seal("secret ü");
        assert!(!sealed.contains("secret"));
        assert_ne!(keyring.seal("secret ü"), sealed, "a nonce of its own each time");
        assert_eq!(Keyring::open(directory.path()).unwrap().open_sealed(&sealed).unwrap(), "secret ü");
        assert_eq!(Keyring::ephemeral().open_sealed(&sealed).unwrap_err().code, "sealed-text");
        for damaged in ["", "zz", "ä", &sealed[..60], &format!("{sealed}00")] {
            assert!(keyring.open_sealed(damaged).is_err(), "{damaged}");
        }
        std::fs::write(directory.path().join(FILE), b"short").unwrap();
        assert_eq!(Keyring::open(directory.path()).err().unwrap().code, "key-file");
    }

    #[test]
    fn derived_keys_are_stable_and_distinct() {
        let (keyring, id) = (Keyring::ephemeral(), HubId::random());
        assert_eq!(keyring.derived("run", id), keyring.derived("run", id));
        assert_ne!(keyring.derived("run", id), keyring.derived("other", id));
        assert_ne!(keyring.derived("run", id), Keyring::ephemeral().derived("run", id));
        assert!(keyring.derived("run", id).parse::<Uuid>().is_ok());
    }

    #[test]
    fn secrets_are_compared_by_hash() {
        let secret = new_secret();
        let hash = hash_secret(&secret);
        assert!(is_secret(&secret, &hash));
        assert!(!is_secret("other", &hash) && !is_secret(&secret, "") && !is_secret("", &hash));
    }
}
