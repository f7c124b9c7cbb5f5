//! Parameters as text, in the spellings PostgreSQL's input functions take.

use sql::ScalarValue;

use super::{array, datetime, interval, invalid_text, numeric, sql_name};
use crate::postgres::error::Error;
use crate::postgres::to_wire::TimeZone;
use crate::postgres::types::{
    self, BOOL, BYTEA, CID, DATE, FLOAT4, FLOAT8, INT2, INT4, INT8, INTERVAL, NUMERIC, OID, TIME, TIMESTAMP, TIMESTAMPTZ,
    UUID, XID,
};

pub fn parse(oid: u32, text: &str, time_zone: TimeZone) -> Result<ScalarValue, Error> {
    if let Some(element) = types::element_of_array(oid) {
        return array::parse_text(oid, element, text, time_zone);
    }
    let value = match types::by_oid(oid) {
        Some(&BOOL) => ScalarValue::Boolean(Some(boolean(text).ok_or_else(|| invalid_text(oid, text))?)),
        Some(&INT2) => ScalarValue::Int16(Some(integer(oid, text, i16::MIN.into(), i16::MAX.into())? as i16)),
        Some(&INT4) => ScalarValue::Int32(Some(integer(oid, text, i32::MIN.into(), i32::MAX.into())? as i32)),
        Some(&INT8) => ScalarValue::Int64(Some(integer(oid, text, i64::MIN, i64::MAX)?)),
        Some(&OID | &XID | &CID) => ScalarValue::Int64(Some(integer(oid, text, 0, u32::MAX.into())?)),
        Some(&FLOAT4) => ScalarValue::Float32(Some(float4(oid, text)?)),
        Some(&FLOAT8) => ScalarValue::Float64(Some(float8(oid, text)?)),
        Some(&NUMERIC) => numeric::parse_text(text)?,
        Some(&BYTEA) => ScalarValue::Binary(Some(sql::bytea::parse_bytea(text).ok_or_else(|| invalid_text(oid, text))?)),
        Some(&UUID) => {
            let uuid = uuid::Uuid::try_parse(text.trim()).map_err(|_| invalid_text(oid, text))?;
            ScalarValue::Utf8(Some(uuid.to_string()))
        }
        Some(&DATE) => ScalarValue::Date32(Some(datetime::date(text)?)),
        Some(&TIME) => ScalarValue::Time64Microsecond(Some(datetime::time(text)?)),
        Some(&TIMESTAMP) => ScalarValue::TimestampMicrosecond(Some(datetime::timestamp(text)?), None),
        Some(&TIMESTAMPTZ) => {
            ScalarValue::TimestampMicrosecond(Some(datetime::timestamptz(text, time_zone)?), Some("UTC".into()))
        }
        Some(&INTERVAL) => ScalarValue::IntervalMonthDayNano(Some(interval::parse_text(text)?)),
        // Text, its relatives, and types we do not know, which the statement may cast.
        _ => ScalarValue::Utf8(Some(text.to_owned())),
    };
    Ok(value)
}

/// `t`, `true`, `y`, `yes`, `on`, `1` and their opposites; unambiguous beginnings of the words too.
fn boolean(text: &str) -> Option<bool> {
    let word = text.trim().to_ascii_lowercase();
    let begins = |full: &str, length_min: usize| word.len() >= length_min && full.starts_with(&word);
    if begins("true", 1) || begins("yes", 1) || word == "on" || word == "1" {
        Some(true)
    } else if begins("false", 1) || begins("no", 1) || begins("off", 2) || word == "0" {
        Some(false)
    } else {
        None
    }
}

fn integer(oid: u32, text: &str, min: i64, max: i64) -> Result<i64, Error> {
    let trimmed = text.trim();
    let digits = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(invalid_text(oid, text));
    }
    let value = trimmed.parse::<i64>().ok().filter(|value| (min..=max).contains(value));
    value.ok_or_else(|| Error::OutOfRange { pg_type: sql_name(oid), text: trimmed.to_owned() })
}

fn float8(oid: u32, text: &str) -> Result<f64, Error> {
    let value: f64 = text.trim().parse().map_err(|_| invalid_text(oid, text))?;
    // Rust reads 1e400 as infinity; PostgreSQL does not.
    check_float(value.is_infinite(), value == 0.0, oid, text).map(|()| value)
}

fn float4(oid: u32, text: &str) -> Result<f32, Error> {
    let value: f32 = text.trim().parse().map_err(|_| invalid_text(oid, text))?;
    check_float(value.is_infinite(), value == 0.0, oid, text).map(|()| value)
}

fn check_float(is_infinite: bool, is_zero: bool, oid: u32, text: &str) -> Result<(), Error> {
    let mantissa = text.split(['e', 'E']).next().unwrap_or(text);
    let overflowed = is_infinite && text.contains(|c: char| c.is_ascii_digit());
    let underflowed = is_zero && mantissa.contains(|c: char| matches!(c, '1'..='9'));
    if overflowed || underflowed {
        return Err(Error::OutOfRange { pg_type: sql_name(oid), text: text.trim().to_owned() });
    }
    Ok(())
}
