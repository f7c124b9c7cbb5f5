//! Who makes a call: from the `authorization` and `cookie` headers of the request, before anything else is done for it.

use std::net::SocketAddr;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE, USER_AGENT};
use tonic::Status;

use super::signer::{Purpose, SessionKey, Signer};

pub(super) const COOKIE_NAME: &str = "arrow_flight_session_id";
/// Callers that do not say who they are.
const ANONYMOUS: &str = "anonymous";
/// A user name is part of tokens, cookies and logs.
const USER_BYTES_MAX: usize = 256;

/// ADBC pads Basic credentials not, flightsql-dbapi does.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The authenticated client of one call.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) user: String,
    /// What it shows to be that user.
    pub(super) password: Option<String>,
    /// It has shown it before.
    pub(super) has_token: bool,
    /// What its state between calls is found by. `None`: it has shown neither cookie nor token, so it has no state.
    pub(super) session_key: Option<SessionKey>,
    pub(super) user_agent: String,
    pub(super) address: Option<SocketAddr>,
}

impl Caller {
    /// Identifies the caller. Whether it must show who it is, and does, is for [`Service::check`](super::service::Service::check):
    /// credentials that say nothing (`Bearer None`, a token of another process) are ignored. What is contradictory is refused.
    pub(super) fn identify(signer: &Signer, headers: &HeaderMap, address: Option<SocketAddr>) -> Result<Self, Status> {
        let mut user = None;
        let mut shown_password = None;
        let mut token_key = None;
        // ADBC sends the token twice after a handshake; equal values are one.
        for value in headers.get_all(AUTHORIZATION) {
            let Ok(value) = value.to_str() else { continue };
            let named = match Credentials::parse(value) {
                Some(Credentials::Basic { user, password }) => {
                    shown_password = Some(password);
                    user
                }
                Some(Credentials::Bearer(token)) => match signer.verify(Purpose::Token, token) {
                    Some(key) => {
                        let user = key.user.clone();
                        token_key = Some(key);
                        user
                    }
                    None => continue,
                },
                None => continue,
            };
            if user.as_ref().is_some_and(|user| *user != named) {
                return Err(Status::unauthenticated("two authorization headers name two users"));
            }
            user = Some(named);
        }
        if let Some(key) = payload_token(headers).and_then(|token| signer.verify(Purpose::Token, &token))
            && user.is_none()
        {
            user = Some(key.user.clone());
            token_key = Some(key);
        }
        let user = user.filter(|user| !user.is_empty()).unwrap_or_else(|| ANONYMOUS.to_owned());
        if user.len() > USER_BYTES_MAX {
            return Err(Status::unauthenticated(format!("user names have at most {USER_BYTES_MAX} bytes")));
        }
        let cookie_key = cookie(headers).and_then(|text| signer.verify(Purpose::Cookie, text));
        if let Some(key) = &cookie_key
            && key.user != user
        {
            return Err(Status::permission_denied("the session cookie belongs to another user"));
        }
        let user_agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let has_token = token_key.as_ref().is_some_and(|key| key.user == user);
        Ok(Self { user, password: shown_password, has_token, session_key: cookie_key.or(token_key), user_agent, address })
    }

    /// ADBC's drivers take the Null type for a parameter of unknown type; others want a type they can send.
    pub(super) fn is_adbc(&self) -> bool {
        self.user_agent.starts_with("ADBC Flight SQL Driver")
    }

    /// JDBC's driver sends every timestamp in milliseconds.
    pub(super) fn is_java(&self) -> bool {
        self.user_agent.starts_with("grpc-java")
    }
}

/// The content of an `authorization` header.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Credentials<'a> {
    Basic { user: String, password: String },
    Bearer(&'a str),
}

impl<'a> Credentials<'a> {
    /// `None` for schemes we do not know and for what cannot be decoded.
    pub(super) fn parse(value: &'a str) -> Option<Self> {
        let (scheme, rest) = value.trim().split_once(' ')?;
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("bearer") {
            return Some(Self::Bearer(rest));
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let text = String::from_utf8(BASE64.decode(rest).ok()?).ok()?;
        // A password may hold colons, a user name may not.
        let (user, password) = text.split_once(':')?;
        Some(Self::Basic { user: user.to_owned(), password: password.to_owned() })
    }
}

/// Clients that shake hands by messages send the token they got there in this header.
fn payload_token(headers: &HeaderMap) -> Option<String> {
    let value = headers.get("auth-token-bin")?;
    String::from_utf8(BASE64.decode(value.as_bytes()).ok()?).ok()
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE_NAME)
        .map(|(_, value)| value.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(pairs: &[(http::header::HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name.clone(), HeaderValue::from_str(value).expect("a header value"));
        }
        headers
    }

    fn identify(signer: &Signer, pairs: &[(http::header::HeaderName, &str)]) -> Result<Caller, Status> {
        Caller::identify(signer, &headers(pairs), None)
    }

    #[test]
    fn basic_is_read_padded_or_not_and_split_at_the_first_colon() {
        for text in ["Basic YW5uOnA6cQ==", "Basic YW5uOnA6cQ", "basic  YW5uOnA6cQ"] {
            let expected = Credentials::Basic { user: "ann".into(), password: "p:q".into() };
            assert_eq!(Credentials::parse(text), Some(expected), "{text}");
        }
        assert_eq!(Credentials::parse("Basic !"), None);
        assert_eq!(Credentials::parse("Bearer None"), Some(Credentials::Bearer("None")));
    }

    #[test]
    fn what_says_nothing_is_ignored() {
        let signer = Signer::new();
        for value in ["Bearer None", "Bearer ", "Negotiate abc", "x"] {
            let caller = identify(&signer, &[(AUTHORIZATION, value)]).expect("a caller");
            assert_eq!((caller.user.as_str(), caller.session_key), (ANONYMOUS, None));
        }
    }

    #[test]
    fn a_token_sent_twice_is_one() {
        let signer = Signer::new();
        let bearer = format!("Bearer {}", signer.issue(Purpose::Token, "ann"));
        let caller = identify(&signer, &[(AUTHORIZATION, &bearer), (AUTHORIZATION, &bearer)]).expect("a caller");
        assert_eq!(caller.user, "ann");
        assert!(caller.session_key.is_some());
        let other = format!("Bearer {}", signer.issue(Purpose::Token, "bob"));
        assert!(identify(&signer, &[(AUTHORIZATION, &bearer), (AUTHORIZATION, &other)]).is_err());
    }

    #[test]
    fn the_cookie_goes_before_the_token_and_must_be_the_users_own() {
        let signer = Signer::new();
        let bearer = format!("Bearer {}", signer.issue(Purpose::Token, "ann"));
        let text = signer.issue(Purpose::Cookie, "ann");
        let own = format!("theme=dark; {COOKIE_NAME}={text}");
        let caller = identify(&signer, &[(AUTHORIZATION, &bearer), (COOKIE, &own)]).expect("a caller");
        assert_eq!(caller.session_key, signer.verify(Purpose::Cookie, &text));
        let foreign = format!("{COOKIE_NAME}={}", signer.issue(Purpose::Cookie, "bob"));
        let refused = identify(&signer, &[(AUTHORIZATION, &bearer), (COOKIE, &foreign)]).expect_err("refused");
        assert_eq!(refused.code(), tonic::Code::PermissionDenied);
    }
}
