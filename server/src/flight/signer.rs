//! Session keys that a client keeps for us: signed, so that handing one out costs no memory and nobody can make one up.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use uuid::Uuid;

/// Where a key travels. A cookie is no bearer token and the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Cookie,
    Token,
}

/// Names the state of one client between its calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SessionKey {
    pub(super) user: String,
    pub(super) id: Uuid,
}

/// Signs and verifies with a key that this process made up, so that what one process handed out means nothing to another.
pub(super) struct Signer {
    key: hmac::Key,
}

impl Signer {
    pub(super) fn new() -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &rand::random::<[u8; 32]>()) }
    }

    /// A new key for `user` as text of letters, digits, `-`, `_` and `.`.
    pub(super) fn issue(&self, purpose: Purpose, user: &str) -> String {
        self.sign(purpose, &SessionKey { user: user.to_owned(), id: Uuid::new_v4() })
    }

    /// The key in `text`, if this process issued it for this purpose.
    pub(super) fn verify(&self, purpose: Purpose, text: &str) -> Option<SessionKey> {
        let (content, signature) = text.rsplit_once('.')?;
        let (user, id) = content.split_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        hmac::verify(&self.key, signed_text(purpose, content).as_bytes(), &signature).ok()?;
        let user = String::from_utf8(URL_SAFE_NO_PAD.decode(user).ok()?).ok()?;
        Some(SessionKey { user, id: Uuid::try_parse(id).ok()? })
    }

    fn sign(&self, purpose: Purpose, key: &SessionKey) -> String {
        let content = format!("{}.{}", URL_SAFE_NO_PAD.encode(&key.user), key.id.simple());
        let signature = hmac::sign(&self.key, signed_text(purpose, &content).as_bytes());
        format!("{content}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn signed_text(purpose: Purpose, content: &str) -> String {
    let purpose = match purpose {
        Purpose::Cookie => "cookie",
        Purpose::Token => "token",
    };
    format!("{purpose}:{content}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issued_key_is_verified() {
        let signer = Signer::new();
        let text = signer.issue(Purpose::Token, "Jürgen.x");
        assert_eq!(signer.verify(Purpose::Token, &text).map(|key| key.user).as_deref(), Some("Jürgen.x"));
        assert_ne!(text, signer.issue(Purpose::Token, "Jürgen.x"));
    }

    #[test]
    fn anything_else_is_refused() {
        let signer = Signer::new();
        let text = signer.issue(Purpose::Token, "ann");
        assert_eq!(signer.verify(Purpose::Cookie, &text), None);
        assert_eq!(Signer::new().verify(Purpose::Token, &text), None);
        let other = format!("{}{}", URL_SAFE_NO_PAD.encode("bob"), &text[text.find('.').expect("a dot")..]);
        assert_eq!(signer.verify(Purpose::Token, &other), None);
        for text in ["", ".", "..", "None", "a.b.c", &text[..text.len() - 1]] {
            assert_eq!(signer.verify(Purpose::Token, text), None, "{text}");
        }
    }
}
