//! What can go wrong on this protocol, and the one place that turns it, and notices, into messages.

use std::net::IpAddr;

use bytes::BytesMut;
use pgwire::messages::Message;
use pgwire::messages::response::{ErrorResponse, NoticeResponse};
use sql::{Notice, Severity, SqlState};

use super::to_wire::ValueError;
use crate::auth::AuthError;

/// `character_not_in_repertoire`: bytes that are no UTF-8.
const CHARACTER_NOT_IN_REPERTOIRE: &str = "22021";
const BAD_COPY_FILE_FORMAT: &str = "22P04";
const TOO_MANY_COLUMNS: &str = "54011";
const IDLE_SESSION_TIMEOUT: &str = "57P05";
const IDLE_IN_TRANSACTION_SESSION_TIMEOUT: &str = "25P03";
/// PostgreSQL's drivers look at this routine to know that preparing again helps.
const STALE_PLAN_ROUTINE: &str = "RevalidateCachedQuery";

/// Why a statement, or a message of the protocol, was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Sql(#[from] sql::Error),

    #[error(transparent)]
    Value(#[from] ValueError),

    #[error("{message}")]
    ProtocolViolation { message: String },

    #[error("invalid frontend message type {kind}")]
    UnknownMessageType { kind: u8 },

    #[error("invalid message length")]
    InvalidMessageLength,

    #[error("invalid byte sequence for encoding \"UTF8\": 0x{byte:02x}")]
    InvalidUtf8 { byte: u8 },

    #[error("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.2")]
    UnsupportedProtocol { major: u16, minor: u16 },

    #[error("no PostgreSQL user name specified in startup packet")]
    NoUserName,

    #[error(transparent)]
    Auth(AuthError),

    #[error("invalid command-line argument for server process: {argument}")]
    InvalidOption { argument: String },

    #[error("sorry, too many clients already")]
    TooManyConnections,

    #[error("remaining connection slots are reserved for non-replication superuser connections")]
    ReservedConnections,

    #[error("too many connections from {address}")]
    TooManyOfAddress { address: IpAddr },

    #[error("terminating connection due to administrator command")]
    AdminShutdown,

    #[error("terminating connection due to idle-session timeout")]
    IdleSession,

    #[error("terminating connection due to idle-in-transaction timeout")]
    IdleInTransaction,

    #[error("{feature} is not supported")]
    Unsupported { feature: String },

    #[error("{}", undefined_statement(.name))]
    UndefinedStatement { name: String },

    #[error("portal \"{name}\" does not exist")]
    UndefinedPortal { name: String },

    #[error("cursor \"{name}\" already exists")]
    DuplicatePortal { name: String },

    #[error("portal \"{name}\" cannot be run")]
    FinishedPortal { name: String },

    #[error("cannot insert multiple commands into a prepared statement")]
    SeveralStatements,

    #[error("too many {what}: at most {count_max} can be open at a time")]
    TooMany { what: &'static str, count_max: usize },

    #[error("target lists can have at most {columns_max} entries")]
    TooManyColumns { columns_max: usize },

    #[error("cached plan must not change result type")]
    StalePlan,

    #[error("bind message supplies {given} parameters, but prepared statement \"{statement}\" requires {expected}")]
    ParameterCount { given: usize, expected: usize, statement: String },

    #[error("bind message has {formats} parameter formats but {parameters} parameters")]
    ParameterFormatCount { formats: usize, parameters: usize },

    #[error("bind message has {formats} result formats but query has {columns} columns")]
    ResultFormatCount { formats: usize, columns: usize },

    #[error("unsupported format code: {code}")]
    UnsupportedFormat { code: i16 },

    #[error("invalid input syntax for type {pg_type}: \"{text}\"")]
    InvalidText { pg_type: &'static str, text: String },

    #[error("invalid input syntax for type {pg_type}: \"{text}\"")]
    InvalidDateTimeText { pg_type: &'static str, text: String },

    #[error("date/time field value out of range: \"{text}\"")]
    DateTimeOutOfRange { text: String },

    #[error("value \"{text}\" is out of range for type {pg_type}")]
    OutOfRange { pg_type: &'static str, text: String },

    #[error("{message}")]
    BadCopyFormat { message: String },

    #[error("COPY from stdin failed: {message}")]
    CopyFailed { message: String },

    /// Where in what the client has sent.
    #[error("{error}")]
    InContext { error: Box<Error>, context: String },

    #[error("malformed array literal: \"{text}\"")]
    MalformedArray { text: String },

    #[error("incorrect binary data format in bind parameter {number}")]
    InvalidBinary { number: usize },
}

fn undefined_statement(name: &str) -> String {
    match name {
        "" => "unnamed prepared statement does not exist".into(),
        name => format!("prepared statement \"{name}\" does not exist"),
    }
}

impl Error {
    pub fn protocol_violation(message: impl Into<String>) -> Self {
        Self::ProtocolViolation { message: message.into() }
    }

    pub fn in_context(error: Self, context: String) -> Self {
        Self::InContext { error: Box::new(error), context }
    }

    /// Where it happened, for people.
    pub fn context(&self) -> Option<&str> {
        match self {
            Self::InContext { context, .. } => Some(context),
            _ => None,
        }
    }

    pub fn is_canceled(&self) -> bool {
        self.code() == SqlState::QUERY_CANCELED.code()
    }

    /// The five characters of the SQLSTATE.
    pub fn code(&self) -> &'static str {
        let sql_state = match self {
            Self::InContext { error, .. } => return error.code(),
            Self::BadCopyFormat { .. } => return BAD_COPY_FILE_FORMAT,
            Self::CopyFailed { .. } => SqlState::QUERY_CANCELED,
            Self::Sql(error) => error.sql_state(),
            Self::Value(ValueError::NameWithoutObjectId) => SqlState::FEATURE_NOT_SUPPORTED,
            Self::Value(ValueError::InvalidUuid) => SqlState::INVALID_TEXT_REPRESENTATION,
            Self::Value(ValueError::RowTooLong) => SqlState::PROGRAM_LIMIT_EXCEEDED,
            Self::Value(ValueError::ObjectIdOutOfRange(_)) => SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
            Self::Value(_) => SqlState::DATETIME_FIELD_OVERFLOW,
            Self::TooManyColumns { .. } => return TOO_MANY_COLUMNS,
            Self::IdleSession => return IDLE_SESSION_TIMEOUT,
            Self::IdleInTransaction => return IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
            Self::InvalidUtf8 { .. } => return CHARACTER_NOT_IN_REPERTOIRE,
            Self::ProtocolViolation { .. }
            | Self::UnknownMessageType { .. }
            | Self::InvalidMessageLength
            | Self::ParameterCount { .. }
            | Self::ParameterFormatCount { .. }
            | Self::ResultFormatCount { .. } => SqlState::PROTOCOL_VIOLATION,
            Self::UnsupportedProtocol { .. } | Self::Unsupported { .. } | Self::StalePlan => {
                SqlState::FEATURE_NOT_SUPPORTED
            }
            Self::Auth(AuthError::Password { .. }) => SqlState::INVALID_PASSWORD,
            Self::NoUserName | Self::Auth(_) => SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
            Self::InvalidOption { .. } | Self::SeveralStatements => SqlState::SYNTAX_ERROR,
            Self::TooManyConnections | Self::ReservedConnections | Self::TooManyOfAddress { .. } => SqlState::TOO_MANY_CONNECTIONS,
            Self::AdminShutdown => SqlState::ADMIN_SHUTDOWN,
            Self::UndefinedStatement { .. } => SqlState::INVALID_SQL_STATEMENT_NAME,
            Self::UndefinedPortal { .. } => SqlState::INVALID_CURSOR_NAME,
            Self::DuplicatePortal { .. } => SqlState::DUPLICATE_CURSOR,
            Self::FinishedPortal { .. } => SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            Self::TooMany { .. } => SqlState::PROGRAM_LIMIT_EXCEEDED,
            Self::UnsupportedFormat { .. } => SqlState::INVALID_PARAMETER_VALUE,
            Self::InvalidText { .. } | Self::MalformedArray { .. } => SqlState::INVALID_TEXT_REPRESENTATION,
            Self::InvalidDateTimeText { .. } => SqlState::INVALID_DATETIME_FORMAT,
            Self::DateTimeOutOfRange { .. } => SqlState::DATETIME_FIELD_OVERFLOW,
            Self::OutOfRange { .. } => SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
            Self::InvalidBinary { .. } => SqlState::INVALID_BINARY_REPRESENTATION,
        };
        sql_state.code()
    }

    /// Appends an ErrorResponse after which the session goes on.
    pub fn put(&self, out: &mut BytesMut) {
        self.put_with_severity("ERROR", out);
    }

    /// Appends an ErrorResponse after which the server closes the connection.
    pub fn put_fatal(&self, out: &mut BytesMut) {
        self.put_with_severity("FATAL", out);
    }

    fn put_with_severity(&self, severity: &str, out: &mut BytesMut) {
        let mut fields = fields(severity, self.code(), self.to_string());
        if let Self::Sql(error) = self {
            put_optional(&mut fields, b'D', error.detail());
            put_optional(&mut fields, b'H', error.hint());
            put_optional(&mut fields, b'P', error.position().map(|position| position.to_string()));
        }
        put_optional(&mut fields, b'W', self.context().map(str::to_owned));
        if let Self::StalePlan | Self::Sql(sql::Error::StalePlan) = self {
            put_optional(&mut fields, b'R', Some(STALE_PLAN_ROUTINE.to_owned()));
        }
        put_message(&ErrorResponse::new(fields), out);
    }
}

/// Appends a NoticeResponse.
pub fn put_notice(notice: &Notice, out: &mut BytesMut) {
    let severity = match notice.severity {
        Severity::Warning => "WARNING",
        Severity::Notice => "NOTICE",
        Severity::Info => "INFO",
    };
    let mut fields = fields(severity, notice.sql_state.code(), notice.message.clone());
    put_optional(&mut fields, b'D', notice.detail.clone());
    put_optional(&mut fields, b'H', notice.hint.clone());
    put_message(&NoticeResponse::new(fields), out);
}

fn fields(severity: &str, code: &str, message: String) -> Vec<(u8, String)> {
    let severity = severity.to_owned();
    vec![(b'S', severity.clone()), (b'V', severity), (b'C', code.to_owned()), (b'M', without_nul(message))]
}

fn put_optional(fields: &mut Vec<(u8, String)>, kind: u8, text: Option<String>) {
    fields.extend(text.map(|text| (kind, without_nul(text))));
}

/// A NUL would end the string early and make the rest of the message unreadable.
pub fn without_nul(text: String) -> String {
    if text.contains('\0') { text.replace('\0', " ") } else { text }
}

/// Appends `message`. pgwire refuses only messages beyond its own size limits, which ours stay below; one that does not
/// is left out whole.
pub fn put_message(message: &impl Message, out: &mut BytesMut) {
    let start = out.len();
    if let Err(error) = message.encode(out) {
        tracing::error!(%error, "message is too long for the protocol and was not sent");
        out.truncate(start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_severity_code_and_message() {
        let mut out = BytesMut::new();
        Error::UndefinedStatement { name: "a\0b".into() }.put(&mut out);
        assert_eq!(&out[..], b"E\0\0\0\x43SERROR\0VERROR\0C26000\0Mprepared statement \"a b\" does not exist\0\0".as_slice());
    }

    #[test]
    fn the_unnamed_statement_has_no_name_in_its_error() {
        let error = Error::UndefinedStatement { name: String::new() };
        assert_eq!((error.to_string().as_str(), error.code()), ("unnamed prepared statement does not exist", "26000"));
    }
}
