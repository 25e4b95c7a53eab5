//! Passwords: argon2id, away from the tasks that answer requests, only a few at once.
//!
//! The costs are those that the crate has by default and OWASP names (Password Storage Cheat Sheet): 19 MiB of memory, two passes.
//! Whoever has no password is compared with one that nobody has, so that the time tells nothing.

use std::sync::{Arc, OnceLock};

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Argon2, PasswordHash};
use pegboard_model::Error;
use tokio::sync::Semaphore;

use super::token;

/// Hashes that are worked on at once: each takes 19 MiB and a core.
const AT_ONCE: usize = 2;
/// Fewest characters and most bytes of a password.
const SHORTEST: usize = 10;
const LONGEST: usize = 1024;

/// Makes and compares hashes.
pub(super) struct Hasher {
    permits: Arc<Semaphore>,
    nobodys: OnceLock<String>,
}

impl Default for Hasher {
    fn default() -> Self {
        Self { permits: Arc::new(Semaphore::new(AT_ONCE)), nobodys: OnceLock::new() }
    }
}

impl Hasher {
    /// The hash of a password, with a salt of its own.
    pub(super) async fn hash(&self, password: &str) -> Result<String, Error> {
        let password = password.to_owned();
        self.work(move || hash(&password)).await?
    }

    /// Whether it is the password with this hash; with none it takes as long and is false.
    pub(super) async fn is_password(&self, password: &str, hash: Option<String>) -> Result<bool, Error> {
        let (is_known, hash) = match hash {
            Some(hash) => (true, hash),
            None => (false, self.nobodys().await?),
        };
        let password = password.to_owned();
        let is_same = self.work(move || Argon2::default().verify_password(password.as_bytes(), hash.as_str()).is_ok()).await?;
        Ok(is_same && is_known)
    }

    async fn nobodys(&self) -> Result<String, Error> {
        if let Some(hash) = self.nobodys.get() {
            return Ok(hash.clone());
        }
        let made = self.hash(&token::new_token()?).await?;
        Ok(self.nobodys.get_or_init(|| made).clone())
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let stopped = |_| Error::unavailable("stopping", "the server is stopping");
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(stopped)?;
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        done.await.map_err(|error| Error::internal("password-hash", format!("hashing a password ended early: {error}")))
    }
}

fn hash(password: &str) -> Result<String, Error> {
    let mut salt = [0; 16];
    token::fill(&mut salt)?;
    let hashed: Result<PasswordHash, _> = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
    let hashed = hashed.map_err(|error| Error::internal("password-hash", format!("cannot hash a password: {error}")))?;
    Ok(hashed.to_string())
}

/// # Errors
/// `password` when it is short, endless, or what everybody would try first.
pub(super) fn check(password: &str, email: &str) -> Result<(), Error> {
    let wrong = |why: String| Err(Error::invalid("password", why).hint("a sentence that only you would write is a good one"));
    let distinct: std::collections::HashSet<char> = password.chars().collect();
    let name = email.split('@').next().unwrap_or_default();
    match password.len() {
        _ if password.chars().count() < SHORTEST => wrong(format!("the password has fewer than {SHORTEST} characters")),
        length if length > LONGEST => wrong(format!("the password has more than {LONGEST} bytes")),
        _ if password.eq_ignore_ascii_case(email) => wrong("the password is the email address".to_owned()),
        _ if distinct.len() < 4 || password.eq_ignore_ascii_case(&name.repeat(2)) => {
            wrong("the password has hardly any characters that differ".to_owned())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_its_own_and_nobody_elses() {
        let hasher = Hasher::default();
        let hash = hasher.hash("a long sentence").await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hasher.hash("a long sentence").await.unwrap(), hash, "a salt of its own");
        assert!(hasher.is_password("a long sentence", Some(hash.clone())).await.unwrap());
        assert!(!hasher.is_password("another sentence", Some(hash)).await.unwrap());
        assert!(!hasher.is_password("a long sentence", None).await.unwrap());
        assert!(!hasher.is_password("x", Some("damaged".to_owned())).await.unwrap());
    }

    #[test]
    fn what_may_be_a_password() {
        for (password, good) in [
            ("a long sentence", true),
            ("short", false),
            ("пароль", false),
            ("aaaaaaaaaaaaaaaa", false),
            ("Ann@Example.org", false),
            ("пароль длинный", true),
        ] {
            assert_eq!(check(password, "ann@example.org").is_ok(), good, "{password}");
        }
        assert!(check(&"long ".repeat(300), "x@y").is_err());
    }
}
