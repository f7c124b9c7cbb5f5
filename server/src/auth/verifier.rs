//! What a password is checked with: a SCRAM-SHA-256 verifier of RFC 5803 in PostgreSQL's form, from which the password cannot
//! be told.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use pgwire::api::auth::sasl::scram::{SCRAM_ITERATIONS, ScramSecret, gen_salted_password};
use ring::{digest, hmac};

const SALT_BYTES: usize = 16;
/// What a client may be asked to compute.
const ITERATIONS_MAX: usize = 10_000_000;

#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    iterations: usize,
    salt: Vec<u8>,
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

impl Verifier {
    /// That of a password, with new salt.
    pub(super) fn new(password: &str) -> Self {
        Self::with_salt(password, rand::random::<[u8; SALT_BYTES]>().to_vec(), SCRAM_ITERATIONS)
    }

    fn with_salt(password: &str, salt: Vec<u8>, iterations: usize) -> Self {
        let salted = gen_salted_password(password, &salt, iterations);
        let key = |name: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &salted), name.as_bytes());
        let stored_key = digest::digest(&digest::SHA256, key("Client Key").as_ref()).as_ref().to_vec();
        Self { iterations, salt, stored_key, server_key: key("Server Key").as_ref().to_vec() }
    }

    /// Whether it is that of a password. Takes as long whatever the password is.
    pub fn is_of(&self, password: &str) -> bool {
        let other = Self::with_salt(password, self.salt.clone(), self.iterations);
        let difference = other.stored_key.iter().zip(&self.stored_key).fold(0, |difference, (a, b)| difference | (a ^ b));
        difference == 0 && other.stored_key.len() == self.stored_key.len()
    }

    /// The same for the SCRAM exchange.
    pub fn secret(self) -> ScramSecret {
        let Self { iterations, salt, stored_key, server_key } = self;
        ScramSecret::Verifier { salt, iterations, stored_key, server_key }
    }
}

impl FromStr for Verifier {
    type Err = ();

    /// `SCRAM-SHA-256$iterations:salt$stored-key:server-key`
    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.strip_prefix("SCRAM-SHA-256$").ok_or(())?;
        let (cost, keys) = text.split_once('$').ok_or(())?;
        let (iterations, salt) = cost.split_once(':').ok_or(())?;
        let (stored_key, server_key) = keys.split_once(':').ok_or(())?;
        let bytes = |text: &str| BASE64.decode(text).map_err(|_| ());
        let key = |text: &str| bytes(text).and_then(|key| if key.len() == digest::SHA256_OUTPUT_LEN { Ok(key) } else { Err(()) });
        let iterations = iterations.parse().map_err(|_| ())?;
        if !(1..=ITERATIONS_MAX).contains(&iterations) {
            return Err(());
        }
        Ok(Self { iterations, salt: bytes(salt)?, stored_key: key(stored_key)?, server_key: key(server_key)? })
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [salt, stored_key, server_key] = [&self.salt, &self.stored_key, &self.server_key].map(|bytes| BASE64.encode(bytes));
        write!(f, "SCRAM-SHA-256${}:{salt}${stored_key}:{server_key}", self.iterations)
    }
}

/// It is nearly as good as a password.
impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

/// Verifiers for users that do not exist, so that nobody can tell them from others. Each has its own salt, the same each time.
#[derive(Debug)]
pub(super) struct Mocks(hmac::Key);

impl Mocks {
    pub(super) fn new() -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &rand::random::<[u8; 32]>()))
    }

    pub(super) fn verifier(&self, user: &str) -> Verifier {
        let derived = |what: &str| hmac::sign(&self.0, format!("{what} {user}").as_bytes()).as_ref().to_vec();
        let salt = derived("salt").into_iter().take(SALT_BYTES).collect();
        // No key is known whose hash this is.
        Verifier { iterations: SCRAM_ITERATIONS, salt, stored_key: derived("stored"), server_key: derived("server") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by PostgreSQL 15 for the password `pencil`.
    const PENCIL: &str =
        "SCRAM-SHA-256$4096:+wkk4AQeeJyOsTxzp6p0bg==$KUyG0ISEo0Ekof/YLiZhPDxiUZCUL3vak4PSxDYU56I=:0dqkRc/B7EphgaZbGmF2I4mYX81Zzq+wliYX61RwdDw=";

    #[test]
    fn verifiers_are_those_of_postgresql() {
        let verifier: Verifier = PENCIL.parse().expect("a verifier");
        assert_eq!(verifier.to_string(), PENCIL);
        assert!(verifier.is_of("pencil") && !verifier.is_of("Pencil") && !verifier.is_of(""));
        assert!(Verifier::new("x").to_string().parse::<Verifier>().is_ok_and(|verifier| verifier.is_of("x")));
        for wrong in ["", "md5abc", "SCRAM-SHA-256$0:AA==$AA==:AA==", &PENCIL[..60]] {
            assert!(wrong.parse::<Verifier>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn users_who_do_not_exist_have_salt_too() {
        let mocks = Mocks::new();
        assert_eq!(mocks.verifier("eve"), mocks.verifier("eve"));
        assert_ne!(mocks.verifier("eve").salt, mocks.verifier("mallory").salt);
        assert!(!mocks.verifier("eve").is_of(""));
    }
}
