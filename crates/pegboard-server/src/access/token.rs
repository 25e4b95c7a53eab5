//! Tokens: 256 random bits that clients keep and the store knows by their hash.

use pegboard_model::Error;
use subtle::ConstantTimeEq as _;

/// A new one: 64 hexadecimal digits.
pub(super) fn new_token() -> Result<String, Error> {
    let mut bytes = [0; 32];
    fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Random bytes from the system.
pub(super) fn fill(bytes: &mut [u8]) -> Result<(), Error> {
    getrandom::fill(bytes).map_err(|error| Error::internal("random", format!("the system has no random bytes: {error}")))
}

/// What is kept of a token.
pub(super) fn hash(token: &str) -> String {
    blake3::hash(token.as_bytes()).to_hex().to_string()
}

/// What a page has to say beside the session's cookie: follows from it, and nobody can go back from it to the cookie.
pub(super) fn csrf_token(session: &str) -> String {
    blake3::keyed_hash(blake3::hash(session.as_bytes()).as_bytes(), b"what a page says beside its cookie").to_hex().to_string()
}

/// Whether both are the same, in a time that tells nothing of where they differ.
pub(super) fn same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_and_follow_from_nothing() {
        let (one, other) = (new_token().unwrap(), new_token().unwrap());
        assert!(one.len() == 64 && one != other && !same(&one, &other) && same(&one, &one.clone()));
        assert!(csrf_token(&one) == csrf_token(&one) && csrf_token(&one) != csrf_token(&other));
        assert!(csrf_token(&one) != hash(&one) && csrf_token(&one) != one);
    }
}
