//! Turns what went wrong into a gRPC status. The only place that does.

use sql::SqlState;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

/// Bytes of text in a status. It travels in a header: Java's clients refuse more than 8 KB of headers, and every byte
/// that is not ASCII takes three.
const MESSAGE_BYTES_MAX: usize = 2_000;
/// The trailer that carries the SQLSTATE, for programs.
const SQL_STATE_KEY: &str = "x-arbalest-sqlstate";

/// The status that tells a client about a failed statement: message, SQLSTATE, position, detail and hint.
pub(super) fn status(error: &sql::Error) -> Status {
    let sql_state = error.sql_state();
    let code = code(error);
    let mut message = format!("{error} (SQLSTATE {})", sql_state.code());
    if let Some(position) = error.position() {
        message.push_str(&format!(" at character {position}"));
    }
    if let Some(detail) = error.detail() {
        message.push_str(&format!("\nDETAIL: {detail}"));
    }
    if let Some(hint) = error.hint() {
        message.push_str(&format!("\nHINT: {hint}"));
    }
    let mut status = Status::new(code, bounded(message));
    if let Ok(value) = MetadataValue::try_from(sql_state.code()) {
        status.metadata_mut().insert(SQL_STATE_KEY, value);
    }
    status
}

/// What the client sent cannot be meant.
pub(super) fn invalid(message: impl Into<String>) -> Status {
    Status::invalid_argument(bounded(message.into()))
}

/// There is no such handle, ticket or object.
pub(super) fn not_found(message: impl Into<String>) -> Status {
    Status::not_found(bounded(message.into()))
}

/// A part of the protocol that this server does not have.
pub(super) fn unsupported(message: impl Into<String>) -> Status {
    Status::unimplemented(bounded(message.into()))
}

/// Something is wrong with this server, not with the request.
pub(super) fn internal(message: impl Into<String>) -> Status {
    let message = message.into();
    tracing::error!(message, "internal error in the Flight SQL front end");
    Status::internal(bounded(message))
}

/// A limit of this server is reached.
pub(super) fn exhausted(message: impl Into<String>) -> Status {
    Status::resource_exhausted(bounded(message.into()))
}

/// The answer to whoever reads a result that somebody cancelled.
pub(super) fn cancelled() -> Status {
    Status::cancelled("canceling statement due to user request (SQLSTATE 57014)")
}

fn code(error: &sql::Error) -> Code {
    if matches!(error, sql::Error::StatementTimeout) {
        return Code::DeadlineExceeded;
    }
    let sql_state = error.sql_state();
    match sql_state {
        SqlState::QUERY_CANCELED => return Code::Cancelled,
        SqlState::UNDEFINED_TABLE | SqlState::INVALID_CATALOG_NAME | SqlState::INVALID_SCHEMA_NAME => {
            return Code::NotFound;
        }
        _ => {}
    }
    match sql_state.code() {
        "42501" => return Code::PermissionDenied,
        "42P06" | "42P07" | "23505" => return Code::AlreadyExists,
        _ => {}
    }
    match sql_state.code().get(..2).unwrap_or_default() {
        "0A" => Code::Unimplemented,
        "08" => Code::Unavailable,
        "28" => Code::Unauthenticated,
        "40" => Code::Aborted,
        // 54: the statement is too complex or too large; clients that see RESOURCE_EXHAUSTED may try again, in vain.
        "54" => Code::InvalidArgument,
        "53" => Code::ResourceExhausted,
        "57" => Code::Unavailable,
        "58" | "XX" => Code::Internal,
        // Everything else is about the statement, its data or the state of its session. FAILED_PRECONDITION would suit
        // some, but ADBC reports that as an unknown error.
        _ => Code::InvalidArgument,
    }
}

fn bounded(mut message: String) -> String {
    if message.len() > MESSAGE_BYTES_MAX {
        let end = (0..=MESSAGE_BYTES_MAX - 3).rev().find(|&end| message.is_char_boundary(end)).unwrap_or(0);
        message.truncate(end);
        message.push_str("...");
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_are_cut_between_characters() {
        let status = invalid("é".repeat(3_000));
        assert!(status.message().len() <= MESSAGE_BYTES_MAX);
        assert!(status.message().ends_with("é..."));
    }

    #[test]
    fn a_status_says_all_that_is_known() {
        let error = sql::Error::UndefinedTable { name: "nation".into(), nearest: Some("\"nations\"".into()), position: Some(15) };
        let status = status(&error);
        assert_eq!(status.code(), Code::NotFound);
        assert_eq!(
            status.message(),
            "relation \"nation\" does not exist (SQLSTATE 42P01) at character 15\nHINT: Perhaps you meant the table \"nations\"."
        );
        assert_eq!(status.metadata().get(SQL_STATE_KEY).map(|value| value.as_bytes()), Some(&b"42P01"[..]));
    }

    #[test]
    fn codes_follow_the_class() {
        assert_eq!(status(&sql::Error::QueryCanceled).code(), Code::Cancelled);
        assert_eq!(status(&sql::Error::StatementTimeout).code(), Code::DeadlineExceeded);
        assert_eq!(status(&sql::Error::unsupported("DROP CAST")).code(), Code::Unimplemented);
        assert_eq!(status(&sql::Error::TooDeep { depth_max: 9 }).code(), Code::InvalidArgument);
    }
}
