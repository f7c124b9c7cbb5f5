//! Parameters in the binary forms of their types.

use bytes::Buf;
use sql::ScalarValue;

use super::{array, interval, numeric, utf8};
use crate::postgres::error::Error;
use crate::postgres::types::{
    self, BOOL, BPCHAR, BYTEA, CHAR, CID, DATE, FLOAT4, FLOAT8, INT2, INT4, INT8, INTERVAL, JSON, JSONB, NAME, NUMERIC,
    OID, TEXT, TIME, TIMESTAMP, TIMESTAMPTZ, UNKNOWN, UUID, VARCHAR, XID,
};

/// Days and microseconds from 1970 to 2000, where PostgreSQL's binary dates start.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// The version byte that starts a binary jsonb.
const JSONB_VERSION: u8 = 1;

pub fn parse(oid: u32, bytes: &[u8], number: usize) -> Result<ScalarValue, Error> {
    let invalid = || Error::InvalidBinary { number };
    if types::element_of_array(oid).is_some() {
        return array::parse_binary(oid, bytes, number);
    }
    let value = match types::by_oid(oid) {
        Some(&BOOL) => {
            let [byte] = fixed(bytes, number)?;
            ScalarValue::Boolean(Some(byte != 0))
        }
        Some(&INT2) => ScalarValue::Int16(Some(i16::from_be_bytes(fixed(bytes, number)?))),
        Some(&INT4) => ScalarValue::Int32(Some(i32::from_be_bytes(fixed(bytes, number)?))),
        Some(&INT8) => ScalarValue::Int64(Some(i64::from_be_bytes(fixed(bytes, number)?))),
        Some(&OID | &XID | &CID) => ScalarValue::Int64(Some(u32::from_be_bytes(fixed(bytes, number)?).into())),
        Some(&FLOAT4) => ScalarValue::Float32(Some(f32::from_be_bytes(fixed(bytes, number)?))),
        Some(&FLOAT8) => ScalarValue::Float64(Some(f64::from_be_bytes(fixed(bytes, number)?))),
        Some(&NUMERIC) => numeric::parse_binary(bytes, number)?,
        Some(&BYTEA) => ScalarValue::Binary(Some(bytes.to_vec())),
        Some(&UUID) => {
            let uuid = uuid::Uuid::from_bytes(fixed(bytes, number)?);
            ScalarValue::Utf8(Some(uuid.to_string()))
        }
        Some(&DATE) => ScalarValue::Date32(Some(date(bytes, number)?)),
        Some(&TIME) => ScalarValue::Time64Microsecond(Some(i64::from_be_bytes(fixed(bytes, number)?))),
        Some(&TIMESTAMP) => ScalarValue::TimestampMicrosecond(Some(timestamp(bytes, number)?), None),
        Some(&TIMESTAMPTZ) => ScalarValue::TimestampMicrosecond(Some(timestamp(bytes, number)?), Some("UTC".into())),
        Some(&INTERVAL) => {
            let mut parts: &[u8] = &fixed::<16>(bytes, number)?;
            let (micros, days, months) = (parts.get_i64(), parts.get_i32(), parts.get_i32());
            ScalarValue::IntervalMonthDayNano(Some(interval::from_parts(months, days, micros)?))
        }
        Some(&JSONB) => match bytes {
            [JSONB_VERSION, text @ ..] => ScalarValue::Utf8(Some(utf8(text)?.to_owned())),
            _ => return Err(invalid()),
        },
        Some(&CHAR | &NAME | &TEXT | &BPCHAR | &VARCHAR | &JSON | &UNKNOWN) => {
            ScalarValue::Utf8(Some(utf8(bytes)?.to_owned()))
        }
        _ => return Err(Error::Unsupported { feature: format!("a binary parameter of the type with OID {oid}") }),
    };
    Ok(value)
}

/// All of `bytes`, which must be as many as the type has.
fn fixed<const N: usize>(bytes: &[u8], number: usize) -> Result<[u8; N], Error> {
    bytes.try_into().map_err(|_| match bytes.len() < N {
        true => Error::protocol_violation("insufficient data left in message"),
        false => Error::InvalidBinary { number },
    })
}

fn date(bytes: &[u8], number: usize) -> Result<i32, Error> {
    let days = i32::from_be_bytes(fixed(bytes, number)?);
    match days {
        i32::MIN | i32::MAX => Err(Error::Unsupported { feature: "infinity as a date".into() }),
        days => days.checked_add(EPOCH_DAYS).ok_or(Error::Value(crate::postgres::to_wire::ValueError::DateOutOfRange)),
    }
}

fn timestamp(bytes: &[u8], number: usize) -> Result<i64, Error> {
    let micros = i64::from_be_bytes(fixed(bytes, number)?);
    match micros {
        i64::MIN | i64::MAX => Err(Error::Unsupported { feature: "infinity as a timestamp".into() }),
        micros => micros
            .checked_add(EPOCH_MICROS)
            .ok_or(Error::Value(crate::postgres::to_wire::ValueError::TimestampOutOfRange)),
    }
}
