//! An ID token: whether it is the provider's, for us, of now, and for this sign-in (OpenID Connect Core 1.0, 3.1.3.7; RFC 7515, RFC 7518).

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    self, ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde_json::{Map, Value as Json};

use super::token::same;

/// Seconds that two clocks may differ.
const LEEWAY: i64 = 60;

/// What it has to say.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) audience: &'a str,
    pub(super) nonce: &'a str,
    pub(super) now: SystemTime,
}

/// The claims of a token that one of the keys has signed (a JSON Web Key Set).
pub(super) fn check(token: &str, keys: &Json, expected: &Expected<'_>) -> Result<Map<String, Json>, String> {
    let (signed, signature) = token.rsplit_once('.').ok_or("it has no three parts")?;
    let (head, body) = signed.split_once('.').ok_or("it has no three parts")?;
    let head: Map<String, Json> = part(head)?;
    let signature = decode(signature)?;
    let algorithm = head.get("alg").and_then(Json::as_str).unwrap_or_default();
    let is_meant = |key: &&Json| match (head.get("kid"), key.get("kid")) {
        (Some(wanted), Some(name)) => wanted == name,
        _ => true,
    };
    let mut candidates = keys["keys"].as_array().into_iter().flatten().filter(|key| key["use"] != "enc").filter(is_meant);
    if !candidates.any(|key| is_signed(algorithm, key, signed.as_bytes(), &signature)) {
        return Err(format!("none of the provider's keys has signed it (algorithm `{}`)", algorithm.escape_default()));
    }
    let claims: Map<String, Json> = part(body)?;
    let text = |name: &str| claims.get(name).and_then(Json::as_str).unwrap_or_default();
    if text("iss") != expected.issuer {
        return Err("it is another provider's".to_owned());
    }
    let (is_for_us, are_others) = match claims.get("aud") {
        Some(Json::String(one)) => (one == expected.audience, false),
        Some(Json::Array(all)) => (all.iter().any(|one| one == expected.audience), all.len() > 1),
        _ => (false, false),
    };
    let party = claims.get("azp");
    if !is_for_us || (are_others && party.is_none()) || party.is_some_and(|party| party != expected.audience) {
        return Err("it is for somebody else".to_owned());
    }
    let now = expected.now.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
    let time = |name: &str| claims.get(name).and_then(Json::as_f64);
    #[expect(clippy::cast_precision_loss, reason = "seconds of this age are far below what a double holds exactly")]
    let (now, leeway) = (now as f64, LEEWAY as f64);
    if time("exp").is_none_or(|end| end + leeway <= now) {
        return Err("it is over".to_owned());
    }
    if ["iat", "nbf"].iter().filter_map(|name| time(name)).any(|begin| begin - leeway > now) {
        return Err("it is of the future".to_owned());
    }
    if !same(text("nonce"), expected.nonce) {
        return Err("it is of another sign-in".to_owned());
    }
    Ok(claims)
}

/// The key decides what it may sign, not the token.
fn is_signed(algorithm: &str, key: &Json, signed: &[u8], signature: &[u8]) -> bool {
    let number = |name: &str| key[name].as_str().and_then(|text| decode(text).ok()).unwrap_or_default();
    if key["alg"].as_str().is_some_and(|own| own != algorithm) {
        return false;
    }
    match key["kty"].as_str() {
        Some("RSA") => {
            let parameters = match algorithm {
                "RS256" => &RSA_PKCS1_2048_8192_SHA256,
                "RS384" => &RSA_PKCS1_2048_8192_SHA384,
                "RS512" => &RSA_PKCS1_2048_8192_SHA512,
                _ => return false,
            };
            RsaPublicKeyComponents { n: number("n"), e: number("e") }.verify(parameters, signed, signature).is_ok()
        }
        Some("EC") => {
            let kind: &'static dyn signature::VerificationAlgorithm = match (algorithm, key["crv"].as_str()) {
                ("ES256", Some("P-256")) => &ECDSA_P256_SHA256_FIXED,
                ("ES384", Some("P-384")) => &ECDSA_P384_SHA384_FIXED,
                _ => return false,
            };
            // An uncompressed point (SEC 1, 2.3.3).
            let point = [&[4][..], &number("x"), &number("y")].concat();
            UnparsedPublicKey::new(kind, point).verify(signed, signature).is_ok()
        }
        _ => false,
    }
}

fn part(text: &str) -> Result<Map<String, Json>, String> {
    serde_json::from_slice(&decode(text)?).map_err(|error| format!("a part of it is not JSON: {error}"))
}

fn decode(text: &str) -> Result<Vec<u8>, String> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|error| format!("a part of it is not base64: {error}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
    use serde_json::json;

    use super::*;

    struct Signer {
        pair: EcdsaKeyPair,
    }

    impl Signer {
        fn new() -> Self {
            let random = SystemRandom::new();
            let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
            Self { pair: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap() }
        }

        fn keys(&self) -> Json {
            let point = self.pair.public_key().as_ref();
            let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
            json!({ "keys": [{ "kty": "EC", "crv": "P-256", "kid": "k", "x": number(&point[1..33]), "y": number(&point[33..]) }] })
        }

        fn token(&self, head: &Json, claims: &Json) -> String {
            let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(head.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
            let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
        }
    }

    #[test]
    fn a_token_is_the_providers_for_us_of_now_and_for_this_sign_in() {
        let (signer, stranger) = (Signer::new(), Signer::new());
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let expected = Expected { issuer: "https://i", audience: "us", nonce: "n", now };
        let good = json!({ "iss": "https://i", "aud": "us", "exp": 1_000_100, "iat": 999_990, "nonce": "n", "email": "a@b" });
        let head = json!({ "alg": "ES256", "kid": "k" });
        let verdict = |head: &Json, claims: &Json| check(&signer.token(head, claims), &signer.keys(), &expected);
        assert_eq!(verdict(&head, &good).unwrap()["email"], "a@b");
        assert!(verdict(&json!({ "alg": "ES256" }), &good).is_ok(), "a provider with one key need not name it");
        for head in
            [json!({ "alg": "none" }), json!({ "alg": "HS256", "kid": "k" }), json!({ "alg": "ES256", "kid": "x" }), json!({})]
        {
            assert!(verdict(&head, &good).is_err(), "{head}");
        }
        for (name, value) in [
            ("iss", json!("https://other")),
            ("aud", json!("others")),
            ("aud", json!(["us", "others"])),
            ("azp", json!("others")),
            ("aud", Json::Null),
            ("exp", json!(999_000)),
            ("exp", Json::Null),
            ("exp", json!("1000100")),
            ("iat", json!(1_001_000)),
            ("nbf", json!(1_001_000)),
            ("nonce", json!("other")),
            ("nonce", Json::Null),
        ] {
            let mut claims = good.clone();
            claims[name] = value;
            assert!(verdict(&head, &claims).is_err(), "{claims}");
        }
        let mut several = good.clone();
        (several["aud"], several["azp"]) = (json!(["us", "others"]), json!("us"));
        assert!(verdict(&head, &several).is_ok());
        assert!(check(&stranger.token(&head, &good), &signer.keys(), &expected).is_err());
        let token = signer.token(&head, &good);
        let (rest, signature) = token.rsplit_once('.').unwrap();
        for damaged in [rest.to_owned(), format!("{rest}."), format!("x{rest}.{signature}"), String::new(), "a.b".to_owned()] {
            assert!(check(&damaged, &signer.keys(), &expected).is_err(), "{damaged}");
        }
    }
}
