//! Wire → Arrow: parameters, as text or in their type's binary form, become scalar values.

mod array;
mod binary;
mod datetime;
mod interval;
mod numeric;
mod text;

use arrow::datatypes::DataType;
use sql::ScalarValue;

use super::error::Error;
use super::to_wire::{Format, TimeZone};
use super::types;

/// A parameter of the type `oid`. `number` counts from 1; `time_zone` is where a timestamp without a zone is, when its
/// type has one. The value has the natural Arrow type of `oid`; the session casts it to the type inferred.
pub fn parameter(
    oid: u32,
    format: Format,
    value: Option<&[u8]>,
    number: usize,
    time_zone: TimeZone,
) -> Result<ScalarValue, Error> {
    let Some(value) = value else { return Ok(null(oid)) };
    match format {
        Format::Text => text::parse(oid, utf8(value)?, time_zone),
        Format::Binary => binary::parse(oid, value, number),
    }
}

/// NULL of the type `oid`.
fn null(oid: u32) -> ScalarValue {
    let data_type = types::parameter_type(oid).unwrap_or(DataType::Utf8);
    // Every type of `parameter_type` has a NULL.
    ScalarValue::try_from(&data_type).unwrap_or(ScalarValue::Null)
}

fn utf8(bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes)
        .map_err(|error| Error::InvalidUtf8 { byte: bytes.get(error.valid_up_to()).copied().unwrap_or(0) })
}

/// The name of a type in error messages.
fn sql_name(oid: u32) -> &'static str {
    match types::by_oid(oid) {
        Some(&types::BOOL) => "boolean",
        Some(&types::INT2) => "smallint",
        Some(&types::INT4) => "integer",
        Some(&types::INT8) => "bigint",
        Some(&types::FLOAT4) => "real",
        Some(&types::FLOAT8) => "double precision",
        Some(&types::TIMESTAMPTZ) => "timestamp with time zone",
        Some(pg_type) => pg_type.name,
        None => "unknown",
    }
}

fn invalid_text(oid: u32, text: &str) -> Error {
    Error::InvalidText { pg_type: sql_name(oid), text: text.to_owned() }
}

#[cfg(test)]
mod tests;
