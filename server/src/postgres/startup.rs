//! From the first byte to the first ReadyForQuery: encryption requests, cancel requests, parameters, authentication.

use std::net::SocketAddr;
use std::sync::Arc;

use pgwire::messages::response::{GssEncResponse, SslResponse};
use pgwire::messages::startup::{Authentication, BackendKeyData, NegotiateProtocolVersion, SecretKey};
use sql::{Dialect, Session, SessionOptions, Sessions};
use tokio::io::{AsyncRead, AsyncWrite};

use super::cancel::Cancellations;
use super::error::{Error, put_message};
use super::frontend::StartupPacket;
use super::settings::ReportedSettings;
use super::socket::{ReadError, Socket};

/// The newest minor version of protocol 3 that we speak.
const MINOR_VERSION_MAX: u16 = 2;

/// Parameters with this prefix ask for features of the protocol itself; we have none.
const PROTOCOL_OPTION_PREFIX: &str = "_pq_.";

/// What a client wants, as it said in its start-up message.
#[derive(Debug, PartialEq, Eq)]
pub struct StartupRequest {
    user: String,
    database: Option<String>,
    settings: Vec<(String, String)>,
}

impl StartupRequest {
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The one that it names, or that of the user's name.
    pub fn database(&self) -> &str {
        self.database.as_deref().unwrap_or(&self.user)
    }
}

/// What a client has said.
#[derive(Debug)]
pub enum Received {
    Startup(StartupRequest),
    /// It has been told that it may begin to encrypt.
    Encrypt,
    /// It wanted something else, which is done.
    Done,
}

/// Reads until the client says what it wants.
pub async fn receive<S>(
    socket: &mut Socket<S>,
    cancellations: &Cancellations,
    sessions: &Sessions,
    can_encrypt: bool,
) -> Result<Received, ReadError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut ssl_refused, mut gss_refused) = (false, false);
    loop {
        match socket.read_startup_packet().await? {
            // Each may be asked for once, as in PostgreSQL.
            StartupPacket::Ssl if can_encrypt => {
                // Somebody between could have put it there, to be taken for what the client sends encrypted.
                if socket.holds_input() {
                    return Err(ReadError::Invalid(Error::protocol_violation("received unencrypted data after SSL request")));
                }
                put_message(&SslResponse::Accept, &mut socket.output);
                socket.flush().await?;
                return match socket.holds_input() {
                    true => Err(ReadError::Invalid(Error::protocol_violation("received unencrypted data after SSL request"))),
                    false => Ok(Received::Encrypt),
                };
            }
            StartupPacket::Ssl if !ssl_refused => {
                ssl_refused = true;
                put_message(&SslResponse::Refuse, &mut socket.output);
                socket.flush().await?;
            }
            StartupPacket::Gss if !gss_refused => {
                gss_refused = true;
                put_message(&GssEncResponse::Refuse, &mut socket.output);
                socket.flush().await?;
            }
            StartupPacket::Ssl | StartupPacket::Gss => {
                return Err(ReadError::Invalid(Error::protocol_violation("encryption was refused already")));
            }
            StartupPacket::Cancel(request) => {
                cancellations.cancel(&request, sessions);
                // libpq waits for the end of the connection here, so no reply is sent.
                return Ok(Received::Done);
            }
            StartupPacket::Startup { major: 3, minor, parameters } => {
                negotiate_version(minor, &parameters, socket);
                return request(parameters).map(Received::Startup).map_err(ReadError::Invalid);
            }
            StartupPacket::Startup { major, minor, .. } => {
                return Err(ReadError::Invalid(Error::UnsupportedProtocol { major, minor }));
            }
        }
    }
}

/// Tells a client that asks for more than we have what we have; it decides whether to go on.
fn negotiate_version<S>(minor: u16, parameters: &[(String, String)], socket: &mut Socket<S>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let names = parameters.iter().map(|(name, _)| name);
    let unknown: Vec<String> = names.filter(|name| name.starts_with(PROTOCOL_OPTION_PREFIX)).cloned().collect();
    if minor > MINOR_VERSION_MAX || !unknown.is_empty() {
        let version = 3 << 16 | i32::from(minor.min(MINOR_VERSION_MAX));
        put_message(&NegotiateProtocolVersion::new(version, unknown), &mut socket.output);
    }
}

