//! Casts of the types that the engine knows less well than PostgreSQL: bytes as text, times without seconds, text of a
//! declared length.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    CharacterLength, DataType, Expr, Statement, Value, ValueWithSpan, VisitMut, VisitorMut,
};

use super::build::{call, number};
use crate::bytea::parse_bytea;
use crate::error::{Error, Result};
use crate::sql_state::SqlState;

/// Rewrites casts and typed literals in place. The error is that of a literal that no type accepts.
pub(super) fn rewrite_casts(statement: &mut Statement) -> Result<()> {
    match statement.visit(&mut RewriteCasts) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct RewriteCasts;

impl VisitorMut for RewriteCasts {
    type Break = Error;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        match rewrite(expr) {
            Ok(Some(rewritten)) => *expr = rewritten,
            Ok(None) => {}
            Err(error) => return ControlFlow::Break(error),
        }
        ControlFlow::Continue(())
    }
}

/// What to put in an expression's place; some literals change where they stand.
fn rewrite(expr: &mut Expr) -> Result<Option<Expr>> {
    let (data_type, literal) = match expr {
        Expr::TypedString(typed) => (&typed.data_type, Some(&mut typed.value)),
        Expr::Cast { expr, data_type, .. } => match expr.as_mut() {
            Expr::Value(value) => (&*data_type, Some(value)),
            _ => (&*data_type, None),
        },
        _ => return Ok(None),
    };
    let text = literal.and_then(|ValueWithSpan { value, .. }| match value {
        Value::SingleQuotedString(text) => Some(text),
        _ => None,
    });
    match (data_type, text) {
        (DataType::Bytea, Some(text)) => {
            let Some(bytes) = parse_bytea(text) else { return Err(invalid_bytea(text)) };
            let hex: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
            Ok(Some(Expr::value(Value::HexStringLiteral(hex))))
        }
        (DataType::Timestamp(..), Some(text)) => {
            if let Some(complete) = with_seconds(text) {
                *text = complete;
            }
            Ok(None)
        }
        (
            DataType::Varchar(Some(length)) | DataType::CharacterVarying(Some(length)) | DataType::CharVarying(Some(length)),
            _,
        ) => Ok(characters(length).map(|length| call("left", vec![as_text(expr), number(length)]))),
        (DataType::Char(length) | DataType::Character(length), _) => {
            let length = length.as_ref().map_or(Some(1), characters);
            Ok(length.map(|length| call("rpad", vec![call("left", vec![as_text(expr), number(length)]), number(length)])))
        }
        _ => Ok(None),
    }
}

/// A cast or a typed literal whose type has no length.
fn as_text(expr: &Expr) -> Expr {
    let mut text = expr.clone();
    match &mut text {
        Expr::Cast { data_type, .. } => *data_type = DataType::Text,
        Expr::TypedString(typed) => typed.data_type = DataType::Text,
        _ => {}
    }
    text
}

fn invalid_bytea(text: &str) -> Error {
    let (sql_state, message) = match text.starts_with("\\x") {
        true => (SqlState::INVALID_PARAMETER_VALUE, format!("invalid hexadecimal data: \"{text}\"")),
        false => (SqlState::INVALID_TEXT_REPRESENTATION, format!("invalid input syntax for type bytea: \"{text}\"")),
    };
    Error::Classified {
        sql_state,
        message,
        detail: None,
        hint: None,
        position: None,
    }
}

/// The number of characters a type declares.
fn characters(length: &CharacterLength) -> Option<u64> {
    match length {
        CharacterLength::IntegerLength { length, .. } => Some(*length),
        CharacterLength::Max => None,
    }
}

/// `2024-02-01 12:00` and the like with seconds, which the engine wants; `None` for other texts.
fn with_seconds(text: &str) -> Option<String> {
    let text = text.trim();
    let (date, time) = text.split_once([' ', 'T'])?;
    let is_date = date.len() == 10 && date.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let (hour, rest) = time.split_once(':')?;
    let (minute, zone) = rest.split_at_checked(2)?;
    let is_number = |text: &str| !text.is_empty() && text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_date || !is_number(hour) || !is_number(minute) || zone.trim_start().starts_with([':', '.']) {
        return None;
    }
    Some(format!("{date} {hour:0>2}:{minute}:00{}", zone.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::with_seconds;

    #[test]
    fn seconds_are_added_where_they_are_missing() {
        for (text, expected) in [
            ("2024-02-01 12:00", Some("2024-02-01 12:00:00")),
            ("2024-02-01T9:05", Some("2024-02-01 09:05:00")),
            ("2024-02-01 12:00+02", Some("2024-02-01 12:00:00+02")),
            ("2024-02-01 12:00:01", None),
            ("2024-02-01", None),
            ("noon", None),
        ] {
            assert_eq!(with_seconds(text).as_deref(), expected, "{text}");
        }
    }
}