fn request(parameters: Vec<(String, String)>) -> Result<StartupRequest, Error> {
    let mut request = StartupRequest { user: String::new(), database: None, settings: vec![] };
    // What the parameters themselves say wins over `options`.
    let mut settings = vec![];
    for (name, value) in parameters {
        match name.as_str() {
            "user" => request.user = value,
            "database" => request.database = Some(value).filter(|name| !name.is_empty()),
            "options" => request.settings = parse_options(&value)?,
            "replication" if !matches!(value.as_str(), "false" | "off" | "no" | "0") => {
                return Err(Error::Unsupported { feature: "replication".into() });
            }
            "replication" => {}
            _ if name.starts_with(PROTOCOL_OPTION_PREFIX) => {}
            _ => settings.push((name, value)),
        }
    }
    if request.user.is_empty() {
        return Err(Error::NoUserName);
    }
    request.settings.append(&mut settings);
    Ok(request)
}

/// `-c name=value --name=value`, words separated by spaces, which a backslash keeps together.
fn parse_options(options: &str) -> Result<Vec<(String, String)>, Error> {
    let mut settings = vec![];
    let mut words = split_words(options).into_iter();
    while let Some(word) = words.next() {
        let invalid = || Error::InvalidOption { argument: word.clone() };
        let assignment = match word.strip_prefix("--") {
            Some(assignment) => assignment.to_owned(),
            None => match word.strip_prefix("-c") {
                Some("") => words.next().ok_or_else(invalid)?,
                Some(assignment) => assignment.to_owned(),
                None => return Err(invalid()),
            },
        };
        let (name, value) = assignment.split_once('=').ok_or_else(invalid)?;
        settings.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(settings)
}

fn split_words(options: &str) -> Vec<String> {
    let mut words = vec![];
    let mut word = None;
    let mut characters = options.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => word.get_or_insert_with(String::new).extend(characters.next()),
            _ if character.is_ascii_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_with(String::new).push(character),
        }
    }
    words.extend(word);
    words
}

/// Opens the session of a client that has shown who it is, and tells it everything up to but not including ReadyForQuery.
pub fn open_session<S>(
    request: StartupRequest,
    socket: &mut Socket<S>,
    sessions: &Arc<Sessions>,
    client_address: SocketAddr,
) -> Result<(Arc<Session>, ReportedSettings), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let session = sessions.open(SessionOptions {
        user: request.user,
        database: request.database,
        dialect: Dialect::Postgres,
        settings: request.settings,
        client_address: Some(client_address),
    })?;
    let output = &mut socket.output;
    put_message(&Authentication::Ok, output);
    let mut reported = ReportedSettings::new();
    reported.put_changes(&session, output);
    let key = session.cancel_key();
    put_message(&BackendKeyData::new(key.process_id, SecretKey::I32(key.secret)), output);
    Ok((session, reported))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn options_are_words() {
        let options = "-c geqo=off --statement-timeout=5min  -csearch_path=a,b -c application_name=my\\ tool";
        let expected = [
            ("geqo", "off"),
            ("statement_timeout", "5min"),
            ("search_path", "a,b"),
            ("application_name", "my tool"),
        ];
        assert_eq!(parse_options(options).unwrap(), pairs(&expected));
        for bad in ["-x", "-c", "-c work_mem", "--", "word"] {
            assert_eq!(parse_options(bad).unwrap_err().code(), "42601", "{bad}");
        }
    }

    #[test]
    fn a_request_needs_a_user() {
        assert_eq!(request(vec![]).unwrap_err().code(), "28000");
        let parameters = [("user", "a"), ("database", ""), ("_pq_.x", "1"), ("options", "-c a.b=1"), ("TimeZone", "UTC")];
        let request = request(pairs(&parameters)).unwrap();
        assert_eq!((request.user.as_str(), &request.database), ("a", &None));
        assert_eq!(request.settings, pairs(&[("a.b", "1"), ("TimeZone", "UTC")]));
    }

    #[test]
    fn replication_is_refused() {
        assert_eq!(request(pairs(&[("user", "a"), ("replication", "database")])).unwrap_err().code(), "0A000");
        assert!(request(pairs(&[("user", "a"), ("replication", "false")])).is_ok());
    }
}
